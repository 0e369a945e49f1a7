"""espnet-onnx bench: speed and memory, beside ESPnet's if its model is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError
from .bench_speech import race, show_speech
from .output import Bundle, Json, print_json, split, steps, table
from .voice import Lid, Sid, Speech, Spembs, refuse_voice, voice

if TYPE_CHECKING:
    from ..bench import Side
    from ..bundle import Manifest

__all__ = ["register", "show"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    bundle: Path = Bundle,
    inputs: list[str] = typer.Argument(
        ..., metavar="INPUT", help="Audio files, or texts to speak; each is timed on its own."
    ),
    against: str | None = typer.Option(None, help="ESPnet model to compare with."),
    lm: str | None = typer.Option(None, help="Its language model, as for export."),
    ngram: str | None = typer.Option(None, help="Its n-gram model, as for export."),
    vocoder: str | None = typer.Option(None, help="Its vocoder, as for export."),
    precision: str | None = typer.Option(None, help="fp32, int8 or both; default all there are."),
    threads: int = typer.Option(2, help="Threads of every side."),
    rounds: int = typer.Option(7, help="Timed rounds, after two to warm up."),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    maxlenratio: float | None = typer.Option(None, help="As in ESPnet; -40 decodes 40 tokens."),
    sid: int | None = Sid,
    lid: int | None = Lid,
    spembs: Path | None = Spembs,
    speech: Path | None = Speech,
    profile: bool = typer.Option(
        False, "--profile", help="Show where the time of the bundle goes."
    ),
    as_json: bool = Json,
) -> None:
    """Time a bundle, and ESPnet beside it, call by call."""
    from .. import bench as library
    from ..bundle import read_manifest
    from ..parts.audio import read_audio
    from ..parts.synthesizer import Synthesizer
    from ..runtime import load

    manifest = read_manifest(bundle)
    precisions = split(precision) if precision else list(manifest.precisions)
    given = {"beam_size": beam_size, "maxlenratio": maxlenratio}
    decoding = {**manifest.decoding, **{k: v for k, v in given.items() if v is not None}}
    who = voice(sid, lid, spembs, speech)
    runtime = load(bundle, threads=threads, precision=precisions[0])
    sides = [library.Side(p, "bundle", str(bundle), p) for p in precisions]
    if against:
        sides.insert(0, _espnet(manifest, runtime, against, lm, ngram, vocoder))
    if isinstance(runtime, Synthesizer):
        search = [f"--{k.replace('_', '-')}" for k, v in given.items() if v is not None]
        if search:
            raise InputError(f"{bundle}: this bundle speaks: leave {', '.join(search)} out")
        result = race(runtime, sides, inputs, who, name=str(bundle), threads=threads, rounds=rounds)
        print_json(result) if as_json else show_speech(result, profile)
        return
    refuse_voice(bundle, who)
    rate = runtime.sample_rate
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


def _espnet(
    manifest: Manifest,
    runtime: Any,
    model: str,
    lm: str | None,
    ngram: str | None,
    vocoder: str | None,
) -> Side:
    """ESPnet's side. What the bundle was made without, ESPnet does without, too."""
    from ..bench import Side
    from ..parts.extractor import Extractor
    from ..parts.griffin_lim import GriffinLim
    from .export import require_extra

    require_extra()
    own = manifest.tree.children
    if vocoder is None and "vocoder" in own and not isinstance(runtime.vocoder, GriffinLim):
        raise InputError("this bundle was exported with a vocoder: give ESPnet it, too (--vocoder)")
    lm = "none" if lm is None and "lm" not in own else lm
    ngram = "none" if ngram is None and "ngram" not in own else ngram
    features = manifest.role if isinstance(runtime, Extractor) else None
    return Side("espnet", "espnet", model, lm=lm, ngram=ngram, features=features, vocoder=vocoder)


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
