"""Every command as a user runs it: what it prints where, and its exit code."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml

from espnet_onnx import __version__, cli
from espnet_onnx.commands.output import steps

from .tiny_models import TINY, changed

COMMANDS = ["inspect", "export", "verify", "transcribe", "stream"]
COMMANDS += ["synthesize", "dump", "bench", "plugins", "zoo", "demo"]
COMMANDS += ["translate"]  # of a plugin
AUDIO = sorted((Path(cli.__file__).parent / "data/demo/audio").glob("theo*.flac"))
HEAVY = ("torch", "espnet", "espnet2", "onnx", "onnxscript", "onnxruntime", "numpy")
Run = Callable[..., tuple[int, str, str]]


def apart(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def config(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def test_help_is_one_plain_line_a_command(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    listed = dict(re.findall(r"^  (\w+) {2,}(\S.*)$", out.split("Commands:")[1], re.MULTILINE))
    assert list(listed) == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.values()), listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    options = re.findall(r"^  (?:-\w, )?(--[\w-]+)(.*(?:\n {10,}.*)*)", out, re.MULTILINE)
    assert len(options) > 1
    unexplained = [name for name, rest in options if not re.search(r"[\w)]\.(?=$|\s)", rest)]
    assert unexplained == []
    assert "--no-" not in out


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, espnet_onnx, espnet_onnx.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        # numpy comes with the types that a plugin's command imports
        f"sys.exit(','.join(set(sys.modules) & set({HEAVY[:-1]})))"
    )
    assert apart(code).stderr == "\n"


def test_module_is_the_command() -> None:
    command = [sys.executable, "-m", "espnet_onnx", "--version"]
    assert subprocess.check_output(command, text=True) == f"espnet-onnx {__version__}\n"


BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY[:-1]!r}:
            raise AssertionError("imports " + name)
sys.meta_path.insert(0, Block())
from espnet_onnx.cli import main
main(sys.argv[1:])
"""


