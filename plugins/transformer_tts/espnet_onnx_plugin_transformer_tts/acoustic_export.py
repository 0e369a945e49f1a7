"""The graphs of a Transformer-TTS: `encoder`, `step`, `past`, `postnet`, `style` of a reference.

Shapes: B utterances, U tokens, S cache slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import key_value_names
from espnet_onnx.layers.cross_memory import memory_axes, memory_graph, memory_names
from espnet_onnx.layers.decoder_block import CachedDecoderBlock
from espnet_onnx.layers.tts_conditions import CONDITIONS, condition_axes, style_graph
from espnet_onnx.layers.tts_postnet import postnet_graph

from .acoustic_reference import EncoderReference, PastReference, StepReference
from .encoder_graph import EncoderModule
from .input_graph import FrameInput
from .past_graph import PastFrames
from .step_graph import DecoderStep

__all__ = ["graphs"]

TOKENS = {"tokens": "tokens_lengths"}
TRIALS = ((9, 4, 13), (5,), (2,))


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs of a live `Transformer`."""
    live, config = component.module, part.config
    blocks = [CachedDecoderBlock(layer) for layer in live.decoder.decoders]
    attentions = [layer.src_attn for layer in live.decoder.decoders]
    memory = memory_graph([block.src_attn for block in blocks], attentions, TRIALS)
    enter = FrameInput(live.decoder.embed)
    found = {
        "encoder": _encoder(live, config["needs"], blocks, memory),
        "step": _step(live, enter, blocks, memory),
    }
    if config["past"]:
        found["past"] = _past(live, enter, blocks[0])
    if config["postnet"]:
        found["postnet"] = postnet_graph(live.postnet, live.odim)
    if "speech" in config["needs"]:
        found["style"] = style_graph(live.gst, live.odim)
    return found


def _encoder(
    live: Any, needs: Sequence[str], blocks: Sequence[CachedDecoderBlock], memory: eo.Graph
) -> eo.Graph:
    names = [CONDITIONS[name] for name in needs]
    reference = EncoderReference(live, names, memory)
    return eo.Graph(
        EncoderModule(live, needs, [block.src_attn for block in blocks]).eval(),
        outputs=memory_names(len(blocks)),
        axes={
            "tokens": ("batch", "tokens"),
            "tokens_lengths": ("batch",),
            **condition_axes(names),
            **memory_axes(len(blocks), frames="tokens"),
        },
        lengths=TOKENS,
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )


def _step(
    live: Any, enter: FrameInput, blocks: Sequence[CachedDecoderBlock], memory: eo.Graph
) -> eo.Graph:
    module = DecoderStep(live, enter, blocks).eval()
    reference = StepReference(live, memory, enter.sizes)
    cache = ("batch", None, "slots", None)
    return eo.Graph(
        module,
        outputs=module.output_names,
        axes={
            "memory": ("batch", "tokens", None),
            "tokens_lengths": ("batch",),
            **dict.fromkeys(("past_frame", "stops"), ("batch", None)),
            **dict.fromkeys(("kept", "frames", "said"), ("batch", None, None)),
            "drawn": ("batch", None, None, None),
            **memory_axes(len(blocks), frames="tokens"),
            **dict.fromkeys(key_value_names("past_", len(blocks)), cache),
            **dict.fromkeys(key_value_names("", len(blocks)), ("batch", None, None, None)),
        },
        lengths=TOKENS,
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
    )


def _past(live: Any, enter: FrameInput, block: CachedDecoderBlock) -> eo.Graph:
    assert enter.sizes is not None
    reference = PastReference(live, enter.sizes)
    frames, slots = ("batch", "frames", None), ("batch", None, "frames", None)
    return eo.Graph(
        PastFrames(live.decoder.decoders[0].self_attn, enter, block).eval(),
        outputs=("key_0", "value_0"),
        axes={
            "frames": frames,
            "kept": (*frames, None),
            **dict.fromkeys(("key_0", "value_0"), slots),
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        # Who asks for it wants ESPnet's own numbers.
        quantise=None,
    )
