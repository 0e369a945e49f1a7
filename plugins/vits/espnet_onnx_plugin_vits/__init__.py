"""vits: the end-to-end VITS model."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {("acoustic", "vits"): ".acoustic_claim"}
_HOMES = {"vits.acoustic": (".acoustic_export", ".acoustic_runtime")}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
