"""Runs a Mask-CTC model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.recognizer import Recognizer

from .mask_predict_runtime import MaskPredict
from .settings import MaskDecoding

__all__ = ["build_root"]


def build_root(node: eo.Node, children: Mapping[str, Any]) -> Recognizer:
    """The recogniser of a bundle's root node."""
    config = node.config
    searcher = MaskPredict(children["ctc"], children["decoder"], config["mask"], config["blank"])
    return Recognizer.from_node(node, children, searcher, MaskDecoding)
