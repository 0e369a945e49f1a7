"""Graph of an encoder that hears the waveform.

Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import attrs
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.norm import Norm
from espnet_onnx.types import Feed

from .anatomy_graph import Anatomy
from .s3prl_anatomy_export import anatomy
from .speech_model_graph import SpeechModel
from .torchaudio_anatomy_export import torchaudio_anatomy
from .wave_feed_input import random_waves, wave_trials

__all__ = ["WaveEncoderModule", "graphs"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `encoder`, checked against the live encoder.

    Raises:
        ModelError: the pretrained model inside is of an architecture without a graph.
    """
    rate, shortest = part.config["sample_rate"], part.config["shortest"]
    module = WaveEncoderModule(component.module).eval()
    graph = eo.Graph(
        module,
        outputs=("encoder_out", "encoder_out_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "encoder_out": ("batch", "frames", None),
            "encoder_out_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "encoder_out_lengths"},
        feed=random_waves,
        reference=_Reference(component.module),
        trials=wave_trials(shortest, rate),
        rate=float(rate),
        quantise=module.model.quantise,
    )
    return {"encoder": graph}


class WaveEncoderModule(nn.Module):
    """A self-supervised model, then the linear layer and the norm that ESPnet puts behind it.

    torchaudio's has neither (`TorchAudioHuBERTPretrainEncoder._eval_forward`), fairseq's have
    what `output_size` and `normalize_before` ask for.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.model = SpeechModel(_anatomy(live))
        linear = getattr(live, "output_layer", None)
        self.linear = None if linear is None else Affine.of(linear[0])
        normed = getattr(live, "normalize_before", False)
        self.norm = Norm(live.after_norm) if normed else None

    def forward(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S), (B,) -> (B, T, D), (B,)."""
        states, lengths = self.model(speech, speech_lengths)
        out = states[-1]
        if self.linear is not None:
            out = self.linear(out)
        return out if self.norm is None else self.norm(out), lengths


def _anatomy(live: Any) -> Anatomy:
    """ESPnet's encoders feed the waveform as it is, whatever the model was pretrained with."""
    if hasattr(live, "hubert_pretrain_model"):
        return torchaudio_anatomy(live.hubert_pretrain_model.wav2vec2)
    return anatomy(SimpleNamespace(model=live.encoders))


@contextmanager
def _small_masks(encoder: Any) -> Iterator[None]:
    """Keep ESPnet's `make_pad_mask` from a square of samples: 6 GB for five seconds."""
    home = sys.modules[type(encoder).__module__]
    if not hasattr(home, "make_pad_mask"):
        yield
        return

    def mask(lengths: Tensor) -> Tensor:
        return torch.arange(int(lengths.max()))[None] >= lengths[:, None]

    with mock.patch.object(home, "make_pad_mask", mask):
        yield


@attrs.frozen
class _Reference:
    """Calls the live encoder; fairseq's count their calls in a buffer, which is put back."""

    encoder: Any

    def __call__(self, feed: Feed) -> Feed:
        speech, lengths = (torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths"))
        buffers = {name: buffer.clone() for name, buffer in self.encoder.named_buffers()}
        with torch.no_grad(), _small_masks(self.encoder):
            out, frames, _ = self.encoder(speech, lengths)
            for name, buffer in self.encoder.named_buffers():
                buffer.copy_(buffers[name])
        return {"encoder_out": out.numpy(), "encoder_out_lengths": frames.long().numpy()}
