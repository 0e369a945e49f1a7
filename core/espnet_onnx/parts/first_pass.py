"""Recordings with what a first pass transcribed of them, for models that read both."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from ..errors import InputError

__all__ = ["paired"]


def paired(model: Any, recordings: Sequence[Any], transcripts: Sequence[str]) -> list[Any]:
    """What a model takes: the recordings alone, or pairs (recording, transcript).

    Args:
        model: a bundle's runtime; its call takes `transcript` where it reads transcripts.
        recordings: of any kind.
        transcripts: one for each recording, in their order; none for none.

    Raises:
        InputError: the model reads no transcripts, or there are more or fewer than recordings.
    """
    if not transcripts:
        return list(recordings)
    if "transcript" not in inspect.signature(model).parameters:
        raise InputError("this bundle reads no transcripts: leave out --transcript")
    if len(transcripts) != len(recordings):
        raise InputError(
            f"{len(recordings)} recordings have {len(transcripts)} transcripts: give --transcript"
            " once for each, in their order"
        )
    return list(zip(recordings, transcripts, strict=True))
