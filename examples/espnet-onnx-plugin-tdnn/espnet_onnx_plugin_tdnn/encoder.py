"""The encoder itself, as it was trained: this file would be there without espnet-onnx.

Shapes: B utterances, T frames, F features, D width, C frames that a layer sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TDNNEncoder", "TDNNLayer"]

CONTEXTS = ((-2, -1, 0, 1, 2), (-2, 0, 2), (-3, 0, 3), (0,))


class TDNNLayer(nn.Module):
    """Peddinti, Povey and Khudanpur (2015): every frame sees a few frames around it.

    Attributes:
        context: which frames, relative to its own.
    """

    def __init__(self, size_in: int, size_out: int, context: Sequence[int]) -> None:
        super().__init__()
        self.context = tuple(context)
        self.linear = nn.Linear(size_in * len(context), size_out)
        self.norm = nn.LayerNorm(size_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D'); beyond either end there are zeros."""
        before, after = -min(0, *self.context), max(0, *self.context)
        padded = functional.pad(x, (0, 0, before, after))
        spliced = [padded[:, before + c : before + c + x.shape[1]] for c in self.context]
        normed: Tensor = self.norm(self.linear(torch.cat(spliced, -1)).relu())
        return normed


class TDNNEncoder(AbsEncoder):
    """Time-delay layers over every `subsampling`-th frame.

    Args:
        input_size: features a frame.
        output_size: width of all layers.
        contexts: which frames each layer sees.
        subsampling: of so many frames one is kept.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        contexts: Sequence[Sequence[int]] = CONTEXTS,
        subsampling: int = 3,
    ) -> None:
        super().__init__()
        sizes = [input_size] + [output_size] * len(contexts)
        self.layers = nn.ModuleList(map(TDNNLayer, sizes[:-1], sizes[1:], contexts))
        self.subsampling = subsampling
        self._output_size = output_size

    def output_size(self) -> int:
        """Width of the output."""
        return self._output_size

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, None]:
        """(B, T, F) and (B,) -> (B, T', D), (B,) and no state."""
        x = xs_pad[:, :: self.subsampling]
        for layer in self.layers:
            x = layer(x)
        return x, (ilens - 1) // self.subsampling + 1, None
