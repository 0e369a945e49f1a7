"""The graph behind a decoder of frames: what a postnet adds, and the activation of the output.

Mirrors the end of `Decoder.inference` of `espnet...tacotron2.decoder`, and of
`espnet2.tts.transformer.transformer.Transformer.inference`.
Shapes: B utterances, T frames, O features a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..types import Feed, Graph
from .masks import valid_frames
from .tts_convs import PaddedConvs

__all__ = ["Postnet", "postnet_graph"]

Activation = Callable[[Tensor], Tensor]


class Postnet(nn.Module):
    """x + convolutions of x, then an activation.

    Args:
        live: a `Postnet`, or None.
        activation: of the output, or None.
    """

    def __init__(self, live: Any, activation: Activation | None = None) -> None:
        super().__init__()
        self.convs = None if live is None else PaddedConvs(live.postnet)
        self.activation = activation

    def forward(self, frames: Tensor, frames_lengths: Tensor) -> Tensor:
        """(B, T, O) and (B,) -> (B, T, O)."""
        valid = valid_frames(frames_lengths, frames.shape[1])[..., None].float()
        x = frames * valid
        x = x if self.convs is None else x + self.convs(x, valid)
        return x if self.activation is None else self.activation(x)


def postnet_graph(live: Any, width: int, activation: Activation | None = None) -> Graph:
    """Frames and how many there are in, features out.

    Args:
        live: a `Postnet`, or None.
        width: O.
        activation: of the output, or None.
    """

    def feed(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), width)
        frames = rng.standard_normal(shape, dtype=np.float32)
        return {"frames": frames, "frames_lengths": np.array(lengths, np.int64)}

    def reference(given: Feed) -> Feed:
        x = torch.from_numpy(given["frames"]).transpose(1, 2)
        with torch.no_grad():
            out = (x if live is None else x + live(x)).transpose(1, 2)
            return {"feats": (out if activation is None else activation(out)).numpy()}

    per_frame = ("batch", "frames", None)
    return Graph(
        Postnet(live, activation).eval(),
        outputs=("feats",),
        axes={"frames": per_frame, "frames_lengths": ("batch",), "feats": per_frame},
        lengths={"frames": "frames_lengths"},
        feed=feed,
        reference=reference,
        trials=((17, 5, 23), (1,)),
    )
