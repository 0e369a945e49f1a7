"""recipes/voice: what eSpeak NG says and when, and a voice that learns from it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from espnet_onnx.configs import read_yaml

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "voice"
SCRIPTS = ("acoustic", "espeak", "evaluate", "prepare", "texts", "train", "vocoder")
LACKING = [name for name in ("espeakng_loader", "phonemizer") if util.find_spec(name) is None]
speaks = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING} of text-espeak")
HOP = 256


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """They import each other by their bare names."""
    monkeypatch.syspath_prepend(str(RECIPE))
    yield
    for name in SCRIPTS:
        sys.modules.pop(name, None)


def script(name: str) -> ModuleType:
    return import_module(name)


def marks(tokens: str, *phones: tuple[str, int]) -> list[int] | None:
    phone = script("espeak").Phone
    starts: list[int] | None = script("prepare").marks(
        tokens.split(), [phone(ipa, start) for ipa, start in phones], 1000
    )
    return starts


def test_a_phone_is_shared_by_its_characters_and_a_pause_belongs_to_the_space() -> None:
    """As of "go, I": a stress mark takes no time; a word's end may come with its last phone."""
    events = [("ɡ", 20), ("ˈoʊ", 100), (" ", 100), ("", 300), ("", 320), ("aɪ", 500), ("", 900)]
    tokens = "ɡ ˈ o ʊ , <space> a ɪ ."
    assert marks(tokens, *events) == [0, 100, 100, 200, 300, 300, 500, 700, 900]


def test_a_word_that_ends_before_the_next_leaves_the_gap_to_the_space() -> None:
    assert marks("n <space> s", ("n", 10), (" ", 400), ("s", 450)) == [0, 400, 450]


def test_other_sounds_than_the_tokens_are_not_aligned() -> None:
    assert marks("n <space> z", ("n", 10), (" ", 400), ("s", 450)) is None


def test_durations_are_all_frames_and_nothing_for_the_end() -> None:
    """Starts at 22.05 kHz, frames of 16 kHz."""
    assert script("prepare").frames([0, 3528, 7056], 22050, 2560 * 3) == [10, 10, 11, 0]


@speaks
def test_what_lies_in_a_pause_is_silent_and_what_sounds_is_not(tmp_path: Path) -> None:
    script("prepare").prepare(tmp_path, 8)
    tokens = script("prepare").load_g2p(script("prepare").G2P)
    rows = {
        file: dict(
            row.split(" ", maxsplit=1)
            for row in (tmp_path / "data/digits" / file).read_text("utf-8").splitlines()
        )
        for file in ("text", "durations", "wav.scp")
    }
    assert len(rows["text"]) == 60
    for name in [name for name, durations in rows["durations"].items() if durations][:5]:
        text = rows["text"][name]
        wave = soundfile.read(tmp_path / rows["wav.scp"][name])[0]
        durations = [int(n) for n in rows["durations"][name].split()]
        assert sum(durations) == len(wave) // HOP + 1
        ends = np.cumsum(durations)
        pauses = [i for i, token in enumerate(tokens(text)) if token == "<space>"]
        assert len(pauses) >= 2
        for i in pauses:
            middle = (ends[i] - durations[i] // 2) * HOP
            assert np.abs(wave[middle - HOP : middle + HOP]).max() < 1e-3
            word = wave[ends[i - 5] * HOP : ends[i - 2] * HOP]
            assert np.abs(word).max() > 1e-2
    heard = (tmp_path / "tokens.txt").read_text("utf-8").split()
    assert heard[:2] == ["<blank>", "<unk>"] and heard[-1] == "<sos/eos>"


@pytest.mark.export
def test_a_slower_repetition_is_hardly_distorted() -> None:
    pytest.importorskip("jiwer")
    distortion = script("evaluate").distortion
    frames = np.random.default_rng(0).normal(size=(20, 24))
    assert distortion(frames, np.repeat(frames, 2, axis=0)) == pytest.approx(0)
    shifted = distortion(frames, frames + np.eye(24)[0])
    assert shifted == pytest.approx(10 / np.log(10) * np.sqrt(2), rel=0.05)


@pytest.mark.export
def test_an_interrupted_vocoder_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("espnet2")
    rng, folder = np.random.default_rng(0), tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", rng.normal(0, 0.1, 6000), 16000)
    (folder / "wav.scp").write_text("a data/train/a.wav\n")
    whole = {**read_yaml(RECIPE / "conf" / "tiny_hifigan.yaml"), "train_max_steps": 4}
    config = tmp_path / "hifigan.yaml"

    def trained(steps: int) -> dict[str, torch.Tensor]:
        # The learning rate depends on the last step.
        config.write_text(json.dumps(whole))
        vocoder = script("vocoder")
        if steps < 4:
            trainer = vocoder.Trainer(whole)
            corpus = vocoder.Corpus.read(tmp_path, whole)
            for step in range(steps):
                trainer.update(*corpus.batch(whole, np.random.default_rng(step)))
            (tmp_path / "exp" / "hifigan").mkdir(parents=True)
            trainer.save(tmp_path / "exp" / "hifigan" / "state.pth")
        checkpoint = torch.load(vocoder.train(tmp_path, config), weights_only=True)
        weights: dict[str, torch.Tensor] = checkpoint["model"]["generator"]
        return weights

    interrupted = trained(2)
    (tmp_path / "exp" / "hifigan" / "state.pth").unlink()
    at_once = trained(4)
    untrained = script("vocoder").Trainer(whole).generator.state_dict()
    assert all(torch.equal(at_once[name], interrupted[name]) for name in at_once)
    assert any(not torch.equal(at_once[name], untrained[name]) for name in at_once)


@speaks
@pytest.mark.export
@pytest.mark.slow
def test_what_was_trained_exports_and_speaks(tmp_path: Path) -> None:
    pytest.importorskip("espnet2")
    conf = RECIPE / "conf"
    configs = ["--acoustic", conf / "tiny_fastspeech.yaml", "--vocoder", conf / "tiny_hifigan.yaml"]
    command = [sys.executable, RECIPE / "train.py", tmp_path, *configs, "--utterances", "12"]
    done = subprocess.run([*command, "--threads", "1"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    from espnet_onnx import load
    from espnet_onnx.export import export

    model = tmp_path / "model"
    export(model, tmp_path / "bundle", vocoder=model / "hifigan", threads=1)
    speech = load(tmp_path / "bundle", threads=1)("One, two.")
    assert len(speech.wave) == HOP * max(1, int(np.sum(speech.durations)))
    assert np.isfinite(speech.wave).all() and np.ptp(speech.wave) > 0
    assert min(p.name for p in (model / "reference").iterdir()) == "digits-00000.wav"
