"""Graph of slu's `transformer` and `conformer` post-encoders.

Shapes: B utterances, T frames, F width in, D width out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.layers.attention import SelfAttention
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.legacy_positions import LegacyPositions
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.positions import AbsolutePositions, NoPositions, RelativePositions
from espnet_onnx.layers.rel_attention import LegacyRelAttention, RelAttention
from espnet_onnx.types import Feed

__all__ = ["PostEncoderModule", "postencoder_graphs"]

TRIALS = ((25, 7, 40), (1,))
# Encoder frames a second where four feature frames make one.
RATE = 25.0
# Positions in the table of a freshly built model, which the old relative kind counts from.
TABLE = 5000

ATTENTIONS: Mapping[str, type[SelfAttention]] = {
    "MultiHeadedAttention": SelfAttention,
    "RelPositionMultiHeadedAttention": RelAttention,
    "LegacyRelPositionMultiHeadedAttention": LegacyRelAttention,
}
POSITIONS: Mapping[str, Any] = {
    "PositionalEncoding": lambda live: AbsolutePositions(live.d_model),
    "ScaledPositionalEncoding": lambda live: AbsolutePositions(live.d_model, live.alpha),
    "RelPositionalEncoding": lambda live: RelativePositions(live.d_model),
    "LegacyRelPositionalEncoding": lambda live: LegacyPositions(live.d_model, TABLE),
}


def postencoder_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """One graph, `postencoder`: frames and lengths in, frames and lengths out.

    Args:
        component: with a live post-encoder.
    """
    live = component.module
    first = next(iter(live.embed or ()), None)
    width = first.in_features if isinstance(first, nn.Linear) else live.output_size()
    axes = ("batch", "frames", None)
    graph = eo.Graph(
        PostEncoderModule(live).eval(),
        outputs=("out", "out_lengths"),
        axes={
            "feats": axes,
            "feats_lengths": ("batch",),
            "out": axes,
            "out_lengths": ("batch",),
        },
        lengths={"frames": "feats_lengths"},
        feed=_Feeds(width),
        reference=_Reference(live),
        trials=TRIALS,
        rate=RATE,
    )
    return {"postencoder": graph}


class PostEncoderModule(nn.Module):
    """`TransformerPostEncoder` or `ConformerPostEncoder` over the live weights."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.before = nn.ModuleList()
        self.positions: nn.Module = NoPositions()
        for layer in live.embed or ():
            name = type(layer).__name__
            if name in POSITIONS:
                self.positions = POSITIONS[name](layer)
            elif not isinstance(layer, nn.Dropout):
                self.before.append(_plain(layer))
        self.blocks = nn.ModuleList(EncoderBlock(b, _attention(b)) for b in live.encoders)
        self.norm = Norm(live.after_norm) if live.normalize_before else None

    def forward(self, feats: Tensor, feats_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F) and (B,) -> (B, T, D) and (B,)."""
        x = feats
        for layer in self.before:
            x = layer(x)
        mask = frame_mask(feats_lengths, x.shape[1])
        x, position = self.positions(x, mask)
        for block in self.blocks:
            x = block(x, mask, position)
        # An output must not be an input of the same graph.
        return x if self.norm is None else self.norm(x), feats_lengths.clone()


def _plain(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.LayerNorm):
        return Norm(layer)
    return nn.ReLU() if isinstance(layer, nn.ReLU) else Affine.of(layer)


def _attention(block: Any) -> type[SelfAttention]:
    name = type(block.self_attn).__name__
    if name not in ATTENTIONS:
        raise ModelError(f"attention {name} has no graph: there are {', '.join(ATTENTIONS)}")
    return ATTENTIONS[name]


@attrs.frozen
class _Feeds:
    """Random inputs; what stands behind an utterance's end is as random, to show any leak."""

    width: int

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), self.width)
        feats = rng.standard_normal(shape, dtype=np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, np.int64)}


@attrs.frozen
class _Reference:
    """Calls the live post-encoder on one utterance, and leaves it as it was."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), self._unchanged():
            out, out_lengths = self.live(feats, lengths)
        return {"out": out.numpy(), "out_lengths": out_lengths.numpy()}

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        """A long utterance makes position tables grow, and attention keeps its weights."""
        modules = list(self.live.modules())
        kept = [(m, k, vars(m)[k]) for m in modules for k in ("pe", "attn") if k in vars(m)]
        for module in modules:
            if type(module).__name__ == "LegacyRelPositionalEncoding":
                module.pe = None
                module.extend_pe(torch.zeros(1, TABLE))
        try:
            yield
        finally:
            for module, key, value in kept:
                setattr(module, key, value)
