"""The claims on mt models: from a config alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx_plugin_mt.frontend_claim import claim_frontend
from espnet_onnx_plugin_mt.root_claim import claim_root
from espnet_onnx_plugin_mt.tiny import MODELS

MT, DISCRETE = (dict(model.config) for model in MODELS)


def answer(config: dict[str, Any], **changed: Any) -> Any:
    return claim_root(components.root({**config, **changed}, base=Path("m"), task="mt")[0])


def test_only_discrete_units_have_ctc() -> None:
    text, units = answer(MT), answer(DISCRETE)
    assert list(text.children) == ["frontend", "encoder", "decoder"]
    assert list(units.children) == ["frontend", "encoder", "decoder", "ctc"]
    assert [p.config["decoding"]["ctc_weight"] for p in (text, units)] == [0.0, 0.5]
    without = answer(DISCRETE, model_conf={"ctc_weight": 0.0})
    assert list(without.children) == ["frontend", "encoder", "decoder"]
    assert without.config["decoding"]["ctc_weight"] == 0.0


def test_sos_is_the_last_token_whatever_its_name() -> None:
    part = answer(MT, token_list=["<blank>", "<unk>", "<sos/eos>", "a", "b"])
    assert (part.config["sos"], part.config["eos"]) == (4, 4)
    assert part.config["source"]["sos"] == len(MT["src_token_list"]) - 1


def test_both_tokenizers_travel() -> None:
    bpe = {"token_type": "bpe", "bpemodel": "en.model", "src_token_type": "bpe"}
    part = answer(MT, **bpe, src_bpemodel="de.model")
    assert part.files == {"bpemodel": Path("m/en.model"), "src_bpemodel": Path("m/de.model")}


def test_an_old_config_that_names_no_model_is_mt() -> None:
    old = {key: value for key, value in MT.items() if key != "model"}
    assert isinstance(answer(old), eo.Part)
    assert answer(MT, model="another") is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"input_size": 80}, "input_size"),
        ({"cleaner": "tacotron"}, "cleaner tacotron"),
        ({"g2p": "g2p_en"}, "g2p g2p_en"),
        ({"src_token_type": "char", "non_linguistic_symbols": "nlsyms"}, "non_linguistic_symbols"),
        ({"src_token_type": "whisper_en"}, "token type whisper_en"),
        ({"encoder_conf": {"interctc_layer_idx": [1]}}, "interctc_layer_idx"),
    ],
)
def test_variants_that_are_declined(changed: dict[str, Any], reason: str) -> None:
    declined = answer(MT, **changed)
    assert isinstance(declined, eo.Declined)
    assert reason in declined.reason


def test_frontends_say_how_many_tokens_make_a_frame() -> None:
    def frontend(kind: str, **conf: Any) -> Any:
        return claim_frontend(eo.Component("frontend", "frontend", kind, conf))

    assert frontend("embed").config == {"patch": 1}
    assert frontend("patch", token_per_frame=4).config == {"patch": 4}
    assert isinstance(frontend("codec"), eo.Declined)
    assert frontend("default") is None
