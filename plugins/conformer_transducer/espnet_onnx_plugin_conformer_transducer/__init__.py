"""conformer_transducer: transducers of ESPnet's asr and st tasks, and every search over them."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

# (role, type) -> the module whose `claim` answers for it.
_CLAIMS: dict[tuple[str, str], str] = {
    ("model", "asr"): ".root_claim",
    ("model", "st"): ".root_claim",
    ("prediction", "transducer"): ".prediction_claim",
}
# Kind -> the modules with its `graphs(component, part)` and `build(node, children, open_session)`.
# Kinds are written into bundles, so never renamed.
_HOMES: dict[str, tuple[str, str]] = {
    "conformer_transducer.prediction": (".prediction_export", ".prediction_runtime"),
    "conformer_transducer.root": (".root_export", ".root_runtime"),
}
KINDS = tuple(_HOMES)

split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
