"""The claim on the encoder of a transcript, a BERT or its like."""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import espnet_onnx as eo

__all__ = ["KIND", "LONGEST", "claim_postdecoder"]

KIND = "slu.postdecoder"
# Pieces of a transcript that `ESPnetSLUModel.encode` lets through, [CLS] and [SEP] included.
LONGEST = 128


def claim_postdecoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors `HuggingFaceTransformersPostDecoder`.

    A config alone says nothing of it: the tokenizer is in the files of the pretrained model,
    which a live module has read.
    """
    if (component.role, component.type) != ("postdecoder", "hugging_face_transformers"):
        return None
    if component.module is None:
        return eo.Part(KIND)
    tokenizer = component.module.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return eo.Declined(f"{type(tokenizer).__name__} has no fast form to put into a bundle")
    return eo.Part(KIND, config=_config(tokenizer), files={"tokenizer.json": _saved(backend)})


def _config(tokenizer: Any) -> dict[str, Any]:
    """Ids as `convert_examples_to_features` finds them, by these names whatever the model."""
    return {
        "cls": tokenizer.convert_tokens_to_ids("[CLS]"),
        "sep": tokenizer.convert_tokens_to_ids("[SEP]"),
        "unk": tokenizer.unk_token_id,
        "limits": {"transcript": f"the first {LONGEST - 2} pieces"},
    }


def _saved(backend: Any) -> Path:
    """The tokenizer as it lives: its options may differ from those in the model's own files."""
    text = backend.to_str().encode()
    path = Path(_folder().name) / f"{hashlib.sha256(text).hexdigest()}.json"
    path.write_bytes(text)
    return path


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Goes when the process ends: a bundle gets copies."""
    return tempfile.TemporaryDirectory(prefix="espnet-onnx-slu-")
