"""The claim on the encoder of ESPnet's standalone transducer task, which is built of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo

__all__ = ["claim"]

KIND = "conformer_transducer.standalone_encoder"
BLOCKS = ("branchformer", "conformer", "conv1d", "ebranchformer")
# Fewest input frames by subsampling factor; `check_short_utt` lets factor 2 pass with three.
SHORTEST = {2: 7, 4: 7, 6: 11}
# What is tried in search of a length that leaves a frame.
_FAR = 100_000


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors the constructor of `espnet2.asr_transducer.encoder.encoder.Encoder`."""
    conf = component.conf
    body = [block for block in conf.get("body_conf") or () if isinstance(block, Mapping)]
    factor = (conf.get("input_conf") or {}).get("subsampling_factor") or 4
    unknown = [str(b.get("block_type")) for b in body if b.get("block_type") not in BLOCKS]
    if unknown or not body:
        return eo.Declined(
            f"encoder block {', '.join(unknown) or 'list is empty'}: ESPnet has {', '.join(BLOCKS)}"
        )
    if factor not in SHORTEST:
        return eo.Declined(f"subsampling_factor {factor} is not one that ESPnet has (2, 4, 6)")
    if any(not isinstance(size, int) for b in body for size in _sizes(b)):
        return eo.Declined("a conv1d block whose kernel_size, stride or dilation is no number")
    shortest = _shortest(conf, body, factor)
    return eo.Part(KIND, config={"shortest": shortest, "factor": factor})


def _sizes(block: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Kernel, stride and dilation of a conv1d block; of others those that change no length."""
    if block["block_type"] != "conv1d":
        return 1, 1, 1
    return block.get("kernel_size"), block.get("stride", 1), block.get("dilation", 1)


def _shortest(conf: Mapping[str, Any], body: list[Mapping[str, Any]], factor: int) -> int:
    """Fewest input frames that leave one behind the last block."""
    given = conf.get("input_conf") or {}
    # A causal convolution keeps the length.
    causal = (conf.get("main_conf") or {}).get("dynamic_chunk_training", False)
    steps = [] if causal else [_sizes(b) for b in body for _ in range(b.get("num_blocks") or 1)]
    for frames in range(SHORTEST[factor], _FAR):
        left = _subsampled(frames, factor, bool(given.get("vgg_like", False)))
        for kernel, stride, dilation in steps:
            left = (left - dilation * (kernel - 1) - 1) // stride + 1
        if left > 0:
            return frames
    return _FAR


def _subsampled(frames: int, factor: int, vgg: bool) -> int:
    """`ConvInput.get_output_lengths` (202611)."""
    if vgg:
        pooled = (frames - 2 - factor // 2 + 1) // 2 + 1
        return (pooled - 2 - 2 + 1) // 2 + 1
    kernel, stride = {2: (3, 1), 4: (3, 2), 6: (5, 3)}[factor]
    return ((frames - 3) // 2 + 1 - kernel) // stride + 1
