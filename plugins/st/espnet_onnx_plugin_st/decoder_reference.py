"""Inputs for the step of a decoder with two sources, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, U tokens decoded so far, S cache slots, T frames
of speech, M states of the transcript, D width, N heads, K width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.types import Array, Feed

__all__ = ["StepReference"]

# Slots of the test cache that belong to nobody: what they hold must not matter.
SPARE = 3


class StepReference:
    """Feed and reference of the graph `step`, through the untouched `TransformerMDDecoder`.

    Args:
        decoder: the live decoder.
        speech: the graph of its keys and values of speech.
        memory: that of the states.
    """

    def __init__(self, decoder: Any, speech: eo.Graph, memory: eo.Graph) -> None:
        self._decoder = decoder
        self._graphs = {"speech": speech, "memory": memory}
        self._vocabulary = decoder.embed[0].num_embeddings

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random prefixes over speech of the given lengths, and their caches.

        Beams, past sizes and lengths of the transcript follow from the lengths; some are as in a
        search's first step.
        """
        rng = np.random.default_rng(sum(lengths))
        batch, past = len(lengths), max(lengths) % 5 + len(lengths) - 1
        beams = 1 if past == 0 else 1 + batch
        prefix = rng.integers(0, self._vocabulary, (batch, beams, past + 1))
        slots = rng.permuted(np.tile(np.arange(beams * past + SPARE), (batch, 1)), axis=1)
        ancestors = slots[:, : beams * past].reshape(batch, beams, past)
        sources = self._source("speech", lengths)
        sources |= self._source("memory", [n % 6 + 1 for n in lengths])
        caches = self._past(rng, sources, prefix, ancestors)
        tokens = prefix[:, :, -1]
        return {"tokens": tokens, "ancestors": ancestors, "prefix": prefix, **sources, **caches}

    def __call__(self, feed: Feed) -> Feed:
        """`TransformerMDDecoder.forward_one_step` over the whole prefixes of one utterance."""
        log_probs, caches = self._replay(feed["prefix"][0], feed["memory"][0], feed["speech"][0])
        new = {
            f"new_{name}": tensor[:, :, -1].transpose(0, 1)[None].numpy()
            for name, tensor in caches.items()
        }
        return {"log_probs": log_probs[None].numpy(), **new}

    def _source(self, name: str, lengths: Sequence[int]) -> dict[str, Array]:
        """A source, its lengths, and its keys and values in every block."""
        graph = self._graphs[name]
        feed = graph.feed(lengths)
        pairs = graph.reference(feed).items()
        return {
            name: feed["encoder_out"],
            f"{name}_lengths": feed["encoder_out_lengths"],
            **{key.replace("memory", name, 1): array for key, array in pairs},
        }

    def _replay(
        self, prefix: Array, memory: Array, speech: Array
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores (H, V) behind (H, U + 1) tokens, and every block's (H, N, U + 1, K) caches."""
        attentions = [layer.self_attn for layer in self._decoder.decoders]
        found: dict[str, Tensor] = {}
        hooks = []
        for block, attention in enumerate(attentions):
            hooks.append(attention.k_norm.register_forward_hook(_keep(found, f"key_{block}")))
            hooks.append(attention.linear_v.register_forward_hook(_keep(found, f"value_{block}")))
        rows, size = prefix.shape
        causal = torch.ones(size, size, dtype=torch.bool).tril()[None]
        sources = [torch.from_numpy(x).expand(rows, -1, -1) for x in (memory, speech)]
        try:
            with torch.no_grad():
                log_probs, _ = self._decoder.forward_one_step(
                    torch.from_numpy(prefix), causal, sources[0], speech=sources[1]
                )
        finally:
            for hook in hooks:
                hook.remove()
        for block, attention in enumerate(attentions):
            value = found[f"value_{block}"].unflatten(-1, (attention.h, attention.d_k))
            found[f"value_{block}"] = value.transpose(1, 2)
        return log_probs, found

    def _past(
        self, rng: np.random.Generator, sources: Feed, prefix: Array, ancestors: Array
    ) -> dict[str, Array]:
        """Cached keys and values of all but the last token of (B, H, U + 1) prefixes."""
        batch, beams, past = ancestors.shape
        out: dict[str, Array] = {}
        for b in range(batch):
            cut = (sources[n][b, : sources[f"{n}_lengths"][b]] for n in ("memory", "speech"))
            for name, tensor in self._replay(prefix[b], *cut)[1].items():
                _, heads, _, width = tensor.shape
                shape = (batch, heads, beams * past + SPARE, width)
                slots = out.setdefault(f"past_{name}", rng.standard_normal(shape, np.float32))
                # (H, N, U, K) -> (N, H, U, K), the order in which `ancestors` names slots
                slots[b][:, ancestors[b]] = tensor[:, :, :past].transpose(0, 1).numpy()
        return out


def _keep(found: dict[str, Tensor], name: str) -> Callable[[Any, Any, Tensor], None]:
    """A forward hook that keeps what its module returns."""

    def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
        found[name] = output

    return hook
