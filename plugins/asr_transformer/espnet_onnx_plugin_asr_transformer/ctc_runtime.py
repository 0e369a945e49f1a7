"""Runs a CTC head.

Shapes: B utterances, T frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from espnet_onnx import Node
from espnet_onnx.roles import Session
from espnet_onnx.types import Array

__all__ = ["CTCHead", "build_ctc"]


class CTCHead:
    """Role `ctc`: log probabilities of every frame; see `roles.CTC`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, encoder_out: Array) -> Array:
        """(B, T, D) -> (B, T, V)."""
        return self._session(encoder_out=encoder_out)[0]


def build_ctc(
    node: Node, children: Mapping[str, Any], open_session: Callable[[str], Session]
) -> CTCHead:
    """The callable of a CTC node."""
    return CTCHead(open_session("ctc"))
