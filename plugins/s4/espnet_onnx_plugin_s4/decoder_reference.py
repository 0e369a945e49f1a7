"""Inputs for an S4 decoder's step, and what ESPnet says to them (needs torch).

Shapes: B utterances, H hypotheses an utterance, P states an utterance carries, U tokens so far
with <sos>, T encoder frames, D width, M complex and N = 2M real numbers of a state, V tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.types import Array, Feed

__all__ = ["StepReference", "layers_of"]

PREFIX = 3


def layers_of(decoder: Any, name: str) -> list[Any]:
    """The live layers of one class, in order."""
    layers = (block.layer for block in decoder.decoder.layers)
    return [layer for layer in layers if type(layer).__name__ == name]


class StepReference:
    """Feed and reference of the graph `step`.

    ESPnet's own search sets its step up (`setup_step`) on the decoder, which keeps what it makes.
    Here that is done on a copy of the modules over the same weights.

    Args:
        decoder: the live decoder.
        memory: the graph that computes what a step reads of the encoder.
    """

    def __init__(self, decoder: Any, memory: eo.Graph) -> None:
        self._memory = memory
        tensors = [*decoder.state_dict(keep_vars=True).values()]
        self._decoder = copy.deepcopy(decoder, {id(tensor): tensor for tensor in tensors})
        self._numbers = [i for i, b in enumerate(self._decoder.decoder.layers) if _is_s4(b)]
        self._kernels = [layer.kernel.kernel for layer in layers_of(self._decoder, "S4")]
        for layer in layers_of(self._decoder, "S4"):
            with torch.no_grad():
                layer.setup_step()

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Carried states of random prefixes, and hypotheses that continue some of them."""
        rng = np.random.default_rng(sum(lengths))
        batch, vocabulary = len(lengths), self._decoder.odim
        carried, beams = 1 + max(lengths) % 3, 1 + max(lengths) % 4
        prefix = rng.integers(0, vocabulary, (batch, carried, PREFIX))
        memory = self._memory.feed(lengths)
        return {
            "tokens": rng.integers(0, vocabulary, (batch, beams)),
            "sources": rng.integers(0, carried, (batch, beams)),
            "prefix": prefix,
            **memory,
            **self._memory.reference(memory),
            **self._past(prefix, memory),
        }

    def __call__(self, feed: Feed) -> Feed:
        """`S4Decoder.batch_score` of one utterance, every hypothesis with a state of its own."""
        encoder_out = torch.from_numpy(feed["encoder_out"])
        states, _ = self._replay(torch.from_numpy(feed["prefix"][0]), encoder_out)
        sources = torch.from_numpy(feed["sources"][0])
        own = [None if state is None else state[sources] for state in states]
        scores, _, said = self._score(torch.from_numpy(feed["tokens"][0]), own, encoder_out)
        silence = torch.zeros(len(feed["prefix"][0]), self._decoder.d_model)
        moved = [_after(kernel, states[i], silence) for kernel, i in self._pairs()]
        return {
            "log_probs": scores[None].numpy(),
            **self._named("state", moved),
            **self._named("input", said),
        }

    def _past(self, prefix: Array, memory: Feed) -> dict[str, Array]:
        """What the graph carries of (B, P, U) prefixes: moved states and last inputs."""
        rows = []
        for b, length in enumerate(memory["encoder_out_lengths"]):
            encoder_out = torch.from_numpy(memory["encoder_out"][b : b + 1, :length])
            states, said = self._replay(torch.from_numpy(prefix[b]), encoder_out)
            moved = [
                _real(kernel, states[i]) - _after(kernel, torch.zeros_like(states[i]), u)
                for (kernel, i), u in zip(self._pairs(), said, strict=True)
            ]
            rows.append({**self._named("past_state", moved), **self._named("past_input", said)})
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def _replay(self, prefix: Tensor, encoder_out: Tensor) -> tuple[list[Any], list[Tensor]]:
        """States of every layer behind (P, U) prefixes, and the last inputs of the S4 layers."""
        states = self._decoder.decoder.default_state(len(prefix))
        said: list[Tensor] = []
        for tokens in prefix.T:
            _, states, said = self._score(tokens, states, encoder_out)
        return states, said

    def _score(
        self, tokens: Tensor, states: list[Any], encoder_out: Tensor
    ) -> tuple[Tensor, list[Any], list[Tensor]]:
        """`batch_score` with tensors as states, which it leaves as they are."""
        said: list[Tensor] = []
        hooks = [_spy(kernel, said) for kernel in self._kernels]
        memory = encoder_out.expand(len(tokens), -1, -1)
        try:
            with torch.no_grad():
                scores, apart = self._decoder.batch_score(tokens[:, None], states, memory)
        finally:
            for undo in hooks:
                undo()
        together = [
            None if first is None else torch.cat([row[i] for row in apart])
            for i, first in enumerate(apart[0])
        ]
        return scores, together, said

    def _pairs(self) -> list[tuple[Any, int]]:
        return list(zip(self._kernels, self._numbers, strict=True))

    def _named(self, what: str, tensors: Sequence[Tensor]) -> dict[str, Array]:
        pairs = zip(self._numbers, tensors, strict=True)
        return {f"{what}_{i}": tensor[None].numpy() for i, tensor in pairs}


def _is_s4(block: Any) -> bool:
    return type(block.layer).__name__ == "S4"


def _spy(kernel: Any, said: list[Tensor]) -> Callable[[], None]:
    """Keep what a kernel's `step` is given; call the result to stop."""
    step = kernel.step

    def listening(u: Tensor, state: Tensor) -> Any:
        said.append(u)
        return step(u, state)

    kernel.step = listening
    return lambda: delattr(kernel, "step")


def _after(kernel: Any, state: Tensor, u: Tensor) -> Tensor:
    """What `kernel.step` makes of old states and inputs (P, D): (P, D, N)."""
    with torch.no_grad():
        return _real(kernel, kernel.step(u, state)[1])


def _real(kernel: Any, state: Tensor) -> Tensor:
    """(P, D, M) complex, or 2M whose second half are conjugates, -> (P, D, N)."""
    own = state[..., : kernel.N]
    return torch.cat([own.real, own.imag], -1)
