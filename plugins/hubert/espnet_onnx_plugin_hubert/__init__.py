"""hubert: self-supervised speech models, as frontends, as encoders and as feature extractors."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {
    ("encoder", "hubert"): ".encoder_claim",
    ("encoder", "hubert_pretrain"): ".encoder_claim",
    ("encoder", "torchaudiohubert"): ".encoder_claim",
    ("encoder", "wav2vec2"): ".encoder_claim",
    ("frontend", "espnet_ssl"): ".espnet_ssl_claim",
    ("frontend", "fused"): ".fused_claim",
    ("frontend", "huggingface"): ".huggingface_claim",
    ("frontend", "s3prl"): ".s3prl_claim",
    ("frontend", "wav2vec_cnn"): ".cnn_claim",
    ("model", "hubert"): ".pretrain_root_claim",
    ("model", "ssl"): ".ssl_root_claim",
}
_HOMES = {
    "hubert.encoder": (".encoder_export", ".encoder_runtime"),
    "hubert.espnet_ssl": (".espnet_ssl_export", ".espnet_ssl_runtime"),
    "hubert.frontend": (".s3prl_export", ".frontend_runtime"),
    "hubert.fused": (".fused_export", ".fused_runtime"),
    "hubert.huggingface": (".huggingface_export", ".frontend_runtime"),
    "hubert.pretrained": (".pretrain_root_export", ".pretrain_root_runtime"),
    "hubert.ssl_model": (".ssl_root_claim", ".ssl_root_runtime"),
    "hubert.wav2vec_cnn": (".cnn_export", ".cnn_runtime"),
}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)


@eo.hookimpl
def fusion_patterns(kind: str) -> Sequence[Any] | None:
    """Attention as one operator of onnxruntime."""
    if kind not in _HOMES:
        return None
    rules: Sequence[Any] = import_module(".fusion_graph", __name__).fusion_rules()
    return rules
