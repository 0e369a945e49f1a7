"""ESPnet's beam search beside ours, over the same random decoder and CTC posteriors.

Shapes: B utterances, T frames, D width, V tokens, H hypotheses, U tokens so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from espnet_onnx.parts.decoding import Decoding
from espnet_onnx.parts.search import BeamSearch
from espnet_onnx.types import Array

try:
    from espnet2.legacy.nets import batch_beam_search as reference
    from espnet2.legacy.nets.scorers import ctc as reference_ctc
    from espnet2.legacy.nets.scorers import length_bonus as reference_bonus
except ModuleNotFoundError:  # espnet 202511 and older
    from espnet.nets import batch_beam_search as reference
    from espnet.nets.scorers import ctc as reference_ctc
    from espnet.nets.scorers import length_bonus as reference_bonus

from espnet2.asr.decoder.transformer_decoder import TransformerDecoder

__all__ = [
    "HAS_WINDOW",
    "FixedCTC",
    "TorchScorer",
    "decode",
    "espnet_decode",
    "posteriors",
    "random_decoder",
    "reference",
    "reference_ctc",
]

WIDTH = 8
HAS_WINDOW = hasattr(reference_ctc.CTCPrefixScorer(None, 0), "window_margin")


class TorchScorer:
    """A `roles.Scorer` over a torch decoder, which checks that `parents` tells the truth."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder

    def start(self, encoder_out: Array, lengths: Array) -> Any:
        memory = [torch.from_numpy(x[:n]) for x, n in zip(encoder_out, lengths, strict=True)]
        return memory, np.zeros((len(lengths), 1, 0), dtype=np.int64)

    def score(self, tokens: Array, state: Any, parents: Array) -> tuple[Array, Any]:
        memory, before = state
        rows = np.arange(len(tokens))[:, None]
        np.testing.assert_array_equal(tokens[..., :-1], before[rows, parents])
        with torch.no_grad():
            scores = [
                self.decoder.batch_score(
                    torch.from_numpy(y), [None] * len(y), x.expand(len(y), *x.shape)
                )[0]
                for x, y in zip(memory, tokens, strict=True)
            ]
        return torch.stack(scores).numpy(), (memory, tokens)

    def keep(self, state: Any, utterances: Array) -> Any:
        memory, tokens = state
        return [memory[u] for u in utterances], tokens[utterances]


class FixedCTC:
    """A CTC head that answers with given posteriors."""

    def __init__(self, log_probs: Array) -> None:
        self.log_probs = torch.from_numpy(log_probs.copy())

    def log_softmax(self, x: Any) -> Any:
        return self.log_probs[None].clone()


def random_decoder(vocab_size: int, seed: int, sharp: float = 6.0, eos_bias: float = 1.0) -> Any:
    """A one-block Transformer decoder whose distributions are neither flat nor certain."""
    torch.manual_seed(seed)
    decoder = TransformerDecoder(
        vocab_size, WIDTH, attention_heads=2, linear_units=16, num_blocks=1, dropout_rate=0.0
    ).eval()
    with torch.no_grad():
        decoder.output_layer.weight *= sharp
        decoder.output_layer.bias[-1] += eos_bias
    return decoder


def posteriors(rng: np.random.Generator, frames: int, vocab_size: int, kind: str) -> Array:
    """CTC posteriors (T, V), `flat` or `peaky`: labels between long, nearly certain silences."""
    logits = rng.normal(size=(frames, vocab_size))
    if kind == "peaky":
        logits[:, 0] += 12.0
        labels = np.sort(rng.choice(frames, size=max(1, frames // 8), replace=False))
        spoken = labels[(labels < frames // 3) | (labels > frames * 2 // 3)]
        logits[spoken, 0] -= 12.0
        logits[spoken, rng.integers(1, vocab_size - 1, len(spoken))] += 9.0
    else:
        logits[:, 0] += 1.0
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return log_probs.astype(np.float32)


def espnet_decode(
    decoder: Any, encoder_out: Array, log_probs: Array, decoding: Decoding
) -> Sequence[Any]:
    """What ESPnet's `Speech2Text` would build and answer for one utterance (T, D)."""
    vocab_size = log_probs.shape[1]
    window = {"window_margin": decoding.ctc_window_margin} if HAS_WINDOW else {}
    search = reference.BatchBeamSearch(
        scorers={
            "decoder": decoder,
            "ctc": reference_ctc.CTCPrefixScorer(FixedCTC(log_probs), vocab_size - 1, **window),
            "length_bonus": reference_bonus.LengthBonus(vocab_size),
        },
        weights=decoding.weights,
        beam_size=decoding.beam_size,
        vocab_size=vocab_size,
        sos=vocab_size - 1,
        eos=vocab_size - 1,
        pre_beam_score_key=None if decoding.ctc_weight == 1.0 else "full",
        normalize_length=decoding.normalize_length,
    )
    with torch.no_grad():
        hypotheses = search(
            torch.from_numpy(encoder_out),
            maxlenratio=decoding.maxlenratio,
            minlenratio=decoding.minlenratio,
        )
    return [
        (h.yseq.tolist()[1:-1], float(h.score), {k: float(v) for k, v in h.scores.items()})
        for h in hypotheses[: decoding.nbest]
    ]


def decode(
    scorers: Mapping[str, Any],
    encoder_outs: Sequence[Array],
    log_probs: Sequence[Array],
    decoding: Decoding,
) -> list[list[Any]]:
    """Our answer for a padded batch of utterances, the padding filled with nonsense."""
    lengths = np.array([len(x) for x in encoder_outs])
    encoder_out = np.full((len(lengths), lengths.max(), WIDTH), 7.0, dtype=np.float32)
    ctc = np.zeros((len(lengths), lengths.max(), log_probs[0].shape[1]), dtype=np.float32)
    for b, (x, p) in enumerate(zip(encoder_outs, log_probs, strict=True)):
        encoder_out[b, : len(x)], ctc[b, : len(p)] = x, p
    vocab_size = ctc.shape[2]
    search = BeamSearch(
        scorers, vocab_size=vocab_size, sos=vocab_size - 1, eos=vocab_size - 1, decoding=decoding
    )
    return [
        [(list(h.tokens), h.score, dict(h.scores)) for h in hypotheses]
        for hypotheses in search(encoder_out, lengths, ctc)
    ]
