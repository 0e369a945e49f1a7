"""Attention of one decoding step over what earlier steps computed (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, U tokens decoded so far, S slots
of the cache, T encoder frames, D width, N heads, K width of a head.

The self-attention cache is a pool of slots an utterance: a step writes one slot for each of its
hypotheses and no slot ever moves when the search reorders them. Instead every hypothesis names
the slots of its own past in `ancestors` (B, H, U). Hypotheses that share a prefix share its slots.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "Affine",
    "CachedSelfAttention",
    "SharedCrossAttention",
    "frame_bias",
    "key_value_names",
    "own_slots",
]

# What a slot of another hypothesis weighs: exp(-60) of the token's own weight, which is always
# there. float32 cannot tell it from 0, and unlike exp(-inf) it does not underflow on the way:
# onnxruntime's Softmax takes eight times as long where results are denormal.
_FLOOR = 60.0
_MASKED = -1e30


class Affine(nn.Module):
    """x @ weight + bias over live `nn.Linear`s, several of them side by side in one product.

    The weight is kept (in, out), so that the graph has a MatMul with a constant matrix.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, *linears: Any, scale: float = 1.0) -> None:
        """`scale` multiplies what the first linear returns."""
        super().__init__()
        weights = [linear.weight.detach().t() for linear in linears]
        biases = [linear.bias for linear in linears]
        if scale != 1:
            weights[0] = weights[0] * scale
            biases[0] = None if biases[0] is None else biases[0] * scale
        self.register_buffer("weight", weights[0] if len(weights) == 1 else torch.cat(weights, 1))
        missing = any(bias is None for bias in biases)
        self.register_buffer("bias", None if missing else torch.cat([b.detach() for b in biases]))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


def frame_bias(lengths: Tensor, frames: int | torch.SymInt) -> Tensor:
    """What cross-attention scores gain: (B,) lengths -> (B, 1, 1, T), very negative on padding."""
    valid = torch.arange(frames, device=lengths.device) < lengths[:, None]
    return torch.where(valid, 0.0, _MASKED)[:, None, None]


def key_value_names(prefix: str, count: int) -> list[str]:
    """What keys and values of `count` attentions are called: `key_0`, `value_0`, `key_1`, ..."""
    return [f"{prefix}{what}_{i}" for i in range(count) for what in ("key", "value")]


def own_slots(ancestors: Tensor, slots: int | torch.SymInt) -> Tensor:
    """Which slots a hypothesis may see: (B, H, U) -> (B, 1, H, S) bool."""
    seen = torch.zeros((*ancestors.shape[:2], slots), dtype=torch.bool, device=ancestors.device)
    return seen.scatter(2, ancestors, True)[:, None]


class CachedSelfAttention(nn.Module):
    """One step of ESPnet's `MultiHeadedAttention` as causal self-attention.

    Args:
        attention: a live `MultiHeadedAttention`, with or without `qk_norm`.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.h
        self.scale, inside = _scale(attention)
        self.qkv = Affine(attention.linear_q, attention.linear_k, attention.linear_v, scale=inside)
        self.out = Affine(attention.linear_out)
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm

    def forward(
        self,
        x: Tensor,
        past_key: Tensor,
        past_value: Tensor,
        seen: Tensor,
        own_seen: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from every hypothesis to its own past and to itself.

        Args:
            x: (R, D).
            past_key: (B, N, S, K).
            past_value: (B, N, S, K).
            seen: (B, 1, H, S), see `own_slots`.
            own_seen: (B, 1, H, 1) bool, false where a token is hidden even from itself; such a
                hypothesis sees some slot of its past. None hides nothing.

        Returns:
            (R, D), and the new slots' keys and values, (B, N, H, K) each.
        """
        batch, _, beams, _ = seen.shape
        heads = self.qkv(x).view(batch, beams, 3 * self.heads, -1).transpose(1, 2)
        query, key, value = heads.split(self.heads, dim=1)
        query, key = self.q_norm(query) * self.scale, self.k_norm(key)
        own = (query * key).sum(-1, keepdim=True)
        if own_seen is not None:
            own = torch.where(own_seen, own, _MASKED)
        past = torch.where(seen, query @ past_key.transpose(-1, -2), own - _FLOOR)
        weights = torch.softmax(torch.cat([past, own], -1), -1)
        context = weights[..., :-1] @ past_value + weights[..., -1:] * value
        return self.out(context.transpose(1, 2).reshape(x.shape)), key, value


class SharedCrossAttention(nn.Module):
    """One step of ESPnet's `MultiHeadedAttention` over encoder output.

    All hypotheses of an utterance read the same keys and values, which `memory` computes once.

    Args:
        attention: a live `MultiHeadedAttention`, with or without `qk_norm`.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.h
        self.scale, inside = _scale(attention)
        self.query = Affine(attention.linear_q, scale=inside)
        self.key, self.value = Affine(attention.linear_k), Affine(attention.linear_v)
        self.out = Affine(attention.linear_out)
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm

    def memory(self, encoder_out: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> keys (B, N, K, T), laid out for the step's product, values (B, N, T, K)."""
        shape = (*encoder_out.shape[:2], self.heads, -1)
        key = self.k_norm(self.key(encoder_out).view(shape))
        return key.permute(0, 2, 3, 1), self.value(encoder_out).view(shape).transpose(1, 2)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Attend from every hypothesis to its utterance.

        Args:
            x: (R, D).
            key: (B, N, K, T).
            value: (B, N, T, K).
            bias: (B, 1, 1, T), see `frame_bias`.

        Returns:
            (R, D).
        """
        query = self.query(x).view(key.shape[0], -1, self.heads, key.shape[2]).transpose(1, 2)
        query = self.q_norm(query) * self.scale
        context = torch.softmax(query @ key + bias, -1) @ value
        out: Tensor = self.out(context.transpose(1, 2).reshape(x.shape))
        return out


def _scale(attention: Any) -> tuple[float, float]:
    """Factor of the query after its norm, and factor inside its projection where it has none."""
    scale = 1 / math.sqrt(attention.d_k)
    return (1.0, scale) if isinstance(attention.q_norm, nn.Identity) else (scale, 1.0)
