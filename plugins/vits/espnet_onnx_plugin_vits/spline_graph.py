"""Monotonic rational-quadratic splines, inverted without a data-dependent shape.

Shapes: B utterances, U tokens, K bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["inverse_spline"]

# `DEFAULT_MIN_*` of `espnet2.gan_tts.vits.transform`.
_LEAST = 1e-3


def inverse_spline(
    y: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, bound: float
) -> Tensor:
    """`piecewise_rational_quadratic_transform` with `inverse` and linear tails.

    ESPnet picks the values inside the bounds by boolean indexing; here the spline is computed
    for all, of values held inside, and those outside are passed on as they are.

    Args:
        y: (B, U).
        widths: (B, U, K) before their softmax.
        heights: (B, U, K) likewise.
        slopes: (B, U, K-1) of the inner knots, before softplus.
        bound: the spline goes from -bound to bound.

    Returns:
        (B, U).
    """
    inside = y.clamp(-bound, bound)[..., None]
    # The slope at both ends is 1, so that the tails join smoothly.
    ends = F.pad(slopes, (1, 1), value=math.log(math.exp(1 - _LEAST) - 1))
    knots, slope = _knots(heights, bound), _LEAST + F.softplus(ends)
    bottom, height = knots[..., :-1], knots[..., 1:] - knots[..., :-1]
    places = _knots(widths, bound)
    left, width = places[..., :-1], places[..., 1:] - places[..., :-1]
    table = torch.stack((bottom, height, left, width, slope[..., :-1], slope[..., 1:]), -2)
    row = (table * _chosen(inside, knots)[..., None, :]).sum(-1)
    bottom, height, left, width, first, last = row.unbind(-1)
    root = _root(inside[..., 0] - bottom, height, height / width, first, last)
    return torch.where(y.abs() <= bound, root * width + left, y)


def _knots(sizes: Tensor, bound: float) -> Tensor:
    """Sizes of bins (B, U, K) before their softmax -> knots (B, U, K+1), ends at the bounds."""
    bins = sizes.shape[-1]
    shares = _LEAST + (1 - _LEAST * bins) * sizes.softmax(-1)
    inner = 2 * bound * shares.cumsum(-1)[..., :-1] - bound
    return torch.cat(
        (F.pad(inner, (1, 0), value=-bound), torch.full_like(inner[..., :1], bound)), -1
    )


def _chosen(y: Tensor, knots: Tensor) -> Tensor:
    """(B, U, 1) inside the bounds, (B, U, K+1) -> (B, U, K), 1 for the bin of each value."""
    above = (y >= knots[..., 1:-1]).to(y.dtype)
    return F.pad(above, (1, 0), value=1.0) - F.pad(above, (0, 1))


def _root(y: Tensor, height: Tensor, delta: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Where in its bin a height is reached, 0 to 1; see `rational_quadratic_spline`."""
    bend = first + last - 2 * delta
    a = y * bend + height * (delta - first)
    b = height * first - y * bend
    c = -delta * y
    # Rounding alone can make it negative.
    discriminant = (b * b - 4 * a * c).clamp(min=0)
    return 2 * c / (-b - discriminant.sqrt())
