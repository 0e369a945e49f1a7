"""The tiny models that a plugin brings, and the files that they name."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ..errors import DispatchError
from ..manager import Manager

__all__ = ["TinyModel", "feats_stats", "tiny_models"]

RECOGNISE = "espnet_onnx.testing.alone:recognise"
SPEAK = "espnet_onnx.testing.alone:speak"


@attrs.frozen
class TinyModel:
    """An ESPnet model that exports in seconds: one or two blocks, some 20 tokens.

    int8 takes only weights of at least 2**14 values that sum over 32 or more: one such weight
    shows that the quantised graph works.

    Attributes:
        name: unique in the plugin.
        config: a whole model's config.yaml; what it leaves out takes ESPnet's defaults.
        files: relative file name in the config -> what writes it.
        task: the ESPnet task that loads it; None decides by the config's keys.
        ask: `module:function`, importable without torch, from the open bundle to JSON values; by
            default what recognises noise, or speaks where the config has a `tts`.
        lm: config.yaml of a language model that it decodes with.
        ngram: the name in `files` of an n-gram that it decodes with.
        vocoder: config.yml of a ParallelWaveGAN vocoder that it speaks with. It lies in the folder
            `vocoder`, so `vocoder/stats.npy` in `files` makes it normalise features.
        needs: packages that its bundle imports; where one is missing, its checks are skipped.
    """

    name: str
    config: Mapping[str, Any] = attrs.field(repr=False)
    files: Mapping[str, Callable[[Path], None]] = attrs.field(factory=dict, repr=False)
    task: str | None = None
    ask: str = attrs.field()
    lm: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    ngram: str | None = None
    vocoder: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    needs: Sequence[str] = ()

    @ask.default
    def _ask(self) -> str:
        return SPEAK if "tts" in self.config else RECOGNISE


def feats_stats(width: int) -> Callable[[Path], None]:
    """Writes the statistics of 100 random frames, as `normalize: global_mvn` reads them."""

    def write(path: Path) -> None:
        feats = np.random.default_rng(0).normal(-8, 3, (100, width)).astype(np.float32)
        np.savez(path, count=100, sum=feats.sum(0), sum_square=(feats**2).sum(0))

    return write


def tiny_models(plugin: str, manager: Manager | None = None) -> Sequence[TinyModel]:
    """`MODELS` in the module `tiny` of an installed plugin; none where it has no such module.

    Args:
        plugin: its entry-point name.
        manager: plugins to look in; None finds the installed ones.

    Raises:
        DispatchError: it is not installed, or was skipped.
    """
    manager = manager or Manager.load()
    if plugin not in manager.plugins:
        raise DispatchError(f"{manager.hint(plugin)}: install it (pip install -e .), then test it")
    module = manager.plugins[plugin].module
    name = f"{module.__name__}.tiny"
    if not hasattr(module, "__path__") or importlib.util.find_spec(name) is None:
        return ()
    return tuple(importlib.import_module(name).MODELS)
