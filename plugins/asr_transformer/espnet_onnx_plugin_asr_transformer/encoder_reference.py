"""What ESPnet's own encoder says of one utterance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch

import espnet_onnx as eo
from espnet_onnx.layers.live_classes import TABLE
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

__all__ = ["EncoderReference", "table_length"]


def table_length(component: eo.Component) -> int:
    """Positions in the table of a freshly built encoder; most have TABLE."""
    return int(component.conf.get("max_pos_emb_len") or TABLE)


@attrs.frozen
class EncoderReference:
    """Calls the live encoder as `ESPnetASRModel.encode` does, and leaves it as it was.

    Attributes:
        encoder: the live module.
        ctc: the live CTC, or None.
        inter: numbers of the blocks whose output is asked for.
        table: positions in the table of a freshly built model.
        hidden: they are asked for as they leave their blocks.
    """

    encoder: Any
    ctc: Any
    inter: Sequence[int]
    table: int
    hidden: bool = False

    @classmethod
    def of(cls, component: eo.Component, inter: Sequence[int]) -> EncoderReference:
        """The reference of a component with a live encoder."""
        hidden = bool(component.given.get("hidden_states"))
        table = table_length(component)
        return cls(component.module, component.given.get("ctc"), inter, table, hidden)

    def __call__(self, feed: Feed) -> Feed:
        """`feats` and `feats_lengths` of one utterance -> the graph's outputs by name."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), unchanged(self.encoder):
            fresh_positions(self.encoder, self.table)
            # Encoders that condition nothing need not know the argument.
            conditioned = getattr(self.encoder, "interctc_use_conditioning", False)
            extra: dict[str, Any] = {"ctc": self.ctc} if conditioned else {}
            if self.hidden:
                extra["return_all_hs"] = True
            out, out_lengths, _ = self.encoder(feats, lengths, **extra)
        inter: list[Any] = []
        if isinstance(out, tuple):
            out, inter = out
        if self.hidden:
            inter = [(i, state) for i, state in enumerate(inter, 1) if i in self.inter]
        named = {"encoder_out": out, "encoder_out_lengths": out_lengths}
        named.update({f"inter_{i}": x for i, x in inter})
        return {name: tensor.numpy() for name, tensor in named.items()}
