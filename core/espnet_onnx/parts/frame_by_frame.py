"""Speaks frame by frame: the loop around a decoder that hears what it said last.

Shapes: B utterances, U tokens, T frames, S steps, R frames a step, O features a frame, L layers
and P units of a prenet, C speaker embedding, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Protocol

import attrs
import numpy as np

from ..errors import InputError
from ..roles import Noise, Session, Spoken
from ..types import Array

__all__ = ["STOPPING", "FrameByFrame", "FrameDecoder", "Prenet", "Stepped", "needs_of"]

# Options that stop any of these decoders, and ESPnet's defaults.
STOPPING = {"threshold": 0.5, "minlenratio": 0.0, "maxlenratio": 10.0}
# What steps otherwise, and has no say where somebody else's frames are followed.
_FREE = dict.fromkeys(("use_att_constraint", "redraw_past"), False)
# A control -> what of the config says that the model needs it, and from which value on.
_NEEDS = {
    "speech": ("use_gst", 1),
    "sids": ("spks", 2),
    "lids": ("langs", 2),
    "spembs": ("spk_embed_dim", 1),
}

State = Mapping[str, Array]


def needs_of(conf: Mapping[str, Any]) -> list[str]:
    """Controls that a model of this `tts_conf` cannot speak without."""
    return [name for name, (key, least) in _NEEDS.items() if (conf.get(key) or 0) >= least]


@attrs.frozen
class Stepped:
    """What one step says.

    Attributes:
        frames: (B, R, O).
        stops: (B, R) how probable it is that a frame is the last.
        state: for the next step.
        attention: (B, U) where it looked; None where the graph does not tell.
    """

    frames: Array
    stops: Array
    state: State
    attention: Array | None = None


class FrameDecoder(Protocol):
    """One step of a decoder. All arrays of a state begin with the axis B.

    `past_frame` (B, O) of a state is what the next step hears as said last.

    Attributes:
        memory: names of what the encoder's graph returns, in order.
        reduction_factor: R.
        options: further controls -> default. With `redraw_past` it hears all frames anew at every
            step, each with other units dropped.
    """

    @property
    def memory(self) -> Sequence[str]:
        """See above."""

    @property
    def reduction_factor(self) -> int:
        """See above."""

    @property
    def options(self) -> Mapping[str, float]:
        """See above."""

    def limits(self, lengths: Array, options: Mapping[str, float]) -> tuple[Array, Array]:
        """(B,) tokens -> fewest and most steps, (B,) each."""

    def start(self, memory: State, lengths: Array, options: Mapping[str, float]) -> State:
        """The state before the first frame."""

    def step(self, state: State, kept: Array | None, options: Mapping[str, float]) -> Stepped:
        """One step; `kept` is what `Prenet` drew: (B, L, P), or (B, S, L, P) to redraw the past."""


@attrs.frozen
class Prenet:
    """Draws which units a decoder's prenet keeps, which ESPnet does in inference, too.

    Attributes:
        rate: probability that a unit is dropped.
        sizes: L and P; None where the decoder has no prenet.
    """

    rate: float
    sizes: tuple[int, int] | None

    @classmethod
    def of(cls, rate: float, step: Session) -> Prenet:
        """As the graph of a step takes it, in its input `kept`."""
        shape = step.inputs.get("kept")
        return cls(float(rate), None if shape is None else (int(shape[1]), int(shape[2])))

    def __call__(self, noise: Noise, *batch: int) -> Array | None:
        """One step's: (B, L, P) float32, 0 or what the kept units are scaled by.

        Args:
            noise: see `roles.Noise`.
            batch: B, or B and S for those of all frames so far, (B, S, L, P).
        """
        if self.sizes is None:
            return None
        shape = (*batch, *self.sizes)
        if not 0 < self.rate < 1:
            return np.full(shape, float(self.rate <= 0), np.float32)
        kept = noise("prenet", shape) > NormalDist().inv_cdf(self.rate)
        scaled: Array = kept.astype(np.float32) / np.float32(1 - self.rate)
        return scaled


@attrs.frozen
class FrameByFrame:
    """An autoregressive acoustic model; see `roles.Acoustic`.

    Attributes:
        encoder: tokens and conditions to what the decoder reads.
        style: reference features to a style; None where the model hears no reference.
        postnet: all frames of a step to features; None where they are what the decoder says.
        eos: id that ESPnet puts behind every text.
        needs: controls that it cannot speak without.
    """

    encoder: Session
    style: Session | None
    decoder: FrameDecoder
    postnet: Session | None
    prenet: Prenet
    eos: int
    needs: Sequence[str]
    vocoder: None = None

    @property
    def options(self) -> Mapping[str, float]:
        """Further controls and their defaults."""
        return {**self.decoder.options, "use_teacher_forcing": False}

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """(B, U) tokens and (B,) -> Spoken, with `prob` (B, T), and where the graph tells `att_w`.

        Weights `att_w` (B, S, U) also give how many steps look most at each token, `durations`,
        and `focus_rate` (B,), as ESPnet's `DurationCalculator` has them. With `use_teacher_forcing`
        it follows the frames of the control `speech`, (T, O) or (B, T, O), as long as they last,
        and there is no `prob`.

        Raises:
            InputError: a control that the model needs is missing.
        """
        tokens, lengths = _ended(tokens, lengths, self.eos)
        options = {name: controls.get(name, default) for name, default in self.options.items()}
        memory = self._encode(tokens, lengths, controls)
        details: dict[str, Array] = {}
        if options["use_teacher_forcing"]:
            frames = self._thinned(controls.get("speech"), len(tokens))
            said = self._follow(memory, lengths, frames, {**options, **_FREE}, noise)
        else:
            said = self._speak(memory, lengths, options, noise)
            details["prob"], _ = _joined([[step.stops for step in steps] for steps in said])
        feats, count = _joined([[step.frames for step in steps] for steps in said])
        if self.postnet is not None:
            (feats,) = self.postnet(frames=feats, frames_lengths=count)
        looks = [[s.attention[None] for s in steps if s.attention is not None] for steps in said]
        durations: Array | None = None
        if all(looks):
            details["att_w"], taken = _joined(looks)
            durations, details["focus_rate"] = _attended(details["att_w"], taken)
        return Spoken(feats, count, durations, details=details)

    def _encode(self, tokens: Array, lengths: Array, controls: Mapping[str, Any]) -> State:
        feed = {"tokens": tokens, "tokens_lengths": lengths}
        for name in self.needs:
            if controls.get(name) is None:
                raise InputError(f"the model needs {name}: give it with the text")
            value = np.asarray(controls[name])
            if name == "speech":
                name, value = "style", self._style(value)
            elif name == "spembs":
                value = np.atleast_2d(value).astype(np.float32)
            else:
                value = value.reshape(-1).astype(np.int64)
            feed[name] = _everybodys(value, len(tokens))
        return dict(zip(self.decoder.memory, self.encoder(**feed), strict=True))

    def _style(self, speech: Array) -> Array:
        """(T, O) of everybody or (B, T, O) -> (1 or B, D)."""
        assert self.style is not None
        speech = speech.astype(np.float32)
        speech = speech[None] if speech.ndim == 2 else speech
        frames = np.full(len(speech), speech.shape[1], np.int64)
        (style,) = self.style(speech=speech, lengths=frames)
        return style

    def _speak(
        self, memory: State, lengths: Array, options: Mapping[str, float], noise: Noise
    ) -> list[list[Stepped]]:
        """Every utterance's steps. One that has ended leaves the batch."""
        least, most = self.decoder.limits(lengths, options)
        state = self.decoder.start(memory, lengths, options)
        said: list[list[Stepped]] = [[] for _ in lengths]
        rows, steps = np.arange(len(lengths)), 0
        while rows.size:
            steps += 1
            # Noise is drawn for all, so that nobody's depends on who has ended.
            redrawn = (steps,) if options.get("redraw_past") else ()
            kept = self.prenet(noise, len(lengths), *redrawn)
            out = self.decoder.step(state, None if kept is None else kept[rows], options)
            for i, row in enumerate(rows):
                said[row].append(_alone(out, i, int(lengths[row])))
            over = (out.stops >= options["threshold"]).any(1) | (steps >= most[rows])
            over &= steps >= least[rows]
            state = out.state
            if over.any():
                rows = rows[~over]
                state = {name: array[~over] for name, array in state.items()}
        return said

    def _follow(
        self,
        memory: State,
        lengths: Array,
        frames: Array,
        options: Mapping[str, float],
        noise: Noise,
    ) -> list[list[Stepped]]:
        """Every utterance's steps, which hear (B, S, O) instead of what they say."""
        state = self.decoder.start(memory, lengths, options)
        said: list[list[Stepped]] = [[] for _ in lengths]
        for step in range(frames.shape[1]):
            out = self.decoder.step(state, self.prenet(noise, len(lengths)), options)
            for i, steps in enumerate(said):
                steps.append(_alone(out, i, int(lengths[i])))
            state = {**out.state, "past_frame": np.ascontiguousarray(frames[:, step])}
        return said

    def _thinned(self, speech: Any, batch: int) -> Array:
        """(T, O) of everybody or (B, T, O) -> (B, S, O), the last frame of every step."""
        if speech is None:
            raise InputError("use_teacher_forcing follows a recording: give speech")
        frames = np.asarray(speech, np.float32)
        frames = frames[None] if frames.ndim == 2 else frames
        factor = self.decoder.reduction_factor
        if frames.shape[1] < factor:
            raise InputError(f"the recording to follow is shorter than {factor} frames: give more")
        return _everybodys(frames[:, factor - 1 :: factor], batch)


