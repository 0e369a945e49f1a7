"""Tiny random recurrent decoders, and what ESPnet's own says of a set of hypotheses.

Shapes: B utterances, H hypotheses an utterance, U tokens so far, T encoder frames, D width, V
tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.asr.decoder.rnn_decoder import RNNDecoder

import espnet_onnx as eo
from espnet_onnx import optimizer
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import input_names, trace
from espnet_onnx.types import Array
from espnet_onnx_plugin_rnn.decoder_claim import claim_decoder
from espnet_onnx_plugin_rnn.decoder_export import decoder_graphs
from espnet_onnx_plugin_rnn.decoder_runtime import RNNDecoderScorer

__all__ = [
    "D",
    "Eager",
    "V",
    "eager_scorer",
    "espnet_scores",
    "graphs_of",
    "live_decoder",
    "open_graph",
    "scorer",
]

V, D, UNITS = 11, 12, 10
ATTENTION = {"adim": 6, "aheads": 3, "awin": 4, "aconv_chans": 5, "aconv_filts": 3}


def live_decoder(atype: str, *, num_att: int = 1, **conf: Any) -> Any:
    """A random decoder whose scores are far from uniform, so that a wrong step shows."""
    torch.manual_seed(0)
    attention = {**ATTENTION, "atype": atype, "num_att": num_att}
    decoder = RNNDecoder(V, D, hidden_size=UNITS, att_conf=attention, **conf).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return decoder


def graphs_of(decoder: Any) -> dict[str, eo.Graph]:
    """Its graphs, claimed as a model would claim them."""
    component = eo.Component("decoder", "decoder", "rnn", {}, decoder)
    assert isinstance(claim_decoder(component), eo.Part)
    return dict(decoder_graphs(component))


def open_graph(graph: eo.Graph, path: Path) -> OrtSession:
    """The graph traced, fused, written to `path` and open."""
    model, _ = optimizer.fuse(trace(graph), [])
    optimizer.save(model, path)
    return OrtSession(path, session_options(1), ["CPUExecutionProvider"])


class Eager:
    """The export-friendly module itself, as a session: nothing is traced."""

    def __init__(self, graph: eo.Graph) -> None:
        self._graph = graph
        self.inputs = dict.fromkeys(input_names(graph), ())

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        with torch.no_grad():
            out = self._graph.module(*(torch.from_numpy(feed[name]) for name in self.inputs))
        return tuple(tensor.numpy() for tensor in out)


def eager_scorer(decoder: Any) -> RNNDecoderScorer:
    """Its runtime, over the modules that are to be exported."""
    return RNNDecoderScorer(*map(Eager, graphs_of(decoder).values()))


def scorer(decoder: Any, folder: Path) -> RNNDecoderScorer:
    """Its runtime, over graphs in `folder`."""
    sessions = (open_graph(g, folder / f"{n}.onnx") for n, g in graphs_of(decoder).items())
    return RNNDecoderScorer(*sessions)


def espnet_scores(decoder: Any, tokens: Array, encoder_out: Array, lengths: Array) -> Array:
    """`RNNDecoder.score` along every prefix of (B, H, U), each from `init_state` on."""
    scores = []
    for prefixes, memory, length in zip(tokens, encoder_out, lengths, strict=True):
        x = torch.from_numpy(memory[:length])
        rows = []
        for prefix in torch.from_numpy(prefixes):
            state = decoder.init_state(x)
            for end in range(1, len(prefix) + 1):
                with torch.no_grad():
                    log_probs, state = decoder.score(prefix[:end], state, x)
            rows.append(log_probs.numpy())
        scores.append(np.stack(rows))
    return np.stack(scores)
