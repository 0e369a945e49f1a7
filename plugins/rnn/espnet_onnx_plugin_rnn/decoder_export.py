"""The two graphs of a recurrent decoder (needs torch).

Shapes: B utterances, H hypotheses an utterance, T encoder frames, D encoder width, Z decoder
width, V tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.recurrent_cell import step_of

from .attention_export import Attention, MeanAttention, graph_attention
from .decoder_reference_export import DecoderReference
from .location_export import OVER_FRAMES

__all__ = ["DecoderMemory", "DecoderStep", "decoder_graphs"]

TRIALS = ((9, 3, 5), (5,), (1,), (27, 14))
FRAMES = {"encoder_frames": "encoder_out_lengths"}


class DecoderMemory(nn.Module):
    """What an utterance needs once, and the states of its empty hypothesis.

    Args:
        attention: shared with `DecoderStep`.
        units: widths of the recurrent states, in order.
    """

    def __init__(self, attention: Attention | MeanAttention, units: Sequence[int]) -> None:
        super().__init__()
        self.attention, self.units = attention, tuple(units)

    def forward(self, encoder_out: Tensor, encoder_out_lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) and (B,) -> the attention's memory, then all states with H = 1."""
        memory = self.attention.remember(encoder_out, encoder_out_lengths)
        zeros = (encoder_out.new_zeros(encoder_out.shape[0], 1, size) for size in self.units)
        return (*memory, *zeros, *self.attention.initial(encoder_out, encoder_out_lengths))


class DecoderStep(nn.Module):
    """`RNNDecoder.score` for the last token of every hypothesis.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
        states: names of what goes from step to step; `past_` stands before them in inputs.
        units: widths of the recurrent ones among them, which come first.
        depths: how many of those every cell has.
    """

    def __init__(self, decoder: Any, attention: Attention | MeanAttention) -> None:
        """`decoder` is a live `RNNDecoder`."""
        super().__init__()
        self.embed = decoder.embed
        self.attention = attention
        steps = [step_of(cell) for cell in decoder.decoder]
        self.cells = nn.ModuleList(steps)
        self.output = Affine.of(decoder.output)
        self.residual = bool(decoder.context_residual)
        self.units = [step.units for step in steps for _ in step.states]
        self.depths = [len(step.states) for step in steps]
        names = [[f"{name}_{i}" for name in step.states] for i, step in enumerate(steps)]
        self.states = [*itertools.chain.from_iterable(names), *attention.location.states]
        past = [f"past_{name}" for name in self.states]
        self.input_names = ["tokens", *attention.needs, *attention.memory, *past]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """`input_names` -> log_probs (B, H, V) and `states` after the step.

        Tokens are (B, H); recurrent states (B, H, Z); the attention's as `Location` has them.
        """
        inputs = dict(zip(self.input_names, tensors, strict=True))
        past = [inputs[f"past_{name}"] for name in self.states]
        context, looked = self.attention(past[0], inputs, past[len(self.units) :])
        x = torch.cat([self.embed(inputs["tokens"]), context], -1)
        new: list[Tensor] = []
        for cell, states in zip(self.cells, self.depths, strict=True):
            new += cell(x, past[len(new) : len(new) + states])
            x = new[-states]
        if self.residual:
            x = torch.cat([x, context], -1)
        return (torch.log_softmax(self.output(x), -1), *new, *looked)


def decoder_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """The graphs `memory` and `step` of a live `RNNDecoder`.

    Inference uses its first attention only, also where `num_att` makes more.
    """
    decoder = component.module
    attention = graph_attention(decoder.att_list[0])
    step = DecoderStep(decoder, attention).eval()
    memory = DecoderMemory(attention, step.units).eval()
    reference = DecoderReference(decoder, memory, step.states)
    return {"memory": _memory_graph(memory, step, reference), "step": _step_graph(step, reference)}


def _memory_graph(
    module: DecoderMemory, step: DecoderStep, reference: DecoderReference
) -> eo.Graph:
    past = {f"past_{name}": axes for name, axes in _state_axes(step, None).items()}
    return eo.Graph(
        module,
        outputs=[*step.attention.memory, *past],
        axes={**_encoder_axes(step), **past},
        feed=reference.memory_feed,
        reference=reference.memory,
        trials=TRIALS,
        lengths=FRAMES,
    )


def _step_graph(module: DecoderStep, reference: DecoderReference) -> eo.Graph:
    states = _state_axes(module, "beams")
    return eo.Graph(
        module,
        outputs=["log_probs", *states],
        axes={
            "tokens": ("batch", "beams"),
            "prefix": ("batch", "beams", None),
            **_encoder_axes(module),
            **{f"past_{name}": axes for name, axes in states.items()},
            "log_probs": ("batch", "beams", None),
            **states,
        },
        feed=reference.step_feed,
        reference=reference.step,
        trials=TRIALS,
        lengths=FRAMES,
    )


def _state_axes(step: DecoderStep, beams: str | None) -> dict[str, Sequence[str | None]]:
    over_frames = ("batch", beams, None, "encoder_frames")
    return {
        name: over_frames if name in OVER_FRAMES else ("batch", beams, None) for name in step.states
    }


def _encoder_axes(step: DecoderStep) -> dict[str, Sequence[str | None]]:
    heads = ("batch", None, "encoder_frames", None)
    axes: dict[str, Sequence[str | None]] = dict.fromkeys(step.attention.memory, heads)
    if "memory_context" in axes:
        axes["memory_context"] = ("batch", None, None)
    return {
        "encoder_out": ("batch", "encoder_frames", None),
        "encoder_out_lengths": ("batch",),
        **axes,
    }
