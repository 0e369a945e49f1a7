"""Runs a model that speaks: text to waveform.

Shapes: B utterances, U tokens, T frames, D width, N samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import attrs
import numpy as np

from ..errors import InputError
from ..roles import Acoustic, Noise, Spoken, Vocoder
from ..types import Array
from .batch import buckets, in_order
from .sentences import LONGEST, sentences
from .speech import Speech, joined
from .speech_settings import Settings
from .speech_stream import stretches
from .token_values import token_durations, token_ids
from .voices import Voices

__all__ = ["Synthesizer"]


@attrs.frozen
class Synthesizer:
    """A model that speaks: `tts("Good morning.").save("morning.wav")`.

    Attributes:
        acoustic: see `roles.Acoustic`.
        vocoder: see `roles.Vocoder`; the acoustic model's own, where it has one.
        text: a text's token ids, without <sos/eos>; raises InputError where it has none.
        voices: who can speak.
        sample_rate: of what is spoken, in Hz.
        settings: defaults of a call.
        denormalize: (B, T, D) normalised features as the vocoder wants them; None where there is
            nothing to undo.
        reference: a recording as the acoustic model hears it in `speech`, (T, D); None where it
            hears none.
        vocabulary: how many token ids there are; None where nobody knows.
        stretch: seconds of sound that a stream gives at a time.
        steered: whether the acoustic model takes `durations`, (1, U) frames of its tokens; None
            where it does not, else how many it sees beside those of the text (<sos/eos>).
    """

    acoustic: Acoustic
    vocoder: Vocoder
    text: Callable[[str], Sequence[int]]
    voices: Voices
    sample_rate: int
    settings: Settings
    denormalize: Callable[[Array], Array] | None = None
    reference: Callable[[Any], Array] | None = None
    vocabulary: int | None = None
    stretch: float = 0.5
    steered: int | None = None

    @overload
    def __call__(
        self, text: str | Sequence[int] | Array, *, stream: Literal[False] = False, **given: Any
    ) -> Speech: ...

    @overload
    def __call__(
        self, text: str | Sequence[int] | Array, *, stream: Literal[True], **given: Any
    ) -> Iterator[Array]: ...

    def __call__(
        self, text: str | Sequence[int] | Array, *, stream: bool = False, **given: Any
    ) -> Speech | Iterator[Array]:
        """Speak a text; a long one sentence by sentence, so that memory stays bounded.

        Args:
            text: or its token ids.
            stream: give the wave in parts, (N,) float32, the first as soon as it is known.
            given: `sids`, `lids`, `spembs`, `speech`, as the model needs them; `seed`, the acoustic
                model's options (`alpha`, `noise_scale`, ...), see `settings`; `longest`, letters
                spoken in one go; `noise` instead of a seed (see `roles.Noise`); `durations`, (U,)
                frames of each token, as `Speech.durations` tells them, of a text in one go. With
                `use_teacher_forcing` it follows `speech`, likewise in one go.

        Raises:
            InputError: there is nothing to say, or the model does not know this voice or setting.
        """
        durations = given.pop("durations", None)
        call = self._call(given, 1)
        whole = durations is not None or call.settings.follows
        parts = self._parts(text, None if whole else given.get("longest", LONGEST))
        if durations is not None:
            call = call.lasting(self._durations(durations, parts[0]))
        if stream:
            return self._stream(parts, call)
        spoken = (self._together([ids], call, i)[0] for i, ids in enumerate(parts))
        # What ESPnet returns beside the wave is of a text that is spoken in one go.
        return joined([s if len(parts) == 1 else attrs.evolve(s, details={}) for s in spoken])

    def batch(
        self, texts: Sequence[str | Sequence[int] | Array], *, batch_size: int = 8, **given: Any
    ) -> list[Speech]:
        """Speak many texts, `batch_size` at a time; each as it is spoken alone.

        Args:
            texts: see `__call__`, as for the rest.
            batch_size: how many at a time.
            given: of the voices one for all texts, or one for each.
        """
        call = self._call(given, len(texts))
        longest = None if call.settings.follows else given.get("longest", LONGEST)
        every = [self._parts(text, longest) for text in texts]
        spoken: list[list[Speech]] = [[] for _ in texts]
        for part in range(max(map(len, every), default=0)):
            rows = [i for i, parts in enumerate(every) if part < len(parts)]
            groups = buckets([len(every[i][part]) for i in rows], batch_size)
            chosen = [[rows[i] for i in group] for group in groups]
            done = (self._together([every[i][part] for i in g], call.of(g), part) for g in chosen)
            for i, speech in zip(rows, in_order(groups, done), strict=True):
                spoken[i].append(speech)
        return list(map(joined, spoken))

    def read(self, text: str | Sequence[int] | Array) -> list[int]:
        """Token ids of a text, or those given.

        Raises:
            InputError: there is nothing to say.
        """
        ids = list(self.text(text)) if isinstance(text, str) else token_ids(text)
        if not ids:
            raise InputError("the text is empty: give a text to speak")
        most = math.inf if self.vocabulary is None else self.vocabulary
        wrong = next((i for i in ids if not 0 <= i < most), None)
        if wrong is not None:
            raise InputError(f"token {wrong} is none of the model's: give ids from 0 to {most - 1}")
        return ids

    def self_check(self) -> str | None:
        """A few tokens; a problem, or None."""
        speech = self([1, 2, 1], **self.voices.any())
        return None if np.isfinite(speech.wave).all() else "what it says is not finite"

    def rehearse(self, texts: Sequence[str] = ()) -> None:
        """Speak, for whoever writes down what the graphs are given.

        Args:
            texts: what to say; without any, tokens at random.

        Raises:
            InputError: a text cannot be spoken.
        """
        voice = self.voices.any()
        for text in texts or self._babble():
            self(text, **voice)

    def _babble(self) -> list[Array]:
        """Tokens at random, a second of speech or so each: neither <blank>, <unk> nor <sos/eos>."""
        tokenizer = getattr(self.text, "tokenizer", None)
        size = len(tokenizer.token_list) if tokenizer else 0
        return list(np.random.default_rng(0).integers(2, max(size - 1, 3), (12, 12)))

    def _parts(self, text: str | Sequence[int] | Array, longest: int | None) -> list[list[int]]:
        if longest is not None and not (isinstance(longest, int | float) and longest >= 1):
            raise InputError(f"longest is {longest!r}: give how many letters to speak in one go")
        if not isinstance(text, str) or longest is None:
            return [self.read(text)]
        # A sentence may be a smiley.
        parts = [part for part in sentences(text, longest) if any(map(str.isalnum, part))]
        return [self.read(part) for part in parts or [text]]

    def _call(self, given: Mapping[str, Any], count: int) -> _Call:
        voices = {name: given.get(name) for name in ("sids", "lids", "spembs", "speech")}
        if self.reference is not None and voices["speech"] is not None:
            voices["speech"] = self.reference(voices["speech"])
        rest = {k: v for k, v in given.items() if k not in (*voices, "noise", "longest")}
        settings = self.settings.but(**rest)
        also = ("speech",) if settings.follows else ()
        controls = self.voices.controls(voices, count, also)
        return _Call(self.voices, controls, settings, given.get("noise"))

    def _durations(self, given: Any, ids: Sequence[int]) -> Array:
        if self.steered is None:
            raise InputError("this model decides itself how long tokens last: leave durations out")
        return token_durations(given, len(ids) + self.steered)

    def _together(self, rows: Sequence[Sequence[int]], call: _Call, part: int) -> list[Speech]:
        noise = call.noise(part)
        spoken, feats = self._frames(rows, call, noise)
        if not feats.shape[1]:
            waves = np.zeros((len(rows), 0), np.float32)
        else:
            waves = self.vocoder(feats, spoken.lengths, spoken.conditions, noise)
        return [
            Speech(
                np.array(waves[i, : int(spoken.lengths[i]) * self.vocoder.hop], np.float32),
                self.sample_rate,
                list(ids),
                _durations(spoken, i, rows),
                self._details(spoken, feats) if len(rows) == 1 else {},
            )
            for i, ids in enumerate(rows)
        ]

    def _details(self, spoken: Spoken, feats: Array) -> dict[str, Any]:
        """What ESPnet's `Text2Speech` returns beside the wave of one utterance; no axis B."""
        found = {n: value[0] if np.ndim(value) else value for n, value in spoken.details.items()}
        if self.vocoder is self.acoustic.vocoder:
            return found
        frames = int(spoken.lengths[0])
        found["feat_gen"] = spoken.feats[0, :frames]
        return found if feats is spoken.feats else {**found, "feat_gen_denorm": feats[0, :frames]}

    def _stream(self, parts: Sequence[Sequence[int]], call: _Call) -> Iterator[Array]:
        frames = max(1, round(self.stretch * self.sample_rate / self.vocoder.hop))
        for part, ids in enumerate(parts):
            noise = call.noise(part)
            spoken, feats = self._frames([ids], call, noise)
            whole = feats[:, : int(spoken.lengths[0])]
            for wave in stretches(self.vocoder, whole, spoken.conditions, noise, frames):
                yield np.array(wave, np.float32)

    def _frames(
        self, rows: Sequence[Sequence[int]], call: _Call, noise: Noise
    ) -> tuple[Spoken, Array]:
        """What the acoustic model says, and what of it the vocoder hears: (B, T, D)."""
        lengths = np.array([len(ids) for ids in rows], np.int64)
        tokens = np.zeros((len(rows), int(lengths.max())), np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        controls = {**call.controls, **call.settings.options}
        spoken = self.acoustic(tokens, lengths, controls, noise)
        if self.denormalize is None or call.settings.prefer_normalized_feats:
            return spoken, spoken.feats
        return spoken, self.denormalize(spoken.feats)


@attrs.frozen
class _Call:
    """One request: its utterances' voices, and settings.

    Attributes:
        given: noise of the caller's own.
    """

    voices: Voices
    controls: Mapping[str, Array]
    settings: Settings
    given: Noise | None = None

    def of(self, rows: Sequence[int]) -> _Call:
        """The same for some of its utterances."""
        return attrs.evolve(self, controls=self.voices.pick(self.controls, rows))

    def lasting(self, durations: Array) -> _Call:
        """The same with frames of each token, (1, U)."""
        return attrs.evolve(self, controls={**self.controls, "durations": durations})

    def noise(self, part: int) -> Noise:
        """What a sentence hears."""
        return self.settings.noise(part) if self.given is None else self.given


def _durations(spoken: Spoken, row: int, rows: Sequence[Sequence[int]]) -> Array | None:
    """(U,) of one utterance; what the model adds to the tokens (<sos/eos>), it adds to each."""
    if spoken.durations is None:
        return None
    padding = max(map(len, rows)) - len(rows[row])
    durations: Array = spoken.durations[row, : spoken.durations.shape[1] - padding]
    return durations
