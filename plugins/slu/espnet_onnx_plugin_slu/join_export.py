"""The graph that puts a transcript behind the speech it is of.

Shapes: B utterances, T frames of speech, L pieces of the transcript, F and D widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["JoinModule", "join_graphs"]

TRIALS = ((25, 7, 40), (1,))


def join_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """One graph, `join`: speech and transcript in, one sequence out.

    Args:
        component: with a live `ESPnetSLUModel` that has a postdecoder.
    """
    live = component.module
    module = JoinModule(live).eval()
    width = int(live.postdecoder.output_size())
    linear = module.linear
    graph = eo.Graph(
        module,
        outputs=("out", "out_lengths"),
        axes={
            "encoder_out": ("batch", "encoder_frames", None),
            "encoder_out_lengths": ("batch",),
            "transcript_out": ("batch", "pieces", None),
            "transcript_lengths": ("batch",),
            "out": ("batch", "frames", None),
            "out_lengths": ("batch",),
        },
        lengths={
            "encoder_frames": "encoder_out_lengths",
            "pieces": "transcript_lengths",
            "frames": "out_lengths",
        },
        feed=_Feeds(width if linear is None else linear.in_features, width),
        reference=_Reference(linear),
        trials=TRIALS,
    )
    return {"join": graph}


class JoinModule(nn.Module):
    """What `ESPnetSLUModel.encode` does between its postdecoder and deliberation encoder."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        # There only where the two widths differ.
        self.linear = getattr(live, "uniform_linear", None)

    def forward(
        self,
        encoder_out: Tensor,
        encoder_out_lengths: Tensor,
        transcript_out: Tensor,
        transcript_lengths: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,), (B, L, D) and (B,) -> (B, T+L, D), zeros behind its end, and (B,)."""
        x = encoder_out if self.linear is None else self.linear(encoder_out)
        both = torch.cat((x, transcript_out), 1)
        spoken, lengths = encoder_out_lengths[:, None], encoder_out_lengths + transcript_lengths
        frames = torch.arange(both.shape[1])[None]
        # An utterance's transcript follows its own last frame, not the batch's.
        source = torch.where(frames < spoken, frames, frames - spoken + encoder_out.shape[1])
        source = source.clamp(max=both.shape[1] - 1)
        out = both.gather(1, source[..., None].expand(-1, -1, both.shape[2]))
        valid = frames < lengths[:, None]
        return torch.where(valid[..., None], out, torch.zeros(())), lengths


@attrs.frozen
class _Feeds:
    """Random states; an utterance of n frames has n // 2 + 2 pieces."""

    speech: int
    transcript: int

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        spoken = np.array(lengths, np.int64)
        written = spoken // 2 + 2
        shapes = (spoken.max(), self.speech), (written.max(), self.transcript)
        states = [rng.standard_normal((len(lengths), *s), dtype=np.float32) for s in shapes]
        return {
            "encoder_out": states[0],
            "encoder_out_lengths": spoken,
            "transcript_out": states[1],
            "transcript_lengths": written,
        }


@attrs.frozen
class _Reference:
    """Of one utterance, the two one after the other."""

    linear: Any

    def __call__(self, feed: Feed) -> Feed:
        speech, transcript = (torch.from_numpy(feed[f"{n}_out"]) for n in ("encoder", "transcript"))
        with torch.no_grad():
            speech = speech if self.linear is None else self.linear(speech)
            out = torch.cat((speech, transcript), 1)
        lengths = feed["encoder_out_lengths"] + feed["transcript_lengths"]
        return {"out": out.numpy(), "out_lengths": lengths}
