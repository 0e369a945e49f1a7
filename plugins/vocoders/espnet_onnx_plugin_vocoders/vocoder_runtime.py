"""Runs every generator. Shapes: B utterances, T frames, D features, K windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.roles import Noise, Session
from espnet_onnx.types import Array

__all__ = ["Generator", "build"]

# The last layers have few channels, and onnxruntime shares such work out by rows of a batch only.
# So an utterance is a batch of windows, of so many contexts at least that what two neighbours have
# in common (twice the context) is computed in less time than a thread more saves, and not so long
# that memory fills up.
_PAIR, _ROWS = 10, 4
_ALL_ROWS = 48
_LONGEST = 240


@attrs.frozen
class Generator:
    """See `roles.Vocoder`.

    Attributes:
        session: the graph; its inputs beside features and noise are conditions.
        sample_rate: of the waveform in Hz; None where only the acoustic model's config knows.
        hop: samples a frame.
        context: frames on either side that a sample depends on; None where all are heard.
        shortest: fewest frames, of which ESPnet's padding can make a reflection.
        noise: (channels, steps, frames) of the noise that it starts from, so many steps for so
            many frames; None where it needs none.
    """

    session: Session
    sample_rate: int | None
    hop: int
    context: int | None
    shortest: int = 1
    noise: Sequence[int] | None = None

    def __call__(
        self, feats: Array, lengths: Array, conditions: Mapping[str, Array], noise: Noise
    ) -> Array:
        """(B, T, D) and (B,) frames -> (B, T * hop) float32, undefined behind each utterance.

        One utterance at a time: a wave is so much larger than anything else that padding costs
        more than a batch saves, and memory stays that of one.

        Raises:
            InputError: an utterance is shorter than `shortest`, or a condition is missing.
        """
        self._check(lengths, conditions)
        drawn = self._drawn(feats, noise)
        waves = np.zeros((len(feats), feats.shape[1] * self.hop), np.float32)
        for i, frames in enumerate(map(int, lengths)):
            feed = {name: value[i : i + 1] for name, value in conditions.items()}
            if drawn is not None:
                feed["noise"] = drawn[i : i + 1, :, : self._steps(frames)]
            waves[i, : frames * self.hop] = self._wave(feats[i, :frames], feed)
        return waves

    def _wave(self, feats: Array, feed: Mapping[str, Array]) -> Array:
        """(T, D) -> (T * hop,)."""
        if "feats_lengths" in self.session.inputs:
            lengths = np.array([len(feats)], np.int64)
            wave: Array = self.session(feats=feats[None], feats_lengths=lengths, **feed)[0][0]
            return wave
        begins, size = _windows(len(feats), self.context or 0)
        seams = [0, *((begins[:-1] + begins[1:] + size) // 2), len(feats)]
        wave = np.empty(len(feats) * self.hop, np.float32)
        for k in range(0, len(begins), _ROWS):
            rows = np.stack([feats[begin : begin + size] for begin in begins[k : k + _ROWS]])
            given = {name: np.repeat(value, len(rows), 0) for name, value in feed.items()}
            for j, row in enumerate(self.session(feats=rows, **given)[0], k):
                first, last = (seam * self.hop for seam in seams[j : j + 2])
                skipped = begins[j] * self.hop
                wave[first:last] = row[first - skipped : last - skipped]
        return wave

    def _check(self, lengths: Array, conditions: Mapping[str, Array]) -> None:
        if lengths.min() < self.shortest:
            raise InputError(
                f"too short for the vocoder: {lengths.min()} frames, it needs {self.shortest}:"
                " give a longer text"
            )
        wanted = set(self.session.inputs) - {"feats", "feats_lengths", "noise"}
        if wanted != set(conditions):
            raise InputError(
                f"the vocoder takes the conditions {sorted(wanted)}, not {sorted(conditions)}:"
                " use the acoustic model that it was trained with"
            )

    def _drawn(self, feats: Array, noise: Noise) -> Array | None:
        """(B, channels, steps), so that what counts time is last."""
        if self.noise is None:
            return None
        return noise("vocoder", (len(feats), self.noise[0], self._steps(feats.shape[1])))

    def _steps(self, frames: int) -> int:
        assert self.noise is not None
        _, steps, every = self.noise
        return -(-frames // every) * steps


def _windows(frames: int, context: int) -> tuple[Array, int]:
    """Where windows begin, (K,), and how many frames each has.

    Two neighbours share twice the context, so that each is right up to the middle of that.
    """
    contexts = frames // context if context else 0
    count = 1 if contexts < _PAIR else 2
    if contexts >= _ALL_ROWS:
        count = max(_ROWS, -(-frames // _LONGEST))
        count += count % 2  # a window alone keeps one thread busy
    shared = (2 * context + 1) * (count - 1)
    size = -(-(frames + shared) // count)
    return np.linspace(0, frames - size, count).round().astype(np.int64), size


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Generator:
    """The generator of a bundle's node."""
    return Generator(open_session("vocoder"), **node.config)
