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
    return eo.Part(KIND, config={"blank": int(component.conf.get("embed_pad", 0))})
