"""espnet-onnx bench: speed and memory, beside ESPnet's if its model is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from .output import Bundle, Json, print_json, split, steps, table

__all__ = ["register", "show"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    bundle: Path = Bundle,
    inputs: list[str] = typer.Argument(
        ..., metavar="INPUT", help="Audio files; each is timed on its own."
    ),
    against: str | None = typer.Option(None, help="ESPnet model to compare with."),
    lm: str | None = typer.Option(None, help="Its language model, as for export."),
    ngram: str | None = typer.Option(None, help="Its n-gram model, as for export."),
    precision: str | None = typer.Option(None, help="fp32, int8 or both; default all there are."),
    threads: int = typer.Option(2, help="Threads of every side."),
    rounds: int = typer.Option(7, help="Timed rounds, after two to warm up."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    maxlenratio: float | None = typer.Option(None, help="As in ESPnet; -40 decodes 40 tokens."),
    profile: bool = typer.Option(
        False, "--profile", help="Show where the time of the bundle goes."
    ),
    as_json: bool = Json,
) -> None:
    """Time a bundle, and ESPnet beside it, call by call."""
    from .. import bench as library
    from ..bundle import read_manifest
    from ..parts.audio import read_audio
    from ..parts.extractor import Extractor
    from ..runtime import load

    manifest = read_manifest(bundle)
    precisions = split(precision) if precision else list(manifest.precisions)
    given = {"beam_size": beam_size, "maxlenratio": maxlenratio}
    decoding = {**manifest.decoding, **{k: v for k, v in given.items() if v is not None}}
    runtime = load(bundle, threads=threads, precision=precisions[0])
    rate = runtime.sample_rate
    sides = [library.Side(p, "bundle", str(bundle), p) for p in precisions]
    if against:
        from .export import require_extra

        require_extra()
        # What the bundle was made without, ESPnet does not decode with either.
        own = manifest.tree.children
        lm = "none" if lm is None and "lm" not in own else lm
        ngram = "none" if ngram is None and "ngram" not in own else ngram
        features = manifest.role if isinstance(runtime, Extractor) else None
        espnet = library.Side("espnet", "espnet", against, lm=lm, ngram=ngram, features=features)
        sides = [espnet, *sides]
    with steps() as progress:
        result = library.bench(
            sides,
            {name: [read_audio(name, rate).samples] for name in inputs},
            threads=threads,
            rounds=rounds,
            decoding=decoding,
            progress=progress,
        )
    if as_json:
        print_json(result)
    else:
        show(result, rate, profile)


def show(result: dict[str, Any], rate: int, profile: bool = False) -> None:
    """Print what `bench.bench` returned as a table."""
    rows = []
    for name, timed in result["inputs"].items():
        length = timed["samples"] / rate
        for side, row in timed["sides"].items():
            low, high = row["quartiles_s"]
            rows.append(
                (
                    Path(name).name,
                    side,
                    f"{row['median_s']:.4f} ({low:.4f} to {high:.4f})",
                    f"{row['median_s'] / length:.4f}",
                    f"{row['times_faster']:.1f}x" if "times_faster" in row else "",
                    f"{result['memory'][side]['peak_mb']:.0f}" if "memory" in result else "",
                )
            )
    table(["audio", "side", "seconds (quartiles)", "RTF", "ESPnet / side", "peak MB"], rows)
    if profile:
        _show_profile(result)


def _show_profile(result: dict[str, Any]) -> None:
    rows = []
    for name, timed in result["inputs"].items():
        for side, row in timed["sides"].items():
            spent = row.get("profile", {})
            for graph, cost in spent.items():
                rows.append((Path(name).name, side, graph, cost["calls"], f"{cost['seconds']:.4f}"))
            rest = row["median_s"] - sum(c["seconds"] for c in spent.values())
            if spent:
                rows.append((Path(name).name, side, "the rest", "", f"{rest:.4f}"))
    typer.echo()
    table(["audio", "side", "graph", "calls", "seconds"], rows)
