"""Calling ESPnet's constructors without their side effects on the process."""

from __future__ import annotations

import importlib.util
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch

__all__ = ["Substitute", "substitute", "undisturbed", "without_downloads"]

Substitute = Callable[[], AbstractContextManager[Any]]
_SUBSTITUTES: list[Substitute] = []


def substitute(replacement: Substitute) -> Substitute:
    """Register a context manager that stands in for a constructor which downloads or unpickles.

    It is entered around every model that ESPnet builds and must leave no change behind. Plugins
    decorate theirs in the module that their `export_module` or `split_modules` imports.
    """
    if replacement not in _SUBSTITUTES:
        _SUBSTITUTES.append(replacement)
    return replacement


@contextmanager
def without_downloads() -> Iterator[None]:
    """Enter every registered substitute."""
    with ExitStack() as stack:
        for replacement in _SUBSTITUTES:
            stack.enter_context(replacement())
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore what building an ESPnet model changes: random states, torch defaults, root logging.

    `sys.argv` is hidden meanwhile, as `AbsTask.get_default_config` parses it.
    """
    root = logging.getLogger()
    handlers, level, argv = list(root.handlers), root.level, sys.argv
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    sys.argv = argv[:1]
    # A root logger without a handler would get one from the first `logging.info`.
    root.addHandler(logging.NullHandler())
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            yield
    finally:
        sys.argv = argv
        root.handlers[:] = handlers
        root.setLevel(level)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        random.setstate(python_state)
        np.random.set_state(numpy_state)


class _NoLoss(torch.nn.Module):
    """Stands in for a transducer loss; an export needs none."""

    def __init__(self, **_options: Any) -> None:
        super().__init__()

    def forward(self, *_inputs: Any) -> torch.Tensor:
        raise NotImplementedError("warprnnt_pytorch is not installed: this model cannot be trained")


@substitute
@contextmanager
def _transducer_loss() -> Iterator[None]:
    """`ESPnetASRModel` imports `warprnnt_pytorch` to build a transducer, installed or not."""
    name = "warprnnt_pytorch"
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        yield
        return
    stub = ModuleType(name)
    stub.__dict__["RNNTLoss"] = _NoLoss
    sys.modules[name] = stub
    try:
        yield
    finally:
        sys.modules.pop(name, None)
