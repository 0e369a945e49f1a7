"""Graph of the postencoder `length_adaptor`.

Shapes: B utterances, T frames, F width in, D width out, R frames in for a frame out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.linear import Affine, check_plain
from espnet_onnx.layers.live_encoder import random_features
from espnet_onnx.layers.norm import Norm
from espnet_onnx.types import Feed

__all__ = ["LengthAdaptor", "length_adaptor_graphs"]


def length_adaptor_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `postencoder`: encoder frames in, fewer frames out."""
    live, ratio = component.module, part.config["ratio"]
    module = LengthAdaptor(live).eval()
    width = live.out_sz if live.embed is None else live.embed[0].in_features

    def feed(lengths: Sequence[int]) -> Feed:
        return random_features(lengths, width)

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            out, lengths = live(*(torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths")))
        return {"out": out.numpy(), "out_lengths": lengths.numpy()}

    graph = eo.Graph(
        module,
        outputs=("out", "out_lengths"),
        axes={
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
            "out": ("batch", "out_frames", None),
            "out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths", "out_frames": "out_lengths"},
        feed=feed,
        reference=reference,
        trials=((5 * ratio + 1, ratio, 9 * ratio + ratio // 2), (ratio,)),
        # Encoder frames a second where four feature frames make one.
        rate=25.0,
    )
    return {"postencoder": graph}


class LengthAdaptor(nn.Module):
    """`LengthAdaptorPostEncoder` over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        embed = live.embed
        self.embed = None if embed is None else nn.Sequential(Affine.of(embed[0]), Norm(embed[1]))
        convolutions = (layer for layer in live.length_adaptor if isinstance(layer, nn.Conv1d))
        self.halves = nn.ModuleList(_Half(layer) for layer in convolutions)

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T // R, D) and (B,)."""
        x = feats if self.embed is None else self.embed(feats)
        for half in self.halves:
            x = half(x)
        # Neither output may be an input of the same graph.
        return x if self.halves else x.clone(), feats_lengths // 2 ** len(self.halves)


class _Half(nn.Module):
    """A Conv1d of two frames at steps of two, and ReLU: a linear layer over pairs of frames.

    No pair joins an utterance's last whole frame to its padding: that pair is cut off.
    """

    def __init__(self, live: nn.Conv1d) -> None:
        super().__init__()
        check_plain(live, nn.Conv1d)
        weight = live.weight.detach().transpose(1, 2).flatten(1)
        self.linear = Affine(weight.contiguous(), live.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T // 2, D)."""
        pairs = x.shape[1] // 2
        out: Tensor = self.linear(x[:, : 2 * pairs].reshape(x.shape[0], pairs, 2 * x.shape[2]))
        return out.relu()
