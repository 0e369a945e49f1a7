"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS", "SIZES", "STYLE", "TTS"]

TOKENS = ["<blank>", "<unk>", *"abcdefghijklmno", "<sos/eos>"]
# Wide enough for one weight to become int8.
SIZES: Mapping[str, Any] = {
    "embed_dim": 16,
    "eunits": 32,
    "econv_layers": 2,
    "econv_chans": 48,
    "econv_filts": 5,
    "adim": 16,
    "aconv_chans": 4,
    "aconv_filts": 3,
    "dunits": 64,
    "prenet_units": 16,
    "postnet_layers": 2,
    "postnet_chans": 24,
}
TTS: Mapping[str, Any] = {
    "token_type": "char",
    "token_list": TOKENS,
    "cleaner": None,
    "g2p": None,
    "feats_extract": "fbank",
    "feats_extract_conf": {
        "fs": 16000,
        "n_fft": 256,
        "hop_length": 128,
        "win_length": None,
        "n_mels": 20,
        "fmin": 80,
        "fmax": 7600,
    },
    "normalize": None,
    "pitch_extract": None,
    "energy_extract": None,
    "tts": "tacotron2",
}
STYLE: Mapping[str, Any] = {
    "use_gst": True,
    "gst_heads": 2,
    "gst_conv_layers": 2,
    "gst_conv_chans_list": [4, 4],
    "gst_gru_units": 8,
}


def _model(name: str, **conf: Any) -> TinyModel:
    return TinyModel(name, {**TTS, "tts_conf": {**SIZES, **conf}}, task="tts")


MODELS = (
    _model("location", reduction_factor=2, spk_embed_dim=6, spk_embed_integration_type="add"),
)
