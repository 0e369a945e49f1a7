"""What references of encoders share: random features, and a live encoder that stays as it was.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..types import Array

__all__ = ["fresh_positions", "random_features", "unchanged"]


def random_features(lengths: Sequence[int], width: int) -> dict[str, Array]:
    """`feats` (B, T, F) and `feats_lengths` (B,).

    What stands behind an utterance's end is as random as the rest, to show any leak.
    """
    rng = np.random.default_rng([len(lengths), *lengths])
    shape = (len(lengths), max(lengths), width)
    feats = rng.standard_normal(shape, dtype=np.float32)
    return {"feats": feats, "feats_lengths": np.array(lengths, np.int64)}


@contextlib.contextmanager
def unchanged(live: Any, *names: str) -> Iterator[None]:
    """Put back what a call changes: position tables grow, and attention keeps its weights.

    Args:
        live: an ESPnet module.
        names: more attributes, of any of its modules, to put back.
    """
    wanted = ("pe", "attn", *names)
    kept = [(m, name, vars(m)[name]) for m in live.modules() for name in wanted if name in vars(m)]
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def fresh_positions(live: Any, table: int) -> None:
    """Give the old relative positions the table of a freshly built model.

    Only they count from the table's end, which an earlier, longer utterance may have moved.
    """
    for module in live.modules():
        if type(module).__name__ == "LegacyRelPositionalEncoding":
            module.pe = None
            module.extend_pe(torch.zeros(1, table))
