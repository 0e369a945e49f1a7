"""The claim on ESPnet's `transformer` and `conformer` encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import espnet_onnx as eo

__all__ = [
    "ATTENTIONS",
    "KIND",
    "KINDS",
    "POSITIONS",
    "SHORTEST",
    "claim_encoder",
    "encoder_part",
    "unknown",
    "unknown_layer",
]

KIND = "asr_transformer.encoder"
KINDS = (KIND,)

# Fewest input frames, as ESPnet's `check_short_utt` has it; one where it does not look.
SHORTEST: Mapping[str, Mapping[str | None, int]] = {
    "conformer": {
        "conv2d": 7,
        "conv2d1": 5,
        "conv2d2": 7,
        "conv2d6": 11,
        "conv2d8": 15,
        "linear": 1,
        "embed": 1,
        None: 1,
    },
    "transformer": {
        "conv2d": 7,
        "conv2d1": 5,
        "conv2d2": 7,
        "conv2d6": 11,
        "conv2d8": 15,
        "conv1d2": 5,
        "linear": 1,
        "embed": 1,
        "wav2vec": 1,
        None: 1,
    },
}
POSITIONS = ("abs_pos", "scaled_abs_pos", "rel_pos", "legacy_rel_pos", "conv")
ATTENTIONS = ("selfattn", "rel_selfattn", "legacy_rel_selfattn")


def claim_encoder(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Mirrors the constructors of `TransformerEncoder` and `ConformerEncoder`.

    Returns:
        See `encoder_part`.
    """
    if component.role != "encoder" or component.type not in SHORTEST:
        return None
    reason = _why_not(component)
    if reason is not None:
        return eo.Declined(reason)
    return encoder_part(KIND, component, SHORTEST[component.type])


def encoder_part(kind: str, component: eo.Component, shortest: Mapping[str | None, int]) -> eo.Part:
    """A part whose config holds what the encoder's run time needs.

    That is `shortest` (frames), `inter` (numbers of the blocks whose output the graph also
    returns) and `tokens` (the input is int64 ids, not features).

    Args:
        kind: of the part.
        component: an encoder; `given["hidden_states"]` are the numbers of the blocks whose output
            its parent reads, and reads as it is: before any last norm.
        shortest: fewest input frames of every `input_layer` that it may have.
    """
    conf = component.conf
    return eo.Part(
        kind,
        config={
            "shortest": shortest[conf["input_layer"]],
            "inter": sorted({int(i) for i in _inner(component)}),
            "tokens": conf["input_layer"] == "embed",
        },
    )


def _inner(component: eo.Component) -> Sequence[int]:
    asked = component.given.get("hidden_states")
    return asked or component.conf.get("interctc_layer_idx") or ()


def _why_not(component: eo.Component) -> str | None:
    conf = component.conf
    reason = unknown_layer(component, SHORTEST[component.type])
    if reason is not None:
        return reason
    if conf.get("ctc_trim"):
        return "ctc_trim cuts the output where CTC is sure of blanks, which no graph here does"
    if component.type == "transformer":
        return None
    return unknown(conf, "pos_enc_layer_type", POSITIONS) or unknown(
        conf, "selfattention_layer_type", ATTENTIONS
    )


def unknown_layer(component: eo.Component, known: Mapping[str | None, int]) -> str | None:
    """Why the encoder's `input_layer` cannot be claimed, None if it can."""
    layer = component.conf["input_layer"]
    if layer in known:
        return None
    return f"input_layer {layer} is not one that ESPnet's {component.type} encoder has"


def unknown(conf: Mapping[str, Any], key: str, known: tuple[str, ...]) -> str | None:
    """Why an option's value cannot be claimed, None if it can."""
    if conf[key] in known:
        return None
    return f"{key} {conf[key]} is not one of {', '.join(known)}"
