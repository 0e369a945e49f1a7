"""Runs a transducer: waveform to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.roles import Session

from .searcher import TransducerSearch
from .settings import TransducerDecoding

__all__ = ["build"]


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Recognizer:
    """The recogniser of a bundle's root node."""
    config = node.config
    searcher = TransducerSearch(
        children["prediction"],
        children.get("lm"),
        blank=config["blank"],
        vocab_size=len(config["token_list"]),
        durations=tuple(config["durations"]),
    )
    return Recognizer.from_node(node, children, searcher, TransducerDecoding)
