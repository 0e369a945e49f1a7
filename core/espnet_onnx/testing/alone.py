"""What a bundle answers where neither torch nor ESPnet can be imported; run as a program.

python -m espnet_onnx.testing.alone BUNDLE PRECISION MODULE:FUNCTION
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BLOCKED", "QUICK", "TOKENS", "ask", "block", "recognise", "speak"]

BLOCKED = ("torch", "torchaudio", "onnx", "onnx_ir", "onnxscript", "espnet", "espnet2")

# A search that ends soon, by those of the settings that it has.
QUICK = {"beam_size": 3, "maxlenratio": -8}
# What a model says that is asked to speak.
TOKENS = (1, 4, 2, 3, 1, 5, 3)


def block() -> None:
    """Make the packages of the export extra fail to import, as where they are not installed."""
    for name in BLOCKED:
        sys.modules[name] = None  # type: ignore[assignment]


def recognise(runtime: Any) -> dict[str, Any]:
    """One second of noise through a recogniser."""
    noise = np.random.default_rng(0).normal(0, 0.1, runtime.sample_rate).astype(np.float32)
    quick = {name: value for name, value in QUICK.items() if hasattr(runtime.decoding, name)}
    result = runtime(noise, **quick)
    return {"text": result.text, "ids": list(map(int, result.ids)), "score": float(result.score)}


def speak(runtime: Any) -> dict[str, Any]:
    """A few tokens through a synthesizer, in some voice of its own."""
    speech = runtime(TOKENS, **runtime.voices.any())
    durations = None if speech.durations is None else speech.durations.tolist()
    # Some samples: they travel as text.
    return {"samples": len(speech.wave), "durations": durations, "wave": speech.wave[::97].tolist()}


def ask(bundle: str | Path, precision: str, question: str) -> Any:
    """Open a bundle and put the question `module:function` to it."""
    from ..runtime import load

    module, _, function = question.partition(":")
    runtime = load(bundle, precision=precision, threads=1)
    return getattr(importlib.import_module(module), function)(runtime)


if __name__ == "__main__":
    block()
    sys.stdout.write(json.dumps(ask(*sys.argv[1:4])))