def test_a_config_is_inspected_without_torch(tmp_path: Path) -> None:
    path = config(tmp_path / "config.yaml", TINY)
    done = apart(BLOCK, "inspect", path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["claimed"] is True
    assert report["task"] == "asr"
    kinds = {row["path"]: row["kind"] for row in report["components"]}
    assert list(kinds) == ["", "frontend", "encoder", "ctc", "decoder"]
    assert kinds["frontend"] == "features.default"


def pack(folder: Path, model: Any = TINY, **lm: Any) -> Path:
    """A pack with a language model, an n-gram and a picture, without weights in them."""
    about = {"token_list": TINY["token_list"], "lm": "seq_rnn", "lm_conf": {"unit": 8}, **lm}
    folder.mkdir()
    config(folder / "config.yaml", model)
    config(folder / "lm.yaml", about)
    files = {"lm_file": "lm.pth", "ngram_file": "4gram.arpa", "picture": "a.png"}
    for name in files.values():
        (folder / name).write_text("\\data\\\n")
    yaml_files = {"asr_train_config": "config.yaml", "lm_train_config": "lm.yaml"}
    config(folder / "meta.yaml", {"yaml_files": yaml_files, "files": files})
    return folder


def test_companions_of_a_pack_are_inspected_without_torch(run: Run, tmp_path: Path) -> None:
    folder = pack(tmp_path / "m")
    done = apart(BLOCK, "inspect", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["companions"] == {
        "lm": {
            "file": str(folder / "lm.pth"),
            "plugin": "lm",
            "kind": "lm.seq_rnn",
            "problem": None,
        },
        "ngram": {
            "file": str(folder / "4gram.arpa"),
            "plugin": "lm",
            "kind": "lm.ngram",
            "problem": None,
        },
    }
    assert report["left_out"] == ["picture"]
    assert {"lm", "ngram"} < {row["path"] for row in report["components"]}
    code, out, _ = run("inspect", folder, "--lm", "none")
    assert code == 0
    assert f"  with ngram {folder / '4gram.arpa'}  lm: lm.ngram\n" in out
    assert "  a bundle leaves out picture\n" in out
    assert "lm.pth" not in out


def test_inspect_says_why_a_companion_is_no_use(run: Run, tmp_path: Path) -> None:
    folder = pack(tmp_path / "m", changed(model="maskctc", decoder="mlm"))
    code, out, _ = run("inspect", folder)
    assert code == 0
    assert f"! with lm {folder / 'lm.pth'}  mask_ctc has no use for it here\n" in out
    code, out, err = run("inspect", pack(tmp_path / "n", token_list=["a", "b"]))
    assert (code, out) == (2, "")
    assert "has 2 tokens, the model 8: give one of the model's own vocabulary, or none" in err
    assert err.count("\n") == 1


def test_inspect_names_what_nobody_claims(run: Run, tmp_path: Path) -> None:
    path = config(tmp_path / "config.yaml", changed(encoder="megaformer"))
    code, out, _ = run("inspect", path)
    assert code == 1
    assert "! " in out
    assert "encoder (role encoder, type megaformer) is claimed by no plugin; asked: asr_tr" in out
    assert out.endswith("1 not claimed\n")
    code, out, _ = run("inspect", path, "--json")
    assert code == 1
    problems = [row for row in json.loads(out)["components"] if row["problem"]]
    assert [(p["path"], p["type"]) for p in problems] == [("encoder", "megaformer")]
    code, out, _ = run("inspect", config(tmp_path / "config.yaml", TINY))
    assert code == 0
    assert out.endswith("all claimed\n")


def test_inspect_of_an_unknown_task(run: Run, tmp_path: Path) -> None:
    code, out, err = run("inspect", config(tmp_path / "config.yaml", TINY), "--task", "singing")
    assert (code, out) == (2, "")
    assert err.startswith("error: task 'singing' is unknown; --task takes one of aqa, asr, ")


def test_zoo_counts_and_goes_on(run: Run, tmp_path: Path) -> None:
    config(tmp_path / "a.yaml", TINY)
    config(tmp_path / "b.yaml", changed(encoder="megaformer"))
    config(tmp_path / "c.yaml", {"tts": "fastspeech2"})
    (tmp_path / "d.yaml").write_text("a: [")
    config(tmp_path / "e.yaml", {"nothing": "known"})
    code, out, err = run("zoo", tmp_path, "--list")
    assert code == 0
    assert re.search(r"^[12] of 3 claimed$", out, re.MULTILINE)
    assert re.search(r"^asr +1 +2$", out, re.MULTILINE)
    assert re.search(r"^-- +b +asr +encoder megaformer$", out, re.MULTILINE)
    first, second = err.splitlines()
    assert first.startswith(f"not counted: {tmp_path}/d.yaml: is not valid YAML")
    assert second.startswith(f"not counted: {tmp_path}/e.yaml: config names no component")
    code, out, _ = run("zoo", tmp_path, "--json")
    assert code == 0
    counted = json.loads(out)
    assert (counted["of"], len(counted["models"]), len(counted["not_counted"])) == (3, 3, 2)
    code, out, err = run("zoo", tmp_path / "d.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_plugins(run: Run) -> None:
    code, out, err = run("plugins", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    about = {p["name"]: p["about"] for p in listed["plugins"]}
    assert about["features"]
    assert listed["skipped"] == {}
    assert all(name in run("plugins")[1] for name in about)


def test_other_packages_add_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def sing(app: Any) -> None:
        app.command("sing")(lambda: typer.echo("la"))

    def broken() -> None:
        raise ImportError("no voice")

    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    monkeypatch.setattr(
        cli.importlib_metadata,
        "entry_points",
        lambda group: [
            SimpleNamespace(name="sing", load=lambda: sing),
            SimpleNamespace(name="hum", load=broken),
        ],
    )
    assert run("sing") == (0, "la\n", "WARNING: command hum skipped: no voice\n")


def test_what_libraries_say_stays_off_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with steps() as progress:
        progress("working")
        sys.stdout.write("[nltk_data] Downloading")
        sys.stderr.write("Failed to import Flash Attention")
        warnings.warn("deprecated", stacklevel=1)
    assert capsys.readouterr() == ("", "")
    sys.stdout.write("back\n")
    assert capsys.readouterr().out == "back\n"


def test_debugging_shows_what_libraries_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPNET_ONNX_RAISE", "1")
    with steps():
        sys.stdout.write("chatter\n")
    assert capsys.readouterr() == ("", "chatter\n")


def test_running_twice_leaves_logging_as_it_was(run: Run) -> None:
    before = list(logging.getLogger().handlers), list(cli.log.handlers), cli.log.propagate
    run("plugins")
    run("nonsense")
    assert (list(logging.getLogger().handlers), list(cli.log.handlers), cli.log.propagate) == before


def test_a_reader_that_goes_away_is_no_crash() -> None:
    command = [sys.executable, "-u", "-m", "espnet_onnx", "plugins"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.export
def test_export_prints_one_json_object(tiny_export: subprocess.CompletedProcess[str]) -> None:
    assert (tiny_export.returncode, tiny_export.stderr) == (0, "")
    done = json.loads(tiny_export.stdout)
    assert done["parity"] == "passed"
    assert set(done["graphs"]) == {"frontend", "encoder", "ctc", "decoder.memory", "decoder.step"}
    assert done["sizes"]["fp32"] > 0


@pytest.mark.export
def test_transcribe_prints_texts(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    code, out, _ = run("transcribe", tiny_bundle, AUDIO[0])
    assert code == 0
    text = out.rstrip("\n")
    assert "\t" not in text
    code, out, err = run("transcribe", tiny_bundle, *AUDIO, "--batch-size", 2)
    assert code == 0
    assert out.splitlines()[0] == f"{AUDIO[0]}\t{text}"
    assert len(out.splitlines()) == len(AUDIO) == len(err.splitlines())
    code, out, err = run("transcribe", tiny_bundle, *AUDIO, "-o", tmp_path / "texts")
    assert (code, out) == (0, "")
    assert (tmp_path / "texts" / f"{AUDIO[0].stem}.txt").read_text("utf-8") == text + "\n"


@pytest.mark.export
def test_transcribe_prints_json(run: Run, tiny_bundle: Path) -> None:
    options = ["--nbest", 2, "--beam-size", 3, "--set", "maxlenratio=-4", "--json"]
    code, out, err = run("transcribe", tiny_bundle, *AUDIO, *options)
    assert (code, err) == (0, "")
    results = json.loads(out)["results"]
    assert [r["audio"] for r in results] == list(map(str, AUDIO))
    for result in results:
        assert len(result["nbest"]) == 2
        assert len(result["tokens"]) <= 5
        assert result["notes"] == ["resampled from 16000 Hz to 8000 Hz"]


@pytest.mark.export
def test_transcribe_prints_captions(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    code, out, _ = run("transcribe", tiny_bundle, AUDIO[0], "--format", "srt")
    assert code == 0
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n\S", out)
    code, out, _ = run("transcribe", tiny_bundle, *AUDIO, "--format", "vtt", "-o", tmp_path)
    assert (code, out) == (0, "")
    written = (tmp_path / f"{AUDIO[1].stem}.vtt").read_text("utf-8")
    assert written.startswith("WEBVTT\n\n00:00:0")


@pytest.mark.export
def test_verify_prints_one_json_object(run: Run, tiny_bundle: Path, tiny_model: Path) -> None:
    arguments = ["verify", tiny_bundle, AUDIO[0], "--against", tiny_model, "--beam-size", 3]
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    checked = json.loads(out)
    assert checked["passed"] is True
    assert len(checked["graphs"]) == 5
    assert [r["verdict"] for r in checked["recordings"]] == ["same"]
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert out.endswith("passed\n")


@pytest.mark.export
def test_bench_prints_one_json_object(run: Run, tiny_bundle: Path) -> None:
    code, out, err = run("bench", tiny_bundle, AUDIO[0], "--rounds", 1, "--threads", 1, "--json")
    assert (code, err) == (0, "")
    timed = json.loads(out)["inputs"][str(AUDIO[0])]["sides"]["fp32"]
    assert timed["median_s"] > 0
    assert len(timed["texts"]) == 1
    assert any(name.startswith("encoder") for name in timed["profile"])


def test_demo_of_a_model_that_does_not_ship(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espnet_onnx.commands.demo.require_extra", lambda: None)
    code, out, err = run("demo", "--model", "whale")
    assert (code, out) == (2, "")
    assert err == "error: no demo model is called 'whale': there is conformer, transducer\n"
