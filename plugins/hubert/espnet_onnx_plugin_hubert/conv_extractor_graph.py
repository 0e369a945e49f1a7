"""The strided convolutions over the waveform, as matrix products with channels last.

Shapes: B utterances, N samples, T frames, K taps, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.windows import conv_length
from espnet_onnx.types import Quantise

from .anatomy_graph import ConvLayer
from .norm_graph import norm_of

__all__ = ["ConvExtractor"]


class ConvExtractor(nn.Module):
    """All convolutions, each with its norm and GELU (`ConvFeatureExtractionModel` of fairseq)."""

    def __init__(self, convs: Sequence[ConvLayer]) -> None:
        """Raises ModelError for a group norm over time behind a later layer than the first."""
        super().__init__()
        self.steps = [(int(conv.weight.shape[2]), conv.stride) for conv in convs]
        # What one frame of the whole stack sees, and how far apart two of them are.
        self.reach, self.hop = 1, 1
        for kernel, stride in self.steps:
            self.reach += (kernel - 1) * self.hop
            self.hop *= stride
        first, *rest = convs
        self.first = _first(first)
        self.rest = nn.ModuleList(_LaterConv(conv) for conv in rest)

    @property
    def quantise(self) -> Quantise:
        """What may become int8 of a graph that this is in.

        Most of the int8 error of a whole model arises here. Without norms between them, what a
        convolution reads is as loud as the waveform, and one scale for all frames is too coarse
        for the quiet ones: over speech the features of a HuBERT-base have a cosine of 0.89, and
        0.9999 with all of them in fp32. With norms the upper half stays in fp32, which halves the
        error and costs little: it has few frames.
        """
        plain = any(layer.norm is None for layer in self.rest)
        kept = range(0 if plain else len(self.rest) // 2, len(self.rest))
        return Quantise(exclude=[rf"\brest\.{i}\.affine/" for i in kept])

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) samples -> (B,) frames."""
        return conv_length(lengths, self.reach, self.hop).clamp(min=0)

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, N), zero behind each utterance, and (B,) -> (B, T, C), undefined behind each."""
        kernel, stride = self.steps[0]
        x: Tensor = windows(speech[..., None], kernel, stride)
        x = self.first(x, valid_frames(conv_length(lengths, kernel, stride), x.shape[1]))
        for layer, (kernel, stride) in zip(self.rest, self.steps[1:], strict=True):
            x = layer(windows(x, kernel, stride))
        return x


def windows(x: Tensor, kernel: int, stride: int) -> Tensor:
    """(B, T, C) -> (B, T', K C), in one Gather: cheaper than slices that are put together.

    It only moves values, so an int8 product quantises what it reads, a third smaller.
    """
    frames = conv_length(x.shape[1], kernel, stride)
    starts = torch.arange(frames, device=x.device) * stride
    taps = starts[:, None] + torch.arange(kernel, device=x.device)
    return x.index_select(1, taps.flatten()).reshape(x.shape[0], frames, kernel * x.shape[2])


def _matrix(conv: ConvLayer) -> Tensor:
    """(C, C', K) -> (C, K C'): the order of `windows`."""
    return conv.weight.detach().transpose(1, 2).flatten(1)


class _LaterConv(nn.Module):
    def __init__(self, conv: ConvLayer) -> None:
        super().__init__()
        if isinstance(conv.norm, nn.GroupNorm):
            raise ModelError(
                "a group norm behind a later convolution than the first has no graph: "
                "no published model has one"
            )
        self.affine = Affine(_matrix(conv).contiguous(), conv.bias)
        self.norm = None if conv.norm is None else norm_of(conv.norm)

    def forward(self, x: Tensor) -> Tensor:
        x = self.affine(x)
        return F.gelu(x if self.norm is None else self.norm(x))


def _first(conv: ConvLayer) -> nn.Module:
    if isinstance(conv.norm, nn.GroupNorm):
        return _TimeNormedConv(conv, conv.norm)
    return _FrameNormedConv(conv, conv.norm) if conv.norm is not None else _PlainConv(conv)


class _PlainConv(nn.Module):
    def __init__(self, conv: ConvLayer) -> None:
        super().__init__()
        self.affine = Affine(_matrix(conv), conv.bias)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        return F.gelu(self.affine(x))


class _FrameNormedConv(nn.Module):
    """LayerNorm over channels without a pass over them.

    Of all values of this model, these are the most: C for every 5 samples. Centred weights give
    centred outputs, and their variance |W x + b|^2 / C is |R [x; 1]|^2 with a small triangular R.
    So the window is divided by the deviation before the product instead of its outcome behind.
    """

    weight: Tensor
    root: Tensor

    def __init__(self, conv: ConvLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        matrix = _matrix(conv).double()
        bias = matrix.new_zeros(len(matrix)) if conv.bias is None else conv.bias.detach().double()
        # Shape (C, K + 1).
        joint = torch.cat((matrix, bias[:, None]), 1)
        joint = joint - joint.mean(0)
        root = torch.linalg.qr(joint, mode="r").R / math.sqrt(len(joint))
        weight = joint
        gain, shift = norm.weight, norm.bias
        if gain is not None:
            weight = weight * gain.detach().double()[:, None]
        extra = torch.zeros(len(joint)) if shift is None else shift.detach()
        # Shape (K + 2, C): what is divided, and behind it what is not.
        weight = torch.cat((weight, extra.double()[:, None]), 1)
        self.eps = norm.eps
        self.register_buffer("root", root.T.float().contiguous(), persistent=False)
        self.register_buffer("weight", weight.T.float().contiguous(), persistent=False)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        one = torch.ones_like(x[..., :1])
        x = torch.cat((x, one), -1)
        deviation = ((x @ self.root).square().sum(-1, keepdim=True) + self.eps).sqrt()
        return F.gelu(torch.cat((x / deviation, one), -1) @ self.weight)


class _TimeNormedConv(nn.Module):
    """GroupNorm of one channel a group, over each utterance's own frames.

    The convolution is linear in its window of K samples, so mean and variance over time of every
    channel follow from the mean and the (K, K) covariance of the windows. Norm and convolution
    together are then one matrix per utterance. In double precision: a high-pass channel's
    variance is a small difference of what the covariance holds.
    """

    matrix: Tensor
    gain: Tensor
    shift: Tensor

    def __init__(self, conv: ConvLayer, norm: nn.GroupNorm) -> None:
        super().__init__()
        matrix = _matrix(conv).double().T.contiguous()
        channels = matrix.shape[1]
        if norm.num_groups != channels:
            raise ModelError(
                f"a group norm of {norm.num_groups} groups over {channels} channels has no graph: "
                "each channel must be a group of its own"
            )
        gain = torch.ones(channels) if norm.weight is None else norm.weight.detach()
        shift = torch.zeros(channels) if norm.bias is None else norm.bias.detach()
        # The convolution's own bias leaves with the mean.
        self.eps = norm.eps
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("gain", gain.double(), persistent=False)
        self.register_buffer("shift", shift[None, None].clone(), persistent=False)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        weight, mean = self.normed(x.double(), valid[..., None].double())
        return F.gelu((x - mean) @ weight + self.shift)

    def normed(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Windows (B, T, K) -> matrices (B, K, C) for them less their mean (B, 1, K)."""
        frames = valid.sum(1, keepdim=True).clamp(min=1)
        mean = (x * valid).sum(1, keepdim=True) / frames
        centred = (x - mean) * valid
        covariance = centred.transpose(1, 2) @ centred / frames
        variance = (self.matrix * (covariance @ self.matrix)).sum(1, keepdim=True)
        weight = self.matrix * (self.gain / (variance.clamp(min=0) + self.eps).sqrt())
        return weight.float(), mean.float()
