"""Runs a frontend by itself: recordings to features.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from ..errors import InputError
from ..roles import Frontend
from ..types import Array
from .audio import read_for
from .batch import buckets, in_order, pad
from .encoding import AT_ONCE, portions

__all__ = ["Extractor"]


@attrs.frozen
class Extractor:
    """A feature extractor: `extractor("speech.flac")` is (T, D) float32.

    Attributes:
        frontend: see `roles.Frontend`. One with several outputs also has their number as `layers`,
            and its call takes `layer`, None for the default. `width`, the D of the default, saves
            a trial run.
    """

    frontend: Frontend

    @property
    def sample_rate(self) -> int:
        """What audio is resampled to, in Hz."""
        return self.frontend.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        return self.frontend.hop_length

    @property
    def layers(self) -> int:
        """How many outputs `layer` chooses from; 0 where there is only the default."""
        return int(getattr(self.frontend, "layers", 0))

    @property
    def width(self) -> int:
        """D, values a frame, of the default output."""
        known = getattr(self.frontend, "width", None)
        if known is None:
            known = self._run([self._noise(self.frontend.shortest)], None)[0].shape[1]
        return int(known)

    def __call__(
        self, audio: Any, *, sample_rate: int | None = None, layer: int | None = None
    ) -> Array:
        """Features (T, D) float32 of one recording.

        Args:
            audio: a path, a file object or an array (S,).
            sample_rate: of an array, in Hz; None where it already is the model's.
            layer: 0 to `layers` - 1 gives that one's output; None the default, of a
                self-supervised model the weighted sum that it was trained with.

        Raises:
            AudioError: the recording cannot be read, or is too short for the frontend.
            InputError: there is no such layer, or memory is too small for so long a recording.
        """
        return self.batch([audio], sample_rate=sample_rate, layer=layer)[0]

    def batch(
        self,
        audios: Sequence[Any],
        *,
        batch_size: int = 16,
        sample_rate: int | None = None,
        layer: int | None = None,
    ) -> list[Array]:
        """Features of many recordings, `batch_size` at a time, in the given order.

        Each is what the recording gives alone.
        """
        self.check_layer(layer)
        inputs = [read_for(self.frontend, a, sample_rate=sample_rate).samples for a in audios]
        groups = buckets([len(samples) for samples in inputs], batch_size)
        return in_order(groups, (self._portions([inputs[i] for i in g], layer) for g in groups))

    def check_layer(self, layer: int | None) -> None:
        """Refuse a layer that there is not.

        Raises:
            InputError: names those that there are.
        """
        if layer is None or (isinstance(layer, int | np.integer) and 0 <= layer < self.layers):
            return
        have = f"there are 0 to {self.layers - 1}" if self.layers else "this frontend has no layers"
        raise InputError(f"layer is {layer!r}: {have}; leave it out for the default features")

    def read(self, audio: Any) -> tuple[Array, ...]:
        """What ESPnet's own frontend takes of a recording: its samples (S,)."""
        return (read_for(self.frontend, audio).samples,)

    def self_check(self) -> str | None:
        """Features of a second of noise; a problem, or None."""
        feats = self(self._noise(max(self.sample_rate, self.frontend.shortest)))
        return None if np.isfinite(feats).all() else "features of noise are not finite"

    def _noise(self, samples: int) -> Array:
        return np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)

    def _portions(self, inputs: Sequence[Array], layer: int | None) -> list[Array]:
        most = int(AT_ONCE * self.sample_rate)
        runs = portions([len(samples) for samples in inputs], most)
        return [feats for run in runs for feats in self._run(inputs[run], layer)]

    def _run(self, inputs: Sequence[Array], layer: int | None) -> list[Array]:
        speech, lengths = pad(inputs)
        chosen: dict[str, Any] = {} if layer is None else {"layer": layer}
        feats, frames = self.frontend(speech, lengths, **chosen)
        # Copies: a view would keep the padded batch alive.
        return [np.array(row[:n], np.float32) for row, n in zip(feats, frames, strict=True)]
