"""Which frames are real, once for all blocks.

Shapes: B utterances, T frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["MASKED", "FrameMask", "frame_mask", "valid_frames"]

# Far below any score, and a sum with it stays finite: its softmax is an exact zero.
MASKED = -1e9


class FrameMask(NamedTuple):
    """What blocks need to know of padding.

    Attributes:
        valid: (B, T, 1) float, 1 on real frames and 0 on padding; multiplies features.
        bias: (B, 1, 1, T) float, 0 on real keys and far below zero on padding; adds to scores.
        lengths: (B,) int64.
    """

    valid: Tensor
    bias: Tensor
    lengths: Tensor


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """(B,) lengths -> (B, T) bool, true on real frames; ESPnet's `~make_pad_mask(lengths)`."""
    return torch.arange(frames, device=lengths.device)[None] < lengths[:, None]


def frame_mask(lengths: Tensor, frames: int) -> FrameMask:
    """Masks for T = `frames` padded frames, of which `lengths` (B,) are real."""
    valid = valid_frames(lengths, frames)
    bias = torch.where(valid, 0.0, MASKED)[:, None, None]
    return FrameMask(valid[..., None].float(), bias, lengths)
