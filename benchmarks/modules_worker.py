"""One side of modules.py, in a process of its own: JSON lines in, JSON lines out.

The first line names the side; then `{"audio": file, "beam": N}` prepares inputs, and
`{"task": "encoder" | "ctc" | "step U"}` runs one module once.

Shapes: B utterances, S samples, T frames, D width, N hypotheses, U tokens so far, V tokens.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from espnet_onnx.types import Array

__all__ = ["Bundle", "Espnet", "main"]

Call = Callable[[], Any]


class Modules(Protocol):
    """One side's modules; every method but `prepare` returns what is to be timed.

    Attributes:
        writes: whether a step changes its state, so that each needs one of its own.
    """

    writes: bool

    def prepare(self, samples: Array, beam: int) -> None:
        """Compute the inputs of the others from (S,) samples."""

    def encoder(self) -> Call:
        """(1, T, D) features to encoder output."""

    def ctc(self) -> Call:
        """(1, T, D) encoder output to (1, T, V) log probabilities."""

    def step(self, position: int) -> Call:
        """The next token's (N, V) log probabilities after `position` tokens."""


def _tokens(beam: int, length: int) -> Array:
    return np.random.default_rng(0).integers(2, 10, (beam, length))


class Espnet:
    """ESPnet's own modules, as its `BatchBeamSearch` calls them."""

    writes = False

    def __init__(self, path: str, threads: int) -> None:
        import torch

        from espnet_onnx import loader, sources

        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self._model: Any = loader.load_model(sources.find(path)).model

    def prepare(self, samples: Array, beam: int) -> None:
        """See `Modules`."""
        import torch

        model = self._model
        speech, lengths = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
        feats, lengths = model.frontend(speech, lengths)
        self._feats = model.normalize(feats, lengths)
        self._out = model.encoder(*self._feats)[0]
        self._memory = self._out.expand(beam, -1, -1)

    def encoder(self) -> Call:
        """See `Modules`."""
        return lambda: self._model.encoder(*self._feats)

    def ctc(self) -> Call:
        """See `Modules`."""
        return lambda: self._model.ctc.log_softmax(self._out)

    def step(self, position: int) -> Call:
        """See `Modules`."""
        import torch

        beam = len(self._memory)
        tokens = torch.from_numpy(_tokens(beam, position + 1))
        states: list[Any] = [None] * beam
        for used in range(1, position + 1):
            _, states = self._model.decoder.batch_score(tokens[:, :used], states, self._memory)
        return lambda: self._model.decoder.batch_score(tokens, states, self._memory)


class Bundle:
    """The same modules of a bundle."""

    writes = True

    def __init__(self, path: str, threads: int, precision: str) -> None:
        from espnet_onnx import load

        self._asr = load(path, precision=precision, threads=threads)

    def prepare(self, samples: Array, beam: int) -> None:
        """See `Modules`."""
        lengths = np.array([len(samples)])
        self._feats = self._asr.frontend(samples[None], lengths)
        for transform in self._asr.before:
            self._feats = transform(*self._feats)
        self._encoded = self._asr.encoder(*self._feats)
        self._beam = beam

    def encoder(self) -> Call:
        """See `Modules`."""
        return lambda: self._asr.encoder(*self._feats)

    def ctc(self) -> Call:
        """See `Modules`."""
        return lambda: self._asr.searcher.ctc(self._encoded.out)

    def step(self, position: int) -> Call:
        """See `Modules`."""
        decoder = self._asr.searcher.scorers["decoder"]
        tokens = _tokens(self._beam, position + 1)[None]
        state = decoder.start(self._encoded.out, self._encoded.lengths)
        # In a search the hypotheses of one moment share all but their last tokens.
        first = np.zeros((1, self._beam), np.int64)
        for used in range(1, position + 1):
            _, state = decoder.score(tokens[:, :, :used], state, first)
        return lambda: decoder.score(tokens, state, np.arange(self._beam)[None])


def _side(hello: Mapping[str, Any]) -> Modules:
    if hello["side"] == "ESPnet":
        return Espnet(hello["path"], hello["threads"])
    return Bundle(hello["path"], hello["threads"], hello["side"])


def _answer(modules: Modules, line: Mapping[str, Any], calls: dict[str, Call]) -> dict[str, Any]:
    if "audio" in line:
        modules.prepare(np.load(line["audio"]), line["beam"])
        calls.clear()
        return {"ready": True}
    name, _, position = line["task"].partition(" ")
    key = line["task"]
    if key not in calls or (position and modules.writes):
        calls[key] = modules.step(int(position)) if position else getattr(modules, name)()
    start = time.perf_counter()
    calls[key]()
    return {"seconds": time.perf_counter() - start}


def main() -> None:
    """Serve one side until stdin ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    modules = _side(json.loads(sys.stdin.readline()))
    print(json.dumps({"ready": True}), file=out)
    calls: dict[str, Call] = {}
    for line in sys.stdin:
        print(json.dumps(_answer(modules, json.loads(line), calls)), file=out)


if __name__ == "__main__":
    main()
