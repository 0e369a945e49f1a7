"""espnet-onnx bench, of a bundle that speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from .output import steps, table

if TYPE_CHECKING:
    from ..bench import Side
    from ..parts.synthesizer import Synthesizer

__all__ = ["race", "show_speech"]

_SHOWN = 30  # letters of a text


def race(
    tts: Synthesizer,
    sides: Sequence[Side],
    texts: Sequence[str],
    voice: Mapping[str, Any],
    *,
    name: str,
    threads: int,
    rounds: int,
) -> dict[str, Any]:
    """Time every side on every text.

    Args:
        tts: the bundle, open.
        sides: who takes part.
        texts: what they say.
        voice: what was given of it.
        name: of the bundle.
        threads: of every side.
        rounds: timed ones.

    Raises:
        InputError: a text is a recording, or the model cannot say it, or not in this voice.
    """
    from ..bench_speech import bench_speech, steady
    from ..parts.somebody import check_texts, somebody

    check_texts(texts, name)
    who = somebody(tts, voice)
    with steps() as progress:
        return bench_speech(
            sides,
            {text: steady(tts, text, who) for text in texts},
            tts.sample_rate,
            who,
            threads=threads,
            rounds=rounds,
            progress=progress,
        )


def show_speech(result: Mapping[str, Any], profile: bool = False) -> None:
    """Print what `bench_speech.bench_speech` returned as a table."""
    rows, spent = [], []
    for name, timed in result["inputs"].items():
        for side, row in timed["sides"].items():
            low, high = row["quartiles_s"]
            first = row.get("first")
            rows.append(
                (
                    name[:_SHOWN],
                    side,
                    f"{row['audio_s']:.2f} s",
                    f"{row['median_s']:.4f} ({low:.4f} to {high:.4f})",
                    f"{row['rtf']:.4f}",
                    f"{row['times_faster']:.1f}x" if "times_faster" in row else "",
                    f"{first['median_s']:.4f} s" if first else "",
                    f"{result['memory'][side]['peak_mb']:.0f}",
                )
            )
            for graph, cost in row.get("profile", {}).items():
                spent.append((name[:_SHOWN], side, graph, cost["calls"], f"{cost['seconds']:.4f}"))
    columns = ["text", "side", "audio", "seconds (quartiles)", "RTF", "ESPnet / side"]
    table([*columns, "first sound", "peak MB"], rows)
    if profile:
        typer.echo()
        table(["text", "side", "graph", "calls", "seconds"], spent)
