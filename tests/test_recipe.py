"""recipes/digits: connected digits from single ones, and a model through ESPnet's own trainer."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from importlib import resources, util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_onnx.configs import read_yaml
from espnet_onnx.errors import InputError

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "digits"
WORDS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]


def script(name: str) -> ModuleType:
    spec = util.spec_from_file_location(f"recipe_{name}", RECIPE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two speakers whose digits are tones that tell digit, speaker and split."""
    folder = tmp_path_factory.mktemp("fsdd")
    time = np.arange(1200) / 8000
    for speaker, base in {"ada": 300, "bob": 2000}.items():
        for digit in range(10):
            for index in (0, 5, 10):
                wave = 0.5 * np.sin(2 * np.pi * (base + 100 * digit + 5 * index) * time)
                soundfile.write(folder / f"{digit}_{speaker}_{index}.wav", wave, 8000)
    return folder


def prepare(fsdd: Path, work: Path, *, seed: int = 0) -> Path:
    counts = ["--train", "30", "--valid", "4", "--test", "3"]
    script("prepare").main([str(fsdd), str(work), *counts, "--seed", str(seed)])
    return work


@pytest.fixture(scope="module")
def work(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tones, tmp_path_factory.mktemp("work"))


def rows(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines())


def test_utterances_are_whole_16_khz_recordings_of_known_words(work: Path) -> None:
    for split, count in {"train": 30, "valid": 4, "test": 3}.items():
        text, scp = rows(work / "data" / split / "text"), rows(work / "data" / split / "wav.scp")
        assert list(text) == list(scp) == sorted(text) and len(text) == count
        for name, said in text.items():
            samples, rate = soundfile.read(work / scp[name])
            digits = said.split()
            assert rate == 16000 and 1 <= len(digits) <= 7 and set(digits) <= set(WORDS)
            assert 0.29 < np.abs(samples).max() < 0.53
            # 0.15 s a digit, one pause more than digits of 0.02 to 0.25 s
            pauses = len(samples) / rate - 0.15 * len(digits)
            assert 0.019 * (len(digits) + 1) <= pauses <= 0.251 * (len(digits) + 1)


def test_what_is_heard_is_what_the_transcript_says(work: Path) -> None:
    lengths = set()
    for split, index in {"train": 10, "valid": 5, "test": 0}.items():
        text = rows(work / "data" / split / "text")
        speakers = rows(work / "data" / split / "utt2spk")
        for name, said in text.items():
            samples, _ = soundfile.read(work / "data" / split / "wav" / f"{name}.wav")
            base = {"ada": 300, "bob": 2000}[speakers[name]]
            power = np.abs(np.fft.rfft(samples, 16000 * 8))
            tones = [power[8 * (base + 100 * d + 5 * index) - 4 :][:9].max() for d in range(10)]
            heard = {WORDS[d] for d in range(10) if tones[d] > 0.25 * max(tones)}
            assert heard == set(said.split())
            lengths.add(len(said.split()))
    assert len(lengths) > 4


def test_a_seed_decides_everything(tones: Path, work: Path, tmp_path: Path) -> None:
    again, other = prepare(tones, tmp_path / "a"), prepare(tones, tmp_path / "b", seed=1)
    for file in sorted(p.relative_to(work) for p in (work / "data").rglob("*") if p.is_file()):
        assert (again / file).read_bytes() == (work / file).read_bytes()
    assert (other / "data/train/text").read_text() != (work / "data/train/text").read_text()


def test_tokens_are_words_and_letters_in_espnets_order(work: Path) -> None:
    tokens = (work / "tokens.txt").read_text("utf-8").split()
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert set("".join(WORDS)) <= set(tokens) and len(tokens) == len(set(tokens)) <= 32
    assert sum(f"▁{word}" in tokens for word in WORDS) >= 8


