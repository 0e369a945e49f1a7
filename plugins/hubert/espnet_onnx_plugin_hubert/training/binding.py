"""A bundle's graphs on torch tensors: onnxruntime reads and writes the memory that torch sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

import espnet_onnx

from .states import states_manager

__all__ = ["opened", "ort_device", "run_bound"]

_NUMPY = {torch.float32: np.float32, torch.int64: np.int64}


def ort_device(wanted: torch.device) -> tuple[torch.device, list[str]]:
    """Where a graph runs for a model on `wanted`: the device, and onnxruntime's providers.

    A model on a GPU whose onnxruntime has no provider for it gets its features from the CPU.
    """
    import onnxruntime as ort

    if wanted.type == "cuda" and "CUDAExecutionProvider" in ort.get_available_providers():
        # The provider takes the first GPU that the process sees.
        return torch.device("cuda", 0), ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return torch.device("cpu"), ["CPUExecutionProvider"]


def opened(
    bundle: str | Path, precision: str, threads: int | None, device: str | torch.device
) -> tuple[Any, list[Any], torch.device]:
    """What a bundle opens as, its sessions, and the device on which they run."""
    where, providers = ort_device(torch.device(device))
    sessions: dict[str, Any] = {}
    found = espnet_onnx.load(
        bundle,
        precision=precision,
        threads=threads,
        providers=providers,
        manager=states_manager(),
        sessions=sessions,
    )
    return found, list(sessions.values()), where


def run_bound(session: Any, feed: Mapping[str, Tensor], device: torch.device) -> list[Tensor]:
    """Run an onnxruntime session with IO binding.

    Args:
        session: core's open graph, with a provider for `device`.
        feed: inputs by name; moved to `device` where they are elsewhere.
        device: where inputs are read and outputs stay.

    Returns:
        The outputs in the graph's own order, over onnxruntime's memory: nothing is copied.
    """
    binding = session.bind()
    tensors = {name: tensor.to(device).contiguous() for name, tensor in feed.items()}
    for name, tensor in tensors.items():
        binding.io.bind_input(
            name,
            device.type,
            device.index or 0,
            _NUMPY[tensor.dtype],
            tuple(tensor.shape),
            tensor.data_ptr(),
        )
    for name in binding.outputs:
        binding.io.bind_output(name, device.type, device.index or 0)
    if device.type == "cuda":
        # The two libraries work on streams of their own.
        torch.cuda.current_stream(device).synchronize()
    # The private value is what can hand its memory over by DLPack.
    return [from_dlpack(value._ortvalue) for value in binding.run()]  # noqa: SLF001
