"""A whole model that speaks: as ESPnet's live object, as a bundle, from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile
import yaml

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx
import espnet_onnx as eo
from espnet_onnx import cli, components, loader
from espnet_onnx.dropin import bundle_folder
from espnet_onnx.errors import InputError
from espnet_onnx.isolation import injected_noise
from espnet_onnx.parts.noise import Gaussian
from espnet_onnx.testing import TinyModel, write_model
from espnet_onnx.types import Array
from espnet_onnx_plugin_tts.root_claim import claim
from espnet_onnx_plugin_tts.tiny import VITS

TAG = "kan-bayashi/tiny vits"
TEXT = "no tea. is it so"
X_VECTOR = np.linspace(-1, 1, 6, dtype=np.float32)
VOICE = {"sids": np.array([2]), "spembs": X_VECTOR}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """ESPnet's own object, made from files as users make it."""
    from espnet2.bin.tts_inference import Text2Speech

    folder = write_model(
        TinyModel("vits", VITS, task="gan_tts"), tmp_path_factory.mktemp("m") / "v"
    )
    config = loader.complete_config(VITS, "gan_tts")
    (folder / "full.yaml").write_text(yaml.safe_dump(config), "utf-8")
    files = (str(folder / "full.yaml"), str(folder / "valid.acc.ave.pth"))
    return Text2Speech(*files, speed_control_alpha=1.5, noise_scale=0.4)


@pytest.fixture(scope="module")
def cache(live: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the live object's export."""
    from espnet_onnx.export import TTSModelExport

    folder = tmp_path_factory.mktemp("cache")
    TTSModelExport(cache_dir=folder).export(live, TAG)
    return folder


def drawing(drawn: list[tuple[str, Array]], seed: int = 3) -> Any:
    """Noise that is written down."""
    gaussian = Gaussian(seed)

    def noise(name: str, shape: Sequence[int]) -> Array:
        drawn.append((name, gaussian(name, shape)))
        return drawn[-1][1]

    return noise


def test_a_live_object_speaks_with_its_own_settings(live: Any, cache: Path) -> None:
    tts = espnet_onnx.load(bundle_folder(TAG, cache))
    assert tts.settings.options == {
        "alpha": 1.5,
        "noise_scale": 0.4,
        "noise_scale_dur": 0.8,
        "max_len": 0,
    }
    drawn: list[tuple[str, Array]] = []
    ours = tts(TEXT, noise=drawing(drawn), **VOICE)
    with injected_noise(drawn):
        theirs = live(TEXT, **{name: torch.from_numpy(value) for name, value in VOICE.items()})
    np.testing.assert_array_equal(ours.durations, theirs["duration"].numpy().reshape(-1))
    np.testing.assert_allclose(ours.wave, theirs["wav"].numpy(), atol=1e-6)
    assert np.abs(ours.wave).max() > 1e-3 and ours.sample_rate == live.fs == 8000


def test_the_drop_in_answers_like_espnet(cache: Path) -> None:
    tts = espnet_onnx.Text2Speech(TAG, cache_dir=cache)
    said = tts(TEXT, **VOICE)
    want = espnet_onnx.load(bundle_folder(TAG, cache))(TEXT, **VOICE)
    np.testing.assert_array_equal(said["wav"], want.wave)
    np.testing.assert_array_equal(said["duration"], want.durations)
    stretched = tts(TEXT, durations=2 * want.durations, **VOICE)
    np.testing.assert_array_equal(stretched["duration"], 2 * want.durations)
    assert len(stretched["wav"]) == 2 * len(said["wav"])
    slow = tts(TEXT, decode_conf={"alpha": 3.0, "use_teacher_forcing": False}, **VOICE)
    assert slow["duration"].sum() > said["duration"].sum() and tts.fs == 8000
    with pytest.raises(InputError, match=r"needs a speaker id: give sids \(--sid\)"):
        tts(TEXT)
    with pytest.raises(InputError, match="no setting is called use_teacher_forcing"):
        tts(TEXT, decode_conf={"use_teacher_forcing": True}, **VOICE)
    with pytest.raises(InputError, match="give either tag_name or model_dir"):
        espnet_onnx.Text2Speech()


def test_a_stream_and_a_batch_are_the_same_speech(cache: Path) -> None:
    tts = espnet_onnx.load(bundle_folder(TAG, cache), alpha=9.0, seed=1)
    texts = [TEXT, "a", "sit on it. "]
    alone = [tts(text, sids=1, spembs=X_VECTOR).wave for text in texts]
    together = tts.batch(texts, sids=1, spembs=X_VECTOR)
    for text, one, of_all in zip(texts, alone, together, strict=True):
        np.testing.assert_allclose(of_all.wave, one, atol=1e-5)
        parts = list(tts(text, sids=1, spembs=X_VECTOR, stream=True))
        np.testing.assert_allclose(np.concatenate(parts), one, atol=1e-5)


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, arguments)))
    return (ended.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]


