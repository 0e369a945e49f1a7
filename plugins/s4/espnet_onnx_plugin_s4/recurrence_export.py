"""The discretised state space of an S4 layer, in real numbers (needs torch).

Shapes: B utterances, P states an utterance carries, C channels, D width, M complex numbers of a
state, N = 2M real ones (all real parts, then all imaginary parts), Q rank of the correction.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Recurrence", "discrete"]


class Recurrence(nn.Module):
    """x' = A x + B u and y = Re(C x') of `SSKernelNPLR.step` and `SSKernelDiag.step`.

    A is diagonal, or diagonal minus Q outer products, so it is applied as such: in O(N) and without
    the (D, N, N) matrix that ESPnet makes of it. States of the pairs' second halves are conjugates
    of the first, so they are not kept. What never changes is computed in float64.

    Args:
        kernel: a live `SSKernelNPLR` or `SSKernelDiag`.
    """

    turn: Tensor
    cross: Tensor
    seen: Tensor
    pulled: Tensor
    gain: Tensor
    output: Tensor
    passed: Tensor

    def __init__(self, kernel: Any) -> None:
        super().__init__()
        kernel = discrete(kernel)
        diagonal, gain, seen, pulled = (
            _diagonal(kernel) if _is_diagonal(kernel) else _low_rank(kernel)
        )
        output = _output(kernel)
        constants = {
            # (a + ib)(x + iy) = a [x, y] + b [-y, x]
            "turn": torch.cat([diagonal.real, diagonal.real], -1),
            "cross": torch.cat([diagonal.imag, diagonal.imag], -1),
            "seen": _functional(seen),
            "pulled": torch.cat([pulled.real, pulled.imag], -1),
            "gain": torch.cat([gain.real, gain.imag], -1),
            "output": output,
            "passed": (output * torch.cat([gain.real, gain.imag], -1)).sum(-1),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant.float(), persistent=False)

    @property
    def size(self) -> int:
        """N."""
        return int(self.turn.shape[-1])

    def move(self, state: Tensor, u: Tensor) -> Tensor:
        """A (m + B u): moved states (B, P, D, N) and their last inputs (B, P, D) -> the next."""
        x = state + self.gain * u[..., None]
        real, imaginary = x.chunk(2, -1)
        moved = self.turn * x + self.cross * torch.cat([-imaginary, real], -1)
        for seen, pulled in zip(self.seen, self.pulled, strict=True):
            moved = moved - pulled * (seen * x).sum(-1, keepdim=True)
        return moved

    def read(self, moved: Tensor) -> Tensor:
        """What moved states (B, P, D, N) say before their input is added: (B, P, C, D)."""
        return (moved[:, :, None] * self.output).sum(-1)


def discrete(kernel: Any) -> Any:
    """The kernel as `S4.setup_step` leaves it, sharing its weights; the live one stays as it is."""
    kernel = copy.copy(kernel)
    with torch.no_grad():
        kernel._setup_step()  # noqa: SLF001 - public only on S4, which holds the live kernel
    return kernel


def _is_diagonal(kernel: Any) -> bool:
    return not hasattr(kernel, "step_params")


def _diagonal(kernel: Any) -> tuple[Tensor, ...]:
    """A (D, M), B (D, M), and no correction (0, D, M)."""
    diagonal, gain = (t.to(torch.complex128) for t in torch.broadcast_tensors(kernel.dA, kernel.dB))
    nothing = diagonal.new_zeros(0, *diagonal.shape)
    return diagonal, gain, nothing, nothing


def _low_rank(kernel: Any) -> tuple[Tensor, ...]:
    """`SSKernelNPLR._step_state_linear` as one sum: x' = diagonal x - pulled Re(seen x) + gain u.

    Its two corrections see the old state and one another, which is multiplied out here.

    Returns:
        diagonal (D, M), gain (D, M), seen (Q, D, M), pulled (Q, D, M).
    """
    names = ("D", "E", "P", "Q", "R", "B")
    d, e, p, q, r, b = (kernel.step_params[name].to(torch.complex128) for name in names)
    b = b[0]
    # (Q, Q, D): what the second correction sees of the first
    again = 2 * (r[:, None] * p[None]).sum(-1).real
    seen = 2 * (q + r * e) - 2 * (again[..., None] * q[None]).sum(1)
    second = 4 * (r * b).sum(-1).real
    gain = d * (2 * b - (p * second[..., None]).sum(0))
    return d * e, gain, seen, d * p


def _functional(seen: Tensor) -> Tensor:
    """Re(seen x) as weights of the N real numbers of x."""
    return torch.cat([seen.real, -seen.imag], -1)


def _output(kernel: Any) -> Tensor:
    """Weights of the N real numbers of x in `kernel.step`'s y: (C, D, N)."""
    output = kernel.dC.to(torch.complex128)
    if _is_diagonal(kernel):
        return 2 * _functional(output)
    # C x + C' conj(x), of which y is the real part
    own, conjugate = output.chunk(2, -1)
    return torch.cat([own.real + conjugate.real, conjugate.imag - own.imag], -1)
