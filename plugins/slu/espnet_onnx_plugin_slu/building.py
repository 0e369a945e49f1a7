"""ESPnet's constructor of a transcript's encoder, without the download of weights.

A checkpoint holds them all; of the pretrained model only its config and tokenizer are needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["untrained"]

HOME = "espnet2.slu.postdecoder.hugging_face_transformers_postdecoder"


@contextmanager
def untrained() -> Iterator[None]:
    """Let `HuggingFaceTransformersPostDecoder` build its model with random weights."""
    module: Any = sys.modules.get(HOME)
    original = getattr(module, "AutoModel", None)
    if original is None:  # no slu task is being built, or there is no transformers
        yield
        return
    module.AutoModel = _Untrained
    try:
        yield
    finally:
        module.AutoModel = original


class _Untrained:
    """Stands in for `transformers.AutoModel`."""

    @staticmethod
    def from_pretrained(name: str) -> Any:
        from transformers import AutoConfig, AutoModel

        return AutoModel.from_config(AutoConfig.from_pretrained(name))
