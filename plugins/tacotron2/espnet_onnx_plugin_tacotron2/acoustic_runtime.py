"""Tacotron2 at run time.

Shapes: B utterances, U tokens, R frames a step, O features a frame.
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

__all__ = ["OPTIONS", "LSTMDecoder", "build"]

OPTIONS = {**STOPPING, "use_att_constraint": False, "backward_window": 1, "forward_window": 3}
_PAST = "past_"


@attrs.frozen
class LSTMDecoder:
    """A step of `Decoder.inference`; see `parts.frame_by_frame.FrameDecoder`.

    Attributes:
        session: the graph `step`.
        reduction_factor: R.
        uniform: it first looks everywhere, else at the first token.
        cumulate: it looks back at the sum of its weights, else at the last ones.
    """

    session: Session
    reduction_factor: int
    uniform: bool
    cumulate: bool
    memory: Sequence[str] = ("memory", "memory_key")
    options: Mapping[str, float] = attrs.field(factory=lambda: dict(OPTIONS))

    def limits(self, lengths: Array, options: Mapping[str, float]) -> tuple[Array, Array]:
        """(B,) tokens -> fewest and most steps; ESPnet counts these in frames."""
        names = ("minlenratio", "maxlenratio")
        frames = ((lengths * float(options[name])).astype(np.int64) for name in names)
        least, most = (-(-count // self.reduction_factor) for count in frames)
        return least, most

    def start(
        self, memory: Mapping[str, Array], lengths: Array, options: Mapping[str, float]
    ) -> Mapping[str, Array]:
        """The state before the first frame."""
        batch, longest = memory["memory"].shape[:2]
        state = {
            name: np.zeros((batch, *map(int, shape[1:])), np.float32)
            for name, shape in self.session.inputs.items()
            if name.startswith(_PAST) and name != "past_weights"
        }
        if "past_transition" in state:
            state["past_transition"] += 0.5
        places = np.arange(longest)[None]
        looks = (places < lengths[:, None]) / lengths[:, None] if self.uniform else places == 0
        state["past_weights"] = np.broadcast_to(looks, (batch, longest)).astype(np.float32)
        # What it sums up does not contain where it looked before the first frame.
        state["carried"] = np.zeros((batch, 1), np.float32)
        window = self._window(np.zeros(batch, np.int64), longest, options)
        return {**memory, "tokens_lengths": lengths, **state, "window": window}

    def step(
        self, state: Mapping[str, Array], kept: Array | None, options: Mapping[str, float]
    ) -> Stepped:
        """One step for every utterance."""
        feed = {name: state[name] for name in self.session.inputs if name in state}
        if kept is not None:
            feed["kept"] = kept
        frames, stops, weights, *new = self.session(**feed)
        names = [n for n in self.session.inputs if n.startswith(_PAST) and n != "past_weights"]
        after = {**state, **dict(zip(names, new, strict=True))}
        after["past_weights"] = state["past_weights"] * state["carried"] + weights
        after["carried"] = np.full_like(state["carried"], self.cumulate)
        after["window"] = self._window(weights.argmax(1), weights.shape[1], options)
        return Stepped(frames, stops, after, weights)

    def _window(self, last: Array, tokens: int, options: Mapping[str, float]) -> Array:
        """Where it may look next, (B, 2): from the first place to behind the last."""
        if not options["use_att_constraint"]:
            return np.broadcast_to(np.array([0, tokens], np.int64), (len(last), 2))
        reach = (-int(options["backward_window"]), int(options["forward_window"]))
        window: Array = last[:, None].astype(np.int64) + np.array(reach, np.int64)
        return window


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> FrameByFrame:
    """The acoustic model of a bundle's node."""
    config, step = node.config, open_session("step")
    return FrameByFrame(
        open_session("encoder"),
        open_session("style") if "speech" in config["needs"] else None,
        LSTMDecoder(
            step,
            config["reduction_factor"],
            uniform=config["attention"] == "location",
            cumulate=config["cumulate"],
        ),
        open_session("postnet") if config["postnet"] else None,
        Prenet.of(config["dropout_rate"], step),
        config["eos"],
        config["needs"],
    )
