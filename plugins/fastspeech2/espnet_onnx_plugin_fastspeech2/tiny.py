"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["BASE", "MODELS"]

BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "cleaner": None,
    "g2p": None,
    "feats_extract": "fbank",
    "feats_extract_conf": {
        "fs": 8000,
        "n_fft": 128,
        "hop_length": 64,
        "win_length": None,
        "fmin": 80,
        "fmax": 3600,
        "n_mels": 16,
    },
    "normalize": None,
    "pitch_extract": None,
    "energy_extract": None,
    "pitch_normalize": None,
    "energy_normalize": None,
}
# The units make weights wide enough to become int8.
_SIZES: Mapping[str, Any] = {
    "adim": 32,
    "aheads": 2,
    "elayers": 1,
    "eunits": 512,
    "dlayers": 1,
    "dunits": 512,
    "duration_predictor_chans": 16,
}
_POSTNET: Mapping[str, Any] = {"postnet_layers": 2, "postnet_chans": 16}
_VARIANCES: Mapping[str, Any] = {
    "pitch_predictor_chans": 16,
    "pitch_embed_kernel_size": 3,
    "energy_predictor_chans": 16,
    "energy_embed_kernel_size": 1,
}
_CONFORMER: Mapping[str, Any] = {
    "encoder_type": "conformer",
    "decoder_type": "conformer",
    "conformer_rel_pos_type": "latest",
    "conformer_enc_kernel_size": 7,
    "conformer_dec_kernel_size": 5,
}
_HIFIGAN: Mapping[str, Any] = {
    "channels": 32,
    "kernel_size": 7,
    "upsample_scales": [8, 8],
    "upsample_kernel_sizes": [16, 16],
    "resblock_kernel_sizes": [3],
    "resblock_dilations": [[1, 3]],
}

MODELS = (
    TinyModel(
        "fastspeech2-conformer",
        {
            **BASE,
            "tts": "fastspeech2",
            "tts_conf": {
                **_SIZES,
                **_VARIANCES,
                **_POSTNET,
                **_CONFORMER,
                "positionwise_layer_type": "conv1d",
                "positionwise_conv_kernel_size": 3,
            },
        },
        task="tts",
    ),
    TinyModel(
        "fastspeech-transformer",
        {
            **BASE,
            "tts": "fastspeech",
            "tts_conf": {**_SIZES, **_POSTNET, "positionwise_layer_type": "linear"},
        },
        task="tts",
    ),
    TinyModel(
        "jets",
        {
            **BASE,
            "tts": "jets",
            "tts_conf": {
                "generator_params": {
                    **_SIZES,
                    **_VARIANCES,
                    "positionwise_conv_kernel_size": 3,
                    **{f"generator_{key}": value for key, value in _HIFIGAN.items()},
                },
                "sampling_rate": 8000,
            },
        },
        task="gan_tts",
    ),
    TinyModel(
        "joint_text2wav",
        {
            **BASE,
            "tts": "joint_text2wav",
            "tts_conf": {
                "text2mel_type": "fastspeech2",
                "text2mel_params": {**_SIZES, **_VARIANCES, **_POSTNET},
                "vocoder_type": "hifigan_generator",
                "vocoder_params": _HIFIGAN,
                "sampling_rate": 8000,
            },
        },
        task="gan_tts",
    ),
)
