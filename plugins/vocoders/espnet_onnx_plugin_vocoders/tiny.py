"""Tiny models with every kind of this plugin, for the conformance kit.

All speak with the same acoustic model, as small as ESPnet builds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS"]

_BANDS, _HOP, _RATE = 6, 32, 8000
_ACOUSTIC: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"aeinost", "<space>", "<sos/eos>"],
    "token_type": "char",
    "cleaner": None,
    "g2p": None,
    "feats_extract": "fbank",
    "feats_extract_conf": {
        "fs": _RATE,
        "n_fft": 64,
        "hop_length": _HOP,
        "win_length": None,
        "fmin": 80,
        "fmax": 3600,
        "n_mels": _BANDS,
    },
    "normalize": None,
    "tts": "fastspeech",
    "tts_conf": {
        "adim": 8,
        "aheads": 2,
        "elayers": 1,
        "eunits": 8,
        "dlayers": 1,
        "dunits": 8,
        "postnet_layers": 0,
        "positionwise_layer_type": "linear",
        "duration_predictor_layers": 1,
        "duration_predictor_chans": 8,
    },
}
# Generators by the toolkit's names.
_GENERATORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "hifigan": (
        "HiFiGANGenerator",
        {
            "in_channels": _BANDS,
            "channels": 16,
            "upsample_scales": [8, 4],
            "upsample_kernel_sizes": [16, 8],
            "resblock_kernel_sizes": [3, 5],
            "resblock_dilations": [[1, 3], [1]],
        },
    ),
    "multi_band_melgan": (
        "MelGANGenerator",
        {
            "in_channels": _BANDS,
            "out_channels": 4,
            "channels": 16,
            "upsample_scales": [4, 2],
            "stacks": 2,
        },
    ),
    "parallel_wavegan": (
        "ParallelWaveGANGenerator",
        {
            "aux_channels": _BANDS,
            "layers": 4,
            "stacks": 2,
            "residual_channels": 4,
            "gate_channels": 8,
            "skip_channels": 4,
            "upsample_params": {"upsample_scales": [8, 4]},
        },
    ),
    "style_melgan": (
        "StyleMelGANGenerator",
        {
            "in_channels": 6,
            "aux_channels": _BANDS,
            "channels": 4,
            "noise_upsample_scales": [3, 2],
            "upsample_scales": [8, 4, 1],
        },
    ),
}


def _stats(path: Path) -> None:
    """Mean and scale (D,), as the toolkit's recipes compute them."""
    np.save(path, np.stack([np.linspace(-4, 2, _BANDS), np.linspace(1, 3, _BANDS)]))


def _model(name: str) -> TinyModel:
    generator, params = _GENERATORS[name]
    config = {
        "version": "0.5.3",
        "generator_type": generator,
        "generator_params": dict(params),
        "sampling_rate": _RATE,
        "format": "npy",
    }
    files = {"vocoder/stats.npy": _stats}
    return TinyModel(name, _ACOUSTIC, files=files, task="tts", vocoder=config)


MODELS = (*map(_model, _GENERATORS), TinyModel("griffin_lim", _ACOUSTIC, task="tts"))
