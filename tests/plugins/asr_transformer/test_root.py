"""The claim on a whole asr model: from a config alone, and from the live model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

import espnet_onnx as eo
from espnet_onnx import components
from espnet_onnx.manager import Manager
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.resolver import resolve
from espnet_onnx_plugin_asr_transformer.root_claim import KIND, claim_root

from ...tiny_models import TINY, changed, write_model


def claimed(config: dict[str, Any], **given: Any) -> eo.Part:
    root, _ = components.root(config, **given)
    part = claim_root(root)
    assert isinstance(part, eo.Part)
    return part


def names(part: eo.Part) -> list[str]:
    return list(part.children)


def test_children_follow_the_config() -> None:
    assert names(claimed(TINY)) == ["frontend", "encoder", "ctc", "decoder"]
    full = changed(normalize="utterance_mvn", preencoder="linear", postencoder="length_adaptor")
    assert names(claimed(full)) == [
        "frontend",
        "normalize",
        "preencoder",
        "encoder",
        "postencoder",
        "ctc",
        "decoder",
    ]


def test_the_ctc_weight_decides_what_there_is_to_decode_with() -> None:
    ctc_only = claimed(changed(model_conf={"ctc_weight": 1.0}))
    assert names(ctc_only) == ["frontend", "encoder", "ctc"]
    assert ctc_only.config["decoding"]["ctc_weight"] == 1.0
    attention = claimed(changed(model_conf={"ctc_weight": 0.0}))
    assert names(attention) == ["frontend", "encoder", "decoder"]
    assert attention.config["decoding"]["ctc_weight"] == 0.0
    unsaid = claimed({k: v for k, v in TINY.items() if k != "model_conf"})
    assert names(unsaid) == ["frontend", "encoder", "ctc", "decoder"]


def test_every_search_setting_is_in_the_bundle() -> None:
    assert claimed(TINY).config["decoding"] == attrs.asdict(Decoding(ctc_weight=0.5))


def test_a_given_input_size_stands_for_the_frontend() -> None:
    part = claimed(changed(input_size=83))
    assert names(part) == ["encoder", "ctc", "decoder"]
    assert part.children["encoder"].given["input_size"] == 83


def test_special_tokens() -> None:
    config = claimed(TINY).config
    assert (config["blank"], config["sos"], config["eos"]) == (0, 7, 7)
    named = changed(
        token_list=["<s>", "<pad>", "A", "</s>"],
        model_conf={"sym_blank": "<pad>", "sym_sos": "<s>", "sym_eos": "</s>"},
    )
    config = claimed(named).config
    # CTC's blank has no name in ESPnet.
    assert (config["blank"], config["sos"], config["eos"]) == (0, 0, 3)


def test_children_are_told_the_vocabulary() -> None:
    given = claimed(TINY).children["decoder"].given
    assert (given["vocab_size"], given["token_list"][3]) == (8, "A")


def test_the_tokenizer_model_travels(tmp_path: Path) -> None:
    config = changed(token_type="bpe", bpemodel="data/bpe.model")
    assert claimed(config, base=tmp_path).files == {"bpemodel": tmp_path / "data/bpe.model"}
    assert claimed(TINY, base=tmp_path).files == {}


def test_a_token_type_without_a_tokenizer_is_declined() -> None:
    root, _ = components.root(changed(token_type="hugging_face"))
    answer = claim_root(root)
    assert isinstance(answer, eo.Declined)
    assert "token type hugging_face" in answer.reason
    assert "bpe, char, word, phn" in answer.reason


@pytest.mark.parametrize(
    "config",
    [
        changed(model="maskctc"),
        changed(model="pit_espnet"),
        changed(decoder="transducer"),
        {"tts": "fastspeech2"},
    ],
)
def test_other_models_are_not_claimed(config: dict[str, Any]) -> None:
    root, _ = components.root(config)
    assert claim_root(root) is None


def test_only_a_model_is_claimed() -> None:
    root, _ = components.root(TINY)
    assert claim_root(attrs.evolve(root, role="encoder")) is None
    assert claim_root(attrs.evolve(root, type="st")) is None


VARIANTS = {
    "hybrid": TINY,
    "ctc_only": changed(model_conf={"ctc_weight": 1.0}),
    "attention_only": changed(model_conf={"ctc_weight": 0.0}),
    "normalised": changed(normalize="utterance_mvn"),
    "features": changed(frontend=None, frontend_conf={}, input_size=12),
    "linear": changed(preencoder="linear", preencoder_conf={"input_size": 16, "output_size": 12}),
}


@pytest.mark.export
@pytest.mark.parametrize("name", VARIANTS)
def test_config_and_live_model_give_the_same_tree(name: str, tmp_path: Path) -> None:
    pytest.importorskip("espnet2")
    from espnet_onnx import loader, sources

    config = VARIANTS[name]
    loaded = loader.load_model(sources.find(write_model(tmp_path / "m", config)))
    manager = Manager.load()
    by_config = resolve(components.root(config)[0], manager)
    live = components.root(loaded.config, module=loaded.model, task=loaded.task)[0]
    by_model = resolve(live, manager)

    def tree(claim: Any) -> list[tuple[Any, ...]]:
        return [
            (c.path, c.component.role, c.component.type, c.part and c.part.kind)
            for c in claim.walk()
        ]

    assert tree(by_config) == tree(by_model)
    assert by_model.problems == []
    assert all(c.component.module is not None for c in by_model.walk())
    assert by_model.part.kind == KIND


def test_a_model_without_an_encoder_is_declined() -> None:
    root, _ = components.root(changed(encoder=None))
    declined = claim_root(root)
    assert isinstance(declined, eo.Declined)
    assert declined.reason.startswith("encoder null ")
