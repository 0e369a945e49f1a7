from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import InputError
from espnet_onnx.parts.noise import Gaussian
from espnet_onnx.parts.speech_settings import Settings
from espnet_onnx.parts.synthesizer import Synthesizer
from espnet_onnx.parts.voices import Voices

from .speaking import HOP, LETTERS, RATE, Vocoder, synthesizer

TEXT = "one two three four five. six seven, eight nine ten! eleven twelve."
MANY = ["a", "bcdef", TEXT, "zzz yy x", "hello there"]


def test_a_text_becomes_a_wave_with_the_durations_of_its_tokens(tmp_path: Path) -> None:
    speech = synthesizer()("abc")
    assert speech.ids == [2, 3, 4]
    assert speech.durations is not None
    assert speech.durations.tolist() == [3, 1, 2, 1]  # with <sos/eos>, 30
    assert speech.wave.shape == (7 * HOP,) and speech.wave.dtype == np.float32
    assert (speech.sample_rate, speech.seconds) == (RATE, 7 * HOP / RATE)
    assert speech.details["prob"].shape == (7,) and speech.details["layers"] == 2
    assert speech.details["feat_gen"].shape == (7, 2)
    speech.save(tmp_path / "abc.wav")
    written, rate = soundfile.read(tmp_path / "abc.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(written, np.clip(speech.wave, -1, 1), atol=2**-15)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    speech = synthesizer()("abc")
    for name in (tmp_path / "nowhere" / "abc.wav", tmp_path / "abc.unheard"):
        with pytest.raises(InputError, match="cannot be written"):
            speech.save(name)


def test_the_seed_decides_and_none_is_a_new_one() -> None:
    tts = synthesizer()
    same = tts("abc", seed=777).wave
    np.testing.assert_array_equal(tts("abc").wave, same)
    assert np.abs(tts("abc", seed=778).wave - same).max() > 0.01
    assert np.abs(tts("abc", seed=None).wave - tts("abc", seed=None).wave).max() > 0.01


def test_a_batch_is_its_texts_one_by_one() -> None:
    tts = synthesizer()
    for batch_size in (1, 3, 8):
        spoken = tts.batch(MANY, batch_size=batch_size, longest=30)
        for text, speech in zip(MANY, spoken, strict=True):
            alone = tts(text, longest=30)
            assert speech.ids == alone.ids
            np.testing.assert_array_equal(speech.durations, alone.durations)
            np.testing.assert_allclose(speech.wave, alone.wave, atol=1e-6)
    assert tts.batch([]) == []


@pytest.mark.parametrize("context", [0, 2, 5, None])
@pytest.mark.parametrize("longest", [None, 30])
def test_a_stream_is_the_whole_in_parts(context: int | None, longest: int | None) -> None:
    tts = synthesizer(vocoder=Vocoder(context))
    parts = list(tts(TEXT, stream=True, longest=longest))
    assert len(parts) == {(None, None): 1, (None, 30): 3}.get((context, longest), len(parts))
    assert context is None or len(parts) > 3
    whole = synthesizer(vocoder=Vocoder(context))(TEXT, longest=longest).wave
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_a_stream_that_overlaps_too_little_is_another_wave() -> None:
    vocoder = Vocoder(5)
    whole = synthesizer(vocoder=vocoder)(TEXT).wave

    class Hasty:
        sample_rate, hop, context = None, HOP, 1
        __call__ = staticmethod(vocoder.__call__)

    parts = list(synthesizer(vocoder=Hasty())(TEXT, stream=True))
    assert np.abs(np.concatenate(parts) - whole).max() > 1e-3


def test_a_long_text_takes_no_more_memory_than_a_sentence() -> None:
    tts = synthesizer()
    text = " ".join([TEXT] * 50)
    speech = tts(text, longest=40)
    assert tts.acoustic.longest <= 41  # type: ignore[attr-defined]
    said = "".join(LETTERS[i - 1] for i in speech.ids)
    assert said.replace(" ", "") == text.translate({ord(" "): None, ord("!"): None})
    assert speech.durations is not None and speech.durations.sum() * HOP == len(speech.wave)
    stream = synthesizer()
    for _ in stream(text, stream=True, longest=40):
        pass
    assert stream.vocoder.most <= 4 * round(0.5 * RATE / HOP) + 4  # type: ignore[attr-defined]


def test_a_sentence_of_marks_alone_is_left_out() -> None:
    tts = synthesizer()
    assert tts("Yes. \U0001f642. No.", longest=5).ids == [*tts("yes.").ids, *tts("no.").ids]


def test_denormalized_features_reach_the_vocoder_unless_told_otherwise() -> None:
    double = synthesizer(denormalize=lambda feats: feats * 2, noisy=False)
    plain, doubled = synthesizer(noisy=False)("abc"), double("abc")
    np.testing.assert_array_equal(doubled.details["feat_gen"], plain.details["feat_gen"])
    np.testing.assert_array_equal(doubled.details["feat_gen_denorm"], plain.details["feat_gen"] * 2)
    assert np.abs(doubled.wave - plain.wave).max() > 0.01
    raw = double("abc", prefer_normalized_feats=True)
    np.testing.assert_array_equal(raw.wave, plain.wave)


def test_settings_are_those_of_the_model() -> None:
    tts = synthesizer()
    assert len(tts("abc", alpha=2.0).wave) == 2 * len(tts("abc").wave)
    with pytest.raises(InputError, match="no setting is called beam_size: there are alpha, noise"):
        tts("abc", beam_size=3)
    for value in ("slow", float("nan"), None):
        with pytest.raises(InputError, match=r"alpha is .*: give a number"):
            tts("abc", alpha=value)
    with pytest.raises(InputError, match=r"seed is 1\.5: give a whole number"):
        tts("abc", seed=1.5)


def test_durations_may_be_given() -> None:
    tts = attrs.evolve(synthesizer(), steered=1)
    own = tts("abc")
    np.testing.assert_array_equal(tts("abc", durations=own.durations).wave, own.wave)
    slow = tts("abc", durations=[5, 0, 2, 1])
    assert slow.durations is not None and slow.durations.tolist() == [5, 0, 2, 1]
    assert len(slow.wave) == 8 * HOP
    for wrong in ([5, 0, 2], [5, 0, 2, -1], [5.5, 0, 2, 1], "abcd", [[5, 0, 2, 1]]):
        with pytest.raises(InputError, match="durations are not the frames of 4 tokens: give whol"):
            tts("abc", durations=wrong)
    for wrong in ([0, 0, 0, 0], [1 << 40, 0, 0, 0]):
        with pytest.raises(InputError, match=r"durations add up to \d+ frames: give 1 to 1048576"):
            tts("abc", durations=wrong)
    with pytest.raises(InputError, match="decides itself how long tokens last: leave durations"):
        synthesizer()("abc", durations=[1, 1, 1, 1])


def test_a_recording_may_be_followed_where_the_model_can() -> None:
    tts = synthesizer()
    with pytest.raises(InputError, match="no setting is called use_teacher_forcing"):
        tts("abc", use_teacher_forcing=True)
    options = {**tts.settings.options, "use_teacher_forcing": False}
    tts = attrs.evolve(tts, settings=Settings(options, 777), reference=lambda _: np.ones((5, 2)))
    followed = tts("ab. c", speech="a.wav", use_teacher_forcing=True, longest=2)
    assert followed.durations is not None and followed.durations.tolist() == [5] * 6
    assert len(tts.batch(["ab"], speech="a.wav", use_teacher_forcing=True)[0].wave) == 15 * HOP
    with pytest.raises(InputError, match="does not take a recording to speak like"):
        tts("abc", speech="a.wav")


def test_nothing_to_say_is_an_error() -> None:
    tts = synthesizer()
    for text in ("", "\u4f60\u597d"):
        with pytest.raises(InputError, match="no letter of it is known"):
            tts(text)
    with pytest.raises(InputError, match="the text is empty"):
        tts([])


def test_noise_of_the_callers_own_takes_the_place_of_a_seed() -> None:
    tts, asked = synthesizer(), []

    def noise(name: str, shape: Any) -> Any:
        asked.append((name, tuple(shape)))
        return Gaussian(3)(name, shape)

    own = tts("abc", noise=noise).wave
    assert asked == [("prior", (1, 2, 7)), ("vocoder", (1, 1, 7 * HOP))]
    np.testing.assert_allclose(own, tts("abc", seed=3).wave)


def of_several() -> Synthesizer:
    return synthesizer(Voices(("sids",), speakers=4))


def test_speakers_are_one_for_all_or_one_for_each() -> None:
    tts = of_several()
    waves = [tts("abc", sids=i).wave for i in range(4)]
    np.testing.assert_array_equal(tts("abc", sids=np.array([2])).wave, waves[2])
    for i, speech in enumerate(tts.batch(["abc"] * 4, sids=[0, 1, 2, 3], batch_size=3)):
        np.testing.assert_allclose(speech.wave, waves[i], atol=1e-6)
    for speech in tts.batch(["abc"] * 2, sids=3):
        np.testing.assert_allclose(speech.wave, waves[3], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "needs a speaker id: give sids"),
        ({"sids": 4}, "sids is 4, this model knows 0 to 3"),
        ({"sids": -1}, "sids is -1, this model knows 0 to 3"),
        ({"sids": 0.5}, "sids is 0.5: give a speaker id"),
        ({"sids": "anna"}, "sids is 'anna': give a speaker id"),
        ({"sids": [0, 1]}, "or one for each text"),
        ({"sids": 1, "lids": 0}, "does not take a language id: leave lids out"),
    ],
)
def test_a_voice_that_there_is_not_is_one_line(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        of_several()("abc", **given)
    assert "\n" not in str(raised.value)


def test_an_embedding_has_the_width_of_the_model() -> None:
    voices = Voices(("spembs",), width=3)
    assert voices.controls({"spembs": [1, 2, 3]}, 2)["spembs"].shape == (2, 3)
    assert voices.controls({"spembs": np.ones((2, 3))}, 2)["spembs"].shape == (2, 3)
    for wrong in (np.ones(4), np.ones((3, 3)), 1.0):
        with pytest.raises(InputError, match=r"this model wants \(3,\): give the x-vector"):
            voices.controls({"spembs": wrong}, 2)
    with pytest.raises(InputError, match="spembs is empty or not finite"):
        voices.controls({"spembs": [1, np.inf, 0]}, 2)


def test_it_checks_itself() -> None:
    assert of_several().self_check() is None

    class Broken(Vocoder):
        def __call__(self, *given: Any) -> Any:
            return super().__call__(*given) * np.nan

    assert synthesizer(vocoder=Broken()).self_check() == "what it says is not finite"
