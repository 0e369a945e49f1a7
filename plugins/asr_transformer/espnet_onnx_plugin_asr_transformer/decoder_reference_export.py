"""Inputs for the graphs of a Transformer decoder, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T encoder
frames, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.types import Array, Feed, Graph

__all__ = ["DecoderReference", "Replay"]

# Slots of the test cache that belong to nobody: what they hold must not matter.
SPARE = 3


@attrs.frozen
class Replay:
    """What a live decoder computes over whole prefixes.

    Attributes:
        log_probs: (H, V), behind the last token.
        keys: self-attention keys of every token, block by block: (H, N, U, K).
        values: the values, likewise.
    """

    log_probs: Tensor
    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def of(cls, decoder: Any, prefix: Tensor, encoder_out: Tensor) -> Replay:
        """`TransformerDecoder.forward_one_step` on (H, U) tokens and one utterance (T, D)."""
        keys: list[Tensor] = []
        values: list[Tensor] = []
        attentions = [layer.self_attn for layer in decoder.decoders]
        hooks = [a.k_norm.register_forward_hook(_collect(keys)) for a in attentions]
        hooks += [a.linear_v.register_forward_hook(_collect(values)) for a in attentions]
        rows, size = prefix.shape
        causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
        try:
            with torch.no_grad():
                memory = encoder_out.expand(rows, -1, -1)
                log_probs, _ = decoder.forward_one_step(prefix, causal, memory)
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


class DecoderReference:
    """Feed and reference of the graph `step`, through the untouched decoder.

    Args:
        decoder: the live decoder.
        memory: the graph that computes what a step reads of the encoder.
    """

    def __init__(self, decoder: Any, memory: Graph) -> None:
        self._decoder, self._memory = decoder, memory
        self._vocabulary = len(decoder.embed[0].weight)

    def step_feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes, their keys and values scattered over the cache's slots.

        Beams and past sizes follow from the lengths; some are as in a search's first step.
        """
        rng = np.random.default_rng(sum(lengths))
        batch, past = len(lengths), max(lengths) % 5 + len(lengths) - 1
        beams = 1 if past == 0 else 1 + batch
        prefix = rng.integers(0, self._vocabulary, (batch, beams, past + 1))
        memory_feed = self._memory.feed(lengths)
        slots = rng.permuted(np.tile(np.arange(beams * past + SPARE), (batch, 1)), axis=1)
        ancestors = slots[:, : beams * past].reshape(batch, beams, past)
        return {
            "tokens": prefix[:, :, -1],
            "ancestors": ancestors,
            "prefix": prefix,
            **memory_feed,
            **self._memory.reference(memory_feed),
            **self._past(rng, memory_feed, prefix, ancestors),
        }

    def step(self, feed: Feed) -> Feed:
        """`TransformerDecoder.forward_one_step` over the whole prefixes of one utterance."""
        encoder_out = torch.from_numpy(feed["encoder_out"][0])
        replay = Replay.of(self._decoder, torch.from_numpy(feed["prefix"][0]), encoder_out)
        out = {"log_probs": replay.log_probs[None].numpy()}
        for block, (key, value) in enumerate(zip(replay.keys, replay.values, strict=True)):
            out[f"key_{block}"] = key[:, :, -1].transpose(0, 1)[None].numpy()
            out[f"value_{block}"] = value[:, :, -1].transpose(0, 1)[None].numpy()
        return out

    def _past(
        self, rng: np.random.Generator, memory: Feed, prefix: Array, ancestors: Array
    ) -> dict[str, Array]:
        """Cached keys and values of all but the last token of (B, H, U + 1) prefixes."""
        batch, beams, past = ancestors.shape
        out: dict[str, Array] = {}
        for b, length in enumerate(memory["encoder_out_lengths"]):
            encoder_out = torch.from_numpy(memory["encoder_out"][b, :length])
            replay = Replay.of(self._decoder, torch.from_numpy(prefix[b]), encoder_out)
            for what, tensors in (("key", replay.keys), ("value", replay.values)):
                for block, tensor in enumerate(tensors):
                    _, heads, _, width = tensor.shape
                    shape = (batch, heads, beams * past + SPARE, width)
                    name = f"past_{what}_{block}"
                    if name not in out:
                        out[name] = rng.standard_normal(shape, dtype=np.float32)
                    # (H, N, U, K) -> (N, H, U, K), the order in which `ancestors` names slots
                    rows = tensor[:, :, :past].transpose(0, 1).numpy()
                    out[name][b][:, ancestors[b]] = rows
        return out
