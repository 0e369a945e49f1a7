"""What the blocks of the standalone task's encoder remember of a stream (needs torch).

Shapes: B utterances, P = 1 or B, T frames, R of them, L frames before them, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from espnet_onnx.layers.masks import MASKED, FrameMask, frame_mask

__all__ = ["Memory", "chosen"]


class Memory:
    """Frames before the current ones, layer by layer in the order in which layers ask.

    Args:
        lengths: (B,) of the current frames.
        past: (B, L, C) of each layer that remembers; None where there is nothing but the
            utterance itself.
        seen: (B,) frames that there were before. None where no layer attends.
        frames: L of the layers that attend; of it the last `seen` are real.

    Attributes:
        kept: (B, L, C) of each layer, what is to be remembered instead.
    """

    def __init__(
        self,
        lengths: Tensor,
        past: Sequence[Tensor] | None = None,
        seen: Tensor | None = None,
        frames: int = 0,
    ) -> None:
        self._past = None if past is None else iter(past)
        self._lengths, self._seen, self.frames = lengths, seen, frames
        self.kept: list[Tensor] = []

    def join(self, x: Tensor, zeros: int = 0) -> Tensor:
        """(B, T, C) -> (B, L+T, C); `zeros` is L where nothing is remembered."""
        if self._past is None:
            return F.pad(x, (0, 0, zeros, 0)) if zeros else x
        past = next(self._past)
        both = torch.cat((past, x), 1)
        # An utterance's own last frames, which in a ragged batch are not those of the tensor.
        last = torch.arange(past.shape[1], device=x.device) + self._lengths[:, None]
        self.kept.append(chosen(both, last))
        return both

    def mask(self, lengths: Tensor, frames: int) -> FrameMask:
        """`frame_mask`, with keys (B, 1, 1, L+T); `Encoder.chunk_forward`'s `processed_mask`."""
        mask = frame_mask(lengths, frames)
        if self._seen is None:
            return mask
        age = torch.arange(self.frames, 0, -1, device=lengths.device)
        bias = torch.where(age[None] <= self._seen[:, None], 0.0, MASKED)[:, None, None]
        return mask._replace(bias=torch.cat((bias, mask.bias), -1))


def chosen(x: Tensor, rows: Tensor) -> Tensor:
    """(P, T, C) and numbers (B, R) -> (B, R, C)."""
    batch, width = rows.shape[0], x.shape[2]
    return x.expand(batch, -1, -1).gather(1, rows[..., None].expand(-1, -1, width))
