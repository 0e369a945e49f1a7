"""Tiny models with every kind of this plugin, for the conformance kit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet_onnx.testing import TinyModel

__all__ = ["BERT", "MODELS", "TRANSCRIPT", "understand", "write_bert"]

# Where a config finds the tiny BERT that `write_bert` makes.
BERT = "data/bert"
TRANSCRIPT = "turn the lights off now"

_BASE: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": None,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 32,
        "attention_heads": 2,
        "linear_units": 64,
        "num_blocks": 1,
    },
    # Without an attention decoder, which the tests of tokens have: it takes long to export.
    "model_conf": {"ctc_weight": 1.0},
}
# linear_units makes one weight wide enough to become int8.
_BLOCKS = {"output_size": 32, "attention_heads": 2, "linear_units": 512, "num_blocks": 1}


def write_bert(path: Path) -> None:
    """A folder with a tiny random BERT and its tokenizer, as transformers reads it.

    Args:
        path: config.json in that folder.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "turn", "the", "light", "##s", "off"]
    vocabulary = path.parent / "vocab.txt"
    vocabulary.write_text("\n".join([*words, "unk", "<", ">", "on"]) + "\n", "utf-8")
    BertTokenizerFast(str(vocabulary), do_lower_case=True).save_pretrained(path.parent)
    config = BertConfig(
        vocab_size=len(words) + 4,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(path.parent)


def understand(runtime: Any) -> dict[str, Any]:
    """One second of noise with a transcript, at most eight tokens."""
    noise = np.random.default_rng(0).normal(0, 0.1, runtime.sample_rate).astype(np.float32)
    result = runtime(noise, transcript=TRANSCRIPT, beam_size=3, maxlenratio=-8)
    return {"text": result.text, "ids": list(map(int, result.ids)), "score": float(result.score)}


MODELS = (
    TinyModel(
        "deliberation",
        {
            **_BASE,
            "postencoder": "transformer",
            "postencoder_conf": _BLOCKS,
            "postdecoder": "hugging_face_transformers",
            "postdecoder_conf": {"model_name_or_path": BERT, "output_size": 24},
            "deliberationencoder": "conformer",
            "deliberationencoder_conf": {
                **_BLOCKS,
                "output_size": 24,
                "macaron_style": True,
                "cnn_module_kernel": 3,
            },
            "transcript_token_list": ["<blank>", "<unk>", "turn", "lights", "off", "the"],
        },
        files={f"{BERT}/config.json": write_bert},
        ask="espnet_onnx_plugin_slu.tiny:understand",
    ),
)
