"""espnet-onnx export: a model becomes a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from .output import Json, Lm, Ngram, Prefer, Vocoder, Without, print_json, split, steps, table

__all__ = ["register", "require_extra", "summary"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    model: str = typer.Argument(..., metavar="MODEL", help="Zoo tag, packed zip or model folder."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder of the bundle to write."),
    task: str | None = typer.Option(None, help="ESPnet task that loads the model."),
    precision: str = typer.Option("fp32", help="fp32, int8 or both; the first is the default."),
    prefer: list[str] = Prefer,
    without: list[str] = Without,
    role: str | None = typer.Option(None, help="Export only the component of this role."),
    lm: str | None = Lm,
    ngram: str | None = Ngram,
    vocoder: str | None = Vocoder,
    keep_going: bool = typer.Option(
        False, "--keep-going", help="Keep graphs that fail parity; exit 1 all the same."
    ),
    keep_slower: bool = typer.Option(
        False, "--keep-slower", help="Keep int8 graphs that are slower here than fp32."
    ),
    static_int8: bool = typer.Option(
        False,
        "--static-int8",
        help="With int8: also of graphs whose ranges have to be calibrated.",
    ),
    calibration: Path | None = typer.Option(
        None,
        metavar="FILE",
        help="What to calibrate on, a text or recording a line; speech can do without.",
    ),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace a bundle that is there already."
    ),
    threads: int | None = typer.Option(None, help="Threads of the checks."),
    cache: Path | None = typer.Option(None, help="Folder of downloaded models."),
    as_json: bool = Json,
) -> None:
    """Turn an ESPnet model into a bundle that runs without PyTorch."""
    require_extra()
    with steps() as progress:
        from ..export import export as run

        done = run(
            model,
            output,
            task=task,
            precision=split(precision),
            prefer=prefer,
            without=without,
            role=role,
            lm=lm,
            ngram=ngram,
            vocoder=vocoder,
            keep_going=keep_going,
            keep_slower=keep_slower,
            static_int8=static_int8,
            calibration=_lines(calibration),
            overwrite=overwrite,
            threads=threads,
            cache=cache,
            progress=progress,
        )
    result = summary(done)
    if as_json:
        print_json(result)
    else:
        _show(result)
    raise typer.Exit(1 if done.failed else 0)


def _lines(path: Path | None) -> list[str]:
    from ..errors import InputError

    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as lines of text: give another file") from error
    return [line for line in lines if line]


def require_extra() -> None:
    """Fail with the remedy where torch or ESPnet are not installed.

    Raises:
        InputError: names the extra to install.
    """
    import importlib.util

    from ..errors import InputError

    missing = [n for n in ("torch", "espnet2", "onnxscript") if not importlib.util.find_spec(n)]
    if missing:
        raise InputError(
            f"{', '.join(missing)} is not installed: install espnet-onnx with its export extra"
        )


def summary(done: Any) -> dict[str, Any]:
    """What `export --json` prints."""
    graphs = {}
    sizes = dict.fromkeys(done.manifest.precisions, 0)

    def walk(node: Any) -> None:
        for entry in node.graphs.values():
            # graphs/encoder.fp32.onnx
            name = Path(next(iter(entry.files.values()))).name.rsplit(".", 2)[0]
            graphs[name] = {k: v for k, v in entry.report.items() if k != "traced"}
            for precision in sizes:
                for file in (entry.files[precision], entry.files[precision] + ".data"):
                    found = done.manifest.files.get(file)
                    sizes[precision] += found.size if found else 0
        for child in node.children.values():
            walk(child)

    walk(done.manifest.tree)
    return {
        "bundle": str(done.bundle),
        "parity": done.manifest.parity,
        "sizes": sizes,
        "graphs": graphs,
        "dropped": list(done.dropped),
    }


def _int8(report: Mapping[str, Any]) -> str:
    """What became of a graph's int8; a signal's noise even where it was not kept."""
    alike = f"cosine {report['cosine']:.4f}" if "cosine" in report else ""
    found = [report.get("why", alike)]
    if "snr_db" in report:
        found.append(f"SNR {report['snr_db']} dB, calibrated on {report['calibrated_on']}")
    return ", ".join(filter(None, found))


def _show(result: dict[str, Any]) -> None:
    rows = []
    for name, report in result["graphs"].items():
        int8 = report.get("int8", {})
        rows.append((name, f"{report['fp32']['difference']:.1e}", _int8(int8)))
    table(["graph", "difference from ESPnet", "int8"], rows)
    sizes = ", ".join(f"{p} {b / 1e6:.1f} MB" for p, b in result["sizes"].items())
    typer.echo(f"{result['bundle']}: {sizes}; parity {result['parity']}")
