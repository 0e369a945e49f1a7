"""The mask-predict loop: by hand, and against ESPnet's own on random encoder output."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.ctc_greedy import ctc_greedy
from espnet_onnx.roles import Encoded
from espnet_onnx.types import Array
from espnet_onnx_plugin_mask_ctc.mask_predict_runtime import MaskPredict
from espnet_onnx_plugin_mask_ctc.settings import MaskDecoding

# Vocabulary of the tests by hand: blank, a, b, c; the mask is 4.
MASK = 4


def log_probs(*frames: tuple[int, float]) -> Array:
    """(T, 4): each frame's label and its probability, the rest spread evenly."""
    out = np.empty((len(frames), MASK), np.float32)
    for row, (label, probability) in zip(out, frames, strict=True):
        row[:] = (1 - probability) / (MASK - 1)
        row[label] = probability
    return np.log(out)


@attrs.define
class FakeDecoder:
    """Says `label` at every place, the surer the later; keeps what it was shown."""

    label: int = 3
    shown: list[Array] = attrs.field(factory=list)

    def start(self, encoder_out: Array, lengths: Array) -> dict[str, Array]:
        return {}

    def __call__(self, tokens: Array, lengths: Array, memory: Any) -> Array:
        self.shown.append(tokens.copy())
        scores = np.zeros((*tokens.shape, MASK + 1), np.float32)
        scores[:, :, self.label] = np.arange(tokens.shape[1]) + 1
        return scores


def decode(decoder: FakeDecoder, *utterances: Array, **settings: Any) -> list[tuple[int, ...]]:
    lengths = np.array([len(u) for u in utterances], np.int64)
    out = np.zeros((len(utterances), lengths.max(), MASK), np.float32)
    for row, utterance in zip(out, utterances, strict=True):
        row[: len(utterance)] = utterance
    search = MaskPredict(lambda encoder_out: encoder_out, decoder, MASK, 0)
    found = search(Encoded(out, lengths), MaskDecoding(**settings))
    return [transcript.hypotheses[0].tokens for transcript in found]


SURE_AND_NOT = log_probs((1, 0.5), (1, 0.995), (0, 0.6), (2, 0.7), (2, 0.8), (1, 0.6), (3, 0.9))


def test_a_token_is_as_sure_as_its_surest_frame() -> None:
    decoder = FakeDecoder()
    assert decode(decoder, SURE_AND_NOT) == [(1, 3, 3, 3)]
    assert decoder.shown[0].tolist() == [[1, MASK, MASK, MASK]]


def test_rounds_fill_the_best_masks_first_and_the_last_round_the_rest() -> None:
    decoder = FakeDecoder()
    decode(decoder, SURE_AND_NOT, n_iterations=2)
    assert [s.tolist() for s in decoder.shown] == [[[1, MASK, MASK, MASK]], [[1, MASK, MASK, 3]]]


def test_more_rounds_than_masks_fill_one_a_round() -> None:
    decoder = FakeDecoder()
    for n_iterations in (0, 3, 10):
        decoder.shown.clear()
        decode(decoder, SURE_AND_NOT, n_iterations=n_iterations)
        assert len(decoder.shown) == 3


def test_a_mask_filled_with_the_mask_stays_one() -> None:
    assert decode(FakeDecoder(label=MASK), SURE_AND_NOT) == [(1, MASK, MASK, MASK)]


def test_threshold_0_is_greedy_ctc() -> None:
    decoder = FakeDecoder()
    (greedy,) = ctc_greedy(SURE_AND_NOT[None], np.array([len(SURE_AND_NOT)]))
    assert decode(decoder, SURE_AND_NOT, threshold_probability=0) == [greedy.tokens]
    assert decoder.shown == []


def test_silence_is_no_tokens() -> None:
    silence = log_probs((0, 0.9), (0, 0.5))
    assert decode(FakeDecoder(), silence) == [()]
    assert decode(FakeDecoder(), silence, SURE_AND_NOT) == [(), (1, 3, 3, 3)]


@pytest.mark.parametrize(
    "settings",
    [{"n_iterations": -1}, {"n_iterations": 2.5}, {"n_iterations": True}]
    + [{"threshold_probability": p} for p in (-0.1, 1.1, float("nan"), "high")],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        MaskDecoding(**settings)


def test_the_score_is_what_each_part_said() -> None:
    search = MaskPredict(lambda encoder_out: encoder_out, FakeDecoder(), MASK, 0)
    encoded = Encoded(SURE_AND_NOT[None], np.array([len(SURE_AND_NOT)]))
    (transcript,) = search(encoded, MaskDecoding())
    best = transcript.hypotheses[0]
    filled = sum(np.log(np.exp(s) / (np.exp(s) + MASK)) for s in (2.0, 3.0, 4.0))
    assert best.scores["ctc"] == pytest.approx(np.log(0.995), abs=1e-6)
    assert best.scores["mlm"] == pytest.approx(filled, abs=1e-6)
    assert best.score == pytest.approx(best.scores["ctc"] + best.scores["mlm"])
