"""The attentions of recurrent decoders, one step for all hypotheses at once.

Shapes: B utterances, H hypotheses an utterance, T encoder frames, D encoder width, Z decoder
width, N heads, K attention width of a head.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine, check_plain
from espnet_onnx.layers.masks import MASKED, valid_frames

from .location_export import (
    ConvolvedCoverage,
    ConvolvedWeights,
    Coverage,
    Location,
    RecurrentLocation,
    WeightsWindow,
)

__all__ = ["Attention", "MeanAttention", "graph_attention"]


class Attention(nn.Module):
    """Dot-product or additive attention of one head or several.

    Heads stand side by side in one product. A single head weighs the encoder's output itself;
    several weigh projections of their own, and a last layer joins them.

    Attributes:
        memory: names of what `remember` computes once an utterance.
        needs: names of the step's inputs besides memory and states.
        location: what it knows of its past.
    """

    gain: Tensor | None

    def __init__(self, live: Any, location: Location) -> None:
        super().__init__()
        several = hasattr(live, "mlp_k")
        queries, keys = (live.mlp_q, live.mlp_k) if several else ([live.mlp_dec], [live.mlp_enc])
        self.heads = len(keys)
        self.query, self.key = _side_by_side(queries), _side_by_side(keys)
        self.value = _side_by_side(live.mlp_v) if several else None
        self.out = Affine.of(live.mlp_o) if several else None
        gains = _listed(getattr(live, "gvec", []))
        # (N, K, 1). A bias would add the same to every frame, which a softmax does not see.
        gain = torch.stack([layer.weight.detach().t() for layer in gains]) if gains else None
        self.register_buffer("gain", gain, persistent=False)
        self.scale = _scale(live)
        self.location = location
        self.memory = ["memory_key", "memory_value"] if several else ["memory_key"]
        self.needs = ["encoder_out_lengths"] if several else ["encoder_out_lengths", "encoder_out"]

    def remember(self, encoder_out: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) -> what `memory` names: (B, N, T, K) each."""
        key = self._split(self.key(encoder_out))
        if self.gain is None:
            key = torch.tanh(key)
        return (key,) if self.value is None else (key, self._split(self.value(encoder_out)))

    def initial(self, encoder_out: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """The location's states of the empty hypothesis."""
        uniform = _valid(lengths, encoder_out.shape[1]) / lengths[:, None, None, None]
        return self.location.initial(uniform)

    def forward(
        self, query: Tensor, inputs: Mapping[str, Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Attend once.

        Args:
            query: (B, H, Z), the decoder's last output.
            inputs: `memory` and `needs` by name.
            states: the location's.

        Returns:
            The context (B, H, D) and the location's states after this step.
        """
        key = inputs["memory_key"]
        valid = _valid(inputs["encoder_out_lengths"], key.shape[2])
        feats, states = self.location.features(states, valid)
        queries = self._split(self.query(query))
        energies = self._dot(queries, key) if self.gain is None else self._add(queries, key, feats)
        # Weights have the shape of the energies, that is B, N, H, T.
        weights = torch.softmax(self.scale * energies + (1 - valid) * MASKED, -1)
        value = inputs["memory_value"] if self.value is not None else inputs["encoder_out"][:, None]
        context = (weights @ value).transpose(1, 2).flatten(2)
        states = self.location.update(states, weights.transpose(1, 2))
        return context if self.out is None else self.out(context), states

    def _split(self, x: Tensor) -> Tensor:
        """(B, S, N K) -> (B, N, S, K)."""
        heads: Tensor = x.unflatten(2, (self.heads, -1))
        return heads.transpose(1, 2)

    def _dot(self, queries: Tensor, key: Tensor) -> Tensor:
        """(B, N, H, K) and (B, N, T, K) -> (B, N, H, T)."""
        return torch.tanh(queries) @ key.transpose(2, 3)

    def _add(self, queries: Tensor, key: Tensor, feats: Tensor | None) -> Tensor:
        """(B, N, H, K), (B, N, T, K) and (B, H, N, T, K) -> (B, N, H, T)."""
        total = queries.transpose(1, 2)[:, :, :, None] + key[:, None]
        if feats is not None:
            total = total + feats
        assert self.gain is not None
        energies: Tensor = torch.tanh(total) @ self.gain
        return energies[..., 0].transpose(1, 2)


class MeanAttention(nn.Module):
    """`NoAtt`: the mean of the encoder's output, whatever was decoded; as `Attention`."""

    def __init__(self) -> None:
        super().__init__()
        self.location = Location()
        self.memory = ["memory_context"]
        self.needs: list[str] = []

    def remember(self, encoder_out: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(B, T, D) -> the context (B, 1, D)."""
        valid = valid_frames(lengths, encoder_out.shape[1])[:, :, None].float()
        return ((encoder_out * valid).sum(1, keepdim=True) / lengths[:, None, None],)

    def initial(self, encoder_out: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """No states."""
        return ()

    def forward(
        self, query: Tensor, inputs: Mapping[str, Tensor], states: Sequence[Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """(B, H, Z) -> (B, H, D)."""
        return inputs["memory_context"].expand(-1, query.shape[1], -1), states


def graph_attention(live: Any) -> Attention | MeanAttention:
    """The graph form of a live attention, by its class's name.

    Raises:
        ModelError: nobody has written it.
    """
    name = type(live).__name__
    if name == "NoAtt":
        return MeanAttention()
    if name not in _LOCATIONS:
        raise ModelError(f"attention {name} has no graph: there are {', '.join(_LOCATIONS)}")
    return Attention(live, _LOCATIONS[name](live))


_LOCATIONS: Mapping[str, Callable[[Any], Location]] = {
    "AttDot": lambda live: Location(),
    "AttAdd": lambda live: Location(),
    "AttLoc": lambda live: ConvolvedWeights([live.loc_conv], [live.mlp_att]),
    "AttLoc2D": WeightsWindow,
    "AttLocRec": RecurrentLocation,
    "AttCov": Coverage,
    "AttCovLoc": lambda live: ConvolvedCoverage([live.loc_conv], [live.mlp_att]),
    "AttMultiHeadDot": lambda live: Location(),
    "AttMultiHeadAdd": lambda live: Location(),
    "AttMultiHeadLoc": lambda live: ConvolvedWeights(live.loc_conv, live.mlp_att),
    "AttMultiHeadMultiResLoc": lambda live: ConvolvedWeights(live.loc_conv, live.mlp_att),
}


def _scale(live: Any) -> float:
    """What energies are multiplied with: the default of `forward`, else the live module's."""
    parameter = inspect.signature(live.forward).parameters.get("scaling")
    return float(live.scaling if parameter is None else parameter.default)


def _valid(lengths: Tensor, frames: int) -> Tensor:
    """(B,) -> (B, 1, 1, T) float, 1 on real frames."""
    return valid_frames(lengths, frames)[:, None, None].float()


def _listed(layers: Any) -> list[Any]:
    return [layers] if isinstance(layers, nn.Linear) else list(layers)


def _side_by_side(linears: Sequence[Any]) -> Affine:
    """One layer that returns what several return, one after the other."""
    if len(linears) == 1:
        return Affine.of(linears[0])
    for linear in linears:
        check_plain(linear, nn.Linear)
    weight = torch.cat([linear.weight.detach() for linear in linears])
    biases = [linear.bias for linear in linears]
    if any(bias is None for bias in biases):
        return Affine(weight)
    return Affine(weight, torch.cat([bias.detach() for bias in biases]))
