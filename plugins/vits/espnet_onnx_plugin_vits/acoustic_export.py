"""Graphs of acoustic model `vits`: `text`, `durations` and `flow`.

The first cut is where a caller may have durations of its own, the second where their sum says how
many frames there are.

Shapes: B utterances, U tokens, T frames, C latent channels, D width, G width of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import espnet_onnx as eo
from espnet_onnx.types import Array, Feed

from .acoustic_reference import durations_reference, flow_reference, text_reference
from .acoustic_runtime import spread
from .durations_graph import DurationModule
from .flow_graph import FlowModule
from .text_graph import TextModule

__all__ = ["graphs"]

_BATCH = ("batch",)
_TOKENS = ("batch", "tokens", None)
_CONDITION = ("batch", None)


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The three graphs of a live `VITS`."""
    generator, sizes = component.module.generator, part.config["sizes"]
    return {
        "text": _text(generator, sizes),
        "durations": _durations(generator, bool(sizes)),
        "flow": _flow(generator, bool(sizes)),
    }


def _text(generator: Any, sizes: Mapping[str, int]) -> eo.Graph:
    module = TextModule(generator, tuple(sizes)).eval()
    condition = {"condition": _CONDITION} if sizes else {}
    return eo.Graph(
        module,
        outputs=("hidden", "prior", *condition),
        axes={
            "tokens": ("batch", "tokens"),
            "lengths": _BATCH,
            **{name: _CONDITION if name == "spembs" else _BATCH for name in sizes},
            "hidden": _TOKENS,
            "prior": _TOKENS,
            **condition,
        },
        lengths={"tokens": "lengths"},
        feed=partial(_text_feed, generator.text_encoder.emb.num_embeddings, sizes),
        reference=partial(text_reference, generator, tuple(sizes)),
        trials=((39, 4, 101), (1,)),
    )


def _durations(generator: Any, conditioned: bool) -> eo.Graph:
    predictor = generator.duration_predictor
    return eo.Graph(
        DurationModule(predictor, conditioned).eval(),
        outputs=("durations",),
        axes={
            "hidden": _TOKENS,
            "lengths": _BATCH,
            "noise": ("batch", None, "tokens"),
            **({"condition": _CONDITION} if conditioned else {}),
            "durations": ("batch", "tokens"),
        },
        lengths={"tokens": "lengths"},
        feed=partial(_durations_feed, predictor.pre.in_channels, _global(predictor, conditioned)),
        reference=partial(durations_reference, predictor),
        trials=((9, 4, 13), (1,)),
        # Few weights, and an error here moves all that follows.
        quantise=None,
    )


def _flow(generator: Any, conditioned: bool) -> eo.Graph:
    channels = 2 * generator.flow.flows[0].half_channels
    width = _global(generator.duration_predictor, conditioned)
    return eo.Graph(
        FlowModule(generator.flow, conditioned).eval(),
        outputs=("latent",),
        axes={
            "prior": _TOKENS,
            "path": ("batch", "frames"),
            "lengths": _BATCH,
            "noise": ("batch", None, "frames"),
            "durations": ("batch", "tokens"),
            **({"condition": _CONDITION} if conditioned else {}),
            "latent": ("batch", "frames", None),
        },
        lengths={"frames": "lengths"},
        feed=partial(_flow_feed, channels, width),
        reference=partial(flow_reference, generator),
        trials=((23, 8, 41), (1,)),
    )


def _global(predictor: Any, conditioned: bool) -> int:
    return predictor.global_conv.in_channels if conditioned else 0


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _condition(rng: np.random.Generator, batch: int, width: int) -> dict[str, Array]:
    return {"condition": _normal(rng, batch, width)} if width else {}


def _text_feed(vocabulary: int, sizes: Mapping[str, int], lengths: Sequence[int]) -> Feed:
    """Any tokens, also behind an utterance's end, and controls by name."""
    rng, batch = np.random.default_rng([len(lengths), *lengths]), len(lengths)
    feed = {
        "tokens": rng.integers(0, vocabulary, (batch, max(lengths))),
        "lengths": np.array(lengths, np.int64),
    }
    for name, size in sizes.items():
        wide = name == "spembs"
        feed[name] = _normal(rng, batch, size) if wide else rng.integers(0, size, batch)
    return feed


def _durations_feed(width: int, condition: int, lengths: Sequence[int]) -> Feed:
    """`hidden`, `lengths`, `noise` and, where it has a width, `condition`."""
    rng, batch, longest = np.random.default_rng([3, *lengths]), len(lengths), max(lengths)
    return {
        "hidden": _normal(rng, batch, longest, width),
        "lengths": np.array(lengths, np.int64),
        "noise": 0.8 * _normal(rng, batch, 2, longest),
        **_condition(rng, batch, condition),
    }


def _flow_feed(channels: int, condition: int, lengths: Sequence[int]) -> Feed:
    """What `FlowModule` takes, and `durations`, of which its reference makes the path."""
    rng, batch, tokens = np.random.default_rng([5, *lengths]), len(lengths), 5
    durations = np.zeros((batch, tokens), np.int64)
    for row, length in zip(durations, lengths, strict=True):
        row[:] = rng.multinomial(length, [1 / tokens] * tokens)
    path, frames = spread(durations)
    return {
        "prior": 0.5 * _normal(rng, batch, tokens, 2 * channels),
        "path": path,
        "lengths": frames,
        "noise": 0.667 * _normal(rng, batch, channels, path.shape[1]),
        "durations": durations,
        **_condition(rng, batch, condition),
    }
