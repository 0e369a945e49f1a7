"""Runs a transducer of either kind of task: waveform to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.roles import Session

from .searcher import TransducerSearch
from .settings import StandaloneDecoding, TransducerDecoding
from .standalone_searcher import StandaloneSearch

__all__ = ["build"]

_SEARCHES: dict[str, tuple[type[TransducerSearch], type[Any]]] = {
    "conformer_transducer.root": (TransducerSearch, TransducerDecoding),
    "conformer_transducer.standalone": (StandaloneSearch, StandaloneDecoding),
}


def build(
    node: eo.Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> Recognizer:
    """The recogniser of a bundle's root node."""
    config = node.config
    search, settings = _SEARCHES[node.kind]
    searcher = search(
        children["prediction"],
        children.get("lm"),
        blank=config["blank"],
        vocab_size=len(config["token_list"]),
        durations=tuple(config.get("durations", ())),
    )
    return Recognizer.from_node(node, children, searcher, settings)
