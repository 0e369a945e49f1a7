"""What ESPnet's own recurrent encoder says of one utterance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
import torch

from espnet_onnx.types import Feed

__all__ = ["EncoderReference"]


@attrs.frozen
class EncoderReference:
    """Calls a live `RNNEncoder` or `VGGRNNEncoder` as `ESPnetASRModel.encode` does."""

    encoder: Any

    def __call__(self, feed: Feed) -> Feed:
        """`feats` and `feats_lengths` of one utterance -> the graph's outputs by name."""
        # The encoder writes into what it is given.
        feats, lengths = (torch.tensor(feed[name]) for name in ("feats", "feats_lengths"))
        with torch.no_grad(), self._without_dropout():
            out, out_lengths, _ = self.encoder(feats, lengths)
        frames = torch.as_tensor(out_lengths)
        # Where the last layer keeps every third frame or fewer, one may come that does not count.
        return {
            "encoder_out": out[:, : int(frames.max())].numpy(),
            "encoder_out_lengths": frames.numpy(),
        }

    @contextlib.contextmanager
    def _without_dropout(self) -> Iterator[None]:
        """`RNNP` drops values in inference, too: another answer every time."""
        noisy = [m for m in self.encoder.enc if isinstance(vars(m).get("dropout"), float)]
        kept = [module.dropout for module in noisy]
        for module in noisy:
            module.dropout = 0.0
        try:
            yield
        finally:
            for module, dropout in zip(noisy, kept, strict=True):
                module.dropout = dropout
