"""Global style tokens: what a reference recording sounds like, as one vector.

Mirrors `espnet2.tts.gst.style_encoder.StyleEncoder`.
Shapes: B utterances, T frames, F features, C channels, D width of a style, H units, N heads,
G tokens, K width of a head.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .linear import Affine, check_plain
from .masks import valid_frames
from .recurrent import Recurrent

__all__ = ["ReferenceEncoder", "StyleEncoder", "StyleTokens"]


class StyleEncoder(nn.Module):
    """`StyleEncoder.forward`, where padding of a ragged batch is not heard.

    It has a `Recurrent`, so it computes only inside an exported graph.
    """

    if TYPE_CHECKING:

        def __call__(self, speech: Tensor, lengths: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.reference = ReferenceEncoder(live.ref_enc)
        self.tokens = StyleTokens(live.stl)

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, F) features of reference recordings and (B,) frames -> styles (B, D)."""
        return self.tokens(self.reference(speech, lengths))


class ReferenceEncoder(nn.Module):
    """Strided convolutions over the feature plane, then a GRU whose last state counts."""

    if TYPE_CHECKING:

        def __call__(self, speech: Tensor, lengths: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.convs = nn.ModuleList(m for m in live.convs if isinstance(m, nn.Conv2d))
        self.norms = nn.ModuleList(m for m in live.convs if isinstance(m, nn.BatchNorm2d))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            check_plain(conv, nn.Conv2d)
            check_plain(norm, nn.BatchNorm2d)
        self.kernel, self.stride, self.padding = live.kernel_size, live.stride, live.padding
        self.gru = Recurrent(live.gru)

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, F) and (B,) -> (B, H)."""
        planes = speech[:, None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            # A single utterance has zeros behind its end, whatever the layer before made of them.
            valid = valid_frames(lengths, planes.shape[2])[:, None, :, None]
            planes = torch.relu(norm(conv(planes * valid)))
            lengths = (lengths + 2 * self.padding - self.kernel) // self.stride + 1
        out = self.gru(planes.transpose(1, 2).flatten(2), lengths)
        last = (lengths - 1)[:, None, None].expand(-1, 1, out.shape[2])
        return out.gather(1, last)[:, 0]


class StyleTokens(nn.Module):
    """`StyleTokenLayer`: attention from the reference to the tokens.

    The tokens are weights, so their keys and values are computed once, here.
    """

    key: Tensor
    value: Tensor

    if TYPE_CHECKING:

        def __call__(self, reference: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        attention = live.mha
        self.heads, self.scale = int(attention.h), 1 / math.sqrt(attention.d_k)
        self.query, self.out = Affine.of(attention.linear_q), Affine.of(attention.linear_out)
        with torch.no_grad():
            tokens = torch.tanh(live.gst_embs)
            key, value = attention.linear_k(tokens), attention.linear_v(tokens)
        self.register_buffer("key", self._heads(key[None]).transpose(2, 3), persistent=False)
        self.register_buffer("value", self._heads(value[None]), persistent=False)

    def forward(self, reference: Tensor) -> Tensor:
        """(B, H) -> (B, D)."""
        query = self._heads(self.query(reference[:, None])) * self.scale
        context = torch.softmax(query @ self.key, -1) @ self.value
        return self.out(context.transpose(1, 2).flatten(2))[:, 0]

    def _heads(self, x: Tensor) -> Tensor:
        """(B, G, N K) -> (B, N, G, K)."""
        heads: Tensor = x.unflatten(2, (self.heads, -1))
        return heads.transpose(1, 2)
