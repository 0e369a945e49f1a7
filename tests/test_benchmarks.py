"""benchmarks/: what the scripts compute and write, on models that take no time."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile

pytest.importorskip("espnet2", reason="benchmarks compare with ESPnet")
torch = pytest.importorskip("torch")

from espnet_onnx.bench import Worker, spread
from espnet_onnx.errors import EspnetOnnxError, InputError

pytestmark = pytest.mark.export

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
VOCAB = 20


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def script(name: str) -> Any:
    return importlib.import_module(name)


CONFIG = {
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
        "use_cnn_module": True,
        "cnn_module_kernel": 7,
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        script("random_model").write_model(CONFIG, folder, VOCAB)
    return folder


@pytest.fixture(scope="module")
def bundle(model: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        search = {"beam_size": 2, "ctc_weight": 0.3}
        script("inputs").ensure_bundle(model, model.parent / "bundle", search, 1)
    return model.parent / "bundle"


@pytest.fixture(scope="module")
def lm(model: Path) -> Path:
    conf = {"lm": "transformer", "lm_conf": {"att_unit": 8, "head": 2, "unit": 8, "layer": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        script("random_model").write_model(conf, model.parent / "lm", VOCAB)
    return model.parent / "lm"


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    (folder / "wav").mkdir()
    rng = np.random.default_rng(0)
    for i, samples in enumerate((9000, 16000, 11111)):
        wave = rng.normal(0, 0.1, samples)
        soundfile.write(folder / "wav" / f"u{i}.flac", wave, 16000)
    (folder / "text").write_text("u0 t1 t2\nu1 t3\nu2 t4\n")
    return folder


def test_random_models_are_decisive_and_the_same_every_time(model: Path, tmp_path: Path) -> None:
    from espnet_onnx import loader, sources

    script("random_model").write_model(CONFIG, tmp_path / "again", VOCAB)
    first, again = (
        loader.load_model(sources.find(folder)) for folder in (model, tmp_path / "again")
    )
    weights, same = first.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    torch.manual_seed(0)
    plain, _ = loader.build_model(first.config, "asr", base=first.base)
    for name, weight in plain.state_dict().items():
        if name in {"decoder.output_layer.weight", "ctc.ctc_lo.weight"}:
            assert torch.equal(weights[name], 8 * weight)
        elif name in {"decoder.output_layer.bias", "ctc.ctc_lo.bias"}:
            assert weights[name][-1] == -30 and torch.equal(weights[name][:-1], weight[:-1])
        else:
            assert torch.equal(weights[name], weight.float())
    assert first.config["token_list"][-1] == "<sos/eos>" and first.config["input_size"] is None


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("librispeech_conformer10", 116),
        ("librispeech_transformer18", 99),
        ("librispeech_lm", 53),
    ],
)
def test_full_size_configs_have_their_published_size(name: str, millions: int) -> None:
    from espnet_onnx.configs import read_yaml
    from espnet_onnx.loader import build_model

    config = read_yaml(FOLDER / "conf" / f"{name}.yaml")
    tokens = {"token_list": [str(i) for i in range(5000)], "token_type": "word"}
    with torch.device("meta"):
        model, _ = build_model({**config, **tokens}, "lm" if "lm" in config else "asr")
    assert sum(p.numel() for p in model.parameters()) // 10**6 == millions


def test_speech_is_joined_and_cut(test_set: Path) -> None:
    speech = script("inputs").speech
    files = sorted((test_set / "wav").iterdir())
    cut = speech(files, [2.0, 1.5])
    assert {name: len(samples) for name, samples in cut.items()} == {"2 s": 32000, "1.5 s": 24000}
    read = np.concatenate([soundfile.read(f, dtype="float32")[0] for f in files])
    assert np.array_equal(cut["2 s"], read[:32000])
    with pytest.raises(InputError, match="give more"):
        speech(files, [3.0])


def test_a_test_set_needs_a_recording_for_every_transcript(test_set: Path, tmp_path: Path) -> None:
    utterances = script("inputs").utterances
    assert [text for _, text in utterances(test_set).values()] == ["t1 t2", "t3", "t4"]
    assert list(utterances(test_set, 2)) == ["u0", "u1"]
    (tmp_path / "text").write_text("u0 t1\n")
    with pytest.raises(InputError, match="u0 has a transcript but no"):
        utterances(tmp_path)


def test_sizes_count_what_a_precision_needs(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    every = sum(file["size"] for file in manifest["files"].values()) / 1e6
    sizes = script("inputs").sizes_mb(bundle)
    assert set(sizes) == {"fp32", "int8"} and 0 < sizes["fp32"] < every + 0.1
    int8_only = sum(f["size"] for n, f in manifest["files"].items() if ".int8." in n) / 1e6
    assert sizes["fp32"] == pytest.approx(every - int8_only, abs=0.06)


def test_a_report_says_where_and_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = script("report")
    run = report.Report.start("speed", "tiny", 1, ["/far/away/model", "--seconds", "5", "conf"])
    table = report.Table(["side", "s"], [["fp32", 1.0]])
    checks = [report.Check("tokens", 39, 40, False), report.Check("ids", "same", "same", True)]
    assert run.save(tmp_path, "Speed", {"a": 1}, table, checks, "A note.") == 1
    data = json.loads((tmp_path / "speed.tiny.json").read_text())
    assert data["command"] == "python benchmarks/speed.py model --seconds 5 conf"
    assert len(data["commit"]) == 40 and data["machine"]["cpu"]
    assert set(data["versions"]) >= {"espnet", "torch", "onnxruntime", "numpy"}
    assert data["matmul_gflops"]["torch"] > 0 and data["matmul_gflops"]["onnxruntime"] > 0
    assert data["table"] == {"columns": ["side", "s"], "rows": [["fp32", 1.0]]}
    assert data["checks"][0] == {"what": "tokens", "value": 39, "limit": 40, "passed": False}
    assert data["load_average"].keys() == {"before", "after"} and data["note"].startswith("A note")
    assert "FAILED tokens: 39, must be 40" in capsys.readouterr().err
    assert run.save(tmp_path, "Speed", {}, table, checks[1:]) == 0


def end_to_end_figures(**changed: Any) -> dict[str, Any]:
    side = {"tokens": [40], "times_faster_than": {"ESPnet": 6.0}}
    sides = {name: dict(side) for name in ("ESPnet", "fp32", "int8")}
    memory = {"ESPnet": 1000.0, "fp32": 300.0, "int8": 200.0}
    timed = {"sides": sides, "fp32_tokens": "tie", **changed}
    return {"inputs": {"10 s": timed}, "memory": {k: {"peak_mb": v} for k, v in memory.items()}}


def end_to_end_failures(figures: dict[str, Any], *options: str) -> list[str]:
    end_to_end = script("end_to_end")
    args = end_to_end._arguments(["m", "b", "a.flac", *options])
    return [check.what for check in end_to_end._checks(figures, args) if not check.passed]


def test_end_to_end_fails_where_anchors_says() -> None:
    assert end_to_end_failures(end_to_end_figures()) == []
    different = end_to_end_figures(fp32_tokens="different")
    assert end_to_end_failures(different) == ["10 s: fp32 tokens"]
    short = end_to_end_figures()
    short["inputs"]["10 s"]["sides"]["int8"]["tokens"] = [39]
    assert end_to_end_failures(short) == ["10 s: token counts"]
    options = ["--fp32-faster", "6", "--int8-faster", "6.5", "--memory-share", "0.25"]
    assert end_to_end_failures(end_to_end_figures(), *options) == [
        "10 s: fp32, share of ESPnet's peak memory",
        "10 s: int8, times faster than ESPnet",
    ]


def test_a_batch_holds_the_same_speech_from_other_places(test_set: Path) -> None:
    recording = str(test_set / "wav" / "u1.flac")
    options = ["m", "b", recording, "--seconds", "0.2", "--batch", "4"]
    args = script("end_to_end")._arguments(options)
    (name, batch), *more = script("end_to_end")._inputs(args).items()
    assert (name, len(batch), more) == ("4 x 0.2 s", 4, [])
    assert len({samples.tobytes() for samples in batch}) == 4
    assert len({np.sort(samples).tobytes() for samples in batch}) == 1


def test_teacher_forced_log_probs_are_the_decoders_own(
    model: Path, bundle: Path, test_set: Path
) -> None:
    from espnet_onnx import load, loader, sources

    samples = soundfile.read(test_set / "wav" / "u1.flac", dtype="float32")[0]
    ids = [3, 5, 5, 2, 7]
    found = script("int8_quality").chosen_log_probs(load(bundle, threads=1), samples, ids)
    live: Any = loader.load_model(sources.find(model)).model
    with torch.no_grad():
        out, lengths = live.encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        prefix = torch.tensor([[VOCAB - 1, *ids[:-1]]])
        logits, _ = live.decoder(out, lengths, prefix, torch.tensor([len(ids)]))
        want = logits.log_softmax(-1)[0, range(len(ids)), ids]
    assert np.abs(found - want.numpy()).max() < 1e-4


def test_modules_of_both_sides_compute_the_same(model: Path, bundle: Path, test_set: Path) -> None:
    worker = script("modules_worker")
    samples = soundfile.read(test_set / "wav" / "u1.flac", dtype="float32")[0]
    answers = []
    grad, threads = torch.is_grad_enabled(), torch.get_num_threads()
    try:
        for side in (worker.Espnet(str(model), 1), worker.Bundle(str(bundle), 1, "fp32")):
            side.prepare(samples, 3)
            encoded = side.encoder()()
            out = encoded[0] if isinstance(encoded, tuple) else encoded.out
            log_probs, _ = side.step(4)()
            answers.append([np.asarray(x) for x in (out, side.ctc()(), log_probs)])
    finally:
        torch.set_grad_enabled(grad)
        torch.set_num_threads(threads)
    espnet, ours = answers
    assert ours[2].shape == (1, 3, VOCAB)
    for a, b in zip(ours[:2], espnet[:2], strict=True):
        assert np.abs(a - b).max() < 1e-4
    # Hypotheses differ in their first tokens on ESPnet's side only: the first one is the same.
    assert np.abs(ours[2][0, 0] - espnet[2][0]).max() < 1e-4


@pytest.fixture
def _torch_as_it_was() -> Iterator[None]:
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    yield
    torch.set_num_threads(threads)
    torch.set_grad_enabled(grad)


@pytest.mark.usefixtures("_torch_as_it_was")
@pytest.mark.parametrize("with_lm", [False, True])
def test_a_trained_models_answers_are_counted(
    model: Path, bundle: Path, lm: Path, test_set: Path, tmp_path: Path, with_lm: bool
) -> None:
    digits = script("digits")
    options = ["--beams", "2", "--batch-size", "2", "--threads", "1", "--results", str(tmp_path)]
    if with_lm:
        bundle, options = tmp_path / "bundle", [*options, "--lm", str(lm), "--lm-weight", "0.5"]
    digits.main([str(model), str(bundle), str(test_set), *options])
    data = json.loads((tmp_path / "digits.tiny.json").read_text())
    (label,) = data["figures"]["settings"]
    assert data["figures"]["settings"][label].get("lm_weight") == (0.5 if with_lm else None)
    assert data["title"].endswith("language model lm 0.5") == with_lm
    sides = data["figures"]["searches"][label]
    assert sides["fp32"]["score_apart"] < 1e-3
    assert set(sides) == {"ESPnet", "fp32", "int8"}
    assert sides["fp32"]["tokens"]["different"] == 0
    assert sum(sides["int8"]["tokens"].values()) == 3
    assert sum(sides["fp32"]["batch_beside_alone"].values()) == 3
    assert [row[:2] for row in data["table"]["rows"]] == [[label, side] for side in sides]


def test_an_epochs_time_is_split_and_compared() -> None:
    pytest.importorskip("s3prl")
    training = script("training")
    model: Any = torch.nn.Module()
    model.frontend = torch.nn.Linear(1, 1)
    lengths = torch.tensor([16000, 32000])
    batch = {"speech": torch.ones(2, 32000), "speech_lengths": lengths, "utt_id": ["a", "b"]}
    one = training._first_utterance(batch)
    assert one["speech"].shape == (1, 32000) and one["speech_lengths"].tolist() == [32000]
    sides = []
    for name, whole, frontend in (("ESPnet", 6.0, 4.0), ("fp32", 3.0, 1.0)):
        side = training.Side(name, model, None, 5.0)
        side.seconds, side.frontend, side.losses = whole, frontend, [1.0, 2.0]
        sides.append(side)
    figures = training._figures(sides, {"ESPnet": 2.0, "fp32": 2.0}, [batch])
    assert (figures["utterances"], figures["audio_s"]) == (2, 3.0)
    fp32 = figures["sides"]["fp32"]
    assert (fp32["times_faster"], fp32["frontend_times_faster"], fp32["rest_s"]) == (2.0, 4.0, 2.0)
    rows = training._table(figures).rows
    assert rows[1] == ["fp32", 3.0, 1.0, 2.0, 2.0, 4.0, 2.0, 1.5]


def test_a_side_that_stops_says_why() -> None:
    import sys

    code = "import sys; sys.stderr.write('x' * 200000 + '\\nno such model'); sys.exit(1)"
    with pytest.raises(EspnetOnnxError, match="ESPnet stopped: no such model"):
        Worker("ESPnet", [sys.executable, "-c", code], {}, 1)
    assert spread([3.0, 1.0, 2.0])["median_s"] == 2.0


@pytest.mark.slow
def test_a_race_runs_on_every_side(
    model: Path, bundle: Path, test_set: Path, tmp_path: Path
) -> None:
    audio = [str(f) for f in sorted((test_set / "wav").iterdir())]
    common = [str(model), str(bundle), *audio, "--seconds", "1.5", "--threads", "1"]
    common += ["--rounds", "2", "--results", str(tmp_path)]
    search = ["--tokens", "4", "--beam-size", "2", "--warm-up", "1"]
    search += ["--no-quantised-espnet"]  # one process less to start
    assert script("end_to_end").main([*common, *search]) == 0
    data = json.loads((tmp_path / "end_to_end.tiny.json").read_text())
    sides = data["figures"]["inputs"]["1.5 s"]["sides"]
    assert list(sides) == ["ESPnet", "fp32", "int8"]
    assert all(side["tokens"] == [4] and side["median_s"] > 0 for side in sides.values())
    assert sides["ESPnet"]["times_faster_than"] == {"ESPnet": 1.0}
    assert all(m["peak_mb"] >= m["imports_mb"] > 0 for m in data["figures"]["memory"].values())
    assert script("modules").main([*common, "--positions", "2"]) == 0
    modules = json.loads((tmp_path / "modules.tiny.json").read_text())["figures"]["1.5 s"]
    assert set(modules) == {"encoder", "ctc", "step 2"}


def test_results_in_the_checkout_are_whole() -> None:
    report = script("report")
    names = {field.name for field in attrs.fields(report.Check)}
    for path in (FOLDER / "results").glob("*.json"):
        data = json.loads(path.read_text("utf-8"))
        assert path.name == f"{data['benchmark']}.{data['model']}.json"
        assert data["commit"] != "unknown"
        assert not any(Path(word).is_absolute() for word in data["command"].split())
        assert all(set(check) == names for check in data["checks"])
        assert {len(row) for row in data["table"]["rows"]} == {len(data["table"]["columns"])}


def test_one_command_takes_every_figure(tmp_path: Path) -> None:
    run = script("run")
    (tmp_path / "librispeech_conformer10").mkdir()
    (tmp_path / "librispeech_conformer10" / "model.pth").touch()
    lines = run.commands(tmp_path, ["a.flac"], tmp_path, tmp_path / "trained")
    scripts = [line[0] for line in lines]
    # The Conformer is there; the Transformer and the language model are not.
    assert scripts.count("random_model") == 2
    every = {"random_model", "end_to_end", "int8_quality", "modules", "digits", "long_audio"}
    assert set(scripts) == every
    trained_lm = run.commands(tmp_path, ["a.flac"], tmp_path, tmp_path / "trained", tmp_path / "lm")
    (added,) = (line for line in trained_lm if line not in lines)
    assert added[0] == "digits" and script("digits")._arguments(added[1:]).lm == tmp_path / "lm"
    assert all((FOLDER / f"{name}.py").is_file() for name in scripts)
    assert all(Path(line[1]).is_file() for line in lines if line[0] == "random_model")
    (with_lm,) = (line for line in lines if "--lm" in line)
    args = script("end_to_end")._arguments(with_lm[1:])
    assert (args.lm, args.beam_size, args.lm_weight) == (tmp_path / "librispeech_lm", 20, 0.6)
    espnet, _, *ours = script("end_to_end")._sides(args)
    assert espnet.lm == str(args.lm) and all(side.lm is None for side in ours)


def speech_figures(**compared: Any) -> dict[str, Any]:
    side = {"median_s": 0.5, "quartiles_s": [0.4, 0.6], "audio_s": 10.0, "rtf": 0.05}
    ours = {**side, "times_faster": 1.6, "first": {"median_s": 0.1, "times_sooner": 5.0}}
    timed = {"sides": {"ESPnet": {**side, "times_faster": 1.0}, "fp32": ours, "int8": ours}}
    same = {"difference": 1e-5, "same": True, "snr": 90.0, **compared}
    timed["compared"] = {"fp32": same, "int8": {**same, "snr": None}}
    memory = {"ESPnet": 1000.0, "fp32": 300.0, "int8": 250.0}
    return {"inputs": {"a": timed}, "memory": {k: {"peak_mb": v} for k, v in memory.items()}}


def test_speech_fails_where_the_plan_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    speech, run = script("speech"), script("run")

    def failures(figures: dict[str, Any], *options: str) -> list[str]:
        args = speech._arguments(["m", "b", *options])
        return [check.what for check in speech._checks(figures, args) if not check.passed]

    assert failures(speech_figures(), *run.SPEAKS) == []
    assert failures(speech_figures(same=False)) == ["a: fp32 wave"]
    options = ["--int8-faster", "2", "--memory-share", "0.27", "--sooner", "4"]
    assert failures(speech_figures(), *options) == [
        "a: fp32, share of ESPnet's peak memory",
        "a: int8, times faster than ESPnet",
    ]
    table = speech._table("tiny", speech_figures())
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.rows[2][-2:] == ["1.0e-05", None]
    monkeypatch.syspath_prepend(str(FOLDER.parent / "tools"))
    data = {"model": "tiny", "figures": speech_figures()}
    (tmp_path / "speech.tiny.json").write_text(json.dumps(data))
    shown = script("docs_speech").speech(tmp_path).splitlines()
    cells = "tiny | 10.0 s | 0.0500 | 0.0500, 1.60 | 1.60 | 1/5.0; 1/5.0 | 30%; 25% | differs by"
    assert len(shown) == 3 and cells in shown[2]
    (tmp_path / "vits" / "vocoder").mkdir(parents=True)
    (line,) = (
        x
        for x in run.commands(tmp_path, [], None, tmp_path, None, [tmp_path / "vits"])
        if x[0] == "speech"
    )
    args = speech._arguments(line[1:])
    assert (args.vocoder, args.sooner) == (str(tmp_path / "vits" / "vocoder"), 5.0)


def test_a_random_language_model_decodes_beside_a_random_recogniser(model: Path, lm: Path) -> None:
    from espnet_onnx import loader, sources
    from espnet_onnx.companions import Companions

    config = loader.load_model(sources.find(model)).config
    child = Companions.of(lm).load().components(config)["lm"]
    assert child.module.decoder.bias[-1] == -30
