"""Convolutions of gating units, rewritten for onnxruntime, against torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from espnet_onnx.layers.convolution import ResidualDepthwiseConv
from espnet_onnx.layers.multiconv_cgmlp import GroupedConv

pytestmark = pytest.mark.export


@pytest.mark.parametrize(("kernel", "bias"), [(1, True), (3, False), (7, True)])
def test_residual_rides_in_the_kernel(kernel: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(6, 6, kernel, padding=kernel // 2, groups=6, bias=bias)
    before = conv.weight.clone()
    x = torch.randn(2, 9, 6)
    with torch.no_grad():
        wanted = x + conv(x.transpose(1, 2)).transpose(1, 2)
        assert torch.allclose(ResidualDepthwiseConv(conv)(x), wanted, atol=1e-6)
    assert torch.equal(conv.weight, before)


@pytest.mark.parametrize(("kernel", "bias"), [(1, True), (5, False), (5, True)])
def test_groups_of_several_channels(kernel: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(12, 4, kernel, padding=kernel // 2, groups=4, bias=bias)
    x = torch.randn(2, 9, 12)
    with torch.no_grad():
        wanted = conv(x.transpose(1, 2)).transpose(1, 2)
        assert torch.allclose(GroupedConv(conv)(x), wanted, atol=1e-6)
