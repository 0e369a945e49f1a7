"""Takes a live s3prl upstream apart.

Shapes: D width, H heads.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from espnet_onnx.errors import ModelError

from .anatomy_graph import Anatomy, Attention, Block, ConvLayer, PositionConv, RelativeBias

__all__ = ["anatomy"]

# torch's F.layer_norm, with which s3prl normalises each waveform.
WAVE_EPSILON = 1e-5


def anatomy(expert: Any) -> Anatomy:
    """The parts of an s3prl `UpstreamExpert`, whose hidden states are those of fairseq's encoder.

    Args:
        expert: of hubert, wav2vec2, wavlm, data2vec, unispeech_sat or what else is built alike.

    Raises:
        ModelError: it computes something else (conformer blocks, quantised input, ...).
    """
    _check(expert)
    model, encoder = expert.model, expert.model.encoder
    return Anatomy(
        convs=[_conv(layer) for layer in model.feature_extractor.conv_layers],
        feature_norm=model.layer_norm,
        projection=model.post_extract_proj,
        positions=_positions(encoder.pos_conv),
        norm=encoder.layer_norm,
        norm_first=bool(encoder.layer_norm_first),
        blocks=[_block(layer) for layer in encoder.layers],
        wave_epsilon=WAVE_EPSILON if _normalises(expert) else None,
        relative=_relative(encoder.layers),
    )


def _check(expert: Any) -> None:
    name = f"{type(expert).__module__}.{type(expert).__qualname__}"
    model: Any = getattr(expert, "model", None)
    encoder = getattr(model, "encoder", None)
    layers = getattr(encoder, "layers", None)
    if not layers or not hasattr(model, "feature_extractor"):
        raise ModelError(f"{name} is no transformer over convolutions: only those have a graph")
    reasons = {
        "its blocks are no plain transformer blocks": not hasattr(layers[0], "self_attn_layer_norm")
        or not hasattr(layers[0].self_attn, "q_proj"),
        "its input is quantised": getattr(model, "input_quantizer", None) is not None,
        "it drops frames": getattr(model, "crop_seq_to_multiple", 1) > 1,
        "its convolutions are not fairseq's default": getattr(
            model.feature_extractor, "conv_type", "default"
        )
        != "default",
        f"feature_selection {getattr(expert, 'feature_selection', None)} gives other states": bool(
            getattr(expert, "feature_selection", None)
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ModelError(f"{name} has no graph: {reason}; export another upstream")


def _normalises(expert: Any) -> bool:
    """Each upstream keeps this switch in a place of its own."""
    places = (("wav_normalize",), ("task_cfg", "normalize"), ("cfg", "normalize"))
    for place in places:
        found: Any = expert
        for name in place:
            found = getattr(found, name, None)
        if found is not None:
            return bool(found)
    return False


def _conv(layer: nn.Sequential) -> ConvLayer:
    conv: Any = layer[0]
    norms = [m for m in layer.modules() if isinstance(m, nn.LayerNorm | nn.GroupNorm)]
    return ConvLayer(conv.weight, conv.bias, conv.stride[0], norms[0] if norms else None)


def _positions(live: Any) -> list[PositionConv]:
    """One weight-normed convolution, or data2vec's stack of plain ones."""
    stack = live if isinstance(live[0], nn.Sequential) else [live]
    return [_position(layer) for layer in stack]


def _position(layer: nn.Sequential) -> PositionConv:
    conv: Any = layer[0]
    norms = [m for m in layer if isinstance(m, nn.LayerNorm)]
    return PositionConv(_folded(conv), conv.bias, conv.groups, norms[0] if norms else None)


def _folded(conv: Any) -> Tensor:
    """A convolution's weight; weight-norm's `weight` itself may be out of date."""
    if not hasattr(conv, "weight_g"):
        weight: Tensor = conv.weight
        return weight
    gain, direction = conv.weight_g.detach(), conv.weight_v.detach()
    axes = [axis for axis, size in enumerate(gain.shape) if size == 1]
    folded: Tensor = direction * (gain / direction.norm(dim=axes, keepdim=True))
    return folded


def _block(layer: Any) -> Block:
    name = getattr(layer, "activation_name", None) or layer.activation_fn.__name__
    return Block(
        attention=_attention(layer.self_attn),
        attention_norm=layer.self_attn_layer_norm,
        feed_in=layer.fc1,
        feed_out=layer.fc2,
        final_norm=layer.final_layer_norm,
        activation=name,
        adapter=_adapter(layer),
    )


def _adapter(layer: Any) -> tuple[nn.Linear, nn.Linear] | None:
    """Of ESPnet's `HoulsbyTransformerSentenceEncoderLayer`."""
    if not hasattr(layer, "adapter"):
        return None
    down, _, up = layer.adapter.houlsby_adapter
    return down, up


def _attention(live: Any) -> Attention:
    gated = getattr(live, "gru_rel_pos", False)
    gate = (live.grep_linear, live.grep_a.detach().flatten()) if gated else None
    return Attention(live.q_proj, live.k_proj, live.v_proj, live.out_proj, live.num_heads, gate)


def _relative(layers: Any) -> RelativeBias | None:
    """The first block's bias, which WavLM hands on to all others."""
    first = layers[0].self_attn
    if not getattr(first, "has_relative_attention_bias", False):
        return None
    return RelativeBias(first.relative_attention_bias.weight, int(first.max_distance))