def _alone(step: Stepped, row: int, tokens: int) -> Stepped:
    """What a step says of one utterance, without its state."""
    look = None if step.attention is None else step.attention[row, :tokens]
    return Stepped(step.frames[row], step.stops[row], {}, look)


def _attended(att_w: Array, steps: Array) -> tuple[Array, Array]:
    """`espnet2.tts.utils.DurationCalculator`: (B, S, U) and (B,) steps -> (B, U) and (B,)."""
    taken = np.arange(att_w.shape[1]) < steps[:, None]
    places = np.arange(att_w.shape[2])
    most = (att_w.argmax(2)[..., None] == places) & taken[..., None]
    focus: Array = (att_w.max(2) * taken).sum(1) / steps.astype(np.float32)
    return most.sum(1), focus


def _ended(tokens: Array, lengths: Array, eos: int) -> tuple[Array, Array]:
    """(B, U) and (B,) -> (B, U+1) with <sos/eos> behind every utterance, and (B,)."""
    tokens = np.pad(tokens.astype(np.int64), ((0, 0), (0, 1)))
    tokens[np.arange(len(tokens)), lengths] = eos
    return tokens, lengths.astype(np.int64) + 1


def _everybodys(value: Array, batch: int) -> Array:
    """One for all utterances, or one for each -> (B, ...)."""
    return np.ascontiguousarray(np.broadcast_to(value, (batch, *value.shape[1:])))


def _joined(parts: Sequence[Sequence[Array]]) -> tuple[Array, Array]:
    """Each utterance's arrays in a row, zeros behind the shorter ones; and how long they are."""
    rows = [np.concatenate(arrays) for arrays in parts]
    lengths = np.array([len(row) for row in rows], np.int64)
    sizes = np.max([row.shape for row in rows], 0)
    batch = np.zeros((len(rows), *sizes), np.float32)
    for out, row in zip(batch, rows, strict=True):
        out[tuple(map(slice, row.shape))] = row
    return batch, lengths
