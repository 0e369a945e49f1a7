"""Encoders that hear the waveform, and the models of the `hubert` task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
torchaudio = pytest.importorskip("torchaudio")

import yaml

import espnet_onnx as eo
from espnet_onnx.components import child, root
from espnet_onnx.errors import ModelError
from espnet_onnx.loader import build_model
from espnet_onnx_plugin_hubert import encoder_claim, encoder_export, pretrain_root_claim
from espnet_onnx_plugin_hubert.encoder_tiny import CONVS, ENCODER
from espnet_onnx_plugin_hubert.pretrain_root_export import graphs as root_graphs
from espnet_onnx_plugin_hubert.s3prl_tiny import write_checkpoint
from espnet_onnx_plugin_hubert.speech_model_graph import SpeechModel
from espnet_onnx_plugin_hubert.torchaudio_anatomy_export import torchaudio_anatomy

TORCHAUDIO: dict[str, Any] = {
    "extractor_conv_layer_config": CONVS,
    "encoder_embed_dim": 32,
    "encoder_projection_dropout": 0.0,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 4,
    "encoder_num_layers": 2,
    "encoder_num_heads": 4,
    "encoder_attention_dropout": 0.0,
    "encoder_ff_interm_features": 48,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.0,
    "encoder_layer_drop": 0.0,
    "aux_num_out": None,
}
ASR: dict[str, Any] = {
    "token_list": ["<blank>", "a", "b", "<sos/eos>"],
    "input_size": 1,
    "frontend": None,
    "specaug": None,
    "normalize": None,
    "model_conf": {"ctc_weight": 1.0},
}


def stirred(model: Any) -> Any:
    """No weight is what a fresh model has."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("mode", ["group_norm", "layer_norm"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("family", ["wav2vec2", "wavlm"])
def test_states_are_those_of_torchaudio(mode: str, first: bool, family: str) -> None:
    options = {**TORCHAUDIO, "extractor_mode": mode, "encoder_layer_norm_first": first}
    options |= {"extractor_conv_bias": mode == "layer_norm"}
    if family == "wavlm":
        options |= {"encoder_num_buckets": 20, "encoder_max_distance": 40}
    model = stirred(getattr(torchaudio.models, f"{family}_model")(**options))
    graph = SpeechModel(torchaudio_anatomy(model)).eval()
    speech = torch.randn(1, 6001)
    with torch.no_grad():
        states, frames = graph(speech, torch.tensor([6001]))
        expected, _ = model.extract_features(speech)
        last, _ = model(speech)
    assert len(states) == 3
    assert frames == last.shape[1]
    torch.testing.assert_close(states[1], expected[0], rtol=0, atol=2e-5)
    torch.testing.assert_close(states[2], last, rtol=0, atol=2e-5)


def encoder(type: str, conf: dict[str, Any], **given: Any) -> eo.Component:
    """An encoder's component, from its config alone."""
    parent, _ = root({**ASR, "encoder": type, "encoder_conf": conf}, task="asr")
    made = child(parent, "encoder", given=given)
    assert made is not None
    return made


def test_the_shortest_recording_follows_from_the_convolutions() -> None:
    part = encoder_claim.claim(encoder("torchaudiohubert", {"finetuning": True}, input_size=1))
    assert isinstance(part, eo.Part)
    assert part.config == {"shortest": 400, "sample_rate": 16000}
    conf = {"finetuning": True, "extractor_conv_layer_config": CONVS}
    part = encoder_claim.claim(encoder("torchaudiohubert", conf))
    assert isinstance(part, eo.Part)
    # One frame of the last layer sees 2, 5 and 11 frames of those below.
    assert part.config["shortest"] == 10 + 10 * 5


@pytest.mark.parametrize(
    ("type", "conf", "size", "reason"),
    [
        ("torchaudiohubert", {}, 1, "finetuning false"),
        ("torchaudiohubert", {"finetuning": True}, 80, "not features of width 80"),
        ("hubert_pretrain", {}, 1, "only pre-trains"),
    ],
)
def test_what_cannot_recognise_is_declined(
    type: str, conf: dict[str, Any], size: int, reason: str
) -> None:
    answer = encoder_claim.claim(encoder(type, conf, input_size=size))
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason


def equal_to_espnet(live: Any, graph: eo.Graph) -> None:
    """The graph's module answers as its reference, an utterance at a time and in a batch."""
    before = {name: tensor.clone() for name, tensor in live.state_dict().items()}
    feed = graph.feed((4001, 2345))
    named = {name: torch.from_numpy(array) for name, array in feed.items()}
    with torch.no_grad():
        outputs, frames = graph.module(**named)
    for row, count, wave, length in zip(
        outputs, frames, feed["speech"], feed["speech_lengths"], strict=True
    ):
        single = {**feed, "speech": wave[None, :length], "speech_lengths": length[None]}
        expected = torch.from_numpy(graph.reference(single)[graph.outputs[0]])
        assert count == expected.shape[1]
        torch.testing.assert_close(row[None, :count], expected, rtol=0, atol=5e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in live.state_dict().items())


