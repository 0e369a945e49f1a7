"""What a layer sees behind the end of an utterance, without a pass over the whole batch.

A convolution looks only a few steps further than its output goes. So of the padding of a batch no
more than that many steps behind each end need to be what a single utterance has there. Setting
them costs next to nothing, where masks between all layers cost as much as activations do.

Shapes: B utterances, C channels, T steps, P steps behind the end.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["WHOLE", "Ends"]


class Ends:
    """Where the utterances of one layer end. Every tensor that it is used with has the same T.

    Attributes:
        lengths: (B,) valid steps.
    """

    def __init__(self, lengths: Tensor) -> None:
        self.lengths = lengths
        # What layers share is traced once: a generator has some hundred of them.
        self._steps: dict[int, tuple[Tensor, Tensor]] = {}
        self._places: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def scaled(self, scale: int) -> Ends:
        """The ends after every step became `scale` steps."""
        return self if scale == 1 else Ends(self.lengths * scale)

    def zeros(self, x: Tensor, reach: int) -> Tensor:
        """(B, C, T) with zeros in the P = `reach` steps behind each end, where there are any.

        Steps behind T, which do not exist, write back the last valid one instead.
        """
        if not reach:
            return x
        inside, steps = self._behind(reach, x.shape[2])
        key = (reach, x.shape[1])
        if key not in self._places:
            last = (self.lengths - 1)[:, None, None].expand(-1, x.shape[1], -1)
            self._places[key] = (last, steps[:, None].expand(-1, x.shape[1], -1))
        last, places = self._places[key]
        return x.scatter(2, places, torch.where(inside, torch.zeros(()), x.gather(2, last)))

    def replicated(self, x: Tensor, reach: int) -> Tensor:
        """(B, C, T) -> (B, C, T + 2 P), each utterance's outer steps repeated P = `reach` times.

        What stands behind an utterance's end in `x` does not matter.
        """
        if not reach:
            return x
        out = F.pad(x, (reach, reach), mode="replicate")
        where = self._spread(self.lengths[:, None] + reach + torch.arange(reach), x)
        last = (self.lengths[:, None] - 1).expand(-1, reach)
        return out.scatter(2, where, x.gather(2, self._spread(last, x)))

    def _behind(self, reach: int, steps: int) -> tuple[Tensor, Tensor]:
        """Which of the steps behind the end exist (B, 1, P), and where to write them (B, P)."""
        if reach not in self._steps:
            step = self.lengths[:, None] + torch.arange(reach)
            inside = step < steps
            where = torch.where(inside, step, self.lengths[:, None] - 1)
            self._steps[reach] = (inside[:, None], where)
        return self._steps[reach]

    @staticmethod
    def _spread(where: Tensor, x: Tensor) -> Tensor:
        return where[:, None].expand(-1, x.shape[1], -1)


class _Whole(Ends):
    """No utterance ends before its row does, so there is nothing to set."""

    def __init__(self) -> None:
        super().__init__(torch.zeros(0, dtype=torch.int64))

    def scaled(self, scale: int) -> Ends:
        return self

    def zeros(self, x: Tensor, reach: int) -> Tensor:
        return x


WHOLE = _Whole()
