"""ESPnet's own speech synthesis, as the thing to be equal to (needs torch and ESPnet).

Shapes: U tokens, T frames, D features, N samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from .companions import Companions
from .inference import inference
from .isolation import injected_noise
from .loader import Loaded
from .types import Array
from .vocoder_files import LiveVocoder

__all__ = ["Speaker"]

_SEED = 777  # that of `Text2Speech`


class Speaker:
    """ESPnet's own `Text2Speech` around a loaded model.

    Args:
        loaded: the model.
        vocoder: (T, D) features to (N,) samples; None where ESPnet makes its own.
    """

    def __init__(self, loaded: Loaded, vocoder: Callable[[Tensor], Tensor] | None = None) -> None:
        model = _that_infers(loaded.model)
        self.text2speech = inference(attrs.evolve(loaded, model=model))
        if vocoder is not None:
            self.text2speech.vocoder = vocoder

    @classmethod
    def beside(cls, loaded: Loaded, companions: Companions) -> Speaker:
        """With the live vocoder that was named with a model, if any."""
        vocoder = companions.vocoder
        return cls(loaded, vocoder if isinstance(vocoder, LiveVocoder) else None)

    def __call__(
        self,
        ids: Sequence[int],
        drawn: Sequence[tuple[str, Array]],
        voice: Mapping[str, Any],
        settings: Mapping[str, Any],
        strict: bool = True,
    ) -> tuple[Array, Array | None]:
        """What ESPnet says: (N,) samples, and (U,) frames of each token where it tells.

        Args:
            ids: without <sos/eos>.
            drawn: the noise, see `isolation.injected_noise`.
            voice: see `say`.
            settings: see `say`.
            strict: see `isolation.injected_noise`.
        """
        with injected_noise(drawn, strict=strict):
            said = self.say(ids, voice, settings)
        durations = said.get("duration")
        frames = None if durations is None else np.asarray(durations).reshape(-1)
        return np.asarray(said["wav"]).reshape(-1), frames

    def say(
        self, text: str | Sequence[int], voice: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """All that ESPnet's object returns, with noise of its own and one seed.

        Args:
            text: or token ids without <sos/eos>.
            voice: of `sids`, `lids`, `spembs` and `speech`, one each.
            settings: options by our names; those that this model is not told of are left out.
        """
        known = self.text2speech.decode_conf
        conf = {name: value for name, value in settings.items() if name in known}
        given = {name: torch.as_tensor(value) for name, value in voice.items()}
        spoken = text if isinstance(text, str) else torch.tensor(text)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            return dict(self.text2speech(spoken, decode_conf=conf, **given))

    def ids(self, text: str) -> list[int]:
        """A text's tokens, as ESPnet reads it."""
        read = self.text2speech.preprocess_fn("text", {"text": text})
        return [int(token) for token in read["text"]]


def _that_infers(model: Any) -> Any:
    """`Text2Speech` loads the models of gan_tts, which have no inference, with `TTSTask`."""
    if hasattr(model, "inference"):
        return model
    from espnet2.tts.espnet_model import ESPnetTTSModel

    names = list(inspect.signature(ESPnetTTSModel.__init__).parameters)[1:]
    return ESPnetTTSModel(**{name: getattr(model, name) for name in names}).eval()
