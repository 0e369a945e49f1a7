"""One side of ssl_frontend.py, in a process of its own: JSON lines in, JSON lines out.

The first line names the side; then `{"audio": file}` takes its features once, and with
`"save": file` also writes them.

Shapes: S samples, T frames, D width.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from espnet_onnx.bench_worker import peak_mb, resident_mb
from espnet_onnx.types import Array

__all__ = ["main"]

# (S,) -> (T, D)
Features = Callable[[Array], Array]


def _espnet(side: Mapping[str, Any]) -> tuple[Features, dict[str, float]]:
    """ESPnet's frontend, with the copy of s3prl's weights that its constructor makes."""
    import s3prl.nn  # noqa: F401  (part of the imports, not of the load)
    import torch
    from espnet2.tasks.asr import ASRTask  # noqa: F401  (likewise)

    from espnet_onnx import loader, sources

    torch.set_num_threads(side["threads"])
    torch.set_grad_enabled(False)
    sizes = {"imports_mb": resident_mb()}
    frontend: Any = loader.load_model(sources.find(side["path"])).model.frontend
    frontend.pretrained_params = copy.deepcopy(frontend.upstream.state_dict())
    weights = frontend.pretrained_params.values()
    sizes["copy_mb"] = sum(w.numel() * w.element_size() for w in weights) / 1e6

    def features(samples: Array) -> Array:
        feats, _ = frontend(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        return np.asarray(feats[0].numpy())

    return features, sizes


def _bundle(side: Mapping[str, Any]) -> tuple[Features, dict[str, float]]:
    import onnxruntime  # noqa: F401  (part of the imports, not of the load)

    from espnet_onnx import load

    sizes = {"imports_mb": resident_mb(), "copy_mb": 0.0}
    extractor = load(side["path"], precision=side["side"], threads=side["threads"])
    return extractor, sizes


def main() -> None:
    """Serve one side until stdin ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    side = json.loads(sys.stdin.readline())
    features, sizes = (_espnet if side["side"] == "ESPnet" else _bundle)(side)
    print(json.dumps({"ready": True}), file=out)
    for text in sys.stdin:
        line = json.loads(text)
        samples = np.load(line["audio"])
        start = time.perf_counter()
        feats = features(samples)
        seconds = time.perf_counter() - start
        if "save" in line:
            np.save(line["save"], feats)
        print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), **sizes}), file=out)


if __name__ == "__main__":
    main()
