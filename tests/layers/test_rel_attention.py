"""Relative shifts against ESPnet's, whose forms torch.export refuses."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from espnet_onnx.layers.rel_attention import shift, wrap

pytestmark = pytest.mark.export


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
def test_shift_aligns_distances_with_keys(frames: int) -> None:
    scores = torch.randn(2, 3, frames, 2 * frames)
    shifted = shift(scores)
    assert shifted.shape == (2, 3, frames, frames)
    for i in range(frames):
        for j in range(frames):
            # column c belongs to distance i - j = frames-1-c
            column = frames - 1 - (i - j)
            assert torch.equal(shifted[..., i, j], scores[..., i, column])


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
def test_wrap_runs_on_into_the_next_query(frames: int) -> None:
    scores = torch.randn(1, 2, frames + 1, 2 * frames)
    wrapped = wrap(scores)
    for i in range(frames):
        for j in range(frames):
            if j <= i + 1:
                wanted = scores[..., i, 2 * frames - 2 - (i - j)]
            else:
                wanted = scores[..., i + 1, j - i - 2]
            assert torch.equal(wrapped[..., i, j], wanted), (i, j)
