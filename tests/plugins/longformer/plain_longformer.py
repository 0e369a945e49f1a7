"""What ESPnet imports of the package `longformer`, written plainly: dense scores, a band mask.

Stands in for allenai's `longformer.longformer` (not in the public registry), whose kernels give
the same numbers without global tokens: a window of `attention_window` frames on either side,
padded keys 10,000 lower, padded queries zero, and no output projection.
"""

from __future__ import annotations

import math
import sys
import types
from typing import Any

import pytest
import torch
from torch import Tensor, nn

__all__ = ["installed"]


class LongformerConfig:
    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)


class LongformerSelfAttention(nn.Module):
    def __init__(self, config: Any, layer_id: int) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // self.num_heads
        self.attention_window = config.attention_window[layer_id]
        self.attention_mode = config.attention_mode
        size = config.hidden_size
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.query_global, self.key_global, self.value_global = (
            nn.Linear(size, size) for _ in range(3)
        )

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor,
        head_mask: None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, Tensor]:
        if self.attention_mode == "tvm":
            raise RuntimeError("no GPU")
        batch, frames, size = hidden_states.shape
        assert frames % (2 * self.attention_window) == 0
        padding = attention_mask.reshape(batch, frames) < 0
        shape = (batch, frames, self.num_heads, self.head_dim)
        q = self.query(hidden_states).view(shape) / math.sqrt(self.head_dim)
        k, v = self.key(hidden_states).view(shape), self.value(hidden_states).view(shape)
        scores = torch.einsum("bihd,bjhd->bhij", q, k)
        scores = scores - 10000.0 * padding[:, None, None]
        place = torch.arange(frames)
        far = (place[:, None] - place).abs() > self.attention_window
        weights = scores.masked_fill(far, -math.inf).softmax(-1)
        weights = weights.masked_fill(padding[:, None, :, None], 0.0)
        context = torch.einsum("bhij,bjhd->bihd", weights, v)
        return context.reshape(batch, frames, size), weights


def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it what `from longformer.longformer import ...` finds."""
    module: Any = types.ModuleType("longformer.longformer")
    module.LongformerConfig = LongformerConfig
    module.LongformerSelfAttention = LongformerSelfAttention
    monkeypatch.setitem(sys.modules, "longformer", types.ModuleType("longformer"))
    monkeypatch.setitem(sys.modules, "longformer.longformer", module)
    for name in [n for n in sys.modules if n.endswith("transformer.longformer_attention")]:
        monkeypatch.delitem(sys.modules, name)
