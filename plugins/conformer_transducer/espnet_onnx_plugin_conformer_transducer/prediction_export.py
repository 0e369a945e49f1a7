"""The graphs of a prediction network with its joint network (needs torch).

Shapes: B utterances, T frames, D encoder width, N pairs of a frame and a hypothesis, P units of
the network, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.recurrent_cell import step_of
from espnet_onnx.types import Feed

from .joint_graph import Joint, Project, joint_of

__all__ = ["PredictionStep", "graphs"]

# A pair has no length; the kit wants different ones.
PAIRS = ((1,), (1, 2, 3, 4), (2, 1))
FRAMES = ((9, 4), (1,), (17, 3, 5))


class PredictionStep(nn.Module):
    """`batch_score` of a prediction network and the joint network behind it.

    A stateless network is one without layers.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
        states: names of what goes from step to step; `past_` stands before them in inputs.
    """

    def __init__(self, decoder: Any, joint: Any) -> None:
        super().__init__()
        self.embed = decoder.embed
        steps = [step_of(layer) for layer in _layers(decoder)]
        self.cells = nn.ModuleList(steps)
        self.projection = Affine.of(joint.lin_dec)
        self.joint = Joint(joint)
        self.units = steps[0].units if steps else 0
        self.depth = len(steps[0].states) if steps else 0
        self.states = [f"{name}_{i}" for i, step in enumerate(steps) for name in step.states]
        self.input_names = ["frames", "tokens", *(f"past_{name}" for name in self.states)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Frames (N, J), tokens (N,) and states (N, P) -> log_probs, outputs (N, J), states."""
        frames, tokens, *past = tensors
        x = self.embed(tokens)
        new: list[Tensor] = []
        for cell in self.cells:
            new += cell(x, past[len(new) : len(new) + self.depth])
            x = new[-self.depth]
        outputs = self.projection(x)
        return (self.joint(frames, outputs), outputs, *new)


def _layers(decoder: Any) -> Sequence[Any]:
    """Those of `TransducerDecoder`, `RNNDecoder` or `StatelessDecoder`."""
    for name in ("decoder", "rnn"):
        if hasattr(decoder, name):
            layers: Sequence[Any] = getattr(decoder, name)
            return layers
    return ()


class Reference:
    """Feeds and references through the untouched live networks."""

    def __init__(self, decoder: Any, joint: Any, step: PredictionStep) -> None:
        self._decoder, self._joint, self._step = decoder, joint, step
        self._width = joint.lin_out.in_features
        self._encoder_size = joint.lin_enc.in_features

    def frames(self, lengths: Sequence[int]) -> Feed:
        """Random encoder output."""
        rng = np.random.default_rng(sum(lengths))
        shape = (len(lengths), max(lengths), self._encoder_size)
        return {"encoder_out": rng.normal(size=shape).astype(np.float32)}

    def project(self, feed: Feed) -> Feed:
        """`JointNetwork.lin_enc`."""
        with torch.no_grad():
            return {"frames": self._joint.lin_enc(torch.from_numpy(feed["encoder_out"])).numpy()}

    def pairs(self, lengths: Sequence[int]) -> Feed:
        """As many random pairs."""
        rng = np.random.default_rng(len(lengths))
        shape = (len(lengths), self._width)
        names = ("frames", "outputs")
        return {name: rng.normal(size=shape).astype(np.float32) for name in names}

    def joint(self, feed: Feed) -> Feed:
        """`JointNetwork`."""
        pair = (torch.from_numpy(feed[name]) for name in ("frames", "outputs"))
        with torch.no_grad():
            return {"log_probs": joint_of(self._joint, *pair).numpy()}

    def steps(self, lengths: Sequence[int]) -> Feed:
        """As many random pairs, tokens and states."""
        rng = np.random.default_rng(len(lengths))
        count = len(lengths)
        shape = (count, self._step.units)
        states = {f"past_{n}": rng.normal(size=shape).astype(np.float32) for n in self._step.states}
        tokens = rng.integers(0, self._decoder.embed.num_embeddings, count)
        frames = rng.normal(size=(count, self._width)).astype(np.float32)
        return {"frames": frames, "tokens": tokens, **states}

    @torch.no_grad()
    def step(self, feed: Feed) -> Feed:
        """What the network makes of one token, then `JointNetwork`."""
        given = {name: torch.from_numpy(array) for name, array in feed.items()}
        out, states = self._decoded(given)
        outputs = self._joint.lin_dec(out[:, 0])
        log_probs = joint_of(self._joint, given["frames"], outputs)
        return {"log_probs": log_probs.numpy(), "outputs": outputs.numpy(), **states}

    def _decoded(self, given: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Any]]:
        """`rnn_forward`, or the forward of a stateless network: (N, 1, P) and states."""
        tokens = given["tokens"][:, None]
        if not self._step.depth:
            return self._decoder(tokens), {}
        kinds = ("z", "c")[: self._step.depth]
        layers = range(self._decoder.dlayers)
        past = [torch.stack([given[f"past_{kind}_{i}"] for i in layers]) for kind in kinds]
        pair = (past[0], past[1] if len(past) > 1 else None)
        out, new = self._decoder.rnn_forward(self._decoder.embed(tokens), pair)
        states = {f"{kind}_{i}": new[k][i].numpy() for i in layers for k, kind in enumerate(kinds)}
        return out, states


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`project` for all frames, `step` for a new token, `joint` for a hypothesis already read."""
    decoder, joint = component.module, component.given["joint"]
    step = PredictionStep(decoder, joint).eval()
    reference = Reference(decoder, joint, step)
    return {
        "project": _project(Project(joint).eval(), reference),
        "step": _step(step, reference),
        "joint": _joint(Joint(joint).eval(), reference),
    }


def _project(module: Project, reference: Reference) -> eo.Graph:
    axes = ("batch", "encoder_frames", None)
    return eo.Graph(
        module,
        outputs=["frames"],
        axes={"encoder_out": axes, "frames": axes},
        feed=reference.frames,
        reference=reference.project,
        trials=FRAMES,
    )


def _step(module: PredictionStep, reference: Reference) -> eo.Graph:
    rows = ("batch", None)
    inputs = dict.fromkeys(module.input_names, rows) | {"tokens": ("batch",)}
    outputs = ["log_probs", "outputs", *module.states]
    return eo.Graph(
        module,
        outputs=outputs,
        axes={**inputs, **dict.fromkeys(outputs, rows)},
        feed=reference.steps,
        reference=reference.step,
        trials=PAIRS,
    )


def _joint(module: Joint, reference: Reference) -> eo.Graph:
    names = ("frames", "outputs", "log_probs")
    return eo.Graph(
        module,
        outputs=["log_probs"],
        axes=dict.fromkeys(names, ("batch", None)),
        feed=reference.pairs,
        reference=reference.joint,
        trials=PAIRS,
    )
