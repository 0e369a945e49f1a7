"""tacotron2: the Tacotron2 acoustic model."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {("acoustic", "tacotron2"): ".acoustic_claim"}
_HOMES = {
    "tacotron2.acoustic": (".acoustic_export", ".acoustic_runtime"),
}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
