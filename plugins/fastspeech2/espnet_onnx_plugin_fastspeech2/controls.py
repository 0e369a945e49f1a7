"""Who speaks, in which language and how: what a FastSpeech family model is told beside the text.

Shapes: B utterances, R reference frames, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_onnx.parts.voices import Voices
from espnet_onnx.types import Array

__all__ = ["OPTIONS", "PROSODY", "arrays", "sizes"]

# How a control is called in ESPnet's `Text2Speech` -> what of the config gives its size. Embedding
# tables are made from two speakers or languages on.
_SIZES = {"sids": ("spks", 2), "lids": ("langs", 2), "spembs": ("spk_embed_dim", 1)}
OPTIONS = {"alpha": 1.0}
# Ours: ESPnet scales durations alone.
PROSODY = {"pitch_scale": 1.0, "pitch_shift": 0.0, "energy_scale": 1.0, "energy_shift": 0.0}


def sizes(conf: Mapping[str, Any], odim: int | None) -> dict[str, int | None]:
    """Controls that the model cannot speak without -> speakers, languages, widths.

    They stand in the order in which the model adds them up.

    Args:
        conf: of a `FastSpeech`, `FastSpeech2` or `JETSGenerator`.
        odim: feature width F, that of a reference recording; None while nobody knows.
    """
    found: dict[str, int | None] = {"speech": odim} if conf.get("use_gst") else {}
    for name, (key, least) in _SIZES.items():
        size = conf.get(key)
        if size is not None and size >= least:
            found[name] = int(size)
    return found


def arrays(
    known: Mapping[str, int | None], controls: Mapping[str, Any], count: int
) -> dict[str, Array]:
    """The needed controls as graphs take them, one for each of `count` utterances.

    Args:
        known: what `sizes` found.
        controls: by name; `speech`, the reference, (R, F) or (B, R, F).
        count: B.

    Raises:
        InputError: one is missing, out of range or of another size.
    """
    voices = Voices(tuple(known), known.get("sids"), known.get("lids"), known.get("spembs"))
    found = voices.controls({name: controls.get(name) for name in known}, count)
    if "speech" in found:
        speech = found["speech"]
        shape = (count, *speech.shape[-2:])
        found["speech"] = np.ascontiguousarray(np.broadcast_to(speech, shape))
    return found
