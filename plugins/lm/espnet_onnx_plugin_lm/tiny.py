"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["MODELS", "arpa", "score_texts"]

_VOCABULARY: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
}
# unit and nhid make one weight wide enough to become int8.
_TRANSFORMER: Mapping[str, Any] = {
    **_VOCABULARY,
    "lm": "transformer",
    "lm_conf": {"embed_unit": 16, "att_unit": 32, "head": 2, "unit": 512, "layer": 2},
}
_LSTM: Mapping[str, Any] = {
    **_VOCABULARY,
    "lm": "seq_rnn",
    "lm_conf": {"unit": 64, "nlayers": 2},
}
_RECOGNISER: Mapping[str, Any] = {
    **_VOCABULARY,
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
}


def arpa(path: Path) -> None:
    """Write a bigram model over some of the tokens; the others are unknown to it."""
    words = {"<unk>": -1.5, "<s>": -99.0, "</s>": -1.0, "a": -0.6, "b": -0.9, "c": -1.1, "d": -0.8}
    pairs = {"<s> a": -0.2, "a b": -0.3, "b d": -0.15, "d a": -0.4}
    lines = ["\\data\\", f"ngram 1={len(words)}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += [f"{score}\t{word}\t-0.25" for word, score in words.items()]
    lines += ["", "\\2-grams:", *(f"{score}\t{pair}" for pair, score in pairs.items())]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), "utf-8")


def score_texts(runtime: Any) -> dict[str, Any]:
    """Two texts through a language model."""
    scores = runtime.scores(["abc de", "p"])
    return {"log_probs": [list(score.log_probs) for score in scores]}


_ASK = "espnet_onnx_plugin_lm.tiny:score_texts"

MODELS = (
    TinyModel("transformer", _TRANSFORMER, ask=_ASK),
    TinyModel("lstm", _LSTM, ask=_ASK),
    TinyModel(
        "recogniser",
        _RECOGNISER,
        files={"bigram.arpa": arpa},
        lm=_LSTM,
        ngram="bigram.arpa",
        needs=("kenlm",),
    ),
)
