"""The feature extractor around a frontend that counts: no graph, no torch.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts.encoding import AT_ONCE
from espnet_onnx.parts.extractor import Extractor
from espnet_onnx.types import Array

RATE = 8000


@attrs.define
class Means:
    """Mean and power of every 10 samples, times (layer + 1); remembers the batches it saw."""

    sample_rate: int = RATE
    hop_length: int = 10
    shortest: int = 20
    layers: int = 3
    seen: list[tuple[int, ...]] = attrs.field(factory=list)

    def __call__(self, speech: Array, lengths: Array, layer: int | None = None) -> Any:
        assert speech.dtype == np.float32 and lengths.dtype == np.int64
        self.seen.append(speech.shape)
        whole = speech[:, : speech.shape[1] // 10 * 10].reshape(len(speech), -1, 10)
        feats = np.stack([whole.mean(-1), (whole**2).mean(-1)], -1)
        # What stands behind an utterance's end is nobody's.
        feats[np.arange(feats.shape[1])[None] >= (lengths // 10)[:, None]] = np.nan
        return feats * (1 if layer is None else layer + 1), lengths // 10


def noise(samples: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def test_one_recording_gives_its_frames() -> None:
    extractor = Extractor(Means())
    wave = noise(123)
    feats = extractor(wave)
    assert feats.dtype == np.float32 and feats.shape == (12, 2)
    np.testing.assert_allclose(feats[:, 0], wave[:120].reshape(12, 10).mean(1), rtol=1e-5)
    assert feats.flags.owndata
    assert (extractor.sample_rate, extractor.hop_length, extractor.layers) == (RATE, 10, 3)


def test_a_batch_is_its_utterances_in_their_order() -> None:
    extractor = Extractor(Means())
    waves = [noise(samples, seed) for seed, samples in enumerate((95, 400, 33, 210, 399))]
    together = extractor.batch(waves, batch_size=3)
    assert [len(feats) for feats in together] == [9, 40, 3, 21, 39]
    for wave, feats in zip(waves, together, strict=True):
        np.testing.assert_array_equal(feats, extractor(wave))
    assert extractor.batch([]) == []


def test_a_batch_goes_through_in_portions() -> None:
    frontend = Means()
    minute = int(AT_ONCE * RATE * 0.4)
    Extractor(frontend).batch([noise(minute)] * 5, batch_size=5)
    assert frontend.seen == [(2, minute), (2, minute), (1, minute)]


def test_layers() -> None:
    extractor = Extractor(Means())
    wave = noise(200)
    np.testing.assert_allclose(extractor(wave, layer=2), 3 * extractor(wave))
    np.testing.assert_allclose(extractor.batch([wave], layer=np.int64(0))[0], extractor(wave))
    for layer in (3, -1, 1.0):
        with pytest.raises(InputError, match=rf"layer is {layer}: there are 0 to 2; leave it out"):
            extractor(wave, layer=layer)  # type: ignore[arg-type]


def test_a_frontend_without_layers_is_told_of_none() -> None:
    @attrs.define
    class Plain:
        sample_rate: int = RATE
        hop_length: int = 10
        shortest: int = 20

        def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
            return Means()(speech, lengths)  # type: ignore[no-any-return]

    extractor = Extractor(Plain())
    assert extractor(noise(40)).shape == (4, 2)
    assert (extractor.layers, extractor.width) == (0, 2)
    with pytest.raises(InputError, match="layer is 0: this frontend has no layers; leave it out"):
        extractor(noise(40), layer=0)


def test_recordings_are_read_as_for_recognition(tmp_path: Path) -> None:
    extractor = Extractor(Means())
    wave = noise(4000)
    integers = (wave * 32767).astype(np.int16)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([integers, integers], 1), 2 * RATE)
    from_file = extractor(path)
    assert from_file.shape == (200, 2)
    np.testing.assert_allclose(
        from_file, extractor(np.stack([integers, integers], 1), sample_rate=2 * RATE), atol=1e-6
    )
    assert extractor.read(integers)[0].dtype == np.float32
    with pytest.raises(
        AudioError, match=r"too short \(19 samples at 8000 Hz, the model needs 20\)"
    ):
        extractor(noise(19))
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        extractor(tmp_path / "gone.wav")


def test_self_check() -> None:
    class Broken(Means):
        def __call__(self, *inputs: Any, **options: Any) -> Any:
            feats, frames = super().__call__(*inputs, **options)
            return feats * np.inf, frames

    assert Extractor(Means()).self_check() is None
    assert Extractor(Broken()).self_check() == "features of noise are not finite"
