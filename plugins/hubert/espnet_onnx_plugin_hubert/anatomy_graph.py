"""A live self-supervised speech transformer, taken apart: what its graph is built from.

fairseq (and s3prl's copy of it), transformers and torchaudio name the same parts differently. One
reader for each package gives this; `speech_model_graph.SpeechModel` knows nothing else.

Shapes: C channels of the convolutions, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from torch import Tensor, nn

__all__ = ["Anatomy", "Attention", "Block", "ConvLayer", "PositionConv", "RelativeBias"]


@attrs.frozen
class ConvLayer:
    """One strided convolution over the waveform, its normalisation, then GELU.

    Attributes:
        weight: (C, C_in, K), bias: (C,) or None.
        stride: in frames of the layer below (samples, below the first).
        norm: a LayerNorm over channels, a GroupNorm of C groups over time, or None.
    """

    weight: Tensor
    bias: Tensor | None
    stride: int
    norm: nn.LayerNorm | nn.GroupNorm | None = None


@attrs.frozen
class PositionConv:
    """One convolution of the positional stack, followed by GELU; weight-norm is already folded.

    Attributes:
        weight: (D, D / groups, K), bias: (D,).
        groups: of the convolution.
        norm: a LayerNorm over D between convolution and GELU (data2vec), or None.
    """

    weight: Tensor
    bias: Tensor | None
    groups: int
    norm: nn.LayerNorm | None = None


@attrs.frozen
class RelativeBias:
    """WavLM's bucketed relative position bias, which all blocks share (Chen et al., 2022, 3.1).

    Attributes:
        embedding: (buckets, H).
        max_distance: from which on all distances share a bucket.
    """

    embedding: Tensor
    max_distance: int


@attrs.frozen
class Attention:
    """Self-attention of one block.

    Attributes:
        gate: WavLM's gate on the relative position bias: the linear (D / H -> 8), and the scale
            (H,). None where there is no such bias.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    heads: int
    gate: tuple[nn.Linear, Tensor] | None = None


@attrs.frozen
class Block:
    """One transformer block; `norm_first` of the anatomy says where its norms stand.

    Attributes:
        adapter: Houlsby's down- and up-projection, whose output is added to the feed-forward
            layer's that it reads (Houlsby et al., 2019), or None.
    """

    attention: Attention
    attention_norm: nn.LayerNorm
    feed_in: nn.Linear
    feed_out: nn.Linear
    final_norm: nn.LayerNorm
    activation: str = "gelu"
    adapter: tuple[nn.Linear, nn.Linear] | None = None


@attrs.frozen
class Anatomy:
    """The whole model, from waveform to the states of every layer.

    Attributes:
        convs: the convolutions, lowest first.
        feature_norm: LayerNorm over C behind them, or None.
        projection: C -> D, or None where C = D.
        positions: what is added to the projected features, through these convolutions.
        norm: before the blocks; with `norm_first` behind them.
        norm_first: blocks normalise their input (HuBERT-large) instead of their output (base).
        wave_epsilon: each waveform is made zero mean, unit variance with this epsilon; None takes
            it as it is.
        relative: WavLM's bias, else None.
    """

    convs: Sequence[ConvLayer]
    feature_norm: nn.LayerNorm | None
    projection: nn.Linear | None
    positions: Sequence[PositionConv]
    norm: nn.LayerNorm | None
    norm_first: bool
    blocks: Sequence[Block]
    wave_epsilon: float | None = None
    relative: RelativeBias | None = None
