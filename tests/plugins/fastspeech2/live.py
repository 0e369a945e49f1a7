"""Tiny live models, and their graphs with torch in the place of onnxruntime."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from espnet2.gan_tts.jets import JETS
from espnet2.tts.fastspeech import FastSpeech
from espnet2.tts.fastspeech2 import FastSpeech2

import espnet_onnx as eo
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array, Feed
from espnet_onnx_plugin_fastspeech2 import export_module, split_modules
from espnet_onnx_plugin_fastspeech2.tiny import MODELS

__all__ = ["IDIM", "ODIM", "Eager", "claimed", "component", "conf", "opener", "silent"]

IDIM, ODIM = 20, 16
_CLASSES = {"fastspeech": FastSpeech, "fastspeech2": FastSpeech2, "jets": JETS}
_CONF = {model.config["tts"]: model.config["tts_conf"] for model in MODELS}


def conf(type: str, **changes: Any) -> dict[str, Any]:
    """That of the tiny model, changed: of JETS, its generator's."""
    found = copy.deepcopy(dict(_CONF[type]))
    target = found["generator_params"] = dict(found["generator_params"]) if type == "jets" else {}
    if type != "jets":
        del found["generator_params"]
        target = found
    target.update(changes)
    return found


def component(type: str, **changes: Any) -> eo.Component:
    """A live model with nothing left at zero or one, whose tokens last some frames."""
    torch.manual_seed(0)
    found = conf(type, **changes)
    live: Any = _CLASSES[type](idim=IDIM, odim=ODIM, **copy.deepcopy(found)).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in live.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    _predictor(live).linear.bias.data.fill_(1.2)
    return eo.Component("tts", "acoustic", type, found, live, {"idim": IDIM, "odim": ODIM})


def silent(acoustic: eo.Component) -> eo.Component:
    """The same model, but no token lasts."""
    _predictor(acoustic.module).linear.bias.data.fill_(-9.0)
    return acoustic


def _predictor(live: Any) -> Any:
    return getattr(live, "generator", live).duration_predictor


def claimed(acoustic: eo.Component) -> tuple[eo.Part, Mapping[str, eo.Graph]]:
    part = split_modules(acoustic)
    assert isinstance(part, eo.Part)
    graphs = export_module(acoustic, part)
    assert graphs is not None
    return part, graphs


class Eager:
    """A graph's module behind `roles.Session`, and as `parity.compare` runs it."""

    def __init__(self, graph: eo.Graph) -> None:
        self.graph, self.names = graph, input_names(graph)

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        assert set(feed) == set(self.names)
        assert all(array.flags.c_contiguous for array in feed.values())
        with torch.no_grad():
            out = self.graph.module(*(torch.from_numpy(feed[name]) for name in self.names))
        return tuple(x.numpy() for x in (out if isinstance(out, tuple) else (out,)))

    def run(self, feed: Feed) -> Feed:
        out = self(**{name: np.ascontiguousarray(feed[name]) for name in self.names})
        return dict(zip(self.graph.outputs, out, strict=True))


def opener(acoustic: eo.Component, graphs: Mapping[str, eo.Graph]) -> Callable[[str], Any]:
    """`open_session`. The style encoder is recurrent, which only an exported graph is."""

    def style(speech: Array, lengths: Array) -> tuple[Array]:
        assert (lengths == speech.shape[1]).all()
        with torch.no_grad():
            return (acoustic.module.gst(torch.from_numpy(speech)).numpy(),)

    return lambda name: style if name == "style" else Eager(graphs[name])
