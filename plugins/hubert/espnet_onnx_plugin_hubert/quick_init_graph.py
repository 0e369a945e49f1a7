"""Random weights that cost no time: a checkpoint overwrites them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

__all__ = ["quick_init"]

# Above this, a weight repeats one block of noise.
_BLOCK = 2**18


@contextmanager
def quick_init() -> Iterator[None]:
    """Let `torch.nn.init` fill large weights with repeated noise, small ones as ever.

    300 million draws take seconds; copies of a quarter of a million take none.
    """
    with ExitStack() as stack:
        for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_uniform_"):
            original = getattr(torch.nn.init, name)
            stack.enter_context(mock.patch.object(torch.nn.init, name, _quick(original)))
        yield


def _quick(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def fill(tensor: Tensor, *args: Any, **named: Any) -> Tensor:
        if tensor.numel() <= _BLOCK or tensor.is_meta:
            return original(tensor, *args, **named)
        noise = torch.randn(_BLOCK) * tensor[0].numel() ** -0.5
        with torch.no_grad():
            flat = tensor.view(-1)
            whole = tensor.numel() // _BLOCK
            flat[: whole * _BLOCK].view(whole, _BLOCK).copy_(noise.expand(whole, _BLOCK))
            flat[whole * _BLOCK :].copy_(noise[: tensor.numel() - whole * _BLOCK])
        return tensor

    return fill
