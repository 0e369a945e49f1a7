"""The claim on the recurrent prediction network of the asr and st tasks."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["claim"]

KIND = "conformer_transducer.prediction"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `espnet2.asr.decoder.transducer_decoder.TransducerDecoder`."""
    rnn = component.conf.get("rnn_type", "lstm")
    if rnn not in ("lstm", "gru"):
        return eo.Declined(f"rnn_type {rnn} is not one that ESPnet has (lstm, gru)")
    pad = component.conf.get("embed_pad", 0)
    if pad != 0:
        return eo.Declined(f"embed_pad {pad}: ESPnet's searches take token 0 for the blank")
    return eo.Part(KIND)
