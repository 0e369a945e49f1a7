"""The claim on frontend `fused`, ESPnet's `FusedFrontends`: several frontends side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.parts.sample_rate import parse_rate

__all__ = ["KIND", "claim"]

KIND = "hubert.fused"

# What `FusedFrontends` hands on of each; whatever else a config says there is lost on it.
_DEFAULT = (
    "n_mels",
    "n_fft",
    "win_length",
    "hop_length",
    "window",
    "center",
    "normalized",
    "onesided",
    "fmin",
    "fmax",
    "htk",
    "apply_stft",
)
_S3PRL = ("frontend_conf", "download_dir", "multilayer_feature")
_PASSED = {"default": _DEFAULT, "s3prl": _S3PRL}
# It fills in `DefaultFrontend`'s own defaults, which are those of the asr task's choices.
_TASK = eo.Component("", "model", "asr")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `FusedFrontends`: children `frontend_0`, `frontend_1`, ..."""
    conf = component.conf
    frontends = conf.get("frontends") or ()
    rate = parse_rate(conf.get("fs", 16000))
    reason = _unsupported(conf, [str(f.get("frontend_type")) for f in frontends])
    reason = reason or (None if rate else f"fs {conf['fs']!r} is no sample rate")
    if reason is not None:
        return eo.Declined(reason)
    children = [_child(component, i) for i in range(len(frontends))]
    return eo.Part(KIND, {c.name: c for c in children}, {"sample_rate": rate})


def _child(component: eo.Component, index: int) -> eo.Component:
    given = component.conf["frontends"][index]
    type = given["frontend_type"]
    made = child(
        _TASK,
        "frontend",
        name=f"frontend_{index}",
        type=type,
        module=None if component.module is None else component.module.frontends[index],
        conf={
            "fs": component.conf.get("fs", 16000),
            **{name: given[name] for name in _PASSED[type] if name in given},
        },
    )
    assert made is not None
    return eo.Component(made.name, made.role, type, made.conf, made.module, base=component.base)


def _unsupported(conf: Mapping[str, Any], types: list[str]) -> str | None:
    if not types:
        return "frontends names none"
    unknown = [type for type in types if type not in _PASSED]
    if unknown:
        return f"frontend_type {unknown[0]} is not one of {', '.join(_PASSED)}"
    method = conf.get("align_method", "linear_projection")
    if method != "linear_projection":
        return f"align_method {method}: ESPnet itself has linear_projection alone"
    return None
