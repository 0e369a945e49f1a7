"""`espnet-onnx dump`: features on disk, goes on where it was stopped, mixes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import espnet_onnx
from espnet_onnx.dump import BATCHES, dump
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts.extractor import Extractor

from .tiny_models import TINY

pytestmark = pytest.mark.export

RATE = 8000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def bundle(tiny_frontend: Path) -> Path:
    return tiny_frontend


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven recordings of different lengths, with a wav.scp."""
    folder = tmp_path_factory.mktemp("audio")
    lines = []
    for i, samples in enumerate([900, 4000, 777, 1200, 2500, 801, 3333, 950, 1600, 2222, 1024]):
        noise = np.random.default_rng(i).uniform(-0.5, 0.5, samples)
        soundfile.write(folder / f"{i}.wav", noise, RATE)
        lines.append(f"utt{i:02} {folder / f'{i}.wav'}\n")
    (folder / "wav.scp").write_text("".join(reversed(lines)))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name; the folder's own name in the lists does not count."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    here = str(folder).encode()
    return {name: path.read_bytes().replace(here, b"FEATS") for name, path in found.items()}


@pytest.mark.parametrize("form", ["npy", "kaldi"])
def test_what_stands_in_the_folder(form: str, bundle: Path, audio: Path, tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []
    done = dump(
        bundle,
        [audio],
        tmp_path / "f",
        form=form,
        batch_size=2,
        threads=1,
        progress=lambda *seconds: told.append(seconds),
    )
    extractor = espnet_onnx.load(bundle, threads=1)
    shapes = [extractor(audio / f"{i}.wav").shape for i in range(11)]
    lists = {name: (tmp_path / "f" / name).read_text() for name in ("feats_shape", "feats_dim")}
    assert lists == {
        "feats_shape": "".join(f"utt{i:02} {t},{d}\n" for i, (t, d) in enumerate(shapes)),
        "feats_dim": "16\n",
    }
    assert (done.utterances, done.kept, done.width) == (11, 0, 16)
    assert done.frames == sum(t for t, _ in shapes)
    total = sum(soundfile.info(audio / f"{i}.wav").duration for i in range(11))
    assert done.seconds == pytest.approx(total) == told[-1][1]
    assert told[0][0] == 0 and told[-1][0] == pytest.approx(total)
    assert [seconds for seconds, _ in told] == sorted({seconds for seconds, _ in told})


@pytest.mark.parametrize("form", ["npy", "kaldi"])
@pytest.mark.parametrize("stop", [2, 3, 5])
def test_stopped_and_started_again_it_is_the_same(
    form: str, stop: int, bundle: Path, audio: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    options: dict[str, Any] = {"form": form, "batch_size": 1, "threads": 1}
    dump(bundle, [audio], tmp_path / "whole", **options)
    calls: Iterator[int] = iter(range(1000))
    batch = Extractor.batch

    def killed(self: Extractor, *inputs: Any, **settings: Any) -> Any:
        if next(calls) == stop * BATCHES // 2:
            raise KeyboardInterrupt
        return batch(self, *inputs, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "batch", killed)
        with pytest.raises(KeyboardInterrupt):
            dump(bundle, [audio], tmp_path / "f", **options)
    assert not (tmp_path / "f/feats.scp").exists()
    done = dump(bundle, [audio], tmp_path / "f", **options)
    assert done.kept == stop * BATCHES // 2 // BATCHES * BATCHES > 0
    assert contents(tmp_path / "f") == contents(tmp_path / "whole")
    again = dump(bundle, [audio], tmp_path / "f", **options)
    assert (again.kept, again.frames, again.seconds) == (11, done.frames, done.seconds)


def test_a_part_that_was_damaged_is_written_again(
    bundle: Path, audio: Path, tmp_path: Path
) -> None:
    dump(bundle, [audio], tmp_path / "f", batch_size=1, threads=1)
    whole = contents(tmp_path / "f")
    (tmp_path / "f/data/2/utt05.npy").unlink()
    assert dump(bundle, [audio], tmp_path / "f", batch_size=1, threads=1).kept == 7
    assert contents(tmp_path / "f") == whole


def test_a_moved_folder_gets_new_lists(bundle: Path, audio: Path, tmp_path: Path) -> None:
    dump(bundle, [audio], tmp_path / "f", threads=1)
    (tmp_path / "f").rename(tmp_path / "moved")
    assert dump(bundle, [audio], tmp_path / "moved", threads=1).kept == 11
    paths = [line.split()[1] for line in (tmp_path / "moved/feats.scp").read_text().splitlines()]
    assert all(Path(path).is_file() for path in paths)


def test_other_settings_and_recordings_are_refused(
    bundle: Path, audio: Path, tmp_path: Path
) -> None:
    dump(bundle, [audio / "1.wav", audio / "2.wav"], tmp_path / "f", batch_size=1, threads=1)
    before = contents(tmp_path / "f")
    for settings, why in [
        ({"form": "kaldi"}, "was begun with format npy, not kaldi: give another folder"),
        ({"batch_size": 2}, "was begun with batch_size 1, not 2"),
        ({"layer": 0}, "this frontend has no layers"),
    ]:
        with pytest.raises(InputError, match=why):
            dump(
                bundle,
                [audio / "1.wav", audio / "2.wav"],
                tmp_path / "f",
                **{"batch_size": 1, "threads": 1, **settings},  # type: ignore[arg-type]
            )
    others = [[audio / "1.wav"], [audio / "1.wav", audio / "3.wav"], [audio]]
    for recordings in others:
        with pytest.raises(InputError, match="holds the features of other recordings"):
            dump(bundle, recordings, tmp_path / "f", batch_size=1, threads=1)
    (tmp_path / "copy").mkdir()
    manifest = json.loads((bundle / "manifest.json").read_text())
    for path in bundle.rglob("*"):
        if path.is_file():
            copy = tmp_path / "copy" / path.relative_to(bundle)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    manifest["source"] = "another"
    (tmp_path / "copy/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"was begun with bundle [0-9a-f]{64}, not [0-9a-f]{64}"):
        dump(tmp_path / "copy", [audio], tmp_path / "f", batch_size=1, threads=1)
    assert contents(tmp_path / "f") == before


def test_a_folder_of_something_else(bundle: Path, audio: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    dump(bundle, [audio], tmp_path / "f", threads=1)
    (tmp_path / "f/dump.json").write_text("[]")
    with pytest.raises(InputError, match=r"dump\.json: is damaged: give another folder"):
        dump(bundle, [audio], tmp_path / "f", threads=1)
    (tmp_path / "f/dump.json").unlink()
    with pytest.raises(InputError, match="exists and is no dump of features"):
        dump(bundle, [audio], tmp_path / "f", threads=1)
    with pytest.raises(InputError, match="exists and is no dump of features"):
        dump(bundle, [audio], audio / "1.wav", threads=1)


def test_recordings_that_cannot_be_used(bundle: Path, audio: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(20), RATE)
    with pytest.raises(AudioError, match=r"short\.wav: too short \(20 samples at 8000 Hz"):
        dump(bundle, [audio, tmp_path / "short.wav"], tmp_path / "f", threads=1)
    loud = np.full(900, np.nan, np.float32)
    soundfile.write(tmp_path / "xnan.wav", loud, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"xnan\.wav: 900 of 900 samples are NaN.*first$"):
        dump(bundle, [tmp_path / "xnan.wav"], tmp_path / "f", threads=1)
    assert not (tmp_path / "f").exists()
    options: dict[str, Any] = {"batch_size": 1, "threads": 1}
    with pytest.raises(AudioError, match="the same command goes on from here"):
        dump(bundle, [audio, tmp_path / "xnan.wav"], tmp_path / "f", **options)
    assert not (tmp_path / "f/feats.scp").exists()
    assert dump(bundle, [audio], tmp_path / "f", **options).kept == 2 * BATCHES


def test_a_recording_that_memory_does_not_hold(
    bundle: Path, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Extractor, *inputs: Any, **settings: Any) -> Any:
        raise InputError("memory is too small")

    monkeypatch.setattr(Extractor, "batch", full)
    with pytest.raises(AudioError, match=r"1\.wav \(0 s\): memory is too small$"):
        dump(bundle, [audio], tmp_path / "f", threads=1)
    assert not (tmp_path / "f").exists()


def test_the_command(run: Run, bundle: Path, audio: Path, tmp_path: Path) -> None:
    arguments = ("dump", bundle, audio, "-o", tmp_path / "f", "--format", "kaldi", "--threads", 1)
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["folder"] == str(tmp_path / "f") and report["utterances"] == 11
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'f/feats.scp'}: 11 utterances, 11 of them from before, ")
    for wrong, why in [
        ([audio / "gone.wav"], "gone.wav: no such file"),
        ([audio / "1.wav", audio / "1.wav"], "utterance id 1 is that of "),
    ]:
        code, out, err = run("dump", bundle, *wrong, "-o", tmp_path / "g")
        assert (code, out) == (2, "") and err.count("\n") == 1 and why in err
    assert not (tmp_path / "g").exists()


def test_a_recogniser_extracts_no_features(
    run: Run, bundle: Path, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("espnet_onnx.dump.load", lambda *_, **__: object())
    code, out, err = run("dump", bundle, audio, "-o", tmp_path / "f")
    assert (code, out) == (2, "") and "export the model again with --role frontend" in err


@pytest.mark.parametrize(("form", "type"), [("npy", "npy"), ("kaldi", "kaldi_ark")])
def test_espnet_reads_and_trains_on_it(
    form: str, type: str, bundle: Path, audio: Path, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from espnet2.train.collate_fn import CommonCollateFn
    from espnet2.train.dataset import ESPnetDataset

    from espnet_onnx import loader

    folder = dump(bundle, [audio], tmp_path / "f", form=form, batch_size=2, threads=1).folder
    extractor = espnet_onnx.load(bundle, threads=1)
    feats = ESPnetDataset([(str(folder / "feats.scp"), "speech", type)], float_dtype="float32")
    for i in range(11):
        _, read = feats[f"utt{i:02}"]
        np.testing.assert_allclose(read["speech"], extractor(audio / f"{i}.wav"), atol=1e-5)
    items = [(id, {**feats[id][1], "text": np.array([3, 4])}) for id in ("utt01", "utt06")]
    _, batch = CommonCollateFn(float_pad_value=0.0, int_pad_value=-1)(items)
    width = int((folder / "feats_dim").read_text())
    config = {**TINY, "frontend": None, "input_size": width}
    model, _ = loader.build_model(config, "asr")
    loss, _, _ = model.train()(**batch)
    loss.backward()
    gradients = [p.grad for p in model.encoder.parameters()]
    assert torch.isfinite(loss) and any(g is not None and bool(g.any()) for g in gradients)
