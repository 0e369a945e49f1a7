"""Builds what `FusedFrontends` holds on the CPU, like everything else that is exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from unittest import mock

import torch

from .building import within

__all__ = ["untrained"]


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let `FusedFrontends` see no GPU: it would move its projections there, and nothing else.

    Args:
        module: espnet2.asr.frontend.fused.
    """
    blind = partial(mock.patch.object, torch.cuda, "is_available", return_value=False)
    with within(module.FusedFrontends, blind):
        yield
