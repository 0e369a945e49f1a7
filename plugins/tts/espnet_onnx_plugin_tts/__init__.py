"""tts: the root of ESPnet's tts and gan_tts models, text in and waveform out."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {
    ("model", "gan_tts"): ".root_claim",
    ("model", "tts"): ".root_claim",
}
_HOMES = {"tts.root": (".root_export", ".root_runtime")}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
