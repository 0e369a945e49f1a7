"""Runs a model of the standalone transducer task: waveform to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.roles import Session

from .settings import StandaloneDecoding
from .standalone_searcher import StandaloneSearch

__all__ = ["build"]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Recognizer:
    """The recogniser of a bundle's root node."""
    config = node.config
    searcher = StandaloneSearch(
        children["prediction"],
        children.get("lm"),
        blank=config["blank"],
        vocab_size=len(config["token_list"]),
        durations=(),
    )
    return Recognizer.from_node(node, children, searcher, StandaloneDecoding)
