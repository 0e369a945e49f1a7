"""Linear layers over weights that somebody else owns.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ModelError

__all__ = ["Affine", "check_plain"]


def check_plain(live: nn.Module, kind: type[nn.Module]) -> None:
    """Refuse a subclass of `kind`, whose own forward (LoRA, fake quantisation) would be lost.

    Raises:
        ModelError: `live` is not exactly of this class.
    """
    if type(live) is not kind:
        name = f"{type(live).__module__}.{type(live).__qualname__}"
        raise ModelError(
            f"{name} stands where a plain {kind.__name__} is expected: "
            "merge its weights into an ordinary layer before the export"
        )


class Affine(nn.Module):
    """x W^T + b. A 3-D input gives MatMul and Add, never Gemm."""

    weight: Tensor
    bias: Tensor | None

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        # A Parameter is registered as it is, so nothing is copied; a new tensor as a buffer.
        _register(self, "weight", weight)
        _register(self, "bias", bias)

    @classmethod
    def of(cls, live: Any) -> Affine:
        """The same layer as an `nn.Linear`, sharing its parameters."""
        check_plain(live, nn.Linear)
        return cls(live.weight, live.bias)

    def plus(self, bias: Tensor) -> Affine:
        """The same layer with more bias (D',)."""
        return Affine(self.weight, bias if self.bias is None else self.bias.detach() + bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D')."""
        return F.linear(x, self.weight, self.bias)


def _register(module: nn.Module, name: str, tensor: Tensor | None) -> None:
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor, persistent=False)
