"""What models that speak are compared by: texts, and any voice where nobody cares which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .audio import read_audio
from .synthesizer import Synthesizer

__all__ = ["check_texts", "somebody"]

_RECORDINGS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".m4a"}


def somebody(tts: Synthesizer, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a call of `tts` and ESPnet's `Text2Speech` both take: ids, and float32 arrays.

    Args:
        tts: who is to speak.
        given: `sids`, `lids`, `spembs`, `speech` (a recording); what is None or missing is made up.

    Raises:
        InputError: the model does not know this voice.
        AudioError: a recording cannot be read.
    """
    voice = {**tts.voices.any(), **{k: v for k, v in given.items() if v is not None}}
    if "speech" in voice:
        voice["speech"] = read_audio(voice["speech"], tts.sample_rate).samples
    tts.voices.controls(voice, 1)
    return voice


def check_texts(inputs: Sequence[Any], name: str) -> None:
    """Refuse recordings, which a model that speaks has no use for.

    Raises:
        InputError: names the first.
    """
    for given in filter(lambda text: isinstance(text, str | Path), inputs):
        path = Path(given)
        if path.suffix.lower() in _RECORDINGS and not any(map(str.isspace, str(given))):
            raise InputError(f"{name}: this bundle speaks, and {given} is a recording: give texts")
