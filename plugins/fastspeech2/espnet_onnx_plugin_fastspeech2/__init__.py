"""fastspeech2: FastSpeech and FastSpeech2, and the JETS and joint models built on them."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {
    ("acoustic", "fastspeech"): ".acoustic_claim",
    ("acoustic", "fastspeech2"): ".acoustic_claim",
    ("acoustic", "jets"): ".jets_claim",
    ("acoustic", "joint_text2wav"): ".joint_claim",
}
_HOMES = {
    "fastspeech2.fastspeech": (".acoustic_export", ".acoustic_runtime"),
    "fastspeech2.fastspeech2": (".acoustic_export", ".acoustic_runtime"),
    "fastspeech2.jets": (".jets_export", ".jets_runtime"),
    "fastspeech2.joint_text2wav": (".joint_export", ".joint_runtime"),
}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
