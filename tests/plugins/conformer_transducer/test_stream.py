"""Searches that go on, against ESPnet's `BeamSearchTransducerStreaming`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr.transducer.beam_search_transducer_streaming import BeamSearchTransducerStreaming
from espnet2.lm.seq_rnn_lm import SequentialRNNLM

from espnet_onnx.errors import InputError
from espnet_onnx.parts.streaming_settings import Streaming
from espnet_onnx.types import Array
from espnet_onnx_plugin_conformer_transducer.searcher import TransducerSearch
from espnet_onnx_plugin_conformer_transducer.settings import TransducerDecoding
from espnet_onnx_plugin_conformer_transducer.stream import TransducerStream

from .live_networks import LanguageModel, Networks, T, V, encoded, networks

SETTINGS: list[dict[str, Any]] = [
    {"beam_size": 1, "nbest": 1},
    {"beam_size": 4, "nbest": 4},
    {"beam_size": 3, "nbest": 3, "score_norm_during": True},
    {"beam_size": 4, "nbest": 4, "search": "tsd"},
    {"beam_size": 4, "nbest": 4, "search": "nsc", "nstep": 3, "prefix_alpha": 3},
    {"beam_size": 4, "nbest": 4, "search": "maes", "nstep": 3, "prefix_alpha": 2},
]
CHUNKS = (1, 4, 0, 2, 7)


@pytest.fixture(autouse=True)
def no_grad() -> Any:
    with torch.no_grad():
        yield


def ours(nets: Any, lm: Any = None, streaming: Any = None, **settings: Any) -> TransducerStream:
    model = None if lm is None else LanguageModel(lm)
    searcher = TransducerSearch(nets, model, blank=0, vocab_size=V, durations=())
    return searcher.stream(TransducerDecoding(**settings), streaming or Streaming())


def espnets(nets: Networks, lm: Any = None, **settings: Any) -> Any:
    settings["search_type"] = settings.pop("search", "default")
    return BeamSearchTransducerStreaming(nets.decoder, nets.joint_network, lm=lm, **settings)


def check(settings: dict[str, Any], seed: int, lm: Any = None) -> None:
    """After every chunk, what ESPnet finds in all encoder output so far."""
    nets, out = networks(seed), encoded(seed).out[0]
    stream, theirs = ours(nets, lm, **settings), espnets(nets, lm, **settings)
    end, committed = 0, ()
    for size in CHUNKS:
        begin, end = end, end + size
        found = stream.push(out[begin:end], last=end == T)
        wanted = theirs(torch.from_numpy(out[:end]), is_final=True)
        assert [list(h.tokens) for h in found] == [h.yseq[1:-1].tolist() for h in wanted]
        scores = [float(h.score) for h in wanted]
        np.testing.assert_allclose([h.score for h in found], scores, rtol=0, atol=1e-4)
        running = [h.tokens for h in stream.running]
        assert all(tokens[: len(committed)] == committed for tokens in running)
        committed = running[0][: common(running)]
    once = ours(nets, lm, **settings).push(out, last=True)
    assert [h.tokens for h in once] == [h.tokens for h in found]
    assert [h.frames for h in once] == [h.frames for h in found]
    assert stream.frames == end == T


def common(sequences: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all begin with alike."""
    alike = [len(set(tokens)) == 1 for tokens in zip(*sequences, strict=False)]
    return [*alike, False].index(False)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_chunk_finds_what_espnet_finds_so_far(settings: dict[str, Any]) -> None:
    for seed in range(3):
        check(settings, seed)


@pytest.mark.parametrize("search", ["default", "tsd", "nsc", "maes"])
def test_language_model(search: str) -> None:
    torch.manual_seed(9)
    lm = SequentialRNNLM(V, unit=12, nlayers=2, rnn_type="lstm").eval()
    lm.decoder.weight *= 10
    for seed in range(2):
        check({"beam_size": 4, "nbest": 4, "search": search, "lm_weight": 0.7}, seed, lm)


class Quick:
    """`roles.Prediction` in numpy; its frames are what is said in them, one in three a token."""

    def project(self, encoder_out: Array) -> Array:
        return encoder_out

    def start(self) -> tuple[Array, ...]:
        return (np.zeros((1, V), np.float32),)

    def step(
        self, frames: Array, tokens: Array, states: Sequence[Array]
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        said = np.eye(V, dtype=np.float32)[tokens]
        state = 0.5 * states[0] + said
        outputs = 0.3 * state[:, ::-1] - 6 * said
        outputs[:, 0] = 2
        return self.joint(frames, outputs), outputs, (state,)

    def joint(self, frames: Array, outputs: Array) -> Array:
        logits = frames + outputs
        log_probs: Array = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return log_probs

    def frames(self, rng: np.random.Generator, count: int) -> Array:
        tokens = rng.integers(1, V, count) * (rng.random(count) < 1 / 3)
        frames: Array = 6 * np.eye(V)[tokens] + rng.normal(size=(count, V))
        return frames.astype(np.float32)


@pytest.mark.parametrize("search", ["default", "tsd", "nsc", "maes"])
def test_memory_does_not_grow_with_the_stream(search: str) -> None:
    nets, rng = Quick(), np.random.default_rng(1)
    stream = ours(nets, beam_size=3, search=search)
    largest = []
    for minutes in (1, 9, 50):
        sizes = []
        # Minutes of few frames; it is their number that matters.
        for _ in range(3 * minutes):
            stream.push(nets.frames(rng, 12), last=False)
            sizes.append(stream.size)
        largest.append(max(sizes))
    assert len(stream.running[0].tokens) > 600
    assert max(largest) <= 30, largest


def test_the_best_hypothesis_alone() -> None:
    nets, out = networks(1), encoded(1).out[0]
    streaming = Streaming(block_size=6, look_ahead=2, hop_size=3, incremental_decode=True)
    results = []
    for sizes in [(T,), (5, 9), CHUNKS]:
        stream, begin = ours(nets, streaming=streaming, beam_size=4, nbest=4), 0
        for size in sizes:
            found = stream.push(out[begin : begin + size], last=begin + size == T)
            begin += size
        results.append([(h.tokens, h.frames) for h in found])
    assert results[0] == results[1] == results[2]
    free = ours(nets, beam_size=4, nbest=4).push(out, last=True)
    assert results[0] != [(h.tokens, h.frames) for h in free]


@pytest.mark.parametrize(
    ("settings", "streaming", "line"),
    [
        ({"search": "alsd"}, {}, "whole recordings: give default, tsd, nsc, maes for a stream"),
        ({}, {"decoder_text_length_limit": 4}, "decoder_text_length_limit=4"),
    ],
)
def test_what_does_not_stream_is_refused(
    settings: dict[str, Any], streaming: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        ours(networks(0), streaming=Streaming(**streaming), **settings)


def test_several_blanks_do_not_stream() -> None:
    searcher = TransducerSearch(networks(0), None, blank=2, vocab_size=V, durations=(2, 4))
    with pytest.raises(InputError, match="several blanks"):
        searcher.stream(TransducerDecoding(search="mbg"), Streaming())
