"""Self-supervised models of `transformers` in the words of `Anatomy`.

Wav2Vec2Model, HubertModel, WavLMModel, Data2VecAudioModel, UniSpeechModel and UniSpeechSatModel are
one architecture in the package's `modeling_*.py` files, with the same names for its parts.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from espnet_onnx.errors import ModelError

from .anatomy_graph import (
    Anatomy,
    Attention,
    Block,
    ConvLayer,
    PositionConv,
    RelativeBias,
)
from .transformers_claim import MODEL_TYPES

__all__ = ["transformers_anatomy", "wave_epsilon"]

# `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm` divides by sqrt(variance + this).
EPSILON = 1e-7


def transformers_anatomy(model: Any, processor: Any = None) -> Anatomy:
    """Take a live model apart; nothing of it is changed.

    Args:
        model: one of the classes above.
        processor: the Wav2Vec2FeatureExtractor that prepares its waveforms; None for none.

    Raises:
        ModelError: another model, or a variant that the anatomy has no word for.
    """
    _refuse(model)
    encoder = model.encoder
    projection = model.feature_projection
    return Anatomy(
        convs=[_conv(layer) for layer in model.feature_extractor.conv_layers],
        feature_norm=getattr(projection, "layer_norm", None),
        projection=projection.projection,
        positions=_positions(encoder.pos_conv_embed),
        norm=encoder.layer_norm,
        norm_first=_norm_first(model.config),
        blocks=[_block(layer, model.config.hidden_act) for layer in encoder.layers],
        wave_epsilon=None if processor is None else wave_epsilon(processor),
        relative=_relative(encoder.layers),
    )


def wave_epsilon(processor: Any) -> float | None:
    """The epsilon of `Wav2Vec2FeatureExtractor`'s normalisation; None where it has none."""
    return EPSILON if getattr(processor, "do_normalize", False) else None


def _norm_first(config: Any) -> bool:
    """`do_stable_layer_norm`; Data2VecAudio has the word in its config and no such encoder."""
    return bool(config.do_stable_layer_norm) if config.model_type != "data2vec-audio" else False


def _refuse(model: Any) -> None:
    config = getattr(model, "config", None)
    name = getattr(config, "model_type", type(model).__name__)
    if name not in MODEL_TYPES:
        raise ModelError(
            f"{name}: is no waveform model that can be exported; there are {', '.join(MODEL_TYPES)}"
        )
    if getattr(model, "adapter", None) is not None:
        raise ModelError(f"{name}: has an adapter behind its blocks (add_adapter), which shortens")
    if getattr(config, "adapter_attn_dim", None) is not None:
        raise ModelError(f"{name}: has adapters in its blocks (adapter_attn_dim); use its base")
    if getattr(config, "conv_pos_batch_norm", False):
        raise ModelError(f"{name}: normalises positions by batch (conv_pos_batch_norm)")
    for key in ("feat_extract_activation", "hidden_act"):
        if getattr(config, key, "gelu") != "gelu":
            raise ModelError(f"{name}: {key} is {getattr(config, key)}; only gelu can be exported")


def _conv(layer: Any) -> ConvLayer:
    conv = layer.conv
    norm: Any = getattr(layer, "layer_norm", None)
    return ConvLayer(_plain(conv.weight), _plain(conv.bias), int(conv.stride[0]), norm)


def _positions(embedding: Any) -> list[PositionConv]:
    """One weight-normed convolution, or data2vec's stack of plain ones."""
    return [
        PositionConv(
            _plain(layer.conv.weight),
            _plain(layer.conv.bias),
            int(layer.conv.groups),
            getattr(layer, "layer_norm", None),
        )
        for layer in getattr(embedding, "layers", [embedding])
    ]


def _plain(weight: Tensor | None) -> Any:
    return None if weight is None else weight.detach()


def _block(layer: Any, activation: str) -> Block:
    attention, feed = layer.attention, layer.feed_forward
    return Block(
        Attention(
            attention.q_proj,
            attention.k_proj,
            attention.v_proj,
            attention.out_proj,
            int(attention.num_heads),
            _gate(attention),
        ),
        layer.layer_norm,
        feed.intermediate_dense,
        feed.output_dense,
        layer.final_layer_norm,
        activation,
    )


def _gate(attention: Any) -> tuple[nn.Linear, Tensor] | None:
    if not hasattr(attention, "gru_rel_pos_linear"):
        return None
    return attention.gru_rel_pos_linear, attention.gru_rel_pos_const.detach().flatten()


def _relative(layers: Any) -> RelativeBias | None:
    """WavLM keeps the table of all blocks in its first one."""
    first = layers[0].attention
    if not hasattr(first, "rel_attn_embed"):
        return None
    return RelativeBias(first.rel_attn_embed.weight.detach(), int(first.max_distance))
