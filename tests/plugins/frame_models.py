"""Tiny live models that speak frame by frame, their graphs opened, and what ESPnet says.

Shapes: B utterances, U tokens, S steps, L layers and P units of a prenet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx import layers, loader, optimizer
from espnet_onnx.graphs import runner
from espnet_onnx.layers.live_dropout import injected_dropout
from espnet_onnx.parity import compare, expect
from espnet_onnx.parts.frame_by_frame import FrameByFrame
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx.types import Array

__all__ = ["Opened", "RowNoise", "controls_of", "espnet_says", "live_model"]


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
    """A model's graphs, each traced and fused, and the runtime around them.

    Attributes:
        live: the model.
        differences: parity of every graph over its own trials.
        speaker: the runtime.
    """

    def __init__(self, plugin: ModuleType, config: Mapping[str, Any], folder: Path) -> None:
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
        graphs = plugin.export_module(component, part)
        sessions = {
            name: _session(graph, folder / f"{name}.onnx") for name, graph in graphs.items()
        }
        self.differences = {
            name: compare(graph, runner(sessions[name], graph), expect(graph)).difference
            for name, graph in graphs.items()
        }
        node = eo.Node("tts", part.kind, "test", part.config, tuple(graphs))
        self.speaker: FrameByFrame = plugin.build_runtime(node, {}, sessions.__getitem__)


def _session(graph: eo.Graph, path: Path) -> OrtSession:
    model, _ = optimizer.fuse(trace(graph), layers.fusion_rules())
    optimizer.save(model, path)
    return OrtSession(path, session_options(1), ("CPUExecutionProvider",))


class RowNoise:
    """Noise of which every utterance of a batch gets the same, as it would alone."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self, name: str, shape: Sequence[int]) -> Array:
        self._asked += 1
        rng = np.random.default_rng(self._asked)
        return np.repeat(rng.standard_normal((1, *shape[1:]), dtype=np.float32), shape[0], 0)


def controls_of(live: Any, batch: int) -> dict[str, Any]:
    """What the model needs beside the text, different for every utterance."""
    rng = np.random.default_rng(3)
    controls: dict[str, Any] = {}
    if live.spks is not None:
        controls["sids"] = rng.integers(0, live.spks, batch)
    if live.langs is not None:
        controls["lids"] = rng.integers(0, live.langs, batch)
    if live.spk_embed_dim is not None:
        controls["spembs"] = rng.standard_normal((batch, live.spk_embed_dim), dtype=np.float32)
    if live.use_gst:
        controls["speech"] = rng.standard_normal((37, live.odim), dtype=np.float32)
    return controls


def espnet_says(
    opened: Opened, tokens: Array, row: int, controls: Mapping[str, Any], **options: Any
) -> dict[str, Array]:
    """`inference` of one utterance, its prenet dropping what `RowNoise` says."""
    prenet, noise = opened.speaker.prenet, RowNoise()
    most = int((len(tokens) + 1) * options["maxlenratio"]) + 1
    drawn = [prenet(noise, 1) for _ in range(most)]
    kept = np.zeros((most, 1, 1), np.float32) if prenet.sizes is None else np.concatenate(drawn)
    given: dict[str, Any] = {}
    for name, value in controls.items():
        tensor = torch.as_tensor(value)
        given["feats" if name == "speech" else name] = tensor if name == "speech" else tensor[row]
    with torch.no_grad(), injected_dropout(kept):
        said = opened.live.inference(torch.as_tensor(tokens), **given, **options)
    return {name: tensor.numpy() for name, tensor in said.items()}
