"""Calling ESPnet's constructors without their side effects, and with what plugins add.

A plugin whose class ESPnet does not know, or that stands in for a constructor which downloads or
unpickles, names a context manager in the entry-point group `espnet_onnx.building`:

    [project.entry-points."espnet_onnx.building"]
    tdnn = "espnet_onnx_plugin_tdnn.building:choices"
"""

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

import importlib_metadata
import numpy as np
import torch

from .errors import one_line
from .manager import log, reraise

__all__ = [
    "GROUP",
    "Substitute",
    "substitute",
    "undisturbed",
    "without_downloads",
    "without_dropout",
]

GROUP = "espnet_onnx.building"
Substitute = Callable[[], AbstractContextManager[Any]]
_SUBSTITUTES: list[Substitute] = []


def substitute(replacement: Substitute) -> Substitute:
    """Register core's own context manager to enter around every model that ESPnet builds.

    It must leave no change behind.
    """
    if replacement not in _SUBSTITUTES:
        _SUBSTITUTES.append(replacement)
    return replacement


@contextmanager
def without_downloads() -> Iterator[None]:
    """Enter every registered substitute, core's and those of installed plugins.

    One that fails is reported and passed over (`ESPNET_ONNX_RAISE=1` re-raises).
    """
    with ExitStack() as stack:
        for replacement in _SUBSTITUTES:
            stack.enter_context(replacement())
        for entry_point in importlib_metadata.entry_points(group=GROUP):
            try:
                stack.enter_context(entry_point.load()())
            except Exception as error:
                if reraise():
                    raise
                log.warning("%s of plugin %s skipped: %s", GROUP, entry_point.name, one_line(error))
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


@contextmanager
def without_dropout() -> Iterator[None]:
    """Make `torch.nn.functional.dropout` return what it is given.

    ESPnet's `RNNP` calls it without `training`, so that its answers are random even in inference.
    """
    original = torch.nn.functional.dropout
    torch.nn.functional.dropout = lambda x, *_args, **_named: x
    try:
        yield
    finally:
        torch.nn.functional.dropout = original


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
