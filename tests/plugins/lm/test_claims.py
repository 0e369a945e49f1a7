"""What plugin lm claims, and what it declines."""

from __future__ import annotations

from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx_plugin_lm.lm_claim import claim_lm
from espnet_onnx_plugin_lm.root_claim import KIND, claim_root

CONFIG: dict[str, Any] = {"token_list": ["<blank>", "<unk>", "a", "<sos/eos>"], "lm": "seq_rnn"}


def root(**changes: Any) -> eo.Component:
    return components.root({**CONFIG, **changes})[0]


def claimed(type: str, **conf: Any) -> Any:
    return claim_lm(eo.Component("lm", "lm", type, conf))


def test_a_whole_language_model() -> None:
    part = claim_root(root(token_type="char"))
    assert isinstance(part, eo.Part)
    assert (part.kind, list(part.children)) == (KIND, ["lm"])
    child = part.children["lm"]
    assert (child.role, child.type, child.conf["nlayers"]) == ("lm", "seq_rnn", 2)
    assert part.config == {"token_type": "char", "token_list": CONFIG["token_list"]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"model": "lm_multitask"}, "lm_multitask"), ({"token_type": "phn2"}, "token type phn2")],
)
def test_declined_roots(changes: dict[str, Any], reason: str) -> None:
    declined = claim_root(root(**changes))
    assert isinstance(declined, eo.Declined) and reason in declined.reason


@pytest.mark.parametrize(
    ("type", "conf", "reason"),
    [
        ("transformer_opt", {}, "Hugging Face"),
        ("transformer", {"pos_enc": "rotary"}, "pos_enc rotary"),
        ("seq_rnn", {"rnn_type": "qrnn"}, "rnn_type QRNN"),
    ],
)
def test_declined_models(type: str, conf: dict[str, Any], reason: str) -> None:
    declined = claimed(type, **conf)
    assert isinstance(declined, eo.Declined) and reason in declined.reason


def test_kinds() -> None:
    assert claimed("transformer", pos_enc="sinusoidal").kind == "lm.transformer"
    assert claimed("seq_rnn", rnn_type="rnn_relu").kind == "lm.seq_rnn"
    assert claim_lm(eo.Component("lm", "decoder", "transformer")) is None
    assert claimed("unheard_of") is None
    assert claim_root(components.root({"encoder": "conformer", "decoder": "rnn"})[0]) is None
