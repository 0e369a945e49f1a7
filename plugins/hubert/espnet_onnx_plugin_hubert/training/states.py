"""A plugin of training's own: the states of every layer, where others give their weighted sum.

ESPnet's recipes freeze `frontend.upstream` and train the weights of its layers, whose gradient is
made of the states. The graph costs what the weighted sum's does; its outputs take as much memory
as the states of torch.

Shapes: B utterances, N samples, T frames, D width, L states.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.manager import Manager, Plugin
from espnet_onnx.roles import Session
from espnet_onnx.types import Feed

from ..s3prl_claim import STRIDE, claim
from ..s3prl_export import FEWEST, TRIALS, StateSum, _listen
from ..wave_feed_input import random_waves

__all__ = ["KIND", "AllStates", "States", "states_manager"]

ESPNET_ONNX_API = 1
NAME = "hubert_training"
KIND = "hubert_training.states"


def states_manager() -> Manager:
    """The installed plugins, and this one before them."""
    ours = Plugin(NAME, sys.modules[__name__], "espnet-onnx", eo.__version__)
    return Manager((*Manager.load().plugins.values(), ours), prefer=(NAME,))


@eo.hookimpl
def split_modules(component: eo.Component) -> eo.Part | eo.Declined | None:
    """Claim what frontend `s3prl` claims."""
    if (component.role, component.type) != ("frontend", "s3prl"):
        return None
    part = claim(component)
    return eo.Part(KIND, config=part.config) if isinstance(part, eo.Part) else part


@eo.hookimpl
def export_module(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph] | None:
    """One graph, `states`, compared with the live upstream."""
    if part.kind != KIND:
        return None
    live, count = component.module, len(part.config["layer_weights"])
    _listen(live.upstream.upstream)  # a model on a GPU comes as a copy
    names = [f"state_{i}" for i in range(count)]
    module = AllStates(live, count, 1).eval()
    graph = eo.Graph(
        module,
        outputs=(*names, "lengths"),
        axes={
            "speech": ("batch", "samples"),
            "speech_lengths": ("batch",),
            **dict.fromkeys(names, ("batch", "frames", None)),
            "lengths": ("batch",),
        },
        lengths={"samples": "speech_lengths", "frames": "lengths"},
        feed=random_waves,
        reference=_Reference(live),
        trials=TRIALS,
        rate=part.config["sample_rate"],
        # Any one state is more sensitive than their sum.
        quantise=attrs.evolve(module.model.quantise, cosine=0.99),
    )
    return {"states": graph}


@eo.hookimpl
def build_runtime(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> States | None:
    """The open graph."""
    return States(open_session("states")) if node.kind == KIND else None


@attrs.frozen
class States:
    """What a bundle of states opens as; `OnnxUpstream` runs it."""

    session: Session


class AllStates(StateSum):
    """`s3prl.nn.S3PRLUpstream.forward`."""

    def forward(  # type: ignore[override]  # no weights come in
        self, speech: Tensor, speech_lengths: Tensor
    ) -> tuple[Tensor, ...]:
        """(B, N), (B,) -> L states (B, T, D) with zeros behind each utterance, and (B,)."""
        total = (speech.shape[1] - 1) // STRIDE + 1
        speech = speech * valid_frames(speech_lengths, speech.shape[1])
        states, frames = self.model(F.pad(speech, (0, FEWEST)), speech_lengths.clamp(min=FEWEST))
        lengths = (speech_lengths - 1) // STRIDE + 1
        valid = valid_frames(lengths, total)[..., None]
        if self.normalize:
            states = [F.layer_norm(state, state.shape[-1:]) for state in states]
        return *(self._fill(state, frames, total) * valid for state in states), lengths


@attrs.frozen
class _Reference:
    """The live upstream on one utterance."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        speech, lengths = (torch.from_numpy(feed[n]) for n in ("speech", "speech_lengths"))
        with torch.no_grad():
            states, frames = self.live.upstream(speech, lengths)
        named = {f"state_{i}": state.numpy() for i, state in enumerate(states)}
        return {**named, "lengths": frames[0].numpy()}
