"""hubert: self-supervised speech models, as frontends, as encoders and as feature extractors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

ESPNET_ONNX_API = 1

# (role, type) -> the module whose `claim` answers for it.
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
# Kind -> the modules with its `graphs(component, part)` and `build(node, children, open_session)`.
# Kinds are written into bundles, so never renamed.
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


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim what holds a self-supervised model; see the tables above."""
    home = _CLAIMS.get((component.role, component.type))
    if home is None:
        return None
    answer: eo.Part | eo.Declined = import_module(home, __name__).claim(component)
    return answer


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """One graph from waveform to features, wherever the model stands."""
    if part.kind not in _HOMES:
        return None
    graphs: Mapping[str, eo.Graph] = import_module(_HOMES[part.kind][0], __name__).graphs(
        component, part
    )
    return graphs


@eo.hookimpl
def fusion_patterns(kind: str) -> Sequence[Any] | None:
    """Attention as one operator of onnxruntime."""
    if kind not in _HOMES:
        return None
    rules: Sequence[Any] = import_module(".fusion_graph", __name__).fusion_rules()
    return rules


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The frontend or encoder over its graph."""
    if node.kind not in _HOMES:
        return None
    return import_module(_HOMES[node.kind][1], __name__).build(node, children, open_session)
