"""The blocks of an S4 decoder, one step at a time (needs torch).

Shapes: B utterances, H hypotheses an utterance, R = B * H rows, P states an utterance carries,
C channels, D width, N real numbers of a state, T encoder frames, G heads, K width of a head.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from espnet_onnx.layers.cached_attention import Affine, SharedCrossAttention

from .recurrence_export import Recurrence

__all__ = ["Around", "LinearActivation", "RecurrentLayer", "cross_attention", "norm"]


class LinearActivation(nn.Module):
    """What espnet2.asr.state_spaces.components.LinearActivation returns: linear [, activation]."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        linear, *rest = live if isinstance(live, nn.Sequential) else [live]
        self.linear, self.rest = Affine(linear), nn.ModuleList(rest)

    def forward(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, D')."""
        x = self.linear(x)
        for module in self.rest:
            x = module(x)
        return x


class RecurrentLayer(nn.Module):
    """`S4.step`, its state split so that hypotheses of one parent share what is costly of it.

    The state behind a token is x = m + B u: m is the earlier state, moved on, and u the token.
    A m is computed once for every carried m; hypotheses add their own B u a step later.

    Args:
        live: a live `S4`.
    """

    skip: Tensor

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.recurrence = Recurrence(live.kernel.kernel)
        self.register_buffer("skip", self.recurrence.passed + live.D.detach(), persistent=False)
        self.activation, self.output = live.activation, LinearActivation(live.output_linear)

    def forward(
        self, u: Tensor, state: Tensor, last: Tensor, sources: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            u: (B, H, D), what hypotheses say.
            state: (B, P, D, N).
            last: (B, P, D), what was said behind it.
            sources: (B, H) int64 in [0, P), the state that each hypothesis continues.

        Returns:
            (R, D), and the carried states, moved on: (B, P, D, N).
        """
        moved = self.recurrence.move(state, last)
        said = self.recurrence.read(moved).flatten(2)
        index = sources[:, :, None].expand(-1, -1, said.shape[2])
        y = said.gather(1, index) + (self.skip * u[:, :, None]).flatten(2)
        return self.output(self.activation(y.flatten(0, 1))), moved


class Around(nn.Module):
    """`SequenceResidualBlock.step` around its layer: norm and residual.

    Args:
        live: a live `SequenceResidualBlock` without pooling.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.norm, self.before = norm(live.norm), live.prenorm
        self.residual = live.residual

    def enter(self, x: Tensor) -> Tensor:
        """(R, D): what the layer reads."""
        return self.norm(x) if self.before else x

    def leave(self, x: Tensor, y: Tensor) -> Tensor:
        """(R, D): the stream behind a layer that returned `y`."""
        if self.residual is not None:
            y = self.residual(x, y, transposed=False)
        return y if self.before else self.norm(y)


def norm(live: Any) -> nn.Module:
    """`Normalization.step`: (R, D) -> (R, D), with None for none."""
    if live is None:
        return nn.Identity()
    inner: nn.Module = getattr(live, "norm", live)
    return inner


def cross_attention(live: Any) -> SharedCrossAttention:
    """`MultiHeadedAttention.step` of espnet2.asr.state_spaces.attention, which norms no query."""
    linears = {name: getattr(live, f"linear_{name}") for name in ("q", "k", "v", "out")}
    return SharedCrossAttention(
        SimpleNamespace(
            h=live.h,
            d_k=live.d_k,
            q_norm=nn.Identity(),
            k_norm=nn.Identity(),
            **{f"linear_{name}": linear for name, linear in linears.items()},
        )
    )
