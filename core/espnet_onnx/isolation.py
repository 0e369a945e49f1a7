"""Calling ESPnet's constructors without their side effects, and with what plugins add.

A plugin whose class ESPnet does not know, or that stands in for a constructor which downloads or
unpickles, names a context manager in the entry-point group `espnet_onnx.building`:

    [project.entry-points."espnet_onnx.building"]
    tdnn = "espnet_onnx_plugin_tdnn.building:choices"
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from statistics import NormalDist
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import importlib_metadata
import numpy as np
import torch

from .errors import one_line
from .manager import log, reraise
from .types import Array

__all__ = [
    "GROUP",
    "Substitute",
    "injected_noise",
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


@contextmanager
def injected_noise(drawn: Sequence[tuple[str, Array]], *, strict: bool = True) -> Iterator[None]:
    """Make torch's normal noise, and dropout that never sleeps, what somebody else has drawn.

    A prenet's dropout, which ESPnet applies in inference, keeps the units whose noise is above the
    quantile of its rate. Called with all frames so far, (1, T, P), each has the noise of its step.
    librosa's Griffin-Lim begins with the phases that `parts.griffin_lim.phases` makes.

    Args:
        drawn: names and noise of one utterance in the order in which it was asked for; that of
            `prenet` is (1, L, P), L layers that take turns, of `phase` (1, 2, F, T).
        strict: refuse to answer for another shape, or more often; else the noise is zeros then.

    Raises:
        AssertionError: see `strict`.
    """
    normal = iter([array for name, array in drawn if name not in {"prenet", "phase"}])
    prenet = [torch.from_numpy(array[0]) for name, array in drawn if name == "prenet"]
    phase = iter([array for name, array in drawn if name == "phase"])
    calls = itertools.count()

    def asked(source: Iterator[Array], shape: tuple[int, ...]) -> Array:
        noise = next(source, None)
        if noise is not None and noise.shape == shape:
            return noise
        assert not strict, f"noise of the shape {shape}"
        return np.zeros(shape, np.float32)

    def randn(*size: Any, **_named: Any) -> torch.Tensor:
        shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return torch.from_numpy(asked(normal, tuple(shape)))

    def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if not training:
            return x
        step, layer = divmod(next(calls), len(prenet[0]))
        if not strict:
            prenet.extend([torch.zeros_like(prenet[0])] * (step + 1 - len(prenet)))
        noise = torch.stack([units[layer] for units in prenet[: x.shape[1]]])
        kept = (noise if x.dim() == 3 else prenet[step][layer]) > NormalDist().inv_cdf(p)
        return x * kept / (1 - p)

    def turns(size: tuple[int, ...]) -> Array:
        """(F, T), as `numpy.random.Generator.random` would draw them."""
        noise = asked(phase, (1, 2, *size))[0]
        angles: Array = np.arctan2(noise[1], noise[0]) / (2 * np.pi)
        return angles

    generator = SimpleNamespace(random=turns)
    with (
        mock.patch.object(torch, "randn", randn),
        mock.patch.object(torch, "randn_like", lambda x, **_named: randn(*x.shape)),
        mock.patch.object(torch.nn.functional, "dropout", dropout),
        mock.patch.object(np.random, "default_rng", return_value=generator),
    ):
        yield


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
