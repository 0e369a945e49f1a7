"""Options of commands that let a model speak in passing: who speaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from ..errors import InputError
from .synthesize import embedding

__all__ = ["Lid", "Sid", "Speech", "Spembs", "refuse_voice", "voice"]

Sid = typer.Option(None, "--sid", help="Speaker id, of bundles that speak; default is any.")
Lid = typer.Option(None, "--lid", help="Language id, likewise.")
Spembs = typer.Option(
    None, "--spembs", metavar="FILE.npy", help="Speaker embedding (x-vector), likewise."
)
Speech = typer.Option(None, "--speech", metavar="AUDIO", help="Recording to speak like, likewise.")


def voice(
    sid: int | None, lid: int | None, spembs: Path | None, speech: Path | None
) -> dict[str, Any]:
    """What was given, by the names of ESPnet's `Text2Speech`."""
    vector = None if spembs is None else embedding(spembs)
    given = {"sids": sid, "lids": lid, "spembs": vector, "speech": speech}
    return {name: value for name, value in given.items() if value is not None}


def refuse_voice(bundle: Path, given: Mapping[str, Any]) -> None:
    """For a bundle that does not speak.

    Raises:
        InputError: a voice was given.
    """
    if given:
        raise InputError(f"{bundle}: this bundle does not speak: leave {', '.join(given)} out")
