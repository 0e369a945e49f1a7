"""How many samples a stack of convolutions needs for a frame."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["RECEPTIVE", "SAMPLE_RATE", "STRIDE", "receptive_field", "stride_of"]

# What wav2vec 2.0 began and all its successors kept: 25 ms every 20 ms of audio at 16 kHz.
RECEPTIVE, STRIDE, SAMPLE_RATE = 400, 320, 16000


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Fewest samples that make one frame; `layers` are (kernel, stride), lowest first."""
    samples = 1
    for kernel, stride in reversed(layers):
        samples = (samples - 1) * stride + kernel
    return samples


def stride_of(layers: Sequence[tuple[int, int]]) -> int:
    """Samples from one frame to the next."""
    samples = 1
    for _, stride in layers:
        samples *= stride
    return samples
