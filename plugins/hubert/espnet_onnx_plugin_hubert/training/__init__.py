"""Features for training: a bundle stands in for the frozen frontend while an ESPnet model trains.

    python -m espnet_onnx_plugin_hubert.training --config train.yaml ...

takes what `python -m espnet2.bin.asr_train` takes. In a training loop of one's own:

    with attach(model, "bundle"):
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .attaching import attach
from .frontend import OnnxFrontend
from .upstream import OnnxUpstream

if TYPE_CHECKING:
    from .task import OnnxASRTask

__all__ = ["OnnxASRTask", "OnnxFrontend", "OnnxUpstream", "attach"]


def __getattr__(name: str) -> Any:
    # Everything of ESPnet's ASR task, which a loop of one's own may not need.
    if name == "OnnxASRTask":
        from .task import OnnxASRTask

        return OnnxASRTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
