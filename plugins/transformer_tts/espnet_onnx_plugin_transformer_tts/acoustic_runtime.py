"""Transformer-TTS at run time.

Shapes: B utterances, U tokens, S cache slots, N heads, K width of a head, R frames a step, O
features a frame, L layers and P units of the prenet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.parts.frame_by_frame import STOPPING, FrameByFrame, Prenet, Stepped
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["CachedDecoder", "build"]

_PAST = ("past_key_", "past_value_")
# Caches grow by so many slots at once: a step hands them on without a copy.
_SLOTS = 64


@attrs.frozen
class CachedDecoder:
    """A step of `Transformer.inference`; see `parts.frame_by_frame.FrameDecoder`.

    A step writes its keys and values into the caches of the state that it gets.

    Attributes:
        session: the graph `step`.
        reduction_factor: R.
        memory: names of the keys and values of the cross-attentions.
        past: the graph `past`; None where no unit is dropped, and so none redrawn.
    """

    session: Session
    reduction_factor: int
    memory: Sequence[str]
    past: Session | None = None

    @property
    def options(self) -> Mapping[str, float]:
        """What stops it, and whether all frames so far lose other units at every step."""
        return {**STOPPING, "redraw_past": False}

    def limits(self, lengths: Array, options: Mapping[str, float]) -> tuple[Array, Array]:
        """(B,) tokens -> fewest and most steps."""
        names = ("minlenratio", "maxlenratio")
        least, most = (
            (lengths * float(options[name]) / self.reduction_factor).astype(np.int64)
            for name in names
        )
        return least, most

    def start(
        self, memory: Mapping[str, Array], lengths: Array, options: Mapping[str, float]
    ) -> Mapping[str, Array]:
        """The state before the first frame."""
        batch, inputs = len(lengths), self.session.inputs
        caches = {
            name: np.zeros((batch, int(shape[1]), _SLOTS, int(shape[3])), np.float32)
            for name, shape in inputs.items()
            if name.startswith(_PAST)
        }
        frame = np.zeros((batch, int(inputs["past_frame"][1])), np.float32)
        position = np.zeros(batch, np.int64)
        sizes = {"tokens_lengths": lengths, "past_frame": frame, "position": position}
        if self.past is not None and options.get("redraw_past"):
            sizes["heard"] = np.zeros((batch, 1, _SLOTS, frame.shape[1]), np.float32)
        return {**memory, **sizes, **caches}

    def step(
        self, state: Mapping[str, Array], kept: Array | None, options: Mapping[str, float]
    ) -> Stepped:
        """One step for every utterance."""
        place = int(state["position"][0])
        if kept is not None and options.get("redraw_past"):
            state, kept = self._redrawn(state, kept, place), kept[:, -1]
        feed = {name: state[name] for name in self.session.inputs if name in state}
        feed["position"] = state["position"][:1]
        if kept is not None:
            feed["kept"] = np.ascontiguousarray(kept)
        frames, stops, *new = self.session(**feed)
        names = [name for name in self.session.inputs if name.startswith(_PAST)]
        caches = {
            name: _written(state[name], place, slot) for name, slot in zip(names, new, strict=True)
        }
        moved = {"past_frame": frames[:, -1], "position": state["position"] + 1}
        return Stepped(frames, stops, {**state, **caches, **moved})

    def _redrawn(self, state: Mapping[str, Array], kept: Array, place: int) -> Mapping[str, Array]:
        """The state whose first block read the frames before this one with these units.

        Args:
            state: `heard` (B, 1, S, O) has the frames.
            kept: (B, place + 1, L, P), the last those of the frame that comes.
            place: how many came before.
        """
        if self.past is None:
            return state
        state = {
            **state,
            "heard": _written(state["heard"], place, state["past_frame"][:, None, None]),
        }
        if place:
            frames = np.ascontiguousarray(state["heard"][:, 0, :place])
            new = self.past(frames=frames, kept=np.ascontiguousarray(kept[:, :place]))
            for name, slots in zip(("past_key_0", "past_value_0"), new, strict=True):
                state[name][:, :, :place] = slots
        return state


def _written(cache: Array, place: int, slot: Array) -> Array:
    """A cache (B, N, S, K) that holds (B, N, 1, K) at a place; longer where it was full."""
    if place == cache.shape[2]:
        cache = np.pad(cache, ((0, 0), (0, 0), (0, _SLOTS), (0, 0)))
    cache[:, :, place : place + 1] = slot
    return cache


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> FrameByFrame:
    """The acoustic model of a bundle's node."""
    config, step = node.config, open_session("step")
    memory = [f"memory_{what}_{i}" for i in range(config["blocks"]) for what in ("key", "value")]
    return FrameByFrame(
        open_session("encoder"),
        open_session("style") if "speech" in config["needs"] else None,
        CachedDecoder(
            step,
            config["reduction_factor"],
            memory,
            open_session("past") if config["past"] else None,
        ),
        open_session("postnet") if config["postnet"] else None,
        Prenet.of(config["dropout_rate"], step),
        config["eos"],
        config["needs"],
    )
