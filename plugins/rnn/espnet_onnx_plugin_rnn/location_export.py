"""What location-aware attentions add to their keys: features of where they looked before.

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, T encoder frames, N heads,
K attention width, C channels of a convolution, W steps of a window.

A location names its `states` and their sizes. A state called `weights` or `coverage` is
(B, H, N or W, T), zero on padding; any other is (B, H, size).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.recurrent_cell import LSTMStep

__all__ = [
    "OVER_FRAMES",
    "ConvolvedCoverage",
    "ConvolvedWeights",
    "Coverage",
    "Location",
    "RecurrentLocation",
    "WeightsWindow",
]

OVER_FRAMES = ("weights", "coverage")


class Location(nn.Module):
    """No location at all: base of the others.

    Attributes:
        states: what goes from step to step: name -> its size.
    """

    states: Mapping[str, int]

    def __init__(self, **states: int) -> None:
        super().__init__()
        self.states = states

    def initial(self, uniform: Tensor) -> tuple[Tensor, ...]:
        """States of the empty hypothesis, H = 1; `uniform` is (B, 1, 1, T), 1 / length."""
        return tuple(
            uniform.expand(-1, -1, size, -1)
            if name in OVER_FRAMES
            else uniform.new_zeros(uniform.shape[0], 1, size)
            for name, size in self.states.items()
        )

    def features(
        self, states: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor | None, Sequence[Tensor]]:
        """What is added to the keys, (B, H, N, T, K) or broadcast to it, and the states after.

        Args:
            states: by `states`.
            valid: (B, 1, 1, T) float, 1 on real frames.
        """
        return None, states

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """The states behind this step, whose attention weights are (B, H, N, T)."""
        return states


class ConvolvedWeights(Location):
    """The last attention weights, convolved: `AttLoc`, and `AttMultiHead*Loc` head by head.

    Narrower kernels of a multi-resolution attention are filled up with zeros to the widest, so
    that one grouped convolution does for all heads.
    """

    kernels: Tensor
    weight: Tensor

    def __init__(
        self, convs: Sequence[Any], linears: Sequence[Any], state: str = "weights"
    ) -> None:
        super().__init__(**{state: len(convs)})
        self.heads = len(convs)
        widest = max(conv.weight.shape[3] for conv in convs)
        kernels = [_widened(conv.weight.detach(), widest) for conv in convs]
        self.register_buffer("kernels", torch.cat(kernels), persistent=False)
        # One matrix a head: N, C, K.
        weights = torch.stack([linear.weight.detach().t() for linear in linears])
        self.register_buffer("weight", weights, persistent=False)

    def features(
        self, states: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor | None, Sequence[Tensor]]:
        """See `Location`."""
        (before,) = states
        rows = before.flatten(0, 1)[:, :, None]
        padding = (0, self.kernels.shape[3] // 2)
        planes = F.conv2d(rows, self.kernels, padding=padding, groups=self.heads)
        channels = planes[:, :, 0].unflatten(1, (self.heads, -1)).transpose(2, 3)
        return (channels @ self.weight).unflatten(0, before.shape[:2]), states

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """See `Location`."""
        return (weights,)


class ConvolvedCoverage(ConvolvedWeights):
    """The sum of all attention weights so far, convolved: `AttCovLoc`."""

    def __init__(self, convs: Sequence[Any], linears: Sequence[Any]) -> None:
        super().__init__(convs, linears, "coverage")

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """See `Location`."""
        return (states[0] + weights,)


class Coverage(Location):
    """The sum of all attention weights so far, as it is: `AttCov`."""

    def __init__(self, live: Any) -> None:
        super().__init__(coverage=1)
        self.vector = Affine.of(live.wvec)

    def features(
        self, states: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor | None, Sequence[Tensor]]:
        """See `Location`."""
        return self.vector(states[0][..., None]), states

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """See `Location`."""
        return (states[0] + weights,)


class WeightsWindow(Location):
    """The attention weights of the last W steps, convolved as a plane: `AttLoc2D`."""

    def __init__(self, live: Any) -> None:
        super().__init__(weights=int(live.att_win))
        self.kernels = live.loc_conv.weight
        self.linear = Affine.of(live.mlp_att)

    def features(
        self, states: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor | None, Sequence[Tensor]]:
        """See `Location`."""
        (before,) = states
        planes = before.flatten(0, 1)[:, None]
        channels = F.conv2d(planes, self.kernels, padding=(0, self.kernels.shape[3] // 2))
        feats = self.linear(channels[:, :, 0].transpose(1, 2))
        return feats.unflatten(0, before.shape[:2])[:, :, None], states

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """See `Location`."""
        return (torch.cat([states[0][:, :, 1:], weights], 2),)


class RecurrentLocation(Location):
    """An LSTM over the steps reads the convolved weights, each channel's maximum: `AttLocRec`."""

    def __init__(self, live: Any) -> None:
        width = int(live.att_lstm.hidden_size)
        super().__init__(weights=1, location_z=width, location_c=width)
        self.kernels = live.loc_conv.weight
        self.step = LSTMStep(live.att_lstm)

    def features(
        self, states: Sequence[Tensor], valid: Tensor
    ) -> tuple[Tensor | None, Sequence[Tensor]]:
        """See `Location`."""
        before, *memory = states
        rows = before.flatten(0, 1)[:, :, None]
        planes = F.conv2d(rows, self.kernels, padding=(0, self.kernels.shape[3] // 2))
        # Nothing is below zero, so zeros on padding are never the maximum of an utterance.
        channels = F.relu(planes[:, :, 0]).unflatten(0, before.shape[:2]) * valid
        output, cell = self.step(channels.amax(-1), memory)
        return output[:, :, None, None], (before, output, cell)

    def update(self, states: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
        """See `Location`."""
        return (weights, *states[1:])


def _widened(kernel: Tensor, width: int) -> Tensor:
    """(C, 1, 1, odd) -> (C, 1, 1, width), the same convolution when padded to keep T."""
    side = (width - kernel.shape[3]) // 2
    return F.pad(kernel, (side, side))
