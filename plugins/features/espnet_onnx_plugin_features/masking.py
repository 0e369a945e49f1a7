"""Zeros behind the end of each utterance. Shapes: B utterances, T frames, D width."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["blank_padding"]


def blank_padding(feats: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) with zeros from frame `lengths[b]` on, whatever was there, NaN included."""
    valid = torch.arange(feats.shape[1]) < lengths[:, None]
    return torch.where(valid[..., None], feats, torch.zeros(()))
