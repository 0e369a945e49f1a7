"""One transformer block (`TransformerSentenceEncoderLayer` of fairseq).

Shapes: B utterances, T frames, D width, H heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine

from .anatomy_graph import Block
from .norm_graph import norm_of
from .speech_attention_graph import SpeechAttention

__all__ = ["SpeechBlock"]


class SpeechBlock(nn.Module):
    """Attention and a feed-forward layer, each added to its input, normed before or after."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, bias: Tensor, distances: Tensor | None) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Block, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = SpeechAttention(live.attention)
        self.attention_norm = norm_of(live.attention_norm)
        self.feed_in, self.feed_out = Affine.of(live.feed_in), Affine.of(live.feed_out)
        self.final_norm = norm_of(live.final_norm)
        self.activation = activation(live.activation)
        self.adapter = None
        if live.adapter is not None:
            down, up = live.adapter
            self.adapter = nn.Sequential(Affine.of(down), nn.GELU(), Affine.of(up))

    def forward(self, x: Tensor, bias: Tensor, distances: Tensor | None) -> Tensor:
        """(B, T, D), a key bias (B, 1, 1, T) and maybe (H, T, T) -> (B, T, D)."""
        if self.norm_first:
            x = x + self.attention(self.attention_norm(x), bias, distances)
            return x + self.feed(self.final_norm(x))
        x = self.attention_norm(x + self.attention(x, bias, distances))
        out: Tensor = self.final_norm(x + self.feed(x))
        return out

    def feed(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        out: Tensor = self.feed_out(self.activation(self.feed_in(x)))
        return out if self.adapter is None else out + self.adapter(out)


def activation(name: str) -> nn.Module:
    """The activation that fairseq and transformers call so.

    Raises:
        ModelError: there is none of this name here.
    """
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"activation {name} has no graph: there are {', '.join(sorted(_ACTIVATIONS))}"
        )
    return _ACTIVATIONS[name]()


class _TanhGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_accurate": _TanhGelu,
    "gelu_fast": _TanhGelu,
    "gelu_new": _TanhGelu,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}
