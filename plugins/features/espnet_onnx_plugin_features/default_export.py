"""Graph of frontend `default`: waveform to log mel energies.

Shapes: B utterances, S samples, T frames, F frequency bins, D mel bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.stft import PowerSpectrum
from espnet_onnx.types import Feed

from .masking import blank_padding

__all__ = ["LogMel", "graph"]


class LogMel(nn.Module):
    """`espnet2.asr.frontend.default.DefaultFrontend.forward` of one channel."""

    mel: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__()
        melmat = live.logmel.melmat.detach().float()
        # Bins that no mel band hears (0 Hz, and all outside fmin to fmax) are never computed.
        heard = melmat.abs().sum(1).nonzero()[:, 0]
        stft = live.stft
        self.power = PowerSpectrum(
            stft.n_fft,
            stft.win_length,
            stft.hop_length,
            _window(stft.window, stft.win_length),
            stft.center,
            stft.normalized,
            heard,
        )
        self.register_buffer("mel", melmat[heard].contiguous())

    def forward(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S), (B,) -> (B, T, D) with zeros behind each utterance, (B,)."""
        lengths = self.power.frame_lengths(speech_lengths)
        energies = self.power(speech, speech_lengths) @ self.mel
        return blank_padding(energies.clamp(min=1e-10).log(), lengths), lengths


def graph(component: eo.Component) -> eo.Graph:
    """The frontend's graph, checked against the live `DefaultFrontend`."""
    from .default_claim import claim_default

    live = component.module
    part = claim_default(component)
    assert isinstance(part, eo.Part)
    rate, shortest = part.config["sample_rate"], part.config["shortest"]

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            feats, lengths = live(
                torch.from_numpy(feed["speech"]), torch.from_numpy(feed["speech_lengths"])
            )
        return {"feats": feats.numpy(), "feats_lengths": lengths.numpy()}

    return eo.Graph(
        module=LogMel(live).eval(),
        outputs=("feats", "feats_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "feats_lengths"},
        feed=_feed,
        reference=reference,
        trials=_trials(rate, shortest),
        rate=rate,
        quantise=None,
    )


def _window(name: str | None, width: int) -> Tensor:
    """`Stft.forward` makes its window in float32; none at all weighs every sample the same."""
    return torch.ones(width) if name is None else getattr(torch, f"{name}_window")(width)


def _feed(lengths: Sequence[int]) -> Feed:
    # The padding is noise too: whatever leaks from it shows up as a difference.
    shape = (len(lengths), max(lengths))
    noise = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    return {"speech": noise, "speech_lengths": np.array(lengths, dtype=np.int64)}


def _trials(rate: int, shortest: int) -> list[list[int]]:
    odd = rate | 1
    return [[shortest], [shortest, odd, 3 * shortest], [odd], [10 * rate], [60 * rate]]