def test_a_folder_without_the_recordings_is_refused(tmp_path: Path, tones: Path) -> None:
    with pytest.raises(InputError, match="recordings 0 to 4 there is none"):
        prepare(tmp_path, tmp_path / "work")
    for file in tones.glob("*_0.wav"):
        if not file.name.startswith("3_bob"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="bob did not say every digit"):
        prepare(tmp_path, tmp_path / "work")


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.export
def test_the_demo_model_can_be_trained_again() -> None:
    """Its config is what conf/conformer.yaml and the commands amount to, key by key."""
    asr = pytest.importorskip("espnet2.tasks.asr")
    shipped = read_yaml(
        Path(str(resources.files("espnet_onnx"))) / "data/demo/conformer/exp/conformer/config.yaml"
    )
    command = script("train").train_command(str(RECIPE / "conf" / "conformer.yaml"))
    ours = vars(asr.ASRTask.get_parser().parse_args(command))
    # What the trainer adds, and what does not touch the model.
    aside = {"config", "required", "version", "distributed", "token_list", "print_config"}
    aside |= {"allow_variable_data_keys"}
    model_conf = plain(ours.pop("model_conf"))
    assert model_conf == {**shipped["model_conf"], "report_cer": False, "report_wer": False}
    compared = shipped.keys() & ours.keys() - aside
    assert {k: plain(ours[k]) for k in compared} == {k: shipped[k] for k in compared}
    assert shipped.keys() - ours.keys() <= aside | {"model_conf"}


HUBERT = {
    "encoder_layers": 1,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 16,
    "encoder_attention_heads": 2,
    "conv_feature_layers": "[(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8, 2, 2)] * 2",
    "conv_pos": 4,
    "conv_pos_groups": 2,
}


@pytest.mark.export
def test_a_normalisation_of_the_configs_own_is_kept() -> None:
    pytest.importorskip("espnet2")
    commands = {
        name: script("train").train_command(str(RECIPE / "conf" / f"{name}.yaml"))
        for name in ("conformer", "hubert")
    }
    assert any("feats_stats" in option for option in commands["conformer"])
    assert not any("normalize" in option for option in commands["hubert"])


@pytest.mark.export
@pytest.mark.slow
def test_a_frozen_hubert_runs_on_onnxruntime_while_a_model_trains(
    work: Path, tmp_path: Path
) -> None:
    """The trainer is ESPnet's, and so is what it writes, whoever computed the features."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("s3prl")
    from espnet2.tasks.asr import ASRTask

    script("random_hubert").write(work / "hubert_base_ls960.pt", HUBERT)
    tiny, hubert = (read_yaml(RECIPE / "conf" / f"{name}.yaml") for name in ("tiny", "hubert"))
    of_hubert = {k: hubert[k] for k in ("frontend", "frontend_conf", "freeze_param", "normalize")}
    preencoder = {"preencoder": "linear", "preencoder_conf": {"input_size": 16, "output_size": 20}}
    model_conf = {**tiny["model_conf"], "extract_feats_in_collect_stats": False}
    config = {**tiny, **of_hubert, **preencoder, "model_conf": model_conf}
    (tmp_path / "hubert.yaml").write_text(json.dumps(config))
    command = [sys.executable, str(RECIPE / "train.py"), str(tmp_path / "hubert.yaml"), str(work)]
    done = subprocess.run(
        [*command, "--onnx-frontend", "fp32"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    folder = work / "exp" / "hubert"
    assert (folder / "frontend.bundle" / "manifest.json").is_file()
    with contextlib.chdir(work):
        model, _ = ASRTask.build_model_from_file(folder / "config.yaml")
    trained = torch.load(folder / "1epoch.pth", weights_only=True)
    untrained = model.state_dict()
    assert list(trained) == list(untrained)
    frozen = [name for name in trained if name.startswith("frontend.upstream.")]
    assert frozen and all(torch.equal(trained[name], untrained[name]) for name in frozen)
    assert trained["frontend.featurizer.weights"].abs().min() > 0


@pytest.mark.export
@pytest.mark.slow
def test_a_trained_model_exports_and_transcribes(work: Path, tmp_path: Path) -> None:
    pytest.importorskip("espnet2")
    config = RECIPE / "conf" / "tiny.yaml"
    command = [sys.executable, str(RECIPE / "train.py"), str(config), str(work), "--half"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    from espnet_onnx import load
    from espnet_onnx.export import export

    export(work / "models" / "tiny", tmp_path / "bundle", threads=1)
    asr = load(tmp_path / "bundle", threads=1, beam_size=2, maxlenratio=-3)
    scp = rows(work / "data" / "test" / "wav.scp")
    results = asr.batch([work / name for name in scp.values()])
    assert len(results) == 3 and all(np.isfinite(r.score) for r in results)
    assert (work / "tiny.zip").is_file()
