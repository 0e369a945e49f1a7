"""Tiny live models that speak frame by frame, their run time with torch in the place of
onnxruntime, and what ESPnet says.

Shapes: B utterances, U tokens, S steps, L layers and P units of a prenet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx import loader
from espnet_onnx.layers.live_dropout import injected_dropout
from espnet_onnx.layers.recurrent import Recurrent
from espnet_onnx.parity import compare, cut, expect
from espnet_onnx.parts.frame_by_frame import FrameByFrame
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array, Feed

__all__ = ["Opened", "RowNoise", "controls_of", "espnet_says", "inputs_of", "live_model"]


def live_model(config: Mapping[str, Any]) -> Any:
    """The acoustic model of a config, with weights and statistics that hide nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        live = loader.build_model(config, "tts")[0].tts
        with torch.no_grad():
            for parameter in live.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            for name, buffer in live.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_(0, 0.3)
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5)
    return live


class Opened:
    """A model's graphs and the runtime around them.

    Attributes:
        live: the model.
        differences: parity over its own trials of every graph that torch can run.
        speaker: the runtime.
    """

    def __init__(self, plugin: ModuleType, config: Mapping[str, Any]) -> None:
        self.live = live_model(config)
        component = eo.Component(
            "tts",
            "acoustic",
            config["tts"],
            config["tts_conf"],
            self.live,
            {"vocab_size": len(config["token_list"])},
        )
        part = plugin.split_modules(component)
        assert isinstance(part, eo.Part), part
        sessions = {n: _Eager(g) for n, g in plugin.export_module(component, part).items()}
        self.differences = {
            name: compare(session.graph, session.run, expect(session.graph)).difference
            for name, session in sessions.items()
            if not session.recurrent
        }
        node = eo.Node("tts", part.kind, "test", part.config, tuple(sessions))
        self.speaker: FrameByFrame = plugin.build_runtime(node, {}, sessions.__getitem__)


class _Eager:
    """A graph's module behind `roles.Session`.

    Recurrent ones compute only inside an exported graph, which the conformance kit looks at: here
    the live model answers.
    """

    def __init__(self, graph: eo.Graph) -> None:
        self.graph, self._names = graph, input_names(graph)
        self.recurrent = any(isinstance(module, Recurrent) for module in graph.module.modules())
        feed = graph.feed(graph.trials[0])
        self.inputs = {name: feed[name].shape for name in self._names}

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        assert set(feed) == set(self._names)
        return tuple(self.run(feed).values())

    def run(self, feed: Feed) -> dict[str, Array]:
        if self.recurrent:
            return self._live(feed)
        with torch.no_grad():
            out = self.graph.module(
                *(torch.from_numpy(np.array(feed[name])) for name in self._names)
            )
        tensors = out if isinstance(out, tuple) else (out,)
        return {n: t.numpy() for n, t in zip(self.graph.outputs, tensors, strict=True)}

    def _live(self, feed: Feed) -> dict[str, Array]:
        batch = len(feed[self._names[0]])
        rows = [self.graph.reference(cut(self.graph, feed, feed, b)) for b in range(batch)]
        return {name: _stacked([row[name][0] for row in rows]) for name in self.graph.outputs}


def _stacked(rows: Sequence[Array]) -> Array:
    """One after another, zeros behind the shorter ones."""
    out = np.zeros((len(rows), *np.max([row.shape for row in rows], 0)), np.float32)
    for place, row in zip(out, rows, strict=True):
        place[tuple(map(slice, row.shape))] = row
    return out


class RowNoise:
    """Noise of which every utterance of a batch gets the same, as it would alone."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self, name: str, shape: Sequence[int]) -> Array:
        self._asked += 1
        rng = np.random.default_rng(self._asked)
        return np.repeat(rng.standard_normal((1, *shape[1:]), dtype=np.float32), shape[0], 0)


def controls_of(live: Any, batch: int) -> dict[str, Any]:
    """What the model needs beside the text, different for every utterance; and a recording."""
    rng = np.random.default_rng(3)
    controls: dict[str, Any] = {}
    if live.spks is not None:
        controls["sids"] = rng.integers(0, live.spks, batch)
    if live.langs is not None:
        controls["lids"] = rng.integers(0, live.langs, batch)
    if live.spk_embed_dim is not None:
        controls["spembs"] = rng.standard_normal((batch, live.spk_embed_dim), dtype=np.float32)
    controls["speech"] = rng.standard_normal((37, live.odim), dtype=np.float32)
    return controls


def espnet_says(
    opened: Opened, tokens: Array, row: int, controls: Mapping[str, Any], **options: Any
) -> dict[str, Array]:
    """`inference` of one utterance, its prenet dropping what `RowNoise` says."""
    prenet, noise = opened.speaker.prenet, RowNoise()
    most = int((len(tokens) + 1) * options.get("maxlenratio", 0)) + len(controls["speech"]) + 1
    drawn = [prenet(noise, 1) for _ in range(most)]
    kept = np.zeros((most, 1, 1), np.float32) if prenet.sizes is None else np.concatenate(drawn)
    with torch.no_grad(), injected_dropout(kept):
        said = opened.live.inference(torch.as_tensor(tokens), **inputs_of(controls, row), **options)
    return {name: tensor.numpy() for name, tensor in said.items()}


def inputs_of(controls: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Controls as `inference` takes them for one utterance."""
    tensors = {name: torch.as_tensor(value) for name, value in controls.items()}
    feats = {"feats": tensors.pop("speech")}
    return {**feats, **{name: tensor[row] for name, tensor in tensors.items()}}
