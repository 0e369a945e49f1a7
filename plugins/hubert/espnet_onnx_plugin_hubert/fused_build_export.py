"""Builds what `FusedFrontends` holds on the CPU, like everything else that is exported."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import torch

__all__ = ["untrained"]


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let `FusedFrontends` see no GPU: it would move its projections there, and nothing else.

    Args:
        module: espnet2.asr.frontend.fused.
    """
    original = module.FusedFrontends.__init__

    @functools.wraps(original)
    def build(self: Any, *args: Any, **named: Any) -> None:
        with mock.patch.object(torch.cuda, "is_available", return_value=False):
            original(self, *args, **named)

    with mock.patch.object(module.FusedFrontends, "__init__", build):
        yield
