"""The export-friendly self-supervised model: waveforms to states of its layers.

Shapes: B utterances, N samples, T frames, D width, L states (one more than there are blocks).
"""

from __future__ import annotations

from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import frame_mask, valid_frames
from espnet_onnx.types import Quantise

from .anatomy_graph import Anatomy
from .conv_extractor_graph import ConvExtractor
from .norm_graph import norm_of
from .speech_block_graph import SpeechBlock
from .speech_positions_graph import PositionStack, RelativeTable

__all__ = ["SpeechModel"]


class SpeechModel(nn.Module):
    """An `Anatomy` as one graph over padded utterances."""

    def __init__(self, anatomy: Anatomy, states: int | None = None) -> None:
        """`states` keeps the first so many states and drops the blocks that only later ones need.

        The last of all states is what stands behind the last block and, with `norm_first`, the
        final norm; every other is the input of a block.
        """
        super().__init__()
        total = len(anatomy.blocks) + 1
        kept = total if states is None else min(states, total)
        self.wave_epsilon, self.norm_first = anatomy.wave_epsilon, anatomy.norm_first
        self.convs = ConvExtractor(anatomy.convs)
        self.feature_norm = _maybe_norm(anatomy.feature_norm)
        self.projection = None if anatomy.projection is None else Affine.of(anatomy.projection)
        self.positions = PositionStack(anatomy.positions)
        self.first_norm = None if anatomy.norm_first else _maybe_norm(anatomy.norm)
        final = anatomy.norm_first and kept == total
        self.final_norm = _maybe_norm(anatomy.norm) if final else None
        self.relative = None if anatomy.relative is None else RelativeTable(anatomy.relative)
        self.blocks = nn.ModuleList(
            SpeechBlock(block, anatomy.norm_first) for block in anatomy.blocks[: kept - 1]
        )

    @property
    def quantise(self) -> Quantise:
        """What may become int8 of a graph that this model is in."""
        return self.convs.quantise

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) samples -> (B,) frames of the convolutions."""
        return self.convs.frame_lengths(lengths)

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """(B, N), (B,) -> L states (B, T, D), with zeros behind each utterance, and (B,) frames."""
        x = self.convs(self.wave(speech, lengths), lengths)
        lengths = self.frame_lengths(lengths)
        mask = frame_mask(lengths, x.shape[1])
        if self.feature_norm is not None:
            x = self.feature_norm(x)
        if self.projection is not None:
            x = self.projection(x)
        # As fairseq does; the convolutions look beyond the end.
        x = self.positions(x * mask.valid, mask.valid)
        if self.first_norm is not None:
            x = self.first_norm(x)
        distances = None if self.relative is None else self.relative(x.shape[1])
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1], mask.bias, distances))
        if self.final_norm is not None:
            states[-1] = self.final_norm(states[-1])
        return [state * mask.valid for state in states], lengths

    def wave(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, N), (B,) -> (B, N) with zeros behind each utterance, normalised where asked for."""
        valid = valid_frames(lengths, speech.shape[1]).float()
        speech = speech * valid
        if self.wave_epsilon is None:
            return speech
        samples = lengths[:, None].clamp(min=1).float()
        centred = (speech - speech.sum(1, keepdim=True) / samples) * valid
        variance = centred.square().sum(1, keepdim=True) / samples
        return centred / (variance + self.wave_epsilon).sqrt()


def _maybe_norm(live: nn.LayerNorm | None) -> nn.Module | None:
    return None if live is None else norm_of(live)
