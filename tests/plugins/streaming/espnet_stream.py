"""ESPnet's `Speech2TextStreaming` around a live model, in both supported versions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from espnet_onnx import loader, sources
from espnet_onnx.types import Array

__all__ = ["chunks_of", "espnet_stream", "speech"]


def espnet_stream(model: Path, **options: Any) -> Any:
    """ESPnet's own, which 202511 makes of files alone.

    Args:
        model: a model folder.
        options: `beam_size`, `ctc_weight`, ... Its `incremental_decode` is the search's alone.
    """
    from espnet2.bin.asr_inference_streaming import Speech2TextStreaming
    from espnet2.tasks.asr import ASRTask

    loaded = loader.load_model(sources.find(model), "asr")
    args = argparse.Namespace(**loaded.config)
    incremental = options.pop("incremental_decode", False)
    built = classmethod(lambda *_args, **_named: (loaded.model, args))
    with mock.patch.object(ASRTask, "build_model_from_file", built):
        stream = Speech2TextStreaming("config.yaml", **options)
    stream.beam_search.incremental_decode = incremental
    return stream


def speech(path: Path, seconds: float) -> Array:
    """The recordings of a folder, one after the other, up to so many seconds at 8 kHz."""
    files = sorted(path.glob("*.flac"))
    whole = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in files])
    return np.resize(whole, round(8000 * seconds))


def chunks_of(samples: Array, sizes: Sequence[int]) -> list[Array]:
    """Chunks of the given sizes in turn, until all samples are used."""
    chunks, begin = [], 0
    while begin < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(samples[begin : begin + size])
        begin += size
    return chunks
