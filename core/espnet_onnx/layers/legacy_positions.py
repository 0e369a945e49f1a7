"""ESPnet's old relative positions, which count down from the end of a table.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .masks import FrameMask
from .positions import Position, Sinusoids

__all__ = ["LegacyPositions"]


class LegacyPositions(nn.Module):
    """`LegacyRelPositionalEncoding` of a freshly built model.

    Row m of an utterance of L frames stands for position top - m, where top is limit-1 up to
    `limit` frames and L-1 beyond. One table serves the whole batch; `rows` says which of its
    rows an utterance reads, in the order that `LegacyRelAttention` shifts.

    Attributes:
        limit: length of the table of a freshly built model (`max_pos_emb_len`).
    """

    def __init__(self, width: int, limit: int = 5000) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(width)
        self.scale = math.sqrt(width)
        self.limit = limit

    def forward(self, x: Tensor, mask: FrameMask) -> tuple[Tensor, Position]:
        """(B, T, D) -> x sqrt(D), a table (1, T, D) and its rows (B, 2T) int64.

        `rows` holds T-1 rows for keys two and more frames to the right (nearest first), T for
        keys at distances T-1..0 to the left, and T, past the table, for the next key.
        """
        frames = torch.arange(x.shape[1], device=x.device)
        top = torch.where(mask.lengths > self.limit, mask.lengths, self.limit) - 1
        highest = top.max()
        sin, cos = self.sinusoids(highest - frames)
        table = torch.stack((sin, cos), -1).flatten(1)[None]
        right = (highest - top)[:, None] + frames
        # An utterance's last row, L-1, is distance 0; farther keys lie on earlier rows.
        left = (highest - top + mask.lengths - x.shape[1])[:, None] + frames
        rows = torch.cat((right[:, :-1], left), 1).clamp(min=0, max=x.shape[1] - 1)
        nothing = torch.full_like(rows[:, :1], x.shape[1])
        return x * self.scale, (table, torch.cat((rows, nothing), 1))
