"""ESPnet's constructors of models that speak, without what only training needs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["untrained"]

PITCH = "pyworld"


@contextmanager
def untrained() -> Iterator[None]:
    """Let `espnet2.tts.feats_extract.dio.Dio` be built where there is no pyworld.

    It finds the pitch of recordings, for training. Every FastSpeech2 model has one.
    """
    if PITCH in sys.modules or importlib.util.find_spec(PITCH) is not None:
        yield
        return
    sys.modules[PITCH] = ModuleType(PITCH)
    try:
        yield
    finally:
        sys.modules.pop(PITCH, None)
