"""`Speech2Text` with the names and call signature of espnet_onnx 0.2.1, on top of `load`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from .archives import cache_folder
from .errors import InputError
from .runtime import load

__all__ = ["Hypothesis", "Speech2Text", "bundle_folder"]


def bundle_folder(tag_name: str, cache_dir: str | Path | None = None) -> Path:
    """Folder of the bundle with this tag in `cache_dir`, else in `archives.cache_folder()`.

    Raises:
        InputError: the tag would lead out of the cache.
    """
    name = tag_name.replace(" ", "-")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"tag {tag_name!r} leaves the cache folder: use a plain name")
    return (Path(cache_dir) if cache_dir is not None else cache_folder()) / name


@attrs.frozen
class Hypothesis:
    """What espnet_onnx 0.2.1 returned last: ids with <sos/eos> around them, and scores."""

    yseq: np.ndarray[Any, Any]
    score: float
    scores: Mapping[str, float]


class Speech2Text:
    """espnet_onnx 0.2.1's `Speech2Text`: `Speech2Text(tag_name)(speech)[0][0]` is the text.

    Args:
        tag_name: a bundle in the cache folder.
        model_dir: a bundle anywhere; give one of the two.
        providers: onnxruntime execution providers.
        use_quantized: int8 instead of fp32.
        cache_dir: the cache folder, else $ESPNET_ONNX_CACHE or the user's cache.
        decoding: search settings (`beam_size=5`), new here.

    Raises:
        InputError: neither or both of tag and folder are given, or the bundle cannot be used.
    """

    def __init__(
        self,
        tag_name: str | None = None,
        model_dir: str | Path | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        use_quantized: bool = False,
        cache_dir: str | Path | None = None,
        **decoding: Any,
    ) -> None:
        if (tag_name is None) == (model_dir is None):
            raise InputError("give either tag_name or model_dir")
        folder = Path(model_dir) if model_dir else bundle_folder(str(tag_name), cache_dir)
        precision = "int8" if use_quantized else None
        self._asr = load(folder, precision=precision, providers=providers, **decoding)

    def __call__(
        self, speech: np.ndarray[Any, Any]
    ) -> list[tuple[str | None, list[str], list[int], Hypothesis]]:
        """Recognise (S,) samples at the model's rate: [(text, tokens, ids, hypothesis), ...]."""
        result = self._asr(speech)
        ends = self._asr.searcher
        return [
            (
                h.text,
                list(h.tokens),
                list(h.ids),
                Hypothesis(np.array([ends.sos, *h.ids, ends.eos]), h.score, h.scores),
            )
            for h in result.nbest
        ]
