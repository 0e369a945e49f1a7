"""conformer_transducer: ESPnet's transducers, and every search over them."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

# (role, type) -> the module whose `claim` answers for it.
_CLAIMS: dict[tuple[str, str], str] = {
    ("encoder", "asr_transducer"): ".standalone_encoder_claim",
    ("model", "asr"): ".root_claim",
    ("model", "asr_transducer"): ".standalone_claim",
    ("model", "st"): ".root_claim",
    ("prediction", "mega"): ".prediction_claim",
    ("prediction", "rnn"): ".prediction_claim",
    ("prediction", "rwkv"): ".prediction_claim",
    ("prediction", "stateless"): ".prediction_claim",
    ("prediction", "transducer"): ".prediction_claim",
}
# Kind -> the modules with its `graphs(component, part)` and `build(node, children, open_session)`.
# Kinds are written into bundles, so never renamed.
_HOMES: dict[str, tuple[str, str]] = {
    "conformer_transducer.prediction": (".prediction_export", ".prediction_runtime"),
    "conformer_transducer.root": (".root_export", ".root_runtime"),
    "conformer_transducer.standalone": (".root_export", ".root_runtime"),
    "conformer_transducer.standalone_encoder": (
        ".standalone_encoder_export",
        ".standalone_encoder_runtime",
    ),
}
KINDS = tuple(_HOMES)

split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
