"""Graph of frontend `s3prl`: waveform to a weighted sum of the model's states.

Shapes: B utterances, N samples, T frames, D width, L states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.types import Array, Feed

from .anatomy_graph import Anatomy
from .s3prl_anatomy_export import anatomy
from .s3prl_claim import STRIDE
from .speech_model_graph import SpeechModel
from .transformers_anatomy_export import transformers_anatomy
from .wave_feed_input import random_waves

__all__ = ["StateSum", "graphs"]

# `S3PRLUpstream.forward` fills shorter recordings with zeros: 0.05 s at 16 kHz.
FEWEST = 800
# One sample, less than FEWEST, less than a second, odd.
TRIALS = ((1601,), (1, 16001, 511), (80000,))


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """One graph, `frontend`: waveforms, their lengths and what each state counts.

    Raises:
        ModelError: the upstream computes something that has no graph.
    """
    live = component.module
    _listen(live.upstream.upstream)
    weights = np.array(part.config["layer_weights"], np.float32)
    module = StateSum(live, len(weights), part.config["tile_factor"]).eval()
    graph = eo.Graph(
        module=module,
        outputs=("feats", "feats_lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            "layer_weights": (None,),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "feats_lengths"},
        feed=lambda lengths: _feed(lengths, weights),
        reference=_Reference(live, weights),
        trials=TRIALS,
        rate=part.config["sample_rate"],
        quantise=module.model.quantise,
    )
    return {"frontend": graph}


class StateSum(nn.Module):
    """`espnet2.asr.frontend.s3prl.S3prlFrontend.forward`, for any weights of the states."""

    def __init__(self, live: Any, states: int, tile: int) -> None:
        """`states` keeps the first so many; `tile` repeats each frame as often."""
        super().__init__()
        self.model = SpeechModel(_anatomy(live.upstream.upstream), states)
        self.normalize = bool(live.upstream.normalize)
        self.tile = tile

    def forward(
        self, speech: Tensor, speech_lengths: Tensor, layer_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, N), (B,), (L,) -> (B, T, D) with zeros behind each utterance, (B,)."""
        total = (speech.shape[1] - 1) // STRIDE + 1
        speech = speech * valid_frames(speech_lengths, speech.shape[1])
        states, frames = self.model(F.pad(speech, (0, FEWEST)), speech_lengths.clamp(min=FEWEST))
        feats = self._weigh(states[0], layer_weights[0])
        for i, state in enumerate(states[1:], 1):
            feats = feats + self._weigh(state, layer_weights[i])
        lengths = (speech_lengths - 1) // STRIDE + 1
        valid = valid_frames(lengths, total)
        return self._fill(feats, frames, total) * valid[..., None], lengths

    def _weigh(self, state: Tensor, weight: Tensor) -> Tensor:
        if self.normalize:
            state = F.layer_norm(state, state.shape[-1:])
        return state * weight

    def _fill(self, feats: Tensor, frames: Tensor, total: int) -> Tensor:
        """`S3PRLUpstream._match_length`: the last frame stands for what the convolutions lack.

        Tiled features keep the lengths of untiled ones in ESPnet, and so their first T frames.
        """
        batch, own, width = feats.shape
        source = torch.arange(total, device=feats.device) // self.tile
        rows = torch.minimum(source[None], frames[:, None] - 1)
        rows = rows + own * torch.arange(batch, device=feats.device)[:, None]
        return feats.reshape(batch * own, width)[rows]


def _listen(expert: Any) -> None:
    """Let a copy of an expert hear its own states.

    The hooks of s3prl's `UpstreamBase` close over the original's list of states, so that what
    `copy.deepcopy` makes of an expert (of a model in training, say) gives none.
    """
    with torch.no_grad():
        if "hidden_states" in expert([torch.zeros(FEWEST)]):
            return
    hooks = [(h.module_path, h.transform, h.unique_identifier) for h in expert.hooks]
    expert.remove_all_hooks()
    for hook in hooks:
        expert.add_hook(*hook)


def _anatomy(expert: Any) -> Anatomy:
    # s3prl's `hf_*` experts hold a model of transformers and what prepares its waveforms.
    if hasattr(expert, "extracter"):
        return transformers_anatomy(expert.model, expert.extracter)
    return anatomy(expert)


def _feed(lengths: Sequence[int], weights: Array) -> Feed:
    """Alone an utterance is weighed as in the model; batches try the other states, too."""
    if len(lengths) > 1:
        noise = np.random.default_rng(0).random(len(weights), np.float32)
        weights = noise / noise.sum()
    return {**random_waves(lengths), "layer_weights": weights}


@attrs.frozen
class _Reference:
    """The live frontend on one utterance; where other weights are asked for, its own states."""

    live: Any
    weights: Array

    def __call__(self, feed: Feed) -> Feed:
        speech, lengths = (torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths"))
        with torch.no_grad():
            if np.array_equal(feed["layer_weights"], self.weights):
                feats, frames = self.live(speech, lengths)
            else:
                feats, frames = self._sum(speech, lengths, feed["layer_weights"])
        return {"feats": feats[:, : int(frames)].numpy(), "feats_lengths": frames.numpy()}

    def _sum(self, speech: Tensor, lengths: Tensor, weights: Array) -> tuple[Tensor, Tensor]:
        states, frames = self.live.upstream(speech, lengths)
        pairs = zip(states, weights.tolist(), strict=False)
        feats = torch.stack([state * weight for state, weight in pairs]).sum(0)
        if self.live.layer == -1 and self.live.tile_factor != 1:
            feats = feats.repeat_interleave(self.live.tile_factor, 1)
        return feats, frames[0]
