"""The claim on `vits`: from its config alone, and over a live model."""

from __future__ import annotations

from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.components import child, root
from espnet_onnx_plugin_vits.acoustic_claim import KIND, claim


def acoustic(**conf: Any) -> eo.Component:
    """From a config.yaml, with the defaults that ESPnet has for it."""
    parent, _ = root({"tts": "vits", "tts_conf": conf}, task="gan_tts")
    found = child(parent, "tts", role="acoustic")
    assert found is not None
    return found


def claimed(**conf: Any) -> eo.Part:
    part = claim(acoustic(**conf))
    assert isinstance(part, eo.Part)
    return part


def test_defaults() -> None:
    part = claimed()
    assert (part.kind, part.config) == (KIND, {"sizes": {}})
    vocoder = part.children["vocoder"]
    assert (vocoder.role, vocoder.type) == ("vocoder", "hifigan")
    assert vocoder.given == {"sample_rate": 22050}
    assert vocoder.conf == {
        "in_channels": 192,
        "out_channels": 1,
        "channels": 512,
        "global_channels": -1,
        "kernel_size": 7,
        "upsample_scales": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilations": [[1, 3, 5]] * 3,
        "use_weight_norm": True,
    }


def test_what_a_config_leaves_out_is_left_to_the_vocoder() -> None:
    vocoder = claimed(generator_params={"decoder_channels": 8}).children["vocoder"]
    assert vocoder.conf == {"channels": 8, "out_channels": 1, "global_channels": -1}


@pytest.mark.parametrize(
    ("params", "sizes", "width"),
    [
        ({"spks": 2, "global_channels": 4}, {"sids": 2}, 4),
        ({"langs": 3, "spk_embed_dim": 1, "global_channels": 4}, {"lids": 3, "spembs": 1}, 4),
        ({"spks": 1, "langs": -1, "spk_embed_dim": -1, "global_channels": 4}, {}, -1),
    ],
)
def test_who_speaks(params: dict[str, Any], sizes: dict[str, int], width: int) -> None:
    part = claimed(generator_params=params)
    assert part.config["sizes"] == sizes
    assert part.children["vocoder"].conf["global_channels"] == width


def test_another_generator_is_declined() -> None:
    answer = claim(acoustic(generator_type="visinger"))
    assert isinstance(answer, eo.Declined)
    assert "generator_type visinger is not vits_generator" in answer.reason


@pytest.mark.export
def test_live() -> None:
    pytest.importorskip("espnet2")
    from .live import component

    live = component("everything")
    part = claim(live)
    assert isinstance(part, eo.Part)
    assert part.config == {"sizes": {"sids": 5, "lids": 3, "spembs": 6}}
    vocoder = part.children["vocoder"]
    assert vocoder.module is live.module.generator.decoder
    assert vocoder.conf["in_channels"] == live.module.generator.decoder.input_conv.in_channels
    assert vocoder.conf["global_channels"] == 4
