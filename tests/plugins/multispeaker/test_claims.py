"""What is claimed of multi-speaker models, and what is declined."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx_plugin_multispeaker.encoder_claim import claim_encoder
from espnet_onnx_plugin_multispeaker.root_claim import claim_root

from ...tiny_models import TINY, changed

PIT: dict[str, Any] = {
    "model": "pit_espnet",
    "model_conf": {"num_inf": 2, "num_ref": 2},
    "encoder": "transformer_multispkr",
    "encoder_conf": {"num_inf": 2},
}


def claimed(**replaced: Any) -> eo.Part | eo.Declined | None:
    return claim_root(components.root({**changed(**PIT), **replaced})[0])


def test_the_root_has_a_recognisers_children() -> None:
    part = claimed()
    assert isinstance(part, eo.Part)
    assert list(part.children) == ["frontend", "encoder", "ctc", "decoder"]
    assert part.children["encoder"].role == "multispeaker_encoder"
    assert part.config["speakers"] == 2
    ctc_only = claimed(model_conf={"ctc_weight": 1.0, "num_inf": 2, "num_ref": 2})
    assert isinstance(ctc_only, eo.Part)
    assert list(ctc_only.children) == ["frontend", "encoder", "ctc"]


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"encoder": None}, "encoder null"),
        ({"decoder": "transducer"}, "decoder transducer"),
        ({"postencoder": "length_adaptor"}, "postencoder length_adaptor"),
        ({"model_conf": {"num_inf": 3, "num_ref": 3}}, "num_inf 2 is not model_conf.num_inf 3"),
        ({"token_type": "hugging_face"}, "token type hugging_face"),
    ],
)
def test_what_the_root_declines(replaced: dict[str, Any], reason: str) -> None:
    declined = claimed(**replaced)
    assert isinstance(declined, eo.Declined)
    assert reason in declined.reason


def test_other_models_are_not_claimed() -> None:
    assert claim_root(components.root(TINY)[0]) is None


def test_the_encoder_is_for_several_speakers_only() -> None:
    root, _ = components.root(changed(**PIT))
    encoder = components.child(root, "encoder")
    assert encoder is not None
    declined = claim_encoder(encoder)
    assert isinstance(declined, eo.Declined)
    assert "model: pit_espnet" in declined.reason
    several = attrs.evolve(encoder, role="multispeaker_encoder")
    part = claim_encoder(several)
    assert isinstance(part, eo.Part)
    assert part.config == {"shortest": 7, "speakers": 2}
    tokens = attrs.evolve(several, conf={**encoder.conf, "input_layer": "embed"})
    assert isinstance(claim_encoder(tokens), eo.Declined)
