"""`Text2Speech` with the names and call signatures of espnet_onnx 0.2.1 and of ESPnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .dropin import opened
from .errors import InputError
from .types import Array

__all__ = ["Text2Speech"]

_FORCED = "use_teacher_forcing"


class Text2Speech:
    """espnet_onnx 0.2.1's `Text2Speech`: `Text2Speech(tag_name)(text)["wav"]` is the waveform.

    Args:
        tag_name: a bundle in the cache folder.
        model_dir: a bundle anywhere; give one of the two.
        providers: onnxruntime execution providers.
        use_quantized: int8 instead of fp32.
        cache_dir: the cache folder, else $ESPNET_ONNX_CACHE or the user's cache.
        settings: of the acoustic model (`alpha=1.2`) and the `seed`, new here.

    Raises:
        InputError: neither or both of tag and folder are given, or the bundle cannot be used.
    """

    def __init__(
        self,
        tag_name: str | None = None,
        model_dir: str | Path | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        use_quantized: bool = False,
        cache_dir: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self._tts = opened(tag_name, model_dir, providers, use_quantized, cache_dir, settings)
        if not hasattr(self._tts, "vocoder"):
            raise InputError("this bundle does not speak: give one of a TTS model")

    @property
    def fs(self) -> int:
        """Sample rate in Hz, by ESPnet's name."""
        return int(self._tts.sample_rate)

    def __call__(
        self,
        text: str | Array,
        feats: Array | None = None,
        sids: Array | None = None,
        spembs: Array | None = None,
        lids: Array | None = None,
        *,
        speech: Array | None = None,
        durations: Array | None = None,
        decode_conf: Mapping[str, Any] | None = None,
    ) -> dict[str, Array]:
        """Speak a text in one go.

        Args:
            text: or its token ids.
            feats: 0.2.1's name of `speech`.
            sids: the speaker.
            spembs: (C,) the speaker's embedding.
            lids: the language.
            speech: what to speak like, for models with global style tokens, or to follow with
                `use_teacher_forcing`.
            durations: (U,) frames of each token instead of the model's own, for VITS, FastSpeech,
                FastSpeech2 and JETS; ESPnet hears them only with `use_teacher_forcing`.
            decode_conf: settings of this call, as ESPnet's own class takes them.

        Returns:
            `wav` (N,), and what ESPnet's class returns beside it where the model has it: `duration`
            (U,), `feat_gen`, `feat_gen_denorm`, `prob`, `att_w`, ...
        """
        voice = {"sids": sids, "spembs": spembs, "lids": lids}
        voice |= {"speech": feats if speech is None else speech, "durations": durations}
        given = dict(decode_conf or {})
        # ESPnet's object always says that it does not, of any model.
        if not given.get(_FORCED) and _FORCED not in self._tts.settings.options:
            given.pop(_FORCED, None)
        said = self._tts(text, longest=None, **voice, **given)
        told = {} if said.durations is None else {"duration": said.durations}
        arrays = {name: np.asarray(value) for name, value in said.details.items()}
        return {**told, **arrays, "wav": said.wave}
