"""Translators: a recording to text of another language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from espnet_onnx import Node
from espnet_onnx.errors import AudioError
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.parts.transcript import Searcher
from espnet_onnx.roles import Encoder, Transform
from espnet_onnx.types import Array

from .multi_search import MultiDecoderSearch
from .settings import MultiDecoding

__all__ = ["build_multidecoder", "build_root"]


@attrs.frozen
class _Stage:
    """An encoder behind another, as `roles.Transform`."""

    encoder: Encoder

    def __call__(self, feats: Array, lengths: Array) -> tuple[Array, Array]:
        if lengths.min() < self.encoder.shortest:
            raise AudioError(
                f"too short: {lengths.min()} frames for the second encoder, which needs "
                f"{self.encoder.shortest}: give longer audio"
            )
        encoded = self.encoder(feats, lengths)
        return encoded.out, encoded.lengths


def build_root(node: Node, children: Mapping[str, Any]) -> Recognizer:
    """The translator of an attention and/or CTC model (`st_inference.Speech2Text`)."""
    translator = Recognizer.from_node(node, _of_target(children))
    return attrs.evolve(translator, after=_after(children))


def build_multidecoder(node: Node, children: Mapping[str, Any]) -> Recognizer:
    """The translator of a model with an `md_encoder`; its results hold the transcript too."""
    target = _of_target(children)
    plain = Recognizer.from_node(node, target, settings=MultiDecoding).searcher
    assert isinstance(plain, Searcher)
    search = MultiDecoderSearch.from_node(node, children, plain, _after(children))
    translator = Recognizer.from_node(node, target, search, MultiDecoding)
    # The transcript is found before these stages, the translation behind them.
    return attrs.evolve(translator, after=())


def _of_target(children: Mapping[str, Any]) -> dict[str, Any]:
    """The children by the names that a recogniser knows: `ctc` is that of the target language."""
    target = {name: built for name, built in children.items() if name not in ("ctc", "st_ctc")}
    return target | ({"ctc": children["st_ctc"]} if "st_ctc" in children else {})


def _after(children: Mapping[str, Any]) -> list[Transform]:
    hier = [_Stage(children["hier_encoder"])] if "hier_encoder" in children else []
    return hier + ([children["postencoder"]] if "postencoder" in children else [])
