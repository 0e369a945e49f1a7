"""What ESPnet's own encoder says of one utterance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import torch

import espnet_onnx as eo
from espnet_onnx.types import Feed

from .encoder_input import position_module, table_length

__all__ = ["EncoderReference"]


@attrs.frozen
class EncoderReference:
    """Calls the live encoder as `ESPnetASRModel.encode` does, and leaves it as it was.

    Attributes:
        encoder: the live module.
        ctc: the live CTC, or None.
        inter: numbers of the blocks whose output is asked for.
        limit: length of a fresh model's position table where it matters, else None.
    """

    encoder: Any
    ctc: Any
    inter: Sequence[int]
    limit: int | None

    @classmethod
    def of(cls, component: eo.Component, inter: Sequence[int]) -> EncoderReference:
        """The reference of a component with a live encoder."""
        positions = position_module(component.module)
        # Only the old kind counts from the table's end and so depends on its length.
        legacy = getattr(positions, "reverse", False)
        limit = table_length(component) if legacy else None
        return cls(component.module, component.given.get("ctc"), inter, limit)

    def __call__(self, feed: Feed) -> Feed:
        """`feats` and `feats_lengths` of one utterance -> the graph's outputs by name."""
        feats, lengths = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad(), self._unchanged():
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

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        """A long utterance makes position tables grow, and attention keeps its weights."""
        kept = [(m, k, getattr(m, k)) for m in self.encoder.modules() for k in _state(m)]
        positions = position_module(self.encoder)
        if self.limit is not None and positions is not None:
            positions.pe = None
            positions.extend_pe(torch.zeros(1, self.limit))
        try:
            yield
        finally:
            for module, key, value in kept:
                setattr(module, key, value)


def _state(module: Any) -> list[str]:
    return [key for key in ("pe", "attn") if key in vars(module)]
