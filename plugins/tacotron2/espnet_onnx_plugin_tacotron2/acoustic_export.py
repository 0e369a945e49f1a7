"""The graphs of a Tacotron2: `encoder`, `step`, `postnet`, and `style` where it hears a reference.

Shapes: B utterances, U tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import espnet_onnx as eo
from espnet_onnx.layers.tts_conditions import CONDITIONS, condition_axes, style_graph
from espnet_onnx.layers.tts_postnet import postnet_graph

from .acoustic_reference import EncoderReference, StepReference
from .encoder_graph import EncoderModule
from .step_graph import DecoderStep

__all__ = ["graphs"]

TOKENS = {"tokens": "tokens_lengths"}
TRIALS = ((9, 4, 14), (2,), (7,))


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs of a live `Tacotron2`."""
    live, config = component.module, part.config
    found = {"encoder": _encoder(live, config["needs"]), "step": _step(live.dec)}
    if config["postnet"]:
        found["postnet"] = postnet_graph(live.dec.postnet, live.odim, live.output_activation_fn)
    if "speech" in config["needs"]:
        found["style"] = style_graph(live.gst, live.odim)
    return found


def _encoder(live: Any, needs: Sequence[str]) -> eo.Graph:
    names = [CONDITIONS[name] for name in needs]
    reference = EncoderReference(live, names)
    per_token = ("batch", "tokens", None)
    return eo.Graph(
        EncoderModule(live, needs).eval(),
        outputs=("memory", "memory_key"),
        axes={
            "tokens": ("batch", "tokens"),
            "tokens_lengths": ("batch",),
            **condition_axes(names),
            **dict.fromkeys(("memory", "memory_key"), per_token),
        },
        lengths=TOKENS,
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )


def _step(live: Any) -> eo.Graph:
    module = DecoderStep(live).eval()
    past = module.output_names[3:]
    kept = None if module.prenet is None else module.prenet.sizes
    reference = StepReference(live, past, kept)
    per_token, state = ("batch", "tokens", None), ("batch", None)
    return eo.Graph(
        module,
        outputs=module.output_names,
        axes={
            **dict.fromkeys(("memory", "memory_key"), per_token),
            **dict.fromkeys(("tokens_lengths", "constrained"), ("batch",)),
            **dict.fromkeys(("window", "stops"), state),
            **dict.fromkeys(("kept", "frames"), ("batch", None, None)),
            "drawn": ("batch", None, None, None),
            **dict.fromkeys(("past_weights", "weights"), ("batch", "tokens")),
            **{f"{prefix}{name}": state for prefix in ("past_", "") for name in past},
        },
        lengths=TOKENS,
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )
