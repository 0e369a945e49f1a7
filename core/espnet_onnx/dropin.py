"""`Speech2Text` and `StreamingSpeech2Text` as espnet_onnx 0.2.1 had them, on top of `load`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from .archives import cache_folder
from .errors import InputError
from .parts.result import Recognition
from .parts.streaming_recognizer import Stream
from .parts.streaming_utterance import Partial
from .runtime import load

__all__ = [
    "Hypothesis",
    "Result",
    "Speech2Text",
    "StreamingSpeech2Text",
    "bundle_folder",
    "opened",
]

log = logging.getLogger("espnet_onnx")


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


# Text, tokens, ids, and the hypothesis they are of.
Result = tuple[str | None, list[str], list[int], Hypothesis]


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
        self._asr = opened(tag_name, model_dir, providers, use_quantized, cache_dir, decoding)
        if not hasattr(self._asr, "searcher"):
            raise InputError("this bundle does not recognise speech: use espnet_onnx.load")

    def __call__(self, speech: np.ndarray[Any, Any]) -> list[Result]:
        """Recognise (S,) samples at the model's rate: [(text, tokens, ids, hypothesis), ...]."""
        return [_result(h, self._asr.searcher) for h in self._asr(speech).nbest]


class StreamingSpeech2Text:
    """espnet_onnx 0.2.1's `StreamingSpeech2Text`: `start()`, a call for every chunk, `end()`.

    Chunks may have any length; one of `hop_size` completes a block. What a call returns is what
    ESPnet's `Speech2TextStreaming` returns: the hypotheses that seem to have ended in the last
    block, so most calls return none. What is being said meanwhile is in `partial`, new here.

    Args:
        tag_name: a bundle in the cache folder.
        model_dir: a bundle anywhere; give one of the two.
        providers: onnxruntime execution providers.
        use_quantized: int8 instead of fp32.
        block_size: of the search, as are the next two; the encoder's own are part of the model.
        hop_size: encoder frames that a block of the search adds.
        look_ahead: encoder frames that the search stays behind.
        cache_dir: the cache folder, else $ESPNET_ONNX_CACHE or the user's cache.
        options: settings of the search and of `parts.streaming_settings.Streaming`, new here.

    Attributes:
        hop_size: samples from one block of the encoder to the next.
        partial: what was known after the last call.

    Raises:
        InputError: neither or both of tag and folder are given, or the bundle cannot stream.
    """

    def __init__(
        self,
        tag_name: str | None = None,
        model_dir: str | Path | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        use_quantized: bool = False,
        block_size: int = 40,
        hop_size: int = 16,
        look_ahead: int = 16,
        cache_dir: str | Path | None = None,
        **options: Any,
    ) -> None:
        self._asr = opened(tag_name, model_dir, providers, use_quantized, cache_dir, {})
        if not hasattr(self._asr, "stream"):
            raise InputError("this bundle does not stream: use espnet_onnx.load")
        sizes = {"block_size": block_size, "hop_size": hop_size, "look_ahead": look_ahead}
        self._options = {**options, **sizes}
        self.start()
        self.hop_size = self._stream.utterance.hop

    def start(self) -> None:
        """Begin a recording; what was pushed of another is dropped."""
        self._stream: Stream = self._asr.stream(**self._options)
        self.partial = Partial()

    def __call__(
        self,
        speech: np.ndarray[Any, Any],
        is_final: bool = False,
        always_assemble_hyps: bool = True,
    ) -> list[Result]:
        """Take (S,) more samples at the model's rate.

        Args:
            speech: the samples.
            is_final: they are the last; then the result is that of `end`.
            always_assemble_hyps: return results before the last samples, too.

        Returns:
            [(text, tokens, ids, hypothesis), ...], often empty before the last samples.
        """
        if is_final:
            return self._finish(speech)
        self.partial = self._stream.push(speech)
        ended = self._stream.utterance.results() if always_assemble_hyps else []
        return [_result(result, self._asr.searcher) for result in ended]

    def end(self) -> list[Result]:
        """The result of the whole recording. The next call begins another."""
        return self._finish(np.zeros(0, np.float32))

    def simulate(
        self, speech: np.ndarray[Any, Any], print_every_hypo: bool = False
    ) -> list[Result]:
        """Recognise a whole recording chunk by chunk; 0.2.1 logged every hypothesis on request."""
        self.start()
        last = len(speech) - self.hop_size
        for begin in range(0, max(last, 0), self.hop_size):
            self(speech[begin : begin + self.hop_size])
            if print_every_hypo:
                log.info("%s", self.partial.text)
        return self._finish(speech[len(range(0, max(last, 0), self.hop_size)) * self.hop_size :])

    def _finish(self, speech: np.ndarray[Any, Any]) -> list[Result]:
        result = self._stream.finish(speech)
        self.start()
        return [_result(r, self._asr.searcher) for r in result.nbest or (result,) if r.tokens]


def opened(
    tag_name: str | None,
    model_dir: str | Path | None,
    providers: Sequence[str],
    use_quantized: bool,
    cache_dir: str | Path | None,
    decoding: Mapping[str, Any],
) -> Any:
    """What the bundle is, by tag or folder.

    Raises:
        InputError: neither or both are given, or the bundle cannot be used.
    """
    if (tag_name is None) == (model_dir is None):
        raise InputError("give either tag_name or model_dir")
    folder = Path(model_dir) if model_dir else bundle_folder(str(tag_name), cache_dir)
    precision = "int8" if use_quantized else None
    return load(folder, precision=precision, providers=providers, **decoding)


def _result(result: Recognition, ends: Any) -> Result:
    yseq = np.array([ends.sos, *result.ids, ends.eos])
    hypothesis = Hypothesis(yseq, result.score, result.scores)
    return result.text, list(result.tokens), list(result.ids), hypothesis
