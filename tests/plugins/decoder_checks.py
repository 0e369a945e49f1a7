"""What tests of attention decoders share: a scorer over a plugin's graphs, and searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch

import espnet_onnx as eo
from espnet_onnx import reference
from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.search import BeamSearch
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array

__all__ = ["Eager", "assert_same_answers", "eager", "scorer_of", "walk"]


def eager(graph: eo.Graph) -> Any:
    """The export-friendly module itself, as `parity.compare` calls it."""

    def run(feed: Any) -> dict[str, Any]:
        with torch.no_grad():
            out = graph.module(*(torch.from_numpy(feed[n]) for n in input_names(graph)))
        tensors = out if isinstance(out, tuple) else (out,)
        return {n: t.numpy() for n, t in zip(graph.outputs, tensors, strict=True)}

    return run


class Eager:
    """A `roles.Session` over a graph's module, without the seconds that tracing takes."""

    def __init__(self, graph: eo.Graph) -> None:
        self._graph = graph
        feed = graph.feed(graph.trials[0])
        self.inputs = {name: feed[name].shape for name in input_names(graph)}

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        return tuple(eager(self._graph)(feed).values())


def scorer_of(plugin: str, graphs: Mapping[str, eo.Graph]) -> Any:
    """What the plugin builds over its graphs. The conformance kit tries them traced."""
    module = import_module(f"espnet_onnx_plugin_{plugin}")
    sessions = {name: Eager(graph) for name, graph in graphs.items()}
    node = eo.Node("decoder", module.KINDS[0], plugin, graphs=tuple(graphs))
    return module.build_runtime(node, {}, sessions.__getitem__)


def walk(
    scorer: Any,
    vocabulary: int,
    rng: np.random.Generator,
    encoder_out: Array,
    lengths: Sequence[int],
    beams: Sequence[int],
) -> Iterator[tuple[Array, Array, Array]]:
    """Grow hypotheses from random parents; (tokens, parents, log_probs) at every step."""
    batch = len(lengths)
    state = scorer.start(encoder_out, np.asarray(lengths))
    tokens = rng.integers(0, vocabulary, (batch, 1, 1))
    parents = np.zeros((batch, 1), np.int64)
    for width in beams:
        log_probs, state = scorer.score(tokens, state, parents)
        yield tokens, parents, log_probs
        parents = rng.integers(0, tokens.shape[1], (batch, width))
        kept = np.take_along_axis(tokens, parents[:, :, None], 1)
        tokens = np.concatenate([kept, rng.integers(0, vocabulary, (batch, width, 1))], axis=2)


def assert_same_answers(loaded: Any, scorer: Any, samples: Sequence[Array], **options: Any) -> None:
    """The n-best lists of a ragged batch are those of ESPnet's `Speech2Text`, one by one."""
    options = {"ctc_window_margin": 0, "nbest": 3, **options}
    espnet = reference.Recogniser(loaded, **options).speech2text
    model, vocabulary = loaded.model, len(loaded.config["token_list"])
    encoded = []
    for speech in samples:
        with torch.no_grad():
            x, _ = model.encode(torch.tensor(speech)[None], torch.tensor([len(speech)]))
        encoded.append(x[0].numpy())
    lengths = np.array([len(x) for x in encoded])
    padded = np.zeros((len(encoded), lengths.max(), encoded[0].shape[1]), np.float32)
    for row, x in zip(padded, encoded, strict=True):
        row[: len(x)] = x
    ctc = model.ctc.log_softmax(torch.from_numpy(padded)).detach().numpy()
    search = BeamSearch(
        {"decoder": scorer},
        vocab_size=vocabulary,
        sos=model.sos,
        eos=model.eos,
        decoding=Decoding(**options),
    )
    for speech, ours in zip(samples, search(padded, lengths, ctc), strict=True):
        theirs = [hypothesis for *_, hypothesis in espnet(speech)]
        assert [h.tokens for h in ours] == [tuple(h.yseq[1:-1].tolist()) for h in theirs]
        scores = [float(h.score) for h in theirs]
        np.testing.assert_allclose([h.score for h in ours], scores, atol=1e-3)
