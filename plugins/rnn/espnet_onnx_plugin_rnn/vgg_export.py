"""The graph of ESPnet's `vgg_rnn` encoder.

Shapes: B utterances, T frames, F features, C channels, W features a channel, D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import check_plain
from espnet_onnx.layers.masks import valid_frames

from .encoder_export import encoder_graph, recurrent_stack

__all__ = ["VGGModule", "vgg_graph"]


class VGG(nn.Module):
    """`VGG2L`: twice two convolutions and a halving of both axes.

    What stands behind an utterance's end is zeroed in front of every convolution, which sees
    zeros there when the utterance is alone. Zeros change no maximum: everything is positive.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        names = (("conv1_1", "conv1_2"), ("conv2_1", "conv2_2"))
        convs = [[getattr(live, name) for name in pair] for pair in names]
        for conv in (*convs[0], *convs[1]):
            check_plain(conv, nn.Conv2d)
        self.pairs = nn.ModuleList(nn.ModuleList(pair) for pair in convs)
        self.channels = int(live.in_channel)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and lengths (B,) -> (B, T', D) and lengths, T' = T / 4 rounded up twice."""
        x = x.unflatten(2, (self.channels, -1)).transpose(1, 2)
        for pair in self.pairs:
            valid = valid_frames(lengths, x.shape[2])[:, None, :, None].float()
            x = x * valid
            for conv in pair:  # type: ignore[attr-defined]
                x = F.relu(F.conv2d(x, conv.weight, conv.bias, padding=1)) * valid
            x = F.max_pool2d(x, 2, stride=2, ceil_mode=True)
            lengths = (lengths + 1) // 2
        return x.transpose(1, 2).flatten(2), lengths


class VGGModule(nn.Module):
    """`VGGRNNEncoder` over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        vgg, stack = live.enc
        self.vgg, self.stack = VGG(vgg), recurrent_stack(stack)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T', D) and (B,)."""
        out, lengths = self.stack(*self.vgg(feats, feats_lengths))
        return out, lengths


def vgg_graph(component: eo.Component, part: eo.Part) -> eo.Graph:
    """The graph of a live `VGGRNNEncoder`.

    Raises:
        ModelError: `given` lacks `input_size`, which the weights do not tell.
    """
    size = component.given.get("input_size")
    if not size:
        raise ModelError(
            "encoder vgg_rnn: its input_size is unknown: export the whole model, "
            "or give the number of features per frame"
        )
    return encoder_graph(component, part, VGGModule(component.module), int(size))
