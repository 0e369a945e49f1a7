"""The claims on language models that score the next token."""

from __future__ import annotations

from typing import Any

import espnet_onnx as eo

__all__ = ["KINDS", "claim_lm"]

KINDS = ("lm.transformer", "lm.seq_rnn")
_RNNS = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")


def claim_lm(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors of espnet2.lm.transformer_lm and espnet2.lm.seq_rnn_lm."""
    if component.role != "lm":
        return None
    conf = component.conf
    if component.type == "transformer":
        if conf.get("pos_enc") not in (None, "sinusoidal"):
            return eo.Declined(f"pos_enc {conf['pos_enc']} is none of ESPnet's own")
        return eo.Part("lm.transformer")
    if component.type == "seq_rnn":
        return _seq_rnn(conf)
    if component.type == "transformer_opt":
        return eo.Declined(
            "transformer_opt keeps a Hugging Face model in it, which has no cached step here"
        )
    return None


def _seq_rnn(conf: Any) -> eo.Part | eo.Declined:
    rnn = str(conf.get("rnn_type", "lstm")).upper()
    if rnn not in _RNNS:
        return eo.Declined(f"rnn_type {rnn} is none of ESPnet's own ({', '.join(_RNNS)})")
    return eo.Part("lm.seq_rnn")
