"""Convolutions rewritten for onnxruntime against torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from espnet_onnx.errors import ModelError
from espnet_onnx.layers.convolution import DepthwiseConv, pointwise
from espnet_onnx.layers.subsampling import Conv2dSubsampling
from espnet_onnx.layers.windows import TimeConv

pytestmark = pytest.mark.export


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (5, 3, 0), (3, 2, 0)]
)
def test_time_conv(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(4, 6, kernel, stride, padding)
    x = torch.randn(2, 17, 4)
    with torch.no_grad():
        wanted = conv(x.transpose(1, 2)).transpose(1, 2)
        assert torch.allclose(TimeConv(conv)(x), wanted, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_depthwise_with_batch_norm_folded_in(bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv1d(6, 6, 5, padding=2, groups=6, bias=bias)
    norm = nn.BatchNorm1d(6).eval()
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(1e-3, 3)
        x = torch.randn(2, 9, 6)
        wanted = norm(conv(x.transpose(1, 2))).transpose(1, 2)
        assert torch.allclose(DepthwiseConv(conv, norm)(x), wanted, atol=1e-5)


def test_pointwise_shares_its_weights() -> None:
    conv = nn.Conv1d(4, 6, 1)
    linear = pointwise(conv)
    assert linear.weight.data_ptr() == conv.weight.data_ptr()
    x = torch.randn(1, 3, 4)
    assert torch.allclose(linear(x), conv(x.transpose(1, 2)).transpose(1, 2), atol=1e-6)


def test_subsampling_reorders_its_last_layer() -> None:
    torch.manual_seed(0)
    convs = [nn.Conv2d(1, 5, 3, 2), nn.Conv2d(5, 5, 3, 2)]
    out = nn.Linear(5 * 4, 5)
    x = torch.randn(2, 23, 20)
    with torch.no_grad():
        planes = convs[1](convs[0](x[:, None]).relu()).relu()
        wanted = out(planes.transpose(1, 2).flatten(2))
        got, lengths = Conv2dSubsampling(convs, out)(x, torch.tensor([23, 8]))
    assert torch.allclose(got, wanted, atol=1e-6)
    assert lengths.tolist() == [wanted.shape[1], 1]


def test_refuses_a_subclass() -> None:
    class Odd(nn.Conv1d):
        pass

    with pytest.raises(ModelError, match="Odd"):
        TimeConv(Odd(1, 1, 1))
