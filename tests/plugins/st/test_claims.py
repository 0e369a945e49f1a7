"""The claims on st models: from a config alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx_plugin_st.decoder_claim import claim_decoder, claim_states
from espnet_onnx_plugin_st.root_claim import KIND, MULTI_KIND, claim_root
from espnet_onnx_plugin_st.tiny import MODELS

PLAIN, MULTI = (dict(model.config) for model in MODELS)
WEIGHTS = {"asr_weight": 0.3, "mtlalpha": 0.3}


def answer(config: dict[str, Any], **changed: Any) -> Any:
    return claim_root(components.root({**config, **changed}, base=Path("m"), task="st")[0])


def test_what_inference_uses_is_a_child_and_the_rest_is_named() -> None:
    part = answer(PLAIN)
    assert part.kind == KIND
    assert list(part.children) == ["frontend", "normalize", "encoder", "decoder"]
    assert part.config["unused"] == ["ctc", "extra_asr_decoder"]
    assert (part.config["decoding"]["ctc_weight"], part.config["sos"]) == (0.0, 19)
    all_of_mt = answer(
        PLAIN,
        extra_mt_decoder="transformer",
        extra_mt_encoder="transformer",
        model_conf={"mt_weight": 0.2, "st_mtlalpha": 0.3},
    )
    assert list(all_of_mt.children)[-2:] == ["decoder", "st_ctc"]
    assert all_of_mt.config["unused"] == ["extra_mt_decoder", "extra_mt_encoder"]


def test_ctc_alone_is_the_default_where_there_is_no_decoder() -> None:
    part = answer(PLAIN, model_conf={"st_mtlalpha": 1.0})
    assert list(part.children) == ["frontend", "normalize", "encoder", "st_ctc"]
    assert part.config["decoding"]["ctc_weight"] == 1.0


def test_a_multidecoder_has_two_searches_and_two_tokenizers() -> None:
    config = {"token_type": "bpe", "bpemodel": "de.model"}
    part = answer(MULTI, src_token_type="bpe", src_bpemodel="en.model", **config)
    assert part.kind == MULTI_KIND
    roles = {name: child.role for name, child in part.children.items()}
    assert roles == {
        "frontend": "frontend",
        "encoder": "encoder",
        "decoder": "decoder",
        "st_ctc": "ctc",
        "extra_asr_decoder": "decoder",
        "states": "decoder_states",
        "md_encoder": "encoder",
        "ctc": "ctc",
    }
    assert part.config["unused"] == []
    assert part.config["decoding"]["asr_beam_size"] == 20
    assert part.config["decoding"]["asr_ctc_weight"] == 0.3
    assert part.config["source"]["sos"] == len(MULTI["src_token_list"]) - 1
    assert set(part.files) == {"bpemodel", "src_bpemodel"}
    size = {name: child.given["vocab_size"] for name, child in part.children.items()}
    assert (size["decoder"], size["ctc"], size["extra_asr_decoder"]) == (20, 30, 30)


def test_sos_and_eos_have_names_of_their_own() -> None:
    names = {"tgt_sym_sos": "a", "tgt_sym_eos": "b"}
    part = answer(PLAIN, model_conf={**WEIGHTS, **names})
    assert (part.config["sos"], part.config["eos"]) == (2, 3)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"encoder_conf": {"interctc_layer_idx": [1]}}, "interctc_layer_idx"),
        ({"token_type": "whisper_en"}, "token type whisper_en"),
        ({"src_token_type": "whisper_en"}, "token type whisper_en"),
        ({"md_encoder": None}, "transformer_md reads an md_encoder"),
        ({"extra_asr_decoder": "rnn"}, "extra_asr_decoder rnn"),
        ({"model_conf": {**WEIGHTS, "mtlalpha": 1.0}}, "ESPnet transcribes first"),
        ({"encoder": None}, "encoder null"),
    ],
)
def test_variants_that_are_declined(changed: dict[str, Any], reason: str) -> None:
    declined = answer(MULTI, **changed)
    assert isinstance(declined, eo.Declined)
    assert reason in declined.reason


def test_decoders_that_nobody_can_search_with_are_declined() -> None:
    def decoder(role: str, kind: str, **conf: Any) -> eo.Component:
        return eo.Component("decoder", role, kind, conf)

    plain = claim_decoder(decoder("decoder", "transformer_md", use_speech_attn=False))
    assert isinstance(plain, eo.Declined)
    assert "write decoder: transformer" in plain.reason
    for claim, role, kind in (
        (claim_decoder, "decoder", "transformer_md"),
        (claim_states, "decoder_states", "transformer"),
    ):
        assert isinstance(claim(decoder(role, kind)), eo.Part)
        assert isinstance(claim(decoder(role, kind, input_layer="linear")), eo.Declined)
        assert isinstance(claim(decoder(role, kind, use_output_layer=False)), eo.Declined)
