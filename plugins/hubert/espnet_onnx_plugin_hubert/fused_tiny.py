"""A tiny recogniser that hears through two frontends of different rates."""

from __future__ import annotations

from espnet_onnx.testing import TinyModel

from .s3prl_tiny import ASR, write_checkpoint

__all__ = ["MODELS"]

_CHECKPOINT = "ssl/fused.pt"

MODELS = (
    TinyModel(
        "fused",
        {
            **ASR,
            "frontend": "fused",
            "frontend_conf": {
                "frontends": [
                    {"frontend_type": "default", "n_fft": 256, "hop_length": 160, "n_mels": 16},
                    {
                        "frontend_type": "s3prl",
                        "frontend_conf": {"upstream": "hubert_local", "path_or_url": _CHECKPOINT},
                        "download_dir": "./hub",
                        "multilayer_feature": True,
                    },
                ],
                # Wide enough, times two frames, for one of the projections to become int8.
                "proj_dim": 256,
            },
            "preencoder_conf": {"input_size": 512, "output_size": 16},
        },
        files={_CHECKPOINT: write_checkpoint("hubert")},
        needs=("s3prl",),
    ),
)