def test_the_command_line_writes_what_python_returns(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, vector = bundle_folder(TAG, cache), tmp_path / "x.npy"
    np.save(vector, X_VECTOR)
    voice = ("--sid", 2, "--spembs", vector)
    want = espnet_onnx.load(bundle)(TEXT, seed=5, alpha=0.5, **VOICE).wave
    for more in ((), ("--stream",)):
        out = tmp_path / f"out{len(more)}.wav"
        options = (*voice, "--speed", 2, "--seed", 5, "--json", *more)
        code, printed, _ = run(capsys, "synthesize", bundle, TEXT, "-o", out, *options)
        told = json.loads(printed)
        assert (code, told["sample_rate"]) == (0, 8000)
        assert told["seconds"] == pytest.approx(len(want) / 8000)
        written, rate = soundfile.read(out, dtype="float32")
        assert rate == 8000
        np.testing.assert_allclose(written, want, atol=2**-15)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((TEXT,), "needs a speaker id"),
        ((TEXT, "--sid", 9), "sids is 9, this model knows 0 to 3"),
        (("", "--sid", 1), "the text is empty"),
        (("\u4f60", "--sid", 1), "has no token that the model knows"),
    ],
)
def test_what_it_cannot_speak_is_one_line(
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[Any, ...],
    problem: str,
) -> None:
    np.save(tmp_path / "x.npy", X_VECTOR)
    rest = ("-o", tmp_path / "out.wav", "--spembs", tmp_path / "x.npy")
    code, printed, told = run(capsys, "synthesize", bundle_folder(TAG, cache), *arguments, *rest)
    assert code == 2 and not printed
    assert problem in told and told.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()


FEATURES = {"fs": "22050", "n_fft": 1024, "hop_length": 256, "n_mels": 80}


def root(**config: Any) -> Any:
    made = {"tts": "tacotron2", "feats_extract_conf": FEATURES, **config}
    return claim(components.root(made, task=config.pop("task", "tts"))[0])


def test_griffin_lim_takes_the_place_of_a_vocoder() -> None:
    part = root(normalize_conf={"stats_file": "feats_stats.npz"})
    vocoder = part.children["vocoder"]
    assert (vocoder.role, vocoder.type) == ("vocoder", "griffin_lim")
    assert (vocoder.conf["fs"], vocoder.conf["n_shift"], vocoder.conf["fmax"]) == (22050, 256, 7600)
    assert part.children["tts"].given["odim"] == 80
    assert part.config["denormalize"] and part.config["sample_rate"] == 22050
    assert part.config["decoding"]["prefer_normalized_feats"] is False


def test_features_that_say_too_little_need_a_vocoder() -> None:
    refused = root(feats_extract="spectrogram", feats_extract_conf={}, normalize=None)
    assert "give a vocoder" in refused.reason
    assert "give a vocoder" in root(odim=80, normalize=None).reason


def test_normalized_features_of_an_end_to_end_model_stay_inside() -> None:
    part = root(tts="vits", normalize_conf={"stats_file": "feats_stats.npz"})
    assert list(part.children) == ["tts"] and not part.config["denormalize"]


@pytest.mark.parametrize(
    ("tts", "steered", "follows"),
    [
        ({"tts": "tacotron2"}, None, True),
        ({"tts": "transformer"}, None, True),
        ({"tts": "fastspeech"}, 1, False),
        ({"tts": "fastspeech2"}, 1, False),
        ({"tts": "jets"}, 0, False),
        ({"tts": "vits"}, 0, False),
        ({"tts": "joint_text2wav"}, 1, False),
        ({"tts": "joint_text2wav", "tts_conf": {"text2mel_type": "tacotron2"}}, None, True),
    ],
)
def test_who_takes_durations_and_who_follows_a_recording(
    tts: dict[str, Any], steered: int | None, follows: bool
) -> None:
    config = root(**tts, normalize=None, feats_extract="fbank").config
    assert config["steered"] == steered
    heard = {"sample_rate": 22050, "shortest": 513, "hop_length": 256}
    assert config["reference"] == (heard if follows else None)


def test_only_bands_can_be_followed() -> None:
    plain = {"fs": 22050, "n_fft": 1024, "hop_length": 256}
    for features in ({"feats_extract": "spectrogram", "feats_extract_conf": plain}, {"odim": 80}):
        component = components.root({"tts": "tacotron2", **features}, task="tts")[0]
        vocoder = eo.Component("vocoder", "vocoder", "hifigan", {})
        part = claim(attrs.evolve(component, companions={"vocoder": vocoder}))
        assert isinstance(part, eo.Part) and part.config["reference"] is None


def test_symbols_that_stay_whole_travel_along(tmp_path: Path) -> None:
    file = tmp_path / "symbols.txt"
    file.write_text("<sigh>\n")
    part = root(normalize=None, non_linguistic_symbols=str(file))
    assert part.files == {"non_linguistic_symbols": file}
    assert "non_linguistic_symbols" not in part.config["text"]
    part = root(normalize=None, non_linguistic_symbols=["<sigh>"])
    assert not part.files and part.config["text"]["non_linguistic_symbols"] == ["<sigh>"]
    assert not root(normalize=None, non_linguistic_symbols="gone.txt").files
