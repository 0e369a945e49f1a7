"""A contextual block encoder at run time: a whole batch, or a stream.

Shapes: B utterances, F features, T frames, D width, L layers, N blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import numpy as np

import espnet_onnx as eo
from espnet_onnx.errors import AudioError
from espnet_onnx.roles import Encoded, Session
from espnet_onnx.types import Array

__all__ = ["BlockEncoder", "StreamState", "build_encoder"]


@attrs.frozen
class StreamState:
    """What an encoder keeps of a stream; its size has a bound that the stream's length is not in.

    Attributes:
        feats: (B, T, F), the features that later frames need too; None before the first.
        frames: (B, T, D), subsampled frames that later blocks need too.
        first: blocks that are done.
        context: (B, L, D), what the last of them handed on.
    """

    feats: Array | None = None
    frames: Array | None = None
    first: int = 0
    context: Array | None = None


@attrs.frozen
class BlockEncoder:
    """See `roles.Encoder` and `roles.StreamingEncoder`.

    Attributes:
        block_size: frames of a block, after subsampling.
        hop_size: frames from one block to the next.
        look_ahead: frames at a block's end that the next block gives out.
        factor: feature frames that become one.
        shortest: fewest feature frames.
        width: D.
        layers: L.
    """

    subsample: Session
    blocks: Session
    block_size: int
    hop_size: int
    look_ahead: int
    factor: int
    shortest: int
    width: int
    layers: int

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        """(B, T, F) float32 features and lengths (B,) -> Encoded; `forward_train` of ESPnet.

        Raises:
            AudioError: an utterance has fewer frames than `shortest`.
        """
        self._check(int(lengths.min()))
        frames, frames_lengths = self.subsample(feats=feats, feats_lengths=lengths.astype(np.int64))
        out, _ = self._encode(frames, frames_lengths, StreamState(), last=True)
        return Encoded(out, frames_lengths)

    @property
    def hop(self) -> int:
        """Feature frames from one block to the next."""
        return self.factor * self.hop_size

    def start(self) -> StreamState:
        """The state before the first feature."""
        return StreamState()

    def push(self, state: StreamState, feats: Array, last: bool) -> tuple[Array, StreamState]:
        """(B, T, F) more features -> (B, T', D) what they complete, and the next state.

        Mirrors `forward_infer`, chunk by chunk.

        Raises:
            AudioError: the stream ends before `shortest` features.
        """
        if state.feats is not None:
            feats = np.concatenate((state.feats, feats), axis=1)
        taken = feats.shape[1] // self.factor - 1
        if not last and taken < 2:
            return self._nothing(feats), attrs.evolve(state, feats=feats)
        rest = None
        if not last:
            rest = feats[:, -(feats.shape[1] % self.factor + 2 * self.factor) :]
            feats = feats[:, : taken * self.factor]
        frames = self._frames(feats)
        if state.frames is not None:
            frames = np.concatenate((state.frames, frames), axis=1)
        state = attrs.evolve(state, feats=rest, frames=frames)
        return self._finish(state) if last else self._advance(state)

    def _advance(self, state: StreamState) -> tuple[Array, StreamState]:
        """The blocks that are complete."""
        frames = state.frames
        assert frames is not None
        if frames.shape[1] <= self.block_size:
            return self._nothing(frames), state
        overlap = self.block_size - self.hop_size
        count = (frames.shape[1] - overlap) // self.hop_size
        ready = frames[:, : count * self.hop_size + overlap]
        out, context = self._encode(ready, _full(ready), state, last=False)
        begin = self._given(state)
        state = attrs.evolve(
            state,
            frames=frames[:, count * self.hop_size :],
            first=state.first + count,
            context=context,
        )
        return out[:, begin : out.shape[1] - self.look_ahead], state

    def _finish(self, state: StreamState) -> tuple[Array, StreamState]:
        """The rest, in a last block that may be shorter."""
        assert state.frames is not None
        out, _ = self._encode(state.frames, _full(state.frames), state, last=True)
        return out[:, self._given(state) :], StreamState()

    def _given(self, state: StreamState) -> int:
        """Frames of the next block that earlier ones gave out."""
        return self.block_size - self.hop_size - self.look_ahead if state.first else 0

    def _frames(self, feats: Array) -> Array:
        self._check(feats.shape[1])
        return self.subsample(feats=feats, feats_lengths=_full(feats))[0]

    def _encode(
        self, frames: Array, lengths: Array, state: StreamState, *, last: bool
    ) -> tuple[Array, Array]:
        count = math.ceil((frames.shape[1] - self.block_size) / self.hop_size) + 1
        context = state.context
        if context is None:
            context = np.zeros((len(frames), self.layers, self.width), np.float32)
        out, context = self.blocks(
            frames=np.ascontiguousarray(frames),
            frames_lengths=lengths,
            whole=np.full(len(frames), last and state.first == 0),
            first=np.full(len(frames), state.first, np.int64),
            context=context,
            blocks=np.arange(max(count, 1)),
        )
        return out, context

    def _nothing(self, like: Array) -> Array:
        return np.zeros((len(like), 0, self.width), np.float32)

    def _check(self, frames: int) -> None:
        if frames < self.shortest:
            raise AudioError(
                f"the input has {frames} frames and the encoder needs {self.shortest}: "
                "give a longer recording"
            )


def _full(x: Array) -> Array:
    """Lengths of a batch without padding."""
    return np.full(len(x), x.shape[1], np.int64)


def build_encoder(node: eo.Node, open_session: Callable[[str], Session]) -> BlockEncoder:
    """The encoder of a bundle's node."""
    config = node.config
    return BlockEncoder(
        subsample=open_session("subsample"),
        blocks=open_session("blocks"),
        block_size=config["block_size"],
        hop_size=config["hop_size"],
        look_ahead=config["look_ahead"],
        factor=config["subsample"],
        shortest=config["shortest"],
        width=config["width"],
        layers=config["layers"],
    )
