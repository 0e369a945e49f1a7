"""A model of one linear layer, and a plugin made on the spot that claims it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.errors import EspnetOnnxError
from espnet_onnx.manager import Manager
from espnet_onnx.types import Feed

from ..fake_plugins import fake

WIDTH = 128  # the narrowest that int8 takes

Forward = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Layer(nn.Module):
    """The graph's module: the live layer, or something that a test does to it."""

    def __init__(self, live: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.live, self.how = live, forward

    def forward(self, x: Tensor, x_lengths: Tensor) -> Tensor:
        return self.how(self.live, x, x_lengths)


def right(live: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    out: Tensor = live(x)
    return out


def graph(live: nn.Module, forward: Forward = right, **changes: Any) -> eo.Graph:
    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), WIDTH)
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return {"x": x, "x_lengths": np.array(lengths, dtype=np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            return {"y": live(torch.from_numpy(feed["x"])).numpy()}

    values: dict[str, Any] = {
        "module": Layer(live, forward).eval(),
        "outputs": ("y",),
        "axes": {
            "x": ("batch", "frames", None),
            "x_lengths": ("batch",),
            "y": ("batch", "frames", None),
        },
        "lengths": {"frames": "x_lengths"},
        "feed": feed,
        "reference": reference,
        "trials": ((5, 2, 9), (3,)),
    }
    return eo.Graph(**{**values, **changes})


def manager(
    forward: Forward = right, part: eo.Part | None = None, **hooks: Callable[..., Any]
) -> Manager:
    """One plugin that claims the model and makes one graph of it."""
    chosen: dict[str, Callable[..., Any]] = {
        "split_modules": lambda component: part or eo.Part("layer.root"),
        "export_module": lambda component: {"layer": graph(component.module, forward)},
        "build_runtime": lambda open_session: open_session("layer"),
    }
    return Manager([fake("layer", **{**chosen, **hooks})])


def refused(target: Path, error: type[EspnetOnnxError], call: Callable[[], Any]) -> str:
    """The message of an export that stopped and left nothing."""
    with pytest.raises(error) as caught:
        call()
    assert not target.parent.exists() or not list(target.parent.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)
