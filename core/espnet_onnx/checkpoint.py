"""Weights from a checkpoint, read without running code and loaded without gaps."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .errors import ModelError, one_line

__all__ = ["DROPPABLE", "apply_state", "load_state"]

# Modules that only training uses; a segment of the dotted name must match as a whole.
_LOSS = r"(?:\w+_)?(?:loss|losses|criterion)(?:_\w+)?"
_ADAPTER = r"adapters?|\w*_adapters?|lora_[AB]"
DROPPABLE = re.compile(rf"(?:^|\.)(?:{_LOSS}|{_ADAPTER})(?:\.|$)")
# Without these the model computes something else, so they may be surplus but never missing.
_NEEDED = re.compile(rf"(?:^|\.)(?:{_ADAPTER})(?:\.|$)")
# `ESPnetASRModel` sets to None what `ctc_weight` 0 or 1 leaves without a use; checkpoints of 2020
# and 2021 still hold its weights.
_HEADS = ("decoder", "ctc")
_LFS = b"version https://git-lfs."
_SHOWN = 4


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors to the CPU; nothing in the file is executed.

    Takes a bare state dict and what ESPnet's tools wrap one in: `model` (its trainer's
    checkpoint.pth), `module` (DeepSpeed), `state_dict` (Lightning), `generator` in `model` (a
    vocoder of ParallelWaveGAN's).

    Raises:
        ModelError: missing, empty or truncated file, not a checkpoint, or a pickle with code in it.
    """
    try:
        # Old checkpoints are no zips and cannot be mapped.
        loaded = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except FileNotFoundError:
        raise ModelError(f"{path}: no such checkpoint; give an existing *.pth") from None
    # On bytes that are no checkpoint, torch.load raises whatever its readers happen to.
    except Exception as error:
        raise ModelError(f"{path}: {_refusal(path, error)}") from error
    return _tensors(path, loaded)


def apply_state(
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    name: str = "the checkpoint",
    droppable: re.Pattern[str] = DROPPABLE,
) -> list[str]:
    """Load every weight; ESPnet 202511 itself would leave a missing one random.

    Args:
        model: receives the weights, in place and in its own dtype.
        state: what `load_state` returned.
        name: how messages call the checkpoint.
        droppable: keys that may be missing or surplus because only training needs them.

    Returns:
        The names of such keys, sorted, and of those of a `decoder` or `ctc` that the model has as
        None.

    Raises:
        ModelError: other missing or surplus keys, or other shapes, by name.
    """
    try:
        # The model's own hooks rename keys of older versions, so torch does the comparing.
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(
            f"{name} does not fit its config: {_shapes(model, state, error)}"
        ) from error
    missing = [k for k in result.missing_keys if not droppable.search(k) or _NEEDED.search(k)]
    unused = tuple(f"{name}." for name in _HEADS if getattr(model, name, model) is None)
    surplus = [
        k for k in result.unexpected_keys if not droppable.search(k) and not k.startswith(unused)
    ]
    if missing or surplus:
        parts = [_listed("lacks", missing), _listed("has unknown", surplus)]
        raise ModelError(
            f"{name} does not fit its config: it {' and '.join(p for p in parts if p)};"
            " give the config.yaml it was trained with"
        )
    return sorted({*result.missing_keys, *result.unexpected_keys})


def _tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    for wrapper in ("model", "module", "state_dict", "generator"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not len(loaded):
        what = "nothing" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        raise ModelError(
            f"{path}: holds {what}, not weights by name;"
            " give the *.pth that ESPnet's training wrote"
        )
    odd = [str(key) for key, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise ModelError(
            f"{path}: {_listed('holds', odd)} that are no tensors; give a model's *.pth"
        )
    return dict(loaded)


def _refusal(path: Path, error: Exception) -> str:
    start = _start(path)
    if start == b"":
        return "is empty; copy or download it again"
    if start == _LFS:
        return "is a git-lfs pointer, not the weights; run `git lfs pull` there"
    blocked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if blocked:
        culprit = blocked[1]
        return f"would run code when read ({culprit}), which is refused; save its state_dict()"
    return f"is damaged or not a checkpoint ({one_line(error, 90)}); copy or download it again"


def _start(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS))
    except OSError:
        return None


def _shapes(model: torch.nn.Module, state: Mapping[str, torch.Tensor], error: Exception) -> str:
    own = model.state_dict()
    wrong = [
        f"{key} has shape {list(value.shape)}, the config makes {list(own[key].shape)}"
        for key, value in state.items()
        if key in own and own[key].shape != value.shape
    ]
    if not wrong:
        return one_line(error)
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more


def _listed(verb: str, keys: Sequence[str]) -> str:
    if not keys:
        return ""
    dots = ", ..." if len(keys) > _SHOWN else ""
    return f"{verb} {len(keys)} key{'s'[: len(keys) > 1]} ({', '.join(keys[:_SHOWN])}{dots})"
