"""Graph of frontend `wav2vec_cnn`: waveform to what strided convolutions hear in it.

Shapes: B utterances, S samples, C channels, T frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.windows import conv_length
from espnet_onnx.types import Feed

from .anatomy_graph import ConvLayer
from .conv_extractor_graph import ConvExtractor
from .depthwise_graph import DepthwiseStack, standardised
from .norm_graph import norm_of

__all__ = ["Convolutions", "graphs", "random_speech"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `frontend`, checked against the live `CNNFrontend`."""
    live = component.module
    rate, shortest = part.config["sample_rate"], part.config["shortest"]

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            feats, lengths = live(
                torch.from_numpy(feed["speech"]), torch.from_numpy(feed["speech_lengths"])
            )
        return {"feats": feats.numpy(), "feats_lengths": lengths.numpy()}

    module = Convolutions(live).eval()
    graph = eo.Graph(
        module,
        outputs=("feats", "feats_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "feats_lengths"},
        feed=random_speech,
        reference=reference,
        trials=([shortest], [3 * shortest, rate | 1, shortest + 1], [4 * rate]),
        rate=rate,
        quantise=getattr(module.stack, "quantise", eo.Quantise()),
    )
    return {"frontend": graph}


def random_speech(lengths: Sequence[int]) -> Feed:
    """`speech` (B, S), as loud behind an utterance's end, and `speech_lengths` (B,)."""
    shape = (len(lengths), max(lengths))
    noise = np.random.default_rng([len(lengths), *lengths]).normal(0.02, 0.1, shape)
    return {"speech": noise.astype(np.float32), "speech_lengths": np.array(lengths, np.int64)}


class Convolutions(nn.Module):
    """`espnet2.asr.frontend.cnn.CNNFrontend.forward` of each utterance alone.

    Of a batch, ESPnet normalises the waveforms together (`normalize_audio`) and counts padding
    into the statistics of the first layer (`group_norm`); here each utterance has its own.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.normalize_audio = bool(live.normalize_audio)
        layers = list(live.layers)
        self.steps = [(int(layer.kernel_size), int(layer.stride)) for layer in layers]
        grouped = any(layer.conv.groups > 1 for layer in layers)
        self.stack = DepthwiseStack(layers) if grouped else ConvExtractor(_read(layers))
        normed = isinstance(live.final_norm, nn.LayerNorm)
        self.norm = norm_of(live.final_norm) if normed else None

    def forward(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S), (B,) -> (B, T, C) with zeros behind each utterance, (B,)."""
        valid = valid_frames(speech_lengths, speech.shape[1])
        speech = torch.where(valid, speech, torch.zeros(()))
        if self.normalize_audio:
            # `F.layer_norm` over everything, with its own epsilon.
            speech = standardised(speech[:, None], speech_lengths, 1e-5)[:, 0]
        x = self.stack(speech, speech_lengths)
        if self.norm is not None:
            x = self.norm(x)
        lengths = speech_lengths
        for kernel, stride in self.steps:
            lengths = conv_length(lengths, kernel, stride)
        valid = valid_frames(lengths, x.shape[1])[..., None]
        return torch.where(valid, x, torch.zeros(())), lengths


def _read(layers: Sequence[Any]) -> list[ConvLayer]:
    return [
        ConvLayer(layer.conv.weight, layer.conv.bias, int(layer.stride), layer.layer_norm)
        for layer in layers
    ]
