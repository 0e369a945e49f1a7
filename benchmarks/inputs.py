"""Recordings and bundles that benchmarks work on.

Shapes: S samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx.bundle import read_manifest
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.types import Array

__all__ = ["RATE", "ensure_bundle", "sizes_mb", "speech", "utterances"]

RATE = 16000
_AUDIO = {".wav", ".flac"}


def speech(recordings: Sequence[Path], seconds: Sequence[float]) -> dict[str, Array]:
    """`"10 s"` -> (S,) samples: the recordings one after another, cut to length.

    Raises:
        InputError: they are shorter than that in all.
    """
    joined = np.concatenate([read_audio(path, RATE).samples for path in recordings])
    longest = len(joined) / RATE
    if longest < max(seconds):
        raise InputError(f"{longest:.1f} s of recordings, {max(seconds):g} are needed: give more")
    return {f"{s:g} s": joined[: int(s * RATE)] for s in seconds}


def utterances(folder: Path, limit: int | None = None) -> dict[str, tuple[Path, str]]:
    """Utterance -> recording and transcript, from a folder with a Kaldi `text` and audio below it.

    Args:
        folder: the folder.
        limit: so many, spread evenly over all; None takes all.

    Raises:
        InputError: no `text`, or a transcript without a recording.
    """
    if not (folder / "text").is_file():
        raise InputError(f"{folder}: has no file `text`: give the folder of a test set")
    audio = {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix in _AUDIO}
    lines = (folder / "text").read_text("utf-8").splitlines()
    said = dict(line.split(maxsplit=1) for line in lines if line.strip())
    lost = said.keys() - audio.keys()
    if lost:
        raise InputError(f"{folder}: {min(lost)} has a transcript but no WAV or FLAC file")
    names = sorted(said)
    if limit is not None:
        names = [names[i * len(names) // limit] for i in range(min(limit, len(names)))]
    return {name: (audio[name], said[name]) for name in names}


def ensure_bundle(
    model: Path,
    bundle: Path,
    decoding: Mapping[str, Any],
    threads: int,
    lm: Path | None = None,
) -> None:
    """Export with both precisions, and a language model, where there is no bundle yet."""
    if bundle.exists():
        missing = {"fp32", "int8"} - set(read_manifest(bundle).precisions)
        if missing:
            raise InputError(f"{bundle}: has no {min(missing)}: remove it to export it again")
        return
    export(
        model,
        bundle,
        precision=("fp32", "int8"),
        decoding=decoding,
        lm=lm,
        keep_slower=True,
        threads=threads,
        progress=lambda step: print("export:", step, flush=True),
    )


def sizes_mb(bundle: Path) -> dict[str, float]:
    """Size on disk by precision: its graphs, and the files that both share."""
    manifest = read_manifest(bundle)
    graphs = {p: set[str]() for p in manifest.precisions}

    def walk(node: Any) -> None:
        for entry in node.graphs.values():
            for precision, names in graphs.items():
                names |= {entry.files[precision], entry.files[precision] + ".data"}
        for child in node.children.values():
            walk(child)

    walk(manifest.tree)
    every = set().union(*graphs.values())
    shared = sum(f.size for name, f in manifest.files.items() if name not in every)
    return {
        precision: round(
            (shared + sum(f.size for n, f in manifest.files.items() if n in names)) / 1e6, 1
        )
        for precision, names in graphs.items()
    }
