"""What the plugin claims and declines, from a config alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
import espnet_onnx_plugin_slu as plugin
from espnet_onnx import components
from espnet_onnx.errors import BundleError

PLAIN: dict[str, Any] = {
    "token_list": ["<blank>", "<unk>", "<sos/eos>", "on", "off"],
    "token_type": "word",
    "encoder": "conformer",
    "decoder": "transformer",
    "preencoder": "linear",
    "two_pass": False,
}
# As `egs2/fsc_challenge/slu1` publishes it: its tokens come from the recipe's scripts.
TWO_PASS: dict[str, Any] = {
    "token_type": "word",
    "encoder": "transformer",
    "decoder": "transformer",
    "deliberationencoder": "conformer",
    "postdecoder": "hugging_face_transformers",
    "postdecoder_conf": {"model_name_or_path": "bert-base-cased"},
}


def claimed(config: dict[str, Any], **given: Any) -> eo.Part | eo.Declined | None:
    root, _ = components.root(config, **given)
    assert root.type == "slu"
    return plugin.split_modules(root)


def test_a_plain_model() -> None:
    part = claimed(PLAIN)
    assert isinstance(part, eo.Part)
    names = ["frontend", "normalize", "preencoder", "encoder", "ctc", "decoder"]
    assert list(part.children) == names
    # ESPnet takes the last token for <sos/eos> here, and exact CTC scores.
    assert (part.config["blank"], part.config["sos"], part.config["eos"]) == (0, 4, 4)
    assert part.config["decoding"]["ctc_window_margin"] == 0
    assert "transcript_token_list" not in part.config


def test_a_model_that_deliberates() -> None:
    part = claimed(TWO_PASS)
    assert isinstance(part, eo.Part)
    deliberation = part.children["deliberationencoder"]
    assert (deliberation.role, deliberation.type) == ("postencoder", "conformer")
    assert deliberation.conf["output_size"] == 256
    assert part.children["postdecoder"].role == "postdecoder"
    assert plugin.split_modules(part.children["postdecoder"]) == eo.Part("slu.postdecoder")
    assert plugin.split_modules(deliberation) == eo.Part("slu.postencoder")
    words = ["<blank>", "<unk>", "turn"]
    part = claimed({**TWO_PASS, "transcript_token_list": words})
    assert isinstance(part, eo.Part)
    assert part.config["transcript_token_list"] == words


def test_a_deliberation_encoder_without_a_transcript_is_never_called() -> None:
    part = claimed({**TWO_PASS, "postdecoder": None})
    assert isinstance(part, eo.Part)
    assert not {"postdecoder", "deliberationencoder"} & set(part.children)


@pytest.mark.parametrize(
    ("config", "given", "reason"),
    [
        ({**PLAIN, "model_conf": {"superb_setup": True}}, {}, "superb_setup"),
        ({**PLAIN, "token_type": "hugging_face"}, {}, "token type hugging_face"),
        (TWO_PASS, {"module": object()}, "no transcript_token_list"),
    ],
)
def test_declines_with_a_reason(config: dict[str, Any], given: dict[str, Any], reason: str) -> None:
    answer = claimed(config, **given)
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason


def test_leaves_the_rest_to_others() -> None:
    assert claimed({**PLAIN, "decoder": "transducer"}) is None
    for role, type_ in (
        ("postencoder", "length_adaptor"),
        ("postencoder", "hugging_face_transformers"),
        ("encoder", "conformer"),
        ("model", "asr"),
    ):
        component = eo.Component(role, role, type_, {"model": "espnet"})
        assert plugin.split_modules(component) is None
        assert plugin.export_module(component, eo.Part("other.kind")) is None
    assert plugin.build_runtime(eo.Node("", "other.kind", "other"), {}, lambda name: None) is None


def test_a_tokenizer_without_a_fast_form_is_declined() -> None:
    class Slow:
        tokenizer = object()

    slow = eo.Component("postdecoder", "postdecoder", "hugging_face_transformers", module=Slow())
    answer = plugin.split_modules(slow)
    assert isinstance(answer, eo.Declined)
    assert "no fast form" in answer.reason


def test_what_a_bundle_needs_to_split_transcripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "tokenizer.json"
    damaged.write_text("{}", "utf-8")
    node = eo.Node("postdecoder", "slu.postdecoder", "slu", files={"tokenizer.json": damaged})
    pytest.importorskip("tokenizers")
    with pytest.raises(BundleError, match="tokenizers cannot read it"):
        plugin.build_runtime(node, {}, lambda name: None)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(BundleError, match="pip install tokenizers"):
        plugin.build_runtime(node, {}, lambda name: None)


def test_claims_and_runtimes_need_no_torch() -> None:
    code = (
        "import sys, espnet_onnx_plugin_slu, espnet_onnx_plugin_slu.building;"
        "import espnet_onnx_plugin_slu.root_runtime, espnet_onnx_plugin_slu.postdecoder_runtime;"
        "heavy = {'torch', 'onnx', 'espnet2', 'transformers', 'tokenizers'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
