"""Graph of what a model hears of a recording: normalised log mel bands.

Shapes: B utterances, S samples, T frames, D mel bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.stft import PowerSpectrum
from espnet_onnx.types import Feed

__all__ = ["LogMelReference", "reference_graph"]


class LogMelReference(nn.Module):
    """`espnet2.tts.feats_extract.log_mel_fbank.LogMelFbank.forward`, then `GlobalMVN.forward`.

    Args:
        fbank: the live features.
        normalize: the live statistics, None where there are none.
    """

    mel: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, fbank: Any, normalize: Any) -> None:
        super().__init__()
        stft, width = fbank.stft, fbank.stft.win_length or fbank.stft.n_fft
        shape = stft.window
        window = torch.ones(width) if shape is None else getattr(torch, f"{shape}_window")(width)
        self.power = PowerSpectrum(
            stft.n_fft, width, stft.hop_length, window, stft.center, stft.normalized
        )
        self.register_buffer("mel", fbank.logmel.melmat.detach().float())
        base = fbank.logmel.log_base
        self.nats = 1.0 if base is None else math.log(base)
        used = normalize is not None
        means = used and normalize.norm_means
        self.register_buffer("mean", normalize.mean.float() if means else torch.zeros(1))
        scaled = used and normalize.norm_vars
        self.register_buffer("std", normalize.std.float() if scaled else torch.ones(1))

    def forward(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S), (B,) -> (B, T, D), undefined behind each utterance, (B,)."""
        amplitudes = self.power(speech, speech_lengths).clamp(min=1e-10).sqrt()
        bands = (amplitudes @ self.mel).clamp(min=1e-10).log() / self.nats
        return (bands - self.mean) / self.std, self.power.frame_lengths(speech_lengths)


def reference_graph(live: Any, config: Any) -> eo.Graph:
    """The graph, checked against the live `feats_extract` and `normalize`.

    Args:
        live: an `ESPnetTTSModel` or `ESPnetGANTTSModel`.
        config: `sample_rate` and `shortest`, samples.
    """
    shortest = int(config["shortest"])

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths))
        noise = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
        return {"speech": noise, "speech_lengths": np.array(lengths, np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            feats, lengths = live.feats_extract(
                torch.from_numpy(feed["speech"]), torch.from_numpy(feed["speech_lengths"])
            )
            if live.normalize is not None:
                feats, lengths = live.normalize(feats, lengths)
        return {"feats": feats.numpy(), "feats_lengths": lengths.numpy()}

    return eo.Graph(
        module=LogMelReference(live.feats_extract, live.normalize).eval(),
        outputs=("feats", "feats_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "feats_lengths"},
        feed=feed,
        reference=reference,
        trials=((2 * shortest,), (shortest, 9 * shortest + 5, 3 * shortest)),
        rate=config["sample_rate"],
        quantise=None,
    )
