"""A name for the encoder in ESPnet's configs (needs ESPnet).

A training script enters `choices()` around `ASRTask.main()`; espnet-onnx enters it, by the entry
point in pyproject.toml, around every model that it lets ESPnet build.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from .encoder import TDNNEncoder

__all__ = ["choices"]

TASKS = ("asr", "slu", "st")


@contextmanager
def choices() -> Iterator[None]:
    """While it lasts, `encoder: tdnn` is a choice of ESPnet's tasks."""
    with ExitStack() as stack:
        for task in TASKS:
            classes = importlib.import_module(f"espnet2.tasks.{task}").encoder_choices.classes
            stack.enter_context(patch.dict(classes, tdnn=TDNNEncoder))
        yield
