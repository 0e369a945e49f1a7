"""How far apart a sample and the frames that it is computed from may be.

A reach counts how many steps outside of the samples of a frame a computation looks, on the side
where it looks further. Numbers are in steps of the layer at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["below_stretch", "below_upsampling", "conv_reach", "final_reach"]


def conv_reach(kernel: int, dilation: int = 1) -> int:
    """Of a convolution whose output is as long as its input."""
    return (kernel - 1) // 2 * dilation


def below_upsampling(reach: int, scale: int) -> int:
    """What a transposed convolution of kernel 2 * scale needs of the layer below it.

    Mirrors the padding of `HiFiGANGenerator` and `MelGANGenerator`: scale // 2 + scale % 2.
    """
    padding = scale // 2 + scale % 2
    return _below(reach, 2 * scale, scale, padding)


def below_stretch(reach: int, scale: int) -> int:
    """What a repetition of every step needs of the layer below it."""
    return _below(reach, scale, scale, 0)


def _below(reach: int, kernel: int, scale: int, padding: int) -> int:
    before = (reach - padding + kernel - 1) // scale
    after = (reach + padding - 1) // scale + 1
    return max(before, after)


def final_reach(conf: Mapping[str, Any], bands: int) -> int:
    """What the wave needs of the last layer's output; nothing but itself of a single band."""
    params = conf.get("pqmf_params")
    if params is None:
        return 0
    taps = int(params.get("taps", 62))
    return _below(0, taps + 1, bands, taps // 2)
