"""Runs acoustic model `vits`.

Shapes: B utterances, U tokens, T frames, C latent channels, G width of the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.roles import Noise, Session, Spoken, Vocoder
from espnet_onnx.types import Array

__all__ = ["Vits", "build", "spread"]


@attrs.frozen
class Vits:
    """See `roles.Acoustic`.

    Attributes:
        text: tokens and controls to hidden states, the prior and the condition.
        durations: hidden states and noise to frames a token.
        flow: the prior, spread over frames, and noise to latent frames.
        sizes: control -> how many speakers or languages, or how wide an embedding.
        vocoder: the model's own HiFi-GAN.
    """

    text: Session
    durations: Session
    flow: Session
    sizes: Mapping[str, int]
    vocoder: Vocoder | None

    # As `espnet2.bin.tts_inference.Text2Speech` has them; max_len, in frames, is 0 for no limit.
    options: ClassVar[Mapping[str, float]] = {
        "alpha": 1.0,
        "noise_scale": 0.667,
        "noise_scale_dur": 0.8,
        "max_len": 0,
    }

    @property
    def needs(self) -> Sequence[str]:
        """See `roles.Acoustic`."""
        return tuple(self.sizes)

    def __call__(
        self, tokens: Array, lengths: Array, controls: Mapping[str, Any], noise: Noise
    ) -> Spoken:
        """`VITSGenerator.inference` up to its decoder; see `roles.Acoustic`.

        Args:
            tokens: (B, U).
            lengths: (B,).
            controls: also `durations`, (B, U) frames, which are taken as they are.
            noise: asked for `durations`, (B, 2, U), and `prior`, (B, C, T).

        Raises:
            InputError: a control is missing, is of another shape, or names nobody.
        """
        lengths = lengths.astype(np.int64)
        given = {name: self._control(name, controls, len(tokens)) for name in self.sizes}
        hidden, prior, *rest = self.text(tokens=tokens.astype(np.int64), lengths=lengths, **given)
        condition = {"condition": rest[0]} if rest else {}
        options = {name: controls.get(name, value) for name, value in self.options.items()}
        durations = controls.get("durations")
        if durations is None:
            random = noise("durations", (len(tokens), 2, tokens.shape[1]))
            random = random * np.float32(options["noise_scale_dur"])
            (spans,) = self.durations(hidden=hidden, lengths=lengths, noise=random, **condition)
            durations = np.ceil(spans * np.float32(options["alpha"]))
        valid = np.arange(tokens.shape[1]) < lengths[:, None]
        durations = np.where(valid, durations, 0).astype(np.int64)
        path, frames = spread(durations)
        random = noise("prior", (len(tokens), prior.shape[2] // 2, path.shape[1]))
        random = random * np.float32(options["noise_scale"])
        (latent,) = self.flow(prior=prior, path=path, lengths=frames, noise=random, **condition)
        longest = int(options["max_len"]) or latent.shape[1]
        return Spoken(
            latent[:, :longest],
            np.minimum(frames, longest),
            durations,
            {"speaker": rest[0]} if rest else {},
        )

    def _control(self, name: str, controls: Mapping[str, Any], batch: int) -> Array:
        """One that the model needs, as its graph takes it."""
        if controls.get(name) is None:
            raise InputError(f"this model needs {name}: give {self._wanted(name)}")
        wide = name == "spembs"
        array = np.asarray(controls[name], np.float32 if wide else np.int64)
        shape = (batch, self.sizes[name]) if wide else (batch,)
        fits = array.size == np.prod(shape)
        if not fits or not (wide or ((array >= 0) & (array < self.sizes[name])).all()):
            raise InputError(
                f"{name} of shape {array.shape} will not do: give {self._wanted(name)}"
            )
        return array.reshape(shape)

    def _wanted(self, name: str) -> str:
        size = self.sizes[name]
        return f"{size} values" if name == "spembs" else f"a number from 0 to {size - 1}"


def spread(durations: Array) -> tuple[Array, Array]:
    """Each frame's token, as `VITSGenerator._generate_path` lays them out.

    Args:
        durations: (B, U) frames, 0 behind each utterance.

    Returns:
        (B, T) int64, tokens counted from 1 and 0 for none, and frames (B,), at least one.
    """
    tokens = np.arange(1, durations.shape[1] + 1)
    paths = [np.repeat(tokens, row) for row in durations]
    frames = np.array([max(len(path), 1) for path in paths], np.int64)
    out = np.zeros((len(paths), frames.max()), np.int64)
    for row, path in zip(out, paths, strict=True):
        row[: len(path)] = path
    return out, frames


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Vits:
    """The acoustic model of a bundle's node."""
    text, durations, flow = map(open_session, ("text", "durations", "flow"))
    return Vits(text, durations, flow, node.config["sizes"], children.get("vocoder"))
