"""Dropout that a live model applies in inference, with values that somebody else has drawn.

Shapes: S steps, L layers, P units.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from ..types import Array

__all__ = ["injected_dropout"]


@contextlib.contextmanager
def injected_dropout(kept: Array) -> Iterator[None]:
    """Let a `Prenet` of `espnet...tacotron2.decoder` multiply its units with these values.

    Its layers take turns. Called with one frame, (1, P), it is at the next step each time; called
    with all frames so far, (1, U, P), every frame has the values of its own step.

    Args:
        kept: (S, L, P), 0 or what a kept unit is scaled by.
    """
    values = torch.from_numpy(kept)
    calls = 0

    def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        nonlocal calls
        if not training:
            return x
        step, layer = divmod(calls, values.shape[1])
        calls += 1
        return x * (values[: x.shape[1], layer] if x.dim() == 3 else values[step, layer])

    with mock.patch.object(torch.nn.functional, "dropout", dropout):
        yield
