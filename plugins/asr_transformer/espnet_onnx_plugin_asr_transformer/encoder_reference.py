"""What ESPnet's own encoder says of one utterance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch

import espnet_onnx as eo
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

from .encoder_input import table_length

__all__ = ["EncoderReference"]


@attrs.frozen
class EncoderReference:
    """Calls the live encoder as `ESPnetASRModel.encode` does, and leaves it as it was.

    Attributes:
        encoder: the live module.
        ctc: the live CTC, or None.
        inter: numbers of the blocks whose output is asked for.
        table: positions in the table of a freshly built model.
    """

    encoder: Any
    ctc: Any
    inter: Sequence[int]
    table: int

    @classmethod
    def of(cls, component: eo.Component, inter: Sequence[int]) -> EncoderReference:
        """The reference of a component with a live encoder."""
        return cls(component.module, component.given.get("ctc"), inter, table_length(component))

    def __call__(self, feed: Feed) -> Feed:
        """`feats` and `feats_lengths` of one utterance -> the graph's outputs by name."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), unchanged(self.encoder):
            fresh_positions(self.encoder, self.table)
            # Encoders that condition nothing need not know the argument.
            conditioned = getattr(self.encoder, "interctc_use_conditioning", False)
            extra = {"ctc": self.ctc} if conditioned else {}
            out, out_lengths, _ = self.encoder(feats, lengths, **extra)
        inter: list[tuple[int, torch.Tensor]] = []
        if isinstance(out, tuple):
            out, inter = out
        named = {"encoder_out": out, "encoder_out_lengths": out_lengths}
        named.update({f"inter_{i}": x for i, x in inter})
        return {name: tensor.numpy() for name, tensor in named.items()}
