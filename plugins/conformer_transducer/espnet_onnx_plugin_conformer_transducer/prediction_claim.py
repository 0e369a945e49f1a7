"""The claim on prediction networks: recurrent ones, and those that see the last token only."""

from __future__ import annotations

import espnet_onnx as eo

__all__ = ["claim"]

KIND = "conformer_transducer.prediction"
_RARE = {
    "mega": "its moving averages and chunked attention have no step here",
    "rwkv": "its time mixing has no step here",
}


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructors of `TransducerDecoder`, `RNNDecoder` and `StatelessDecoder`.

    The first is that of the asr and st tasks, the others those of the standalone task.
    """
    if component.type in _RARE:
        return eo.Declined(f"prediction network {component.type}: {_RARE[component.type]}")
    rnn = component.conf.get("rnn_type", "lstm")
    if rnn not in ("lstm", "gru"):
        return eo.Declined(f"rnn_type {rnn} is not one that ESPnet has (lstm, gru)")
    pad = component.conf.get("embed_pad", 0)
    if pad != 0:
        return eo.Declined(f"embed_pad {pad}: ESPnet's searches take token 0 for the blank")
    return eo.Part(KIND)
