"""The export-friendly self-supervised model: waveforms to states of its layers.

Shapes: B utterances, N samples, T frames, D width, L states (one more than there are blocks).
"""

from __future__ import annotations

from torch import Tensor, nn

from .anatomy_graph import Anatomy

__all__ = ["SpeechModel"]


class SpeechModel(nn.Module):
    """An `Anatomy` as one graph over padded utterances."""

    def __init__(self, anatomy: Anatomy, states: int | None = None) -> None:
        """`states` keeps the first so many states and drops the blocks that only later ones need.

        The last of all states is what stands behind the last block and, with `norm_first`, the
        final norm; every other is the input of a block.
        """
        super().__init__()
        raise NotImplementedError

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) samples -> (B,) frames of the convolutions."""
        raise NotImplementedError

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """(B, N), (B,) -> L states (B, T, D), with zeros behind each utterance, and (B,) frames."""
        raise NotImplementedError
