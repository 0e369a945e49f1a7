"""Graph of a transcript's encoder.

Shapes: B utterances, L pieces of the transcript, E width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.types import Feed

from .postdecoder_claim import LONGEST

__all__ = ["PostDecoderModule", "postdecoder_graphs"]

# Three times the first, which the conformance kit tries, still fits.
TRIALS = ((23, 3, 9), (2,))


def postdecoder_graphs(component: eo.Component) -> Mapping[str, eo.Graph]:
    """One graph, `postdecoder`: ids of pieces and lengths in, (B, L, E) out.

    Args:
        component: with a live `HuggingFaceTransformersPostDecoder`.
    """
    live = component.module
    graph = eo.Graph(
        PostDecoderModule(live).eval(),
        outputs=("transcript_out",),
        axes={
            "transcript": ("batch", "pieces"),
            "transcript_lengths": ("batch",),
            "transcript_out": ("batch", "pieces", None),
        },
        lengths={"pieces": "transcript_lengths"},
        feed=_Feeds(int(live.model.config.vocab_size)),
        reference=_Reference(live),
        trials=TRIALS,
    )
    return {"postdecoder": graph}


class PostDecoderModule(nn.Module):
    """`HuggingFaceTransformersPostDecoder` on no more pieces than there are.

    ESPnet pads every transcript to 128 pieces, which attention ignores.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.model, self.out = _eager(live.model), live.out_linear

    def forward(self, transcript: Tensor, transcript_lengths: Tensor) -> Tensor:
        """(B, L) ids and (B,) -> (B, L, E)."""
        pieces = transcript.shape[1]
        states = self.model(
            input_ids=transcript,
            attention_mask=valid_frames(transcript_lengths, pieces).long(),
            token_type_ids=torch.zeros_like(transcript),
            position_ids=torch.arange(pieces)[None].expand_as(transcript),
        )
        out: Tensor = self.out(states.last_hidden_state)
        return out


def _eager(live: Any) -> Any:
    """The same model over the same weights with plain attention.

    The kernels that transformers prefers look into the mask's values, which no graph can.
    """
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        made = AutoModel.from_config(copy.deepcopy(live.config), attn_implementation="eager")
    made.load_state_dict(live.state_dict(), assign=True)
    return made


@attrs.frozen
class _Feeds:
    """Random pieces, behind an utterance's end too, to show any leak."""

    vocabulary: int

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        pieces = rng.integers(0, self.vocabulary, (len(lengths), max(lengths)))
        return {"transcript": pieces, "transcript_lengths": np.array(lengths, np.int64)}


@attrs.frozen
class _Reference:
    """The live module on one transcript, padded as `convert_examples_to_features` pads it."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        pieces = torch.from_numpy(feed["transcript"])
        length = pieces.shape[1]
        padded = nn.functional.pad(pieces, (0, LONGEST - length))
        mask = (torch.arange(LONGEST) < length).long()[None]
        with torch.no_grad():
            out = self.live(padded, mask, torch.zeros_like(mask), torch.arange(LONGEST)[None])
        return {"transcript_out": out[:, :length].numpy()}
