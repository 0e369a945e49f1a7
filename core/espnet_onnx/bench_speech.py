"""Speed and memory of a bundle that speaks, side by side with ESPnet; see `bench`.

From a text in memory to a waveform. Sides may speak for different lengths (an int8 model's
durations are not quite those of fp32), so they are compared by seconds per second of their audio.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from .bench import Side, Worker, machine, spent, spread, worker
from .parts.synthesizer import Synthesizer

__all__ = ["Utterance", "bench_speech", "steady"]


@attrs.frozen
class Utterance:
    """What every side says.

    Attributes:
        text: or its token ids.
        settings: of the acoustic model.
    """

    text: str | Sequence[int]
    settings: Mapping[str, float] = attrs.field(factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        """What a worker is sent."""
        text = self.text if isinstance(self.text, str) else list(map(int, self.text))
        return {"text": text, "settings": dict(self.settings)}


def steady(
    tts: Synthesizer, text: str | Sequence[int], voice: Mapping[str, Any], **given: float
) -> Utterance:
    """A text with settings under which its length does not depend on noise.

    A model that draws durations draws the likeliest; one that speaks frame by frame makes as many
    frames on every side as it made here.

    Args:
        tts: of fp32.
        text: or its token ids.
        voice: as a call of `tts` takes it.
        given: settings that stay as they are.
    """
    options = tts.settings.options
    fixed = {"noise_scale_dur": 0.0} if "noise_scale_dur" in options else {}
    if {"minlenratio", "maxlenratio"} <= options.keys():
        said = tts(text, longest=None, **{**given, **voice})
        # ESPnet counts <sos/eos>, and rounds down.
        ratio = (len(said.wave) / tts.vocoder.hop + 0.5) / (len(said.ids) + 1)
        fixed = {"minlenratio": ratio, "maxlenratio": ratio}
    return Utterance(text, {**tts.settings.options, **fixed, **given})


def bench_speech(
    sides: Sequence[Side],
    utterances: Mapping[str, Utterance],
    sample_rate: int,
    voice: Mapping[str, Any],
    *,
    threads: int = 2,
    rounds: int = 7,
    warm_up: int = 2,
    memory: bool = True,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Time every side on every text, calls alternating.

    Args:
        sides: who takes part; `times_faster` is against the first of ESPnet's.
        utterances: by name.
        sample_rate: of what they say, in Hz.
        voice: of `sids`, `lids`, `spembs` and `speech`, numbers and arrays.
        threads: threads of every side.
        rounds: timed rounds, after `warm_up` ones.
        memory: also measure peak memory, each side in a fresh process on the first text.

    Returns:
        JSON values: the machine, and by text and side seconds (median, quartiles), seconds of
        audio, real-time factor, ratios and, of bundles, seconds to the first part of a stream.
    """
    result: dict[str, Any] = {"machine": machine(), "threads": threads, "rounds": rounds}
    result |= {"warm_up": warm_up, "sample_rate": sample_rate}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "voice.npz"
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in voice.items()}
        np.savez(path, **arrays)
        sides = [attrs.evolve(side, voice=str(path)) for side in sides]
        if memory:
            first = next(iter(utterances.values())).line
            result["memory"] = {s.name: _memory(s, first, threads, progress) for s in sides}
        workers = {s: stack.enter_context(worker(s, threads, {})) for s in sides}
        result["inputs"] = {
            name: {
                "settings": dict(utterance.settings),
                "sides": _Race(workers, utterance.line, sample_rate)(
                    rounds, warm_up, partial(_tell, progress, name[:40])
                ),
            }
            for name, utterance in utterances.items()
        }
    result["load_average_after"] = machine()["load_average"]
    return result


def _memory(
    side: Side, line: Mapping[str, Any], threads: int, progress: Callable[[str], None]
) -> dict[str, float]:
    progress(f"memory of {side.name}")
    with worker(side, threads, {}) as fresh:
        answer = fresh(line)
    return {k: round(answer[k], 1) for k in ("peak_mb", "imports_mb")}


@attrs.frozen
class _Race:
    """All sides on one text."""

    workers: Mapping[Side, Worker]
    line: Mapping[str, Any]
    sample_rate: int

    def __call__(
        self, rounds: int, warm_up: int, progress: Callable[[str], None]
    ) -> dict[str, dict[str, Any]]:
        """Rows by the names of sides."""
        whole: dict[Side, list[dict[str, Any]]] = {side: [] for side in self.workers}
        first: dict[Side, list[float]] = {s: [] for s in self.workers if s.side == "bundle"}
        seen: dict[Side, dict[str, Any]] = {}
        for i in range(warm_up + rounds):
            progress(f"round {i + 1} of {warm_up + rounds}")
            for side, process in self.workers.items():
                answer = process(self.line)
                answer["last_profile"] = spent(seen.get(side), answer)
                whole[side].append(answer)
                seen[side] = answer
            for side, taken in first.items():
                seen[side] = self.workers[side]({**self.line, "first": True})
                taken.append(seen[side]["seconds"])
        timed = {side: answers[warm_up:] for side, answers in whole.items()}
        early = {side: taken[warm_up:] for side, taken in first.items()}
        base = next((answers for side, answers in timed.items() if side.side == "espnet"), None)
        return {s.name: self._row(rows, early.get(s), base) for s, rows in timed.items()}

    def _row(
        self,
        answers: Sequence[Mapping[str, Any]],
        first: Sequence[float] | None,
        base: Sequence[Mapping[str, Any]] | None,
    ) -> dict[str, Any]:
        seconds = [answer["seconds"] for answer in answers]
        row: dict[str, Any] = spread(seconds)
        row["audio_s"] = round(answers[-1]["samples"] / self.sample_rate, 4)
        costs = list(map(self._cost, answers))
        row["rtf"] = round(statistics.median(costs), 5)
        if base is not None:
            row["times_faster"] = _ratio(map(self._cost, base), costs)
        if first is not None:
            row["first"] = {**spread(first), "times_sooner": _ratio(seconds, first)}
        if answers[-1]["last_profile"]:
            row["profile"] = answers[-1]["last_profile"]
        return row

    def _cost(self, answer: Mapping[str, Any]) -> float:
        """Seconds for a second of audio."""
        return float(answer["seconds"] * self.sample_rate / max(answer["samples"], 1))


def _tell(progress: Callable[[str], None], name: str, step: str) -> None:
    progress(f"{name}: {step}")


def _ratio(slow: Iterable[float], fast: Iterable[float]) -> float:
    """Median over the rounds."""
    return round(statistics.median(a / b for a, b in zip(slow, fast, strict=True)), 3)
