"""Graph forms of the layers that ESPnet's encoders are put together from, by their class's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ..errors import ModelError
from .attention import SelfAttention
from .conv_positions import ConvPositions
from .legacy_positions import LegacyPositions
from .linear import Affine
from .norm import Norm
from .positions import AbsolutePositions, RelativePositions
from .rel_attention import LegacyRelAttention, RelAttention

__all__ = ["TABLE", "attention_class", "is_position", "plain_layer", "position_layer"]

# Positions in the table of a freshly built model, which the old relative kind counts from.
TABLE = 5000

_ATTENTIONS: Mapping[str, type[SelfAttention]] = {
    "MultiHeadedAttention": SelfAttention,
    "RelPositionMultiHeadedAttention": RelAttention,
    "LegacyRelPositionMultiHeadedAttention": LegacyRelAttention,
}
_POSITIONS: Mapping[str, Callable[[Any, int], nn.Module]] = {
    "PositionalEncoding": lambda live, table: AbsolutePositions(live.d_model),
    "ScaledPositionalEncoding": lambda live, table: AbsolutePositions(live.d_model, live.alpha),
    "RelPositionalEncoding": lambda live, table: RelativePositions(live.d_model),
    "LegacyRelPositionalEncoding": lambda live, table: LegacyPositions(live.d_model, table),
    "ConvolutionalPositionalEmbedding": lambda live, table: ConvPositions(live),
}


def attention_class(live: nn.Module) -> type[SelfAttention]:
    """The graph form of a live self-attention.

    Raises:
        ModelError: nobody has written it.
    """
    name = type(live).__name__
    if name not in _ATTENTIONS:
        raise ModelError(f"attention {name} has no graph: there are {', '.join(_ATTENTIONS)}")
    return _ATTENTIONS[name]


def is_position(live: nn.Module) -> bool:
    """Whether a live layer is a positional encoding that has a graph form."""
    return type(live).__name__ in _POSITIONS


def position_layer(live: nn.Module, table: int = TABLE) -> nn.Module:
    """The graph form of a live positional encoding.

    Args:
        live: the layer.
        table: positions in the table of a freshly built model.

    Raises:
        ModelError: nobody has written it.
    """
    if not is_position(live):
        name = type(live).__name__
        raise ModelError(f"positional encoding {name} has no graph: choose another pos_enc_layer")
    return _POSITIONS[type(live).__name__](live, table)


def plain_layer(live: nn.Module) -> nn.Module:
    """The graph form of a live `LayerNorm`, `ReLU` or `Linear` of an input layer."""
    if isinstance(live, nn.LayerNorm):
        return Norm(live)
    return nn.ReLU() if isinstance(live, nn.ReLU) else Affine.of(live)
