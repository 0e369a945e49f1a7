"""Claims, from configs alone."""

from __future__ import annotations

from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.components import child, root
from espnet_onnx_plugin_fastspeech2 import split_modules

GIVEN = {"odim": 80, "vocab_size": 78, "idim": 78}


def acoustic(type: str, task: str = "tts", **conf: Any) -> eo.Component:
    """From a config.yaml, with the defaults that ESPnet has for it."""
    parent, _ = root({"tts": type, "tts_conf": conf}, task=task)
    found = child(parent, "tts", role="acoustic", given=GIVEN)
    assert found is not None
    return found


def claimed(*args: Any, **conf: Any) -> eo.Part:
    part = split_modules(acoustic(*args, **conf))
    assert isinstance(part, eo.Part)
    return part


@pytest.mark.parametrize("type", ["fastspeech", "fastspeech2"])
def test_defaults(type: str) -> None:
    part = claimed(type)
    prosody = type == "fastspeech2"
    assert part.kind == f"fastspeech2.{type}"
    assert part.config == {"needs": {}, "eos": 77, "factor": 1, "prosody": prosody}


def test_voices_and_reduction() -> None:
    conf = {"spks": 4, "langs": 1, "spk_embed_dim": 192, "use_gst": True, "reduction_factor": 3}
    config = claimed("fastspeech2", **conf).config
    assert config["needs"] == {"speech": 80, "sids": 4, "spembs": 192}
    assert config["factor"] == 3


def test_jets() -> None:
    part = claimed("jets", "gan_tts")
    assert part.config == {"needs": {}, "prosody": True}
    vocoder = part.children["vocoder"]
    assert (vocoder.role, vocoder.type) == ("vocoder", "hifigan")
    assert vocoder.given == {"sample_rate": 22050}
    assert vocoder.conf["in_channels"] == 256
    assert vocoder.conf["upsample_scales"] == [8, 8, 2, 2]


@pytest.mark.parametrize(
    ("vocoder", "type", "width"),
    [
        ("hifigan_generator", "hifigan", "in_channels"),
        ("melgan_generator", "melgan", "in_channels"),
        ("parallel_wavegan_generator", "parallel_wavegan", "aux_channels"),
        ("style_melgan_generator", "style_melgan", "aux_channels"),
    ],
)
def test_joint(vocoder: str, type: str, width: str) -> None:
    conf = {"vocoder_type": vocoder, "vocoder_params": {"channels": 8}, "text2mel_params": {}}
    part = claimed("joint_text2wav", "gan_tts", **conf, text2mel_type="tacotron2")
    made = part.children["vocoder"]
    assert (made.role, made.type, made.conf) == ("vocoder", type, {"channels": 8, width: 80})
    text2mel = part.children["text2mel"]
    assert (text2mel.role, text2mel.type, text2mel.given) == ("acoustic", "tacotron2", GIVEN)
    assert text2mel.conf["eunits"] == 512  # Tacotron2's own default


def test_joint_bands_are_joined_by_its_vocoder() -> None:
    params = {"subbands": 4}
    part = claimed("joint_text2wav", "gan_tts", use_pqmf=True, pqmf_params=params)
    assert part.children["vocoder"].conf["pqmf_params"] == params
    assert part.children["text2mel"].type == "fastspeech2"


@pytest.mark.parametrize(
    ("type", "conf", "says"),
    [
        ("fastspeech2", {"encoder_type": "rnn"}, "encoder_type rnn"),
        ("fastspeech", {"positionwise_layer_type": "moe"}, "positionwise_layer_type moe"),
        ("fastspeech2", {"spk_embed_integration_type": "film"}, "film"),
        ("jets", {"generator_type": "other"}, "generator_type other"),
        ("jets", {"generator_params": {"decoder_type": "rnn"}}, "decoder_type rnn"),
        ("joint_text2wav", {"text2mel_type": "vits"}, "text2mel_type vits"),
        ("joint_text2wav", {"vocoder_type": "world"}, "vocoder_type world"),
    ],
)
def test_declined(type: str, conf: dict[str, Any], says: str) -> None:
    task = "tts" if type.startswith("fast") else "gan_tts"
    answer = split_modules(acoustic(type, task, **conf))
    assert isinstance(answer, eo.Declined) and says in answer.reason


def test_others_are_left_alone() -> None:
    assert split_modules(acoustic("tacotron2")) is None
