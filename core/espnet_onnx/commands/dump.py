"""espnet-onnx dump: features of recordings, written once."""

from __future__ import annotations

from pathlib import Path

import attrs
import typer

from ..parts.feature_files import Form
from .output import Bundle, Json, print_json
from .progress import progress

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dump")(dump)


def dump(
    bundle: Path = Bundle,
    audio: list[str] = typer.Argument(
        ..., metavar="AUDIO", help="Audio files, folders of them, or Kaldi's wav.scp."
    ),
    output: Path = typer.Option(..., "-o", "--output", metavar="FEATS", help="Folder to write."),
    form: Form = typer.Option(
        Form.npy, "--format", help="A file for each recording, or Kaldi archives."
    ),
    layer: int | None = typer.Option(
        None, help="Layer of a self-supervised model; default is their weighted sum."
    ),
    batch_size: int = typer.Option(8, min=1, help="Recordings that go through together."),
    precision: str | None = typer.Option(None, help="fp32 or int8; default is the bundle's first."),
    threads: int | None = typer.Option(None, help="Threads; default is all cores."),
    as_json: bool = Json,
) -> None:
    """Write features of recordings as ESPnet reads them.

    Stopped at any point, the same command goes on from there.
    """
    from ..dump import dump as run

    with progress(output.name, None) as show:
        done = run(
            bundle,
            audio,
            output,
            form=form.value,
            layer=layer,
            batch_size=batch_size,
            precision=precision,
            threads=threads,
            progress=show,
        )
    if as_json:
        print_json({**attrs.asdict(done), "folder": str(done.folder)})
        return
    kept = f", {done.kept} of them from before" if done.kept else ""
    typer.echo(
        f"{done.folder / 'feats.scp'}: {done.utterances} utterances{kept}, {done.frames} frames of"
        f" {done.width} values, {done.seconds:.1f} s of audio"
    )
