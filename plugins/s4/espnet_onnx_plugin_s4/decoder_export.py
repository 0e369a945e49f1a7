"""The two graphs of an S4 decoder (needs torch).

Shapes: B utterances, H hypotheses an utterance, P states an utterance carries, T encoder frames,
D width, N real numbers of a state, G heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.cached_attention import Affine, frame_bias
from espnet_onnx.layers.cross_memory import FRAMES, memory_axes, memory_graph, memory_names

from .block_export import Around, LinearActivation, RecurrentLayer, cross_attention, norm
from .decoder_reference import StepReference, layers_of

__all__ = ["S4Step", "decoder_graphs"]

TRIALS = ((9, 3, 5), (5,), (1,), (27, 14))


class S4Step(nn.Module):
    """`SequenceModel.step` and what `S4Decoder.batch_score` has around it.

    Args:
        decoder: a live `S4Decoder`.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
        outputs: the graph's outputs.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        live = list(decoder.decoder.layers)
        self.embed, self.output_layer = decoder.embed, Affine(decoder.output)
        self.norm = norm(decoder.decoder.norm)
        self.arounds = nn.ModuleList(Around(block) for block in live)
        self.layers = nn.ModuleList(_layer(block.layer) for block in live)
        states = [f"{i}" for i, x in enumerate(self.layers) if isinstance(x, RecurrentLayer)]
        carried = [f"{what}_{i}" for what in ("state", "input") for i in states]
        memory = memory_names(len(layers_of(decoder, "MultiHeadedAttention")))
        names = ["tokens", "sources", "encoder_out_lengths", *memory]
        self.input_names = [*names, *(f"past_{name}" for name in carried)]
        self.outputs = ["log_probs", *carried]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: tokens (B, H), sources (B, H), encoder_out_lengths (B,); for every `mha` keys
                (B, G, K, T) and values (B, G, T, K); for every `s4` a state (B, P, D, N), then for
                every `s4` its last input (B, P, D).

        Returns:
            log_probs (B, H, V); for every `s4` its states, moved on; for every `s4` what the
            hypotheses say to it (B, H, D).
        """
        named = dict(zip(self.input_names, tensors, strict=True))
        tokens, sources = named["tokens"], named["sources"]
        memory = iter(named[name] for name in self.input_names if name.startswith("memory_"))
        bias = frame_bias(named["encoder_out_lengths"], named["memory_key_0"].shape[3])
        x = self.embed(tokens).flatten(0, 1)
        new: dict[str, Tensor] = {}
        for i, (around, layer) in enumerate(zip(self.arounds, self.layers, strict=True)):
            y = around.enter(x)  # type: ignore[operator]
            if isinstance(layer, RecurrentLayer):
                u = y.view(*tokens.shape, -1)
                past = (named[f"past_state_{i}"], named[f"past_input_{i}"])
                y, new[f"state_{i}"] = layer(u, *past, sources)
                new[f"input_{i}"] = u
            elif isinstance(layer, nn.Sequential):
                y = layer(y)
            else:
                y = layer(y, next(memory), next(memory), bias)
            x = around.leave(x, y)  # type: ignore[operator]
        scores = self.output_layer(self.norm(x)).view(*tokens.shape, -1)
        return (torch.log_softmax(scores, -1), *(new[name] for name in self.outputs[1:]))


def _layer(live: Any) -> nn.Module:
    """The graph form of a layer of espnet2.asr.state_spaces.registry."""
    name = type(live).__name__
    if name == "S4":
        return RecurrentLayer(live)
    if name == "FF":
        first, _, last = live.ff  # a dropout between them
        return nn.Sequential(LinearActivation(first), LinearActivation(last))
    return cross_attention(live)


def decoder_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graphs `memory` and `step` of a live `S4Decoder`."""
    decoder = component.module
    live = layers_of(decoder, "MultiHeadedAttention")
    memory = memory_graph([cross_attention(attention) for attention in live], live, TRIALS)
    step = S4Step(decoder).eval()
    return {"memory": memory, "step": _step_graph(step, len(live), StepReference(decoder, memory))}


def _step_graph(module: S4Step, attentions: int, reference: StepReference) -> eo.Graph:
    carried = module.outputs[1:]
    state, said = ("batch", "carried", None, None), ("batch", "carried", None)
    return eo.Graph(
        module,
        outputs=module.outputs,
        axes={
            "tokens": ("batch", "beams"),
            "sources": ("batch", "beams"),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "prefix": ("batch", "carried", None),
            **memory_axes(attentions),
            **{f"past_{name}": state if name[0] == "s" else said for name in carried},
            "log_probs": ("batch", "beams", None),
            **{name: state if name[0] == "s" else ("batch", "beams", None) for name in carried},
        },
        feed=reference.feed,
        reference=reference,
        trials=TRIALS,
        lengths=FRAMES,
    )
