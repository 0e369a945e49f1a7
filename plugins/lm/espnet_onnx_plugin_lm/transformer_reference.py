"""Inputs for the graph of a Transformer language model, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, N heads,
K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.types import Array, Feed

__all__ = ["Replay", "TransformerReference"]

# Slots of the test cache that belong to nobody: what they hold must not matter.
SPARE = 3


@attrs.frozen
class Replay:
    """What a live language model computes over whole prefixes.

    Attributes:
        log_probs: (H, V), behind the last token.
        keys: keys of every token, block by block: (H, N, U, K).
        values: the values, likewise.
    """

    log_probs: Tensor
    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def of(cls, lm: Any, prefix: Tensor) -> Replay:
        """`TransformerLM.batch_score` of (H, U) tokens without a cache."""
        keys: list[Tensor] = []
        values: list[Tensor] = []
        attentions = [layer.self_attn for layer in lm.encoder.encoders]
        hooks = [a.k_norm.register_forward_hook(_collect(keys)) for a in attentions]
        hooks += [a.linear_v.register_forward_hook(_collect(values)) for a in attentions]
        try:
            with torch.no_grad():
                log_probs, _ = lm.batch_score(prefix, [None] * len(prefix), None)
        finally:
            for hook in hooks:
                hook.remove()
        split = [
            value.unflatten(-1, (a.h, a.d_k)).transpose(1, 2)
            for a, value in zip(attentions, values, strict=True)
        ]
        return cls(log_probs, keys, split)


def _collect(outputs: list[Tensor]) -> Callable[[Any, Any, Tensor], None]:
    """A forward hook that appends what its module returns."""
    return lambda _module, _inputs, output: outputs.append(output)


class TransformerReference:
    """Feeds and reference of the graph `step`, through the untouched language model."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm
        self._vocabulary = lm.embed.num_embeddings

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes of the longest length, some with a token 0, and their caches.

        Keys and values lie scattered over the cache's slots; as many hypotheses as follow from
        the batch, one where there is no past, as in a search's first step.
        """
        rng = np.random.default_rng(sum(lengths) + len(lengths))
        batch, past = len(lengths), max(lengths)
        beams = 1 if past == 0 else 1 + batch
        prefix = rng.integers(0, self._vocabulary, (batch, beams, past + 1))
        prefix[:, 1:, -1] *= rng.random((batch, beams - 1)) < 0.5
        prefix[:, :, 0] = self._vocabulary - 1
        slots = rng.permuted(np.tile(np.arange(beams * past + SPARE), (batch, 1)), axis=1)
        own = slots[:, : beams * past].reshape(batch, beams, past)
        hidden = prefix[:, :, :-1] == 0
        return {
            "tokens": prefix[:, :, -1],
            "ancestors": np.where(hidden, own[:, :, :1], own) if past else own,
            "prefix": prefix,
            **self._past(rng, prefix, own),
        }

    def __call__(self, feed: Feed) -> Feed:
        """`TransformerLM.batch_score` over the whole prefixes of one utterance."""
        replay = Replay.of(self._lm, torch.from_numpy(feed["prefix"][0]))
        out = {"log_probs": replay.log_probs[None].numpy()}
        for block, (key, value) in enumerate(zip(replay.keys, replay.values, strict=True)):
            out[f"key_{block}"] = key[:, :, -1].transpose(0, 1)[None].numpy()
            out[f"value_{block}"] = value[:, :, -1].transpose(0, 1)[None].numpy()
        return out

    def _past(self, rng: np.random.Generator, prefix: Array, own: Array) -> dict[str, Array]:
        """Cached keys and values of all but the last token of (B, H, U + 1) prefixes."""
        batch, beams, past = own.shape
        out: dict[str, Array] = {}
        for b in range(batch):
            replay = Replay.of(self._lm, torch.from_numpy(prefix[b]))
            for what, tensors in (("key", replay.keys), ("value", replay.values)):
                for block, tensor in enumerate(tensors):
                    _, heads, _, width = tensor.shape
                    shape = (batch, heads, beams * past + SPARE, width)
                    name = f"past_{what}_{block}"
                    if name not in out:
                        out[name] = rng.standard_normal(shape, dtype=np.float32)
                    # (H, N, U, K) -> (N, H, U, K), the order in which `own` names slots
                    out[name][b][:, own[b]] = tensor[:, :, :past].transpose(0, 1).numpy()
        return out
