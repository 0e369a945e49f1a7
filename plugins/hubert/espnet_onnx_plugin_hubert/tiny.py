"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from . import encoder_tiny, espnet_ssl_tiny, fused_tiny, s3prl_tiny, transformers_tiny

__all__ = ["MODELS"]

MODELS = (
    *s3prl_tiny.MODELS,
    *encoder_tiny.MODELS,
    *espnet_ssl_tiny.MODELS,
    *fused_tiny.MODELS,
    *transformers_tiny.MODELS,
)
