"""espnet-onnx demo: a real model and real recordings, ESPnet and bundle side by side."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import typer

from .bench import show
from .export import require_extra
from .export import summary as export_summary
from .output import Json, print_json, steps, table

__all__ = ["register"]

# By shipped model, as its own published figures were taken.
DECODING: dict[str, dict[str, Any]] = {
    "conformer": {"beam_size": 10, "ctc_weight": 0.3},
    "transducer": {"beam_size": 5},
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    model: str = typer.Option("conformer", help="Which shipped model to show."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Keep the bundle here."),
    threads: int = typer.Option(2, help="Threads of both sides."),
    rounds: int = typer.Option(5, help="Timed rounds."),
    as_json: bool = Json,
) -> None:
    """Export a small trained model and compare it with ESPnet."""
    require_extra()
    folder = _shipped(model)
    audio = sorted((folder.parent / "audio").glob("*.flac"))
    with tempfile.TemporaryDirectory() as scratch, steps() as progress:
        bundle = output or Path(scratch) / "bundle"
        result = _run(folder, bundle, audio, DECODING[model], threads, rounds, progress)
    if as_json:
        print_json(result)
    else:
        _show(result, audio)
    raise typer.Exit(0 if result["verify"]["passed"] else 1)


def _shipped(model: str) -> Path:
    from ..errors import InputError

    root = Path(str(resources.files("espnet_onnx") / "data" / "demo"))
    have = sorted(p.name for p in root.iterdir() if (p / "meta.yaml").is_file())
    if model not in have:
        raise InputError(f"no demo model is called {model!r}: there is {', '.join(have)}")
    return root / model


def _run(
    folder: Path,
    bundle: Path,
    audio: list[Path],
    decoding: dict[str, Any],
    threads: int,
    rounds: int,
    progress: Any,
) -> dict[str, Any]:
    from ..bench import Side, bench
    from ..export import export
    from ..parts.audio import read_audio
    from ..verify import verify

    done = export(
        folder,
        bundle,
        precision=("fp32", "int8"),
        keep_slower=True,
        decoding=decoding,
        threads=threads,
        overwrite=True,
        progress=progress,
    )
    checked = verify(bundle, folder, audio, threads=threads, progress=progress)
    sides = [
        Side("ESPnet", "espnet", str(folder)),
        Side("fp32", "bundle", str(bundle), "fp32"),
        Side("int8", "bundle", str(bundle), "int8"),
    ]
    timed = bench(
        sides,
        {p.name: [read_audio(p, 16000).samples] for p in audio[:2]},
        threads=threads,
        rounds=rounds,
        decoding=decoding,
        progress=progress,
    )
    said = dict(
        line.split(maxsplit=1) for line in (audio[0].parent / "text").read_text().splitlines()
    )
    return {
        "export": export_summary(done),
        "verify": {"passed": checked.passed, **attrs.asdict(checked)},
        "bench": timed,
        "wer": _wer(checked.recordings, said),
    }


def _wer(recordings: Any, said: dict[str, str]) -> dict[str, float]:
    """Word error rates in per cent, by side."""
    import jiwer

    texts: dict[str, list[str]] = {}
    for r in recordings:
        texts.setdefault(r.precision, []).append(r.ours or "")
    texts["ESPnet"] = [r.espnet or "" for r in recordings if r.precision == "fp32"]
    truth = [said[Path(r.audio).stem] for r in recordings if r.precision == "fp32"]
    return {side: round(100 * jiwer.wer(truth, heard), 2) for side, heard in texts.items()}


def _show(result: dict[str, Any], audio: list[Path]) -> None:
    typer.echo("\nEvery graph against the live ESPnet module")
    rows = [
        (g["graph"], g["precision"], f"{g['difference']:.1e}", f"{g['cosine']:.5f}")
        for g in result["verify"]["graphs"]
    ]
    table(["graph", "precision", "difference", "cosine"], rows)
    typer.echo("\nReal recordings, token by token")
    table(
        ["audio", "precision", "tokens", "text"],
        [
            (Path(r["audio"]).name, r["precision"], r["verdict"], r["ours"])
            for r in result["verify"]["recordings"]
        ],
    )
    errors = ", ".join(f"{side} {wer} %" for side, wer in result["wer"].items())
    sizes = ", ".join(f"{p} {b / 1e6:.1f} MB" for p, b in result["export"]["sizes"].items())
    typer.echo(f"word error rate: {errors}\nsize: {sizes}\n\nSpeed and memory, calls alternating")
    show(result["bench"], 16000)
