"""How fast torch and onnxruntime multiply fp32 matrices here: what every ratio depends on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from espnet_onnx.runtime import session_options

__all__ = ["matmul_gflops"]

SIZE = 1024
CALLS, WARM_UP = 30, 5


def matmul_gflops(threads: int) -> dict[str, float]:
    """GFLOP/s of a (1024, 1024) product on each side, by `torch` and `onnxruntime`."""
    random = np.random.default_rng(0)
    a, b = (random.random((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    rates = {"torch": _rate(lambda: torch.mm(left, right))}
    torch.set_num_threads(before)
    options = session_options(threads)
    session = ort.InferenceSession(_product(b), options)  # noqa: TID251  (no bundle here)
    rates["onnxruntime"] = _rate(lambda: session.run(None, {"a": a}))
    return rates


def _product(b: Any) -> bytes:
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, b.shape) for n in ("a", "c")]
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph(
        [node], "matmul", value[:1], value[1:], [numpy_helper.from_array(b, "b")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def _rate(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return round(2 * SIZE**3 / statistics.median(times[WARM_UP:]) / 1e9, 1)
