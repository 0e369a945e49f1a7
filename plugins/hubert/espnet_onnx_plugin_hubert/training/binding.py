"""A graph on torch tensors: onnxruntime reads and writes the memory that torch sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

__all__ = ["ort_device", "run_bound"]

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


def run_bound(session: Any, feed: Mapping[str, Tensor], device: torch.device) -> list[Tensor]:
    """Run an onnxruntime session with IO binding.

    Args:
        session: core's open graph, with a provider for `device`.
        feed: inputs by name; moved to `device` where they are elsewhere.
        device: where inputs are read and outputs stay.

    Returns:
        The outputs in the graph's own order, over onnxruntime's memory: nothing is copied.
    """
    session = session._session  # noqa: SLF001  (`roles.Session` knows arrays alone)
    binding = session.io_binding()
    tensors = {name: tensor.to(device).contiguous() for name, tensor in feed.items()}
    for name, tensor in tensors.items():
        binding.bind_input(
            name,
            device.type,
            device.index or 0,
            _NUMPY[tensor.dtype],
            tuple(tensor.shape),
            tensor.data_ptr(),
        )
    for output in session.get_outputs():
        binding.bind_output(output.name, device.type, device.index or 0)
    if device.type == "cuda":
        # The two libraries work on streams of their own.
        torch.cuda.current_stream(device).synchronize()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    # The private value is what can hand its memory over by DLPack.
    return [from_dlpack(value._ortvalue) for value in binding.get_outputs()]  # noqa: SLF001
