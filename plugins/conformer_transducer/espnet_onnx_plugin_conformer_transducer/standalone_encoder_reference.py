"""What ESPnet's own encoder of the standalone task says of one utterance (needs torch).

Shapes: B utterances, T frames, L frames of left context, D width, C channels, K kernel taps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.layers.live_encoder import unchanged
from espnet_onnx.types import Feed

from .standalone_body_graph import KEYS, EncoderBody

__all__ = ["BodyReference", "subsampled"]

_LEFT = 6


@torch.no_grad()
def subsampled(live: Any, feed: Feed) -> Feed:
    """The live `ConvInput` of one utterance."""
    frames, _ = live(torch.from_numpy(feed["feats"]))
    return {"frames": frames.numpy(), "frames_lengths": np.array([frames.shape[1]])}


@attrs.frozen
class BodyReference:
    """`Encoder.forward` and `Encoder.chunk_forward` behind the input layer.

    ESPnet remembers what it makes keys and values of, and the graph remembers those: a feed has
    both, the first as `heard_3`.
    """

    live: Any
    body: EncoderBody

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random frames; every other utterance is in the middle of a stream."""
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), self.live.pos_enc.size)
        feed: dict[str, Any] = {
            "frames": rng.standard_normal(shape, dtype=np.float32),
            "frames_lengths": np.array(lengths, np.int64),
        }
        if not self.body.states:
            return feed
        seen = np.array([b % 2 * (2 * b + 1) for b in range(len(lengths))])
        begun = (seen > 0)[:, None, None]
        feed["seen"] = seen
        with self._alone(), torch.no_grad():
            self.live.reset_cache(_LEFT, torch.device("cpu"))
            for name in self.body.states:
                cache = self._cache(name)
                size = (len(lengths), *cache.shape[1:])
                value = begun * rng.standard_normal(size, dtype=np.float32)
                if name.startswith(KEYS):
                    feed[_heard(name)] = value
                past = self._remembered(name, torch.from_numpy(value))
                feed[f"past_{name}"] = past.numpy()
        return feed

    @torch.no_grad()
    def __call__(self, feed: Feed) -> Feed:
        """What `Speech2Text` hears of one utterance, or of one more chunk.

        It ignores the lengths that the encoder returns: those of 202511 forget `conv1d` blocks.
        """
        frames = torch.from_numpy(feed["frames"])
        states: dict[str, Any] = {}
        with self._alone():
            if self.body.states:
                out = self._chunk(frames, feed)
                found = {name: self._remembered(name, self._cache(name)) for name in self.states}
                states = {name: value.contiguous().numpy() for name, value in found.items()}
            if not self.body.states or not feed["seen"][0]:
                out = self._whole(frames)
        return {
            "encoder_out": out.numpy(),
            "encoder_out_lengths": np.array([out.shape[1]]),
            **states,
        }

    @property
    def states(self) -> list[str]:
        """Names of what blocks remember."""
        return self.body.states

    @property
    def heard(self) -> list[str]:
        """Names of what ESPnet makes keys and values of."""
        return [_heard(name) for name in self.states if name.startswith(KEYS)]

    def _whole(self, frames: Tensor) -> Tensor:
        mask = torch.zeros(1, frames.shape[1], dtype=torch.bool)
        found = self.live.encoders(frames, self.live.pos_enc(frames), mask)
        out: Tensor = found[0] if isinstance(found, tuple) else found
        return out

    def _chunk(self, frames: Tensor, feed: Feed) -> Tensor:
        self.live.reset_cache(_LEFT, torch.device("cpu"))
        for name in self.states:
            keys = name.startswith(KEYS)
            known = feed[_heard(name)] if keys else feed[f"past_{name}"].swapaxes(1, 2)
            self._cache(name).copy_(torch.from_numpy(known))
        unseen = torch.arange(_LEFT)[None].flip(1) >= int(feed["seen"][0])
        mask = torch.cat((unseen, torch.zeros(1, frames.shape[1], dtype=torch.bool)), 1)
        positions = self.live.pos_enc(frames, left_context=_LEFT)
        out: Tensor = self.live.encoders.chunk_forward(frames, positions, mask, left_context=_LEFT)
        return out

    def _cache(self, name: str) -> Tensor:
        """(1, L, D) of attention, (1, C, K-1) of a convolution."""
        cache = self.live.encoders.blocks[_block(name)].cache
        if isinstance(cache, Tensor):
            return cache
        found: Tensor = cache[(KEYS, "conv", "merge").index(name.split("_", maxsplit=1)[0])]
        return found

    def _remembered(self, name: str, cache: Tensor) -> Tensor:
        """What the graph remembers of ESPnet's cache."""
        if not name.startswith(KEYS):
            return cache.transpose(1, 2)
        attention = self.body.attention(_block(name))
        return torch.cat((attention.k(cache), attention.v(cache)), -1)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Put back what calls change; they draw `keep_probs`, which only training looks at."""
        names = ("cache", "keep_probs")
        with unchanged(self.live, *names), torch.random.fork_rng(devices=[]):
            self.live.encoders.keep_probs = self.live.encoders.keep_probs.clone()
            yield


def _block(name: str) -> int:
    return int(name.split("_")[1])


def _heard(name: str) -> str:
    return f"heard_{_block(name)}"
