"""The graph of ESPnet's `rnn` encoder, and what that of `vgg_rnn` shares with it.

Shapes: B utterances, T frames, F features, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.live_encoder import random_features
from espnet_onnx.layers.recurrent import Recurrent

from .encoder_reference import EncoderReference

__all__ = ["EncoderModule", "encoder_graph", "recurrent_stack", "rnn_graph"]


class ProjectedStack(nn.Module):
    """`RNNP`: after every layer a projection and, optionally, fewer frames.

    ESPnet applies dropout between the layers even in inference, because it calls
    `torch.nn.functional.dropout` without `training`. A graph has no such noise.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        name = "birnn" if live.bidir else "rnn"
        layers = range(live.elayers)
        self.layers = nn.ModuleList(Recurrent(getattr(live, f"{name}{i}")) for i in layers)
        self.projections = nn.ModuleList(Affine.of(getattr(live, f"bt{i}")) for i in layers)
        self.factors = [int(factor) for factor in live.subsample[1 : live.elayers + 1]]

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and lengths (B,) -> (B, T', D) and lengths."""
        last = len(self.layers) - 1
        stages = zip(self.layers, self.projections, self.factors, strict=True)
        for number, (layer, projection, factor) in enumerate(stages):
            x = layer(x, lengths)
            if factor > 1:
                # A last frame may be taken that does not count any more.
                x = x[:, ::factor][:, : (x.shape[1] + 1) // factor]
                lengths = (lengths + 1) // factor
            x = projection(x)
            if number < last:
                x = torch.tanh(x)
        return x, lengths


class PlainStack(nn.Module):
    """`RNN`: one recurrent module of several layers, then a projection with tanh."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.layers = Recurrent(live.nbrnn)
        self.projection = Affine.of(live.l_last)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and lengths (B,) -> (B, T, D) and lengths."""
        return torch.tanh(self.projection(self.layers(x, lengths))), lengths


def recurrent_stack(live: Any) -> ProjectedStack | PlainStack:
    """The graph form of a live `RNNP` or `RNN`, by its class's name.

    Raises:
        ModelError: it is neither.
    """
    kinds: dict[str, type[ProjectedStack | PlainStack]] = {
        "RNNP": ProjectedStack,
        "RNN": PlainStack,
    }
    name = type(live).__name__
    if name not in kinds:
        raise ModelError(f"recurrent encoder {name} has no graph: there are {', '.join(kinds)}")
    return kinds[name](live)


class EncoderModule(nn.Module):
    """`RNNEncoder` over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.stack = recurrent_stack(live.enc[0])

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D) and (B,)."""
        out, lengths = self.stack(feats, feats_lengths)
        # An output must not be an input of the same graph.
        return out, lengths.clone()


def rnn_graph(component: eo.Component, part: eo.Part) -> eo.Graph:
    """The graph of a live `RNNEncoder`."""
    live = component.module
    rnn = next(module for module in live.modules() if isinstance(module, nn.LSTM | nn.GRU))
    return encoder_graph(component, part, EncoderModule(live), rnn.input_size)


def encoder_graph(component: eo.Component, part: eo.Part, module: nn.Module, size: int) -> eo.Graph:
    """Features and lengths in, states and lengths out.

    Args:
        component: with a live encoder, and optionally `given["frame_rate"]`, frames per second.
        part: its claim.
        module: the graph form of the encoder.
        size: F.
    """
    return eo.Graph(
        module.eval(),
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "encoder_frames": "encoder_out_lengths"},
        feed=lambda lengths: random_features(lengths, size),
        reference=EncoderReference(component.module),
        trials=_trials(part.config["shortest"]),
        rate=float(component.given.get("frame_rate") or 100),
    )


def _trials(shortest: int) -> Sequence[Sequence[int]]:
    """Odd lengths in a ragged batch that is not sorted, and the shortest utterance alone."""
    return ((4 * shortest + 17, 2 * shortest + 3, 6 * shortest + 25), (shortest,))
