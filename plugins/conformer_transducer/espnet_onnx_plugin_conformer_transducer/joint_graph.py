"""The joint network in two halves: projections once, their sum and the output for every pair.

Shapes: N pairs, D encoder width, P width of the prediction network, J joint width, V tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine

__all__ = ["Joint", "Project", "joint_of"]


class Joint(nn.Module):
    """`JointNetwork.forward(no_projection=True)`, normalised."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.activation = live.joint_activation
        self.output = Affine.of(live.lin_out)

    def forward(self, frames: Tensor, outputs: Tensor) -> Tensor:
        """(N, J) of frames and (N, J) of hypotheses -> (N, V) log probabilities."""
        return torch.log_softmax(self.output(self.activation(frames + outputs)), -1)


class Project(nn.Module):
    """What the joint network adds of every frame."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.projection = Affine.of(live.lin_enc)

    def forward(self, encoder_out: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, J)."""
        return self.projection(encoder_out)


def joint_of(live: Any, frames: Tensor, outputs: Tensor) -> Tensor:
    """The same of the untouched live network."""
    return torch.log_softmax(live(frames, outputs, no_projection=True), -1)
