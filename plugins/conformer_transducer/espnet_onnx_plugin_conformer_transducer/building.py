"""ESPnet's constructor of the standalone task's encoder, with defaults of its own for every model.

`validate_architecture` writes the sizes of a model into the default `input_conf`, which is one dict
for all: the next model of a process without an `input_conf` would have those of the first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["untouched_defaults"]

HOME = "espnet2.asr_transducer.encoder.encoder"


@contextmanager
def untouched_defaults() -> Iterator[None]:
    """Let `Encoder` write into dicts that begin as empty as those of its signature."""
    module: Any = sys.modules.get(HOME)
    if module is None:  # another task is being built
        yield
        return
    constructor = module.Encoder.__init__
    original = constructor.__defaults__
    constructor.__defaults__ = tuple({} if isinstance(d, dict) else d for d in original)
    try:
        yield
    finally:
        constructor.__defaults__ = original
