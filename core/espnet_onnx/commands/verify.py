"""espnet-onnx verify: a bundle against the model it came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from .export import require_extra
from .output import Bundle, Json, print_json, steps, table
from .voice import Lid, Sid, Speech, Spembs, voice

if TYPE_CHECKING:
    from ..verify import FeaturesCheck, SpeechCheck

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    bundle: Path = Bundle,
    inputs: list[str] = typer.Argument(
        None, metavar="INPUT", help="Audio files, or texts to speak, to give to both sides."
    ),
    against: str = typer.Option(..., help="The ESPnet model: folder, zip or zoo tag."),
    task: str | None = typer.Option(None, help="ESPnet task that loads the model."),
    lm: str | None = typer.Option(None, help="Language model of the bundle, as for export."),
    ngram: str | None = typer.Option(None, help="N-gram model of the bundle, as for export."),
    vocoder: str | None = typer.Option(None, help="Vocoder of the bundle, as for export."),
    transcript: list[str] = typer.Option(
        [], metavar="TEXT", help="What a first pass heard, for models that read it; one an input."
    ),
    beam_size: int | None = typer.Option(None, help="Hypotheses kept in the search."),
    sid: int | None = Sid,
    lid: int | None = Lid,
    spembs: Path | None = Spembs,
    speech: Path | None = Speech,
    seed: int | None = typer.Option(None, help="Of the noise that both sides hear when speaking."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    as_json: bool = Json,
) -> None:
    """Compare a bundle's graphs and answers with ESPnet's own."""
    require_extra()
    decoding: dict[str, Any] = {} if beam_size is None else {"beam_size": beam_size}
    with steps() as progress:
        from .. import verify as library

        result = library.verify(
            bundle,
            against,
            inputs or (),
            task=task,
            lm=lm,
            ngram=ngram,
            vocoder=vocoder,
            transcripts=transcript,
            voice=voice(sid, lid, spembs, speech),
            seed=seed,
            threads=threads,
            progress=progress,
            **decoding,
        )
    if as_json:
        print_json({"passed": result.passed, **attrs.asdict(result)})
    else:
        rows = [
            (g.graph, g.precision, f"{g.difference:.1e}", f"{g.cosine:.5f}", _word(g.passed))
            for g in result.graphs
        ]
        table(["graph", "precision", "difference", "cosine", ""], rows)
        answers = [(r.audio, r.precision, r.verdict, r.ours) for r in result.recordings]
        if answers:
            typer.echo()
            table(["audio", "precision", "answer", "text"], answers)
        if result.features:
            typer.echo()
            _show_features(result.features)
        if result.speech:
            typer.echo()
            _show_speech(result.speech)
        typer.echo("passed" if result.passed else "failed")
    raise typer.Exit(0 if result.passed else 1)


def _show_features(features: Sequence[FeaturesCheck]) -> None:
    rows = [
        (f.audio, f.precision, f.frames, f.espnet_frames, f"{f.difference:.1e}", f"{f.cosine:.6f}")
        for f in features
    ]
    table(["audio", "precision", "frames", "ESPnet's", "difference", "cosine"], rows)


def _show_speech(speech: Sequence[SpeechCheck]) -> None:
    rows = []
    for s in speech:
        apart = "" if s.difference is None else f"{s.difference:.1e}"
        snr = "" if s.snr is None else f"{s.snr:.0f} dB"
        equal = {True: "equal", False: "different", None: "unknown"}[s.same_durations]
        lengths = (f"{s.seconds:.2f} s", f"{s.espnet_seconds:.2f} s")
        tokens = "same" if s.same_tokens else "different"
        rows.append((s.text[:40], s.precision, *lengths, tokens, equal, apart, snr))
    columns = ["text", "precision", "audio", "ESPnet's", "tokens", "durations", "difference", "SNR"]
    table(columns, rows)


def _word(passed: bool) -> str:
    return "ok" if passed else "outside tolerance"
