"""Attention of one step: whole products, masks that hide, and weights shared with the model."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from espnet_onnx.layers.cached_attention import Affine, frame_bias, own_slots

pytestmark = pytest.mark.export


def test_affine_is_its_linears_side_by_side() -> None:
    torch.manual_seed(0)
    first, second = torch.nn.Linear(5, 3), torch.nn.Linear(5, 2)
    x = torch.randn(4, 5)
    wanted = torch.cat([first(x) * 0.5, second(x)], -1)
    assert torch.allclose(Affine(first, second, scale=0.5)(x), wanted, atol=1e-6)


def test_affine_without_bias_and_without_a_copy() -> None:
    linear = torch.nn.Linear(5, 3, bias=False)
    affine = Affine(linear)
    assert affine.weight.data_ptr() == linear.weight.data_ptr()
    assert torch.equal(affine(torch.eye(5)), linear.weight.t())


def test_frame_bias_is_zero_on_frames_and_buries_padding() -> None:
    bias = frame_bias(torch.tensor([2, 4]), 4)
    assert bias.shape == (2, 1, 1, 4)
    assert bias[:, 0, 0].eq(0).tolist() == [[True, True, False, False], [True] * 4]
    assert bias.min() < -1e20


def test_own_slots_marks_ancestors_and_nothing_else() -> None:
    ancestors = torch.tensor([[[0, 3], [0, 1]], [[2, 1], [2, 2]]])
    seen = own_slots(ancestors, 4)
    assert seen.shape == (2, 1, 2, 4)
    slots = [[row.nonzero().flatten().tolist() for row in own[0]] for own in seen]
    assert slots == [[[0, 3], [0, 1]], [[1, 2], [2]]]


def test_own_slots_of_a_first_step() -> None:
    assert not own_slots(torch.zeros(1, 1, 0, dtype=torch.int64), 4).any()
