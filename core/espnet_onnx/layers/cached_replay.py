"""What a live decoder says and caches over whole prefixes: the reference of a cached step.

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, N heads,
K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from ..types import Array

__all__ = ["Replay", "past_caches", "random_hypotheses"]

# Slots of the test cache that belong to nobody: what they hold must not matter.
SPARE = 3


@attrs.frozen
class Replay:
    """What a live decoder computes over (H, U) tokens of one utterance.

    Attributes:
        log_probs: (H, V), behind the last token.
        caches: `key_0`, `value_0`, `key_1`, ... -> self-attention's of every token, (H, N, U, K).
    """

    log_probs: Tensor
    caches: Mapping[str, Tensor]

    @classmethod
    def of(cls, attentions: Sequence[Any], score: Callable[[], Tensor]) -> Replay:
        """Listen to live `MultiHeadedAttention`s while `score` runs the decoder around them."""
        found: dict[str, Tensor] = {}
        hooks = []
        for block, attention in enumerate(attentions):
            hooks.append(attention.k_norm.register_forward_hook(_keep(found, f"key_{block}")))
            hooks.append(attention.linear_v.register_forward_hook(_keep(found, f"value_{block}")))
        try:
            with torch.no_grad():
                log_probs = score()
        finally:
            for hook in hooks:
                hook.remove()
        for block, attention in enumerate(attentions):
            value = found[f"value_{block}"].unflatten(-1, (attention.h, attention.d_k))
            found[f"value_{block}"] = value.transpose(1, 2)
        return cls(log_probs, found)

    def last(self, new: str = "") -> dict[str, Array]:
        """What a step returns for the last token, of a batch of one; see `step_axes` for `new`."""
        rows = {
            f"{new}{name}": tensor[:, :, -1].transpose(0, 1)[None].numpy()
            for name, tensor in self.caches.items()
        }
        return {"log_probs": self.log_probs[None].numpy(), **rows}


def _keep(found: dict[str, Tensor], name: str) -> Callable[[Any, Any, Tensor], None]:
    """A forward hook that keeps what its module returns."""

    def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
        found[name] = output

    return hook


def random_hypotheses(
    rng: np.random.Generator, vocabulary: int, batch: int, past: int
) -> tuple[Array, Array]:
    """Prefixes (B, H, U + 1), and which slots their first U tokens have, in disorder (B, H, U).

    H follows from B; it is 1 where there is no past, as in a search's first step.
    """
    beams = 1 if past == 0 else 1 + batch
    prefix = rng.integers(0, vocabulary, (batch, beams, past + 1))
    slots = rng.permuted(np.tile(np.arange(beams * past + SPARE), (batch, 1)), axis=1)
    return prefix, slots[:, : beams * past].reshape(batch, beams, past)


def past_caches(
    rng: np.random.Generator, slots: Array, replays: Sequence[Replay]
) -> dict[str, Array]:
    """The caches (B, N, S, K) of all but the last token, as a step takes them.

    Args:
        rng: fills what belongs to nobody.
        slots: (B, H, U), see `random_hypotheses`.
        replays: of every utterance.
    """
    batch, beams, past = slots.shape
    out: dict[str, Array] = {}
    for name, first in replays[0].caches.items():
        _, heads, _, width = first.shape
        pool = rng.standard_normal((batch, heads, beams * past + SPARE, width), dtype=np.float32)
        for b, replay in enumerate(replays):
            # (H, N, U, K) -> (N, H, U, K), the order in which `slots` names them
            pool[b][:, slots[b]] = replay.caches[name][:, :, :past].transpose(0, 1).numpy()
        out[f"past_{name}"] = pool
    return out
