"""The blocks of a contextual block encoder as one graph.

Shapes: B utterances, T subsampled frames, D width, N blocks, L layers, R = block_size + 2 rows of a
block: the context it inherits, its frames, the context it hands on.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.attention import SelfAttention
from espnet_onnx.layers.encoder_block import EncoderBlock
from espnet_onnx.layers.linear import check_plain
from espnet_onnx.layers.masks import MASKED, FrameMask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.positions import Position, Sinusoids

__all__ = ["ContextBlocks"]


class BlockAttention(SelfAttention):
    """Self-attention in which the inherited context, row 0, is looked at but does not look.

    ESPnet masks that row's every key, so that its output is the output layer's bias alone.
    """

    silent: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__(live)
        check_plain(live.linear_out, nn.Linear)
        self.register_buffer("silent", live.linear_out.bias.detach(), persistent=False)

    def forward(self, x: Tensor, bias: Tensor, position: Position) -> Tensor:
        """(B N, R, D) and a key bias (B N, 1, 1, R) -> (B N, R, D)."""
        q, k = self.split(self.q(x[:, 1:])), self.split(self.k(x))
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        out = self.mix(q @ k.transpose(2, 3) + bias, x)
        first = self.silent.expand(x.shape[0], 1, x.shape[2])
        return torch.cat((first, out), 1)


class ContextBlocks(nn.Module):
    """Everything behind the subsampling, over the live weights.

    Frames may begin anywhere: `first` counts the blocks before them, and `context` is what the last
    of those handed on to every layer. So one graph serves whole recordings and streams. A whole
    recording of one block or less is encoded without context, as ESPnet does: the context rows are
    then masked like padding.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.size, self.hop = int(live.block_size), int(live.hop_size)
        self.past = self.size - self.hop - int(live.look_ahead)
        self.layers = nn.ModuleList(EncoderBlock(layer, BlockAttention) for layer in live.encoders)
        self.norm = Norm(live.after_norm) if live.normalize_before else None
        self.sinusoids = Sinusoids(live.pos_enc.d_model)
        self.scale = math.sqrt(live.pos_enc.d_model)
        self.positioned_context = bool(live.ctx_pos_enc)

    def forward(
        self,
        frames: Tensor,
        frames_lengths: Tensor,
        whole: Tensor,
        first: Tensor,
        context: Tensor,
        blocks: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            frames: (B, T, D) subsampled frames from the start of block `first` on.
            frames_lengths: (B,).
            whole: (B,) bool, whether these frames are all there are and will be.
            first: (B,) blocks before these frames.
            context: (B, L, D) of the block before; anything where there is none.
            blocks: (N,) 0 .. N - 1, as many as the longest utterance needs.

        Returns:
            (B, T, D): every frame out of the block that ESPnet takes it from; and the context
            (B, L, D) of each utterance's last block.
        """
        rows = self._rows(frames, frames_lengths, first, blocks)
        short = whole & (frames_lengths <= self.size)
        mask = self._mask(frames_lengths, short, len(blocks))
        last = (
            torch.div(frames_lengths - self.size - 1, self.hop, rounding_mode="floor") + 1
        ).clamp(min=0)
        handed = []
        for number, layer in enumerate(self.layers):
            ends = rows[:, :, -1]
            own = (first == 0)[:, None]
            before = torch.where(own, ends[:, 0], context[:, number])[:, None]
            heads = torch.cat((before, ends[:, :-1]), 1)
            rows = torch.cat((heads[:, :, None], rows[:, :, 1:]), 2)
            handed.append(_pick(ends, last[:, None])[:, 0])
            rows = layer(rows.flatten(0, 1), mask, ()).view(rows.shape)
        out = self._frames(rows, frames.shape[1], last)
        kept = torch.where(short[:, None, None], 0.0, torch.stack(handed, 1))
        return out if self.norm is None else self.norm(out), kept

    def _rows(self, frames: Tensor, lengths: Tensor, first: Tensor, blocks: Tensor) -> Tensor:
        """(B, N, R, D): frames with positions between two rows for context, zeros past the end."""
        at = blocks[:, None] * self.hop + torch.arange(self.size, device=frames.device)  # (N, S)
        real = (at[None] < lengths[:, None, None])[..., None]
        flat = at.clamp(max=frames.shape[1] - 1).flatten()
        inside = frames[:, flat].unflatten(1, (-1, self.size)) * real
        counts = (lengths[:, None] - blocks * self.hop).clamp(1, self.size)
        mean = inside.sum(2) / counts[..., None]  # (B, N, D)
        if self.positioned_context:
            mean = mean * self.scale + self._encoding(first[:, None] + blocks)
        places = (first * self.hop)[:, None] + at.flatten()
        encoding = self._encoding(places).unflatten(1, (-1, self.size))
        inside = (inside * self.scale + encoding) * real
        return torch.cat((mean[:, :, None], inside, mean[:, :, None]), 2)

    def _encoding(self, places: Tensor) -> Tensor:
        """`StreamPositionalEncoding`: (B, P) positions -> (B, P, D)."""
        sin, cos = self.sinusoids(places.flatten())
        table = torch.stack((sin, cos), -1).flatten(1)
        return table.view(*places.shape, -1)

    def _mask(self, lengths: Tensor, short: Tensor, blocks: int | torch.SymInt) -> FrameMask:
        """Which rows exist, and may be looked at, in every block."""
        row = torch.arange(self.size + 2, device=lengths.device)
        frame = (row >= 1) & (row <= lengths[:, None])  # (B, R), where there is no context
        valid = frame | ~short[:, None]
        looked = valid & (row <= self.size)
        bias = torch.where(looked, 0.0, MASKED)
        shape = (lengths.shape[0], blocks, self.size + 2)
        spread = [t[:, None].expand(shape).flatten(0, 1) for t in (valid.float(), bias)]
        return FrameMask(spread[0][..., None], spread[1][:, None, None], lengths)

    def _frames(self, rows: Tensor, frames: int | torch.SymInt, last: Tensor) -> Tensor:
        """(B, N, R, D) and the last block of each utterance (B,) -> (B, T, D)."""
        t = torch.arange(frames, device=rows.device)
        block = torch.div(t - self.past, self.hop, rounding_mode="floor").clamp(min=0)
        block = torch.minimum(block[None], last[:, None])  # (B, T)
        row = (t - block * self.hop + 1).clamp(max=self.size)
        return _pick(rows.flatten(1, 2), block * (self.size + 2) + row)


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """(B, M, D) and (B, P) -> (B, P, D)."""
    return torch.gather(x, 1, index[..., None].expand(-1, -1, x.shape[2]))
