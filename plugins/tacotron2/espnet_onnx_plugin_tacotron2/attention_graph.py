"""The attentions of Tacotron2, one step.

Mirrors `AttLoc`, `AttForward` and `AttForwardTA` of `espnet...rnn.attentions`.
Shapes: B utterances, U tokens, D width of the memory, Z units of the decoder, K attention width,
C channels, O features a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet_onnx.errors import ModelError
from espnet_onnx.layers.linear import Affine, check_plain
from espnet_onnx.layers.masks import MASKED, valid_frames

__all__ = ["TokenAttention", "seen_tokens"]

# `AttLoc` sharpens what it sees, the others do not: the default `scaling` of their `forward`.
_SCALES = {"AttLoc": 2.0, "AttForward": 1.0, "AttForwardTA": 1.0}
# `AttForward.forward`: a step on never becomes impossible.
_LEAST = 1e-6


class TokenAttention(nn.Module):
    """Additive attention that also reads, convolved, where it looked before.

    A forward attention multiplies its weights with the last ones and these moved on by a token;
    with a transition agent, in a proportion that the decoder learns.

    Attributes:
        forward_only: it is one of these.
        agent: its transition agent, or None.
    """

    if TYPE_CHECKING:

        def __call__(
            self, query: Tensor, key: Tensor, before: Tensor, seen: Tensor, valid: Tensor
        ) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        """Raises ModelError where `live` is another attention."""
        super().__init__()
        name = type(live).__name__
        if name not in _SCALES:
            raise ModelError(f"attention {name} has no graph: there are {', '.join(_SCALES)}")
        check_plain(live.loc_conv, nn.Conv2d)
        self.scale, self.forward_only = _SCALES[name], name != "AttLoc"
        self.query, self.key = Affine.of(live.mlp_dec), Affine.of(live.mlp_enc)
        self.conv, self.location = live.loc_conv, Affine.of(live.mlp_att)
        # Its bias would add the same to every token, which a softmax does not see.
        self.gain = Affine(live.gvec.weight)
        self.agent = Affine.of(live.mlp_ta) if hasattr(live, "mlp_ta") else None

    def forward(
        self, query: Tensor, key: Tensor, before: Tensor, seen: Tensor, valid: Tensor
    ) -> Tensor:
        """Weights of this step.

        Args:
            query: (B, 1, Z), the first LSTM's last output.
            key: (B, U, K), what `key` makes of the memory.
            before: (B, U), where it looked.
            seen: (B, U) bool, where it may look.
            valid: (B, U) bool, true on real tokens.

        Returns:
            (B, U), for a location-sensitive attention; see `moved` for the others.
        """
        planes = self.conv(before[:, None, None])[:, :, 0].transpose(1, 2)
        total = key + self.query(query) + self.location(planes)
        energies = self.gain(torch.tanh(total))[..., 0]
        allowed = torch.where(seen & valid, 0.0, MASKED)
        return torch.softmax(self.scale * energies + allowed, -1)

    def moved(self, weights: Tensor, before: Tensor, valid: Tensor, stay: Tensor | None) -> Tensor:
        """Weights of a forward attention.

        Args:
            weights: (B, U), of this step by itself.
            before: (B, U), of the step before.
            valid: (B, U) bool.
            stay: (B, 1) share of the tokens where it was; None weighs both alike.
        """
        ahead = F.pad(before, (1, 0))[:, :-1]
        prior = before + ahead if stay is None else stay * before + (1 - stay) * ahead
        product = (prior * weights).clamp(min=_LEAST) * valid.float()
        return product / product.sum(-1, keepdim=True)

    def transition(self, context: Tensor, frame: Tensor, query: Tensor) -> Tensor:
        """(B, 1, D), (B, 1, O) and (B, 1, Z) -> how much it stays at the next step, (B, 1)."""
        assert self.agent is not None
        return torch.sigmoid(self.agent(torch.cat((context, frame, query), -1)))[:, 0]


def seen_tokens(window: Tensor, lengths: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """(B, 2) and (B,) -> where it may look and where tokens are, (B, U) bool each."""
    places = torch.arange(tokens, device=window.device)[None]
    seen = (places >= window[:, :1]) & (places < window[:, 1:])
    return seen, valid_frames(lengths, tokens)
