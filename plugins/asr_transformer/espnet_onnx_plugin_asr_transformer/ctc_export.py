"""The graph of a CTC head (needs torch).

Shapes: B utterances, T frames, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["ctc_graphs"]

TRIALS = ((7, 3, 5), (1,), (21,))


class CTCLogProbs(nn.Module):
    """`CTC.log_softmax` of espnet2.asr.ctc."""

    def __init__(self, ctc: Any) -> None:
        super().__init__()
        self.ctc_lo = ctc.ctc_lo

    def forward(self, encoder_out: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V)."""
        return torch.log_softmax(self.ctc_lo(encoder_out), -1)


def ctc_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graph `ctc` of a live `CTC`."""
    ctc = component.module

    def feed(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng(sum(lengths))
        shape = (len(lengths), max(lengths), ctc.ctc_lo.in_features)
        encoder_out = rng.standard_normal(shape, dtype=np.float32)
        return {"encoder_out": encoder_out, "encoder_out_lengths": np.array(lengths, np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            log_probs = ctc.log_softmax(torch.from_numpy(feed["encoder_out"]))
        return {"log_probs": log_probs.numpy()}

    graph = eo.Graph(
        CTCLogProbs(ctc).eval(),
        outputs=["log_probs"],
        axes={
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "log_probs": ("batch", "encoder_frames", None),
        },
        feed=feed,
        reference=reference,
        trials=TRIALS,
        lengths={"encoder_frames": "encoder_out_lengths"},
    )
    return {"ctc": graph}
