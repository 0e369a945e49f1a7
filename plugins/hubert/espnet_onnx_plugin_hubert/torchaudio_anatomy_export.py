"""torchaudio's Wav2Vec2Model (wav2vec 2.0, HuBERT, WavLM) in the words of `Anatomy`.

Shapes: D width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .anatomy_graph import (
    Anatomy,
    Attention,
    Block,
    ConvLayer,
    PositionConv,
    RelativeBias,
)

__all__ = ["torchaudio_anatomy"]


def torchaudio_anatomy(model: Any) -> Anatomy:
    """Take a live `torchaudio.models.Wav2Vec2Model` apart; nothing of it is changed.

    Its states are those of `encoder`: `get_intermediate_outputs` leaves out the input of the first
    block, and the norm behind the last one of a model that normalises first. `aux` is not read.
    """
    transformer = model.encoder.transformer
    projection = model.encoder.feature_projection
    return Anatomy(
        convs=[_conv(layer) for layer in model.feature_extractor.conv_layers],
        feature_norm=projection.layer_norm,
        projection=projection.projection,
        positions=[_positions(transformer.pos_conv_embed)],
        norm=transformer.layer_norm,
        # `_get_encoder` tells blocks and their stack opposite things by this name.
        norm_first=not transformer.layer_norm_first,
        blocks=[_block(layer) for layer in transformer.layers],
        relative=_relative(transformer.layers),
    )


def _conv(layer: Any) -> ConvLayer:
    bias = layer.conv.bias
    return ConvLayer(
        layer.conv.weight.detach(),
        None if bias is None else bias.detach(),
        int(layer.stride),
        layer.layer_norm,
    )


def _positions(embedding: Any) -> PositionConv:
    conv = embedding.conv
    return PositionConv(conv.weight.detach(), conv.bias.detach(), int(conv.groups))


def _block(layer: Any) -> Block:
    feed = layer.feed_forward
    return Block(
        _attention(layer.attention),
        layer.layer_norm,
        feed.intermediate_dense,
        feed.output_dense,
        layer.final_layer_norm,
    )


def _attention(live: Any) -> Attention:
    heads = int(live.num_heads)
    if hasattr(live, "q_proj"):
        return Attention(live.q_proj, live.k_proj, live.v_proj, live.out_proj, heads)
    inner = live.attention
    weights = inner.in_proj_weight.detach().chunk(3)
    biases = inner.in_proj_bias.detach().chunk(3)
    query, key, value = (_linear(w, b) for w, b in zip(weights, biases, strict=True))
    out = _linear(inner.out_proj.weight.detach(), inner.out_proj.bias.detach())
    return Attention(query, key, value, out, heads, _gate(live))


def _gate(live: Any) -> tuple[nn.Linear, Tensor] | None:
    if not live.gru_rel_pos:
        return None
    return live.gru_rel_pos_linear, live.gru_rel_pos_const.detach().flatten()


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A plain layer over live weights: nn.MultiheadAttention stacks three, and subclasses one."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    linear.bias = nn.Parameter(bias, requires_grad=False)
    return linear


def _relative(layers: Any) -> RelativeBias | None:
    """WavLM keeps the table of all blocks in its first one."""
    first = layers[0].attention
    table = getattr(first, "rel_attn_embed", None)
    if table is None:
        return None
    return RelativeBias(table.weight.detach(), int(first.max_distance))
