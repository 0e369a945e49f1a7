"""The claim on ESPnet's `rnn` encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import espnet_onnx as eo

__all__ = ["KIND", "RNN_TYPES", "claim_encoder", "subsampling", "unknown_type"]

KIND = "rnn.encoder"
RNN_TYPES = ("lstm", "gru")


def claim_encoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructor of `espnet2.asr.encoder.rnn_encoder.RNNEncoder`.

    Returns:
        A part whose config holds `shortest`, the fewest input frames.
    """
    if (component.role, component.type) != ("encoder", "rnn"):
        return None
    reason = unknown_type(component.conf)
    if reason is not None:
        return eo.Declined(reason)
    return eo.Part(KIND, config={"shortest": _shortest(subsampling(component.conf))})


def unknown_type(conf: Mapping[str, Any]) -> str | None:
    """Why the recurrent layers of a config cannot be claimed, None if they can."""
    kind = conf.get("rnn_type", "lstm")
    if kind in RNN_TYPES:
        return None
    return f"rnn_type {kind} is not one that ESPnet has ({' or '.join(RNN_TYPES)})"


def subsampling(conf: Mapping[str, Any]) -> list[int]:
    """Every how many frames each layer keeps one; only `RNNP` (use_projection) heeds it."""
    layers = int(conf.get("num_layers", 4))
    stated = conf.get("subsample", (2, 2, 1, 1)) or ()
    if not conf.get("use_projection", True):
        stated = ()
    factors = [int(factor) for factor in stated][:layers]
    return factors + [1] * (layers - len(factors))


def _shortest(factors: Iterable[int]) -> int:
    """Fewest frames of which `RNNP` keeps one: behind a factor f, (T + 1) // f frames count."""
    frames = 1
    for factor in reversed(list(factors)):
        frames = max(1, factor * frames - 1) if factor > 1 else frames
    return frames
