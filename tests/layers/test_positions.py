"""Positions computed in the graph, far beyond any table."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.positions import AbsolutePositions, RelativePositions, Sinusoids

pytestmark = pytest.mark.export


def test_rates_follow_the_paper() -> None:
    sin, cos = Sinusoids(8)(torch.tensor([0, 7]))
    angles = 7 / 10000 ** (np.arange(0, 8, 2) / 8)
    assert np.allclose(sin[1], np.sin(angles), atol=1e-5)
    assert np.allclose(cos[1], np.cos(angles), atol=1e-5)
    assert np.array_equal(cos[0], np.ones(4))


@pytest.mark.parametrize("frames", [1, 7000])
def test_absolute_positions_have_no_cap(frames: int) -> None:
    x = torch.ones(1, frames, 4)
    out, position = AbsolutePositions(4)(x, frame_mask(torch.tensor([frames]), frames))
    assert position == ()
    last = frames - 1
    wanted = [math.sin(last), math.cos(last), math.sin(last / 100), math.cos(last / 100)]
    assert np.allclose(out[0, -1], 2 + np.array(wanted), atol=1e-3)


def test_relative_positions_cover_one_distance_more_than_frames() -> None:
    x = torch.ones(2, 5, 4)
    _, (sin, cos) = RelativePositions(4)(x, frame_mask(torch.tensor([5, 3]), 5))
    assert sin.shape == cos.shape == (1, 6, 2)


def test_masks_are_zero_on_real_frames_only() -> None:
    mask = frame_mask(torch.tensor([3, 0]), 4)
    assert mask.valid[..., 0].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]
    assert mask.bias.shape == (2, 1, 1, 4)
    assert mask.bias[0, 0, 0, :3].abs().sum() == 0
    assert torch.softmax(mask.bias[0, 0, 0], -1)[3] == 0
