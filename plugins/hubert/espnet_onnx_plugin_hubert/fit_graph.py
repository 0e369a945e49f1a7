"""What a checkpoint may have more or less of than the model that was built for it."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

__all__ = ["fit", "rename"]

# Of no use to features: what fairseq's `remove_pretraining_modules` removes, HuBERT's labels,
# the mask of transformers.
_PRETRAINING = re.compile(
    r"(?:final_proj|project_q|quantizer|target_glu|label_embs_concat|masked_spec_embed|_ema)\b"
)


def fit(
    self: Any, state: dict[str, Any], prefix: str, *_rest: Any, where: str = "upstream.model"
) -> None:
    """A `load_state_dict` pre-hook that lets names in the state decide what does not matter.

    Weights that only pretraining needs are passed over. The convolutions take the biases that
    the state has: releases of one size differ in them.

    Args:
        self: holds the model under the dotted name `where`.
        state: what is being loaded; changed.
        prefix: of the holder's names in it.
    """
    start = f"{prefix}{where}."
    for name in [n for n in state if n.startswith(start)]:
        if _PRETRAINING.match(name, len(start)):
            del state[name]
    for name, conv in self.get_submodule(where).feature_extractor.named_modules():
        key = f"{start}feature_extractor.{name}"
        if not isinstance(conv, nn.Conv1d) or f"{key}.weight" not in state:
            continue
        if f"{key}.bias" not in state:
            conv.bias = None
        elif conv.bias is None:
            conv.bias = nn.Parameter(torch.zeros(conv.out_channels))


def rename(_self: Any, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    """A pre-hook for models of 2021 and 2022: s3prl's upstream was the frontend's own then.

    Mirrors what `AbsTask.build_model_from_file` does with such names.
    """
    for name in [n for n in state if n.startswith(f"{prefix}model.")]:
        state[f"{prefix}upstream.{name[len(prefix) :]}"] = state.pop(name)