def built(type: str, conf: dict[str, Any], folder: Path) -> eo.Component:
    """A live encoder of an asr model, random and stirred."""
    config = {**ASR, "encoder": type, "encoder_conf": conf}
    model, complete = build_model(config, "asr", base=folder)
    parent, _ = root(complete, task="asr", module=stirred(model))
    made = child(parent, "encoder", module=model.encoder, given={"input_size": 1})
    assert made is not None
    return made


def exported(component: eo.Component) -> eo.Graph:
    """The encoder's graph."""
    part = encoder_claim.claim(component)
    assert isinstance(part, eo.Part)
    return encoder_export.graphs(component, part)["encoder"]


@pytest.mark.parametrize(("type", "key"), [("hubert", "hubert"), ("wav2vec2", "w2v")])
@pytest.mark.parametrize("normalize_before", [True, False])
def test_encoders_of_fairseq_answer_as_espnet(
    tmp_path: Path, type: str, key: str, normalize_before: bool
) -> None:
    pytest.importorskip("s3prl")
    write_checkpoint(type, extractor_mode="layer_norm")(tmp_path / "tuned.pt")
    width = 16 if normalize_before else 32
    conf = {
        f"{key}_url": "https://example.org/tuned.pt",
        f"{key}_dir_path": str(tmp_path),
        "output_size": width,
        "normalize_before": normalize_before,
    }
    component = built(type, conf, tmp_path)
    assert (component.module.output_layer is None) == (width == 32)
    equal_to_espnet(component.module, exported(component))
    assert not any(name.split(".")[0] == "fairseq" for name in sys.modules)


def test_a_checkpoint_of_fairseq_itself_fits(tmp_path: Path) -> None:
    """It holds what only pretraining needs, under names of their own."""
    pytest.importorskip("s3prl")
    write_checkpoint("hubert")(tmp_path / "tuned.pt")
    conf = {"hubert_url": "tuned.pt", "hubert_dir_path": str(tmp_path), "output_size": 32}
    live = built("hubert", conf, tmp_path).module
    state = dict(live.state_dict())
    state |= {"encoders.final_proj.weight": torch.zeros(8, 32)}
    state |= {"encoders.label_embs_concat": torch.zeros(3, 8)}
    live.load_state_dict(state)


def test_an_unknown_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("s3prl")
    conf = {"hubert_url": "https://example.org/other.pt", "hubert_dir_path": str(tmp_path)}
    with pytest.raises(ModelError, match=r"other\.pt is neither a published checkpoint"):
        build_model({**ASR, "encoder": "hubert", "encoder_conf": conf}, "asr")


def test_a_hubert_that_espnet_pretrained_is_fine_tuned(tmp_path: Path) -> None:
    pytest.importorskip("s3prl")
    sizes = {"output_size": 32, "linear_units": 48, "attention_heads": 4, "num_blocks": 2}
    pretrained = {"input_size": 1, "hubert_dict": "none", "encoder_conf": sizes}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(pretrained), "utf-8")
    torch.save({"encoder.encoder.mask_emb": torch.zeros(32)}, tmp_path / "valid.pth")
    conf = {"hubert_url": "espnet", "hubert_dir_path": str(tmp_path / "valid.pth")}
    component = built("hubert", {**conf, "output_size": 32}, tmp_path)
    equal_to_espnet(component.module, exported(component))


TASK: dict[str, Any] = {
    "token_list": ["<blank>", "0", "<sos/eos>"],
    "num_classes": 10,
    "input_size": 1,
    "frontend": None,
    "specaug": None,
    "normalize": None,
}


@pytest.mark.parametrize("encoder", ["torchaudio_hubert", "hubert_pretrain"])
def test_blocks_of_the_hubert_task_are_those_that_readers_take(encoder: str) -> None:
    own: dict[str, Any] = {"encoder_layer_norm_first": True, "extractor_mode": "layer_norm"}
    conf, model = {**ENCODER, **own}, "torchaudio"
    if encoder == "hubert_pretrain":
        pytest.importorskip("s3prl")
        sizes = {"output_size": 32, "linear_units": 48, "attention_heads": 4, "num_blocks": 2}
        conf, model = {**sizes, "layer_norm_first": True, "hubert_dict": "none"}, "fairseq"
    config = {**TASK, "encoder": encoder, "encoder_conf": conf, "model": model}
    live, complete = build_model(config, "hubert")
    component, _ = root(complete, task="hubert", module=stirred(live))
    part = pretrain_root_claim.claim(component)
    assert isinstance(part, eo.Part)
    assert part.config["layer_weights"] == [0, 1]
    assert part.config["width"] == 32
    equal_to_espnet(live, root_graphs(component, part)["frontend"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_size": None, "frontend": "default"}, "input_size 1"),
        ({"normalize": "utterance_mvn"}, "normalize utterance_mvn"),
    ],
)
def test_models_over_features_are_declined(change: dict[str, Any], reason: str) -> None:
    config = {**TASK, "encoder": "torchaudio_hubert", "model": "torchaudio", **change}
    answer = pretrain_root_claim.claim(root(config, task="hubert")[0])
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason
