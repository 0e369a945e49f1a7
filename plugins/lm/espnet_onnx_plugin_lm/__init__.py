"""lm: language models, alone and as scorers of a beam search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.roles import Session

from . import lm_claim, ngram_claim, root_claim

ESPNET_ONNX_API = 1
KINDS = (root_claim.KIND, *lm_claim.KINDS, ngram_claim.KIND)

CLAIMS = (root_claim.claim_root, lm_claim.claim_lm, ngram_claim.claim_ngram)


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim lm models, and language models and n-grams that help a search."""
    for claim in CLAIMS:
        answer = claim(component)
        if answer is not None:
            return answer
    return None


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """The graph of a language model; the root and an n-gram have none."""
    if part.kind == "lm.transformer":
        from .transformer_export import transformer_graphs

        return transformer_graphs(component, part)
    if part.kind == "lm.seq_rnn":
        from .seq_rnn_export import seq_rnn_graphs

        return seq_rnn_graphs(component, part)
    return {}


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Any | None:
    """The scorer of a node, or the language model around it."""
    if node.kind == root_claim.KIND:
        return _language_model(node, children)
    if node.kind == ngram_claim.KIND:
        from .ngram_runtime import NgramScorer

        return NgramScorer(node.files["ngram"], node.config["token_list"])
    if node.kind == "lm.transformer":
        from .transformer_runtime import TransformerLMScorer

        return TransformerLMScorer(open_session("step"))
    if node.kind == "lm.seq_rnn":
        from .seq_rnn_runtime import SeqRnnScorer

        return SeqRnnScorer(open_session("step"))
    return None


def _language_model(node: eo.Node, children: Mapping[str, Any]) -> Any:
    from espnet_onnx.parts.tokenizer import build_tokenizer

    from .root_runtime import LanguageModel

    return LanguageModel(children["lm"], build_tokenizer(node.config, node.files))
