"""One side of a benchmark, in a process of its own: JSON lines in, JSON lines out.

The first line on stdin describes the side; then each line names the .npy recordings of a batch, or
holds a `text` and the `settings` to speak it with. Loading, imports and reading files stay outside
the time.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .parts.synthesizer import Synthesizer
    from .speaker import Speaker

__all__ = ["main", "peak_mb", "resident_mb"]

Work = Callable[[Any], dict[str, Any]]
# Seconds before a call: OpenMP's threads of the side before keep the cores busy for some
# milliseconds after their work.
_PAUSE = 0.03


def peak_mb() -> float:
    """Peak resident size of this process so far, in MB (10^6 bytes)."""
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def resident_mb() -> float:
    """Resident size of this process now, in MB; the peak where the system does not say."""
    return _status("VmRSS") or peak_mb()


def _status(key: str) -> float | None:
    """A size from Linux's /proc/self/status, whose "kB" are 1024 bytes."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def _bundle(side: Mapping[str, Any]) -> tuple[Work, Callable[[], dict[str, Any]]]:
    import onnxruntime  # noqa: F401  (part of the imports, not of the load)

    from .parts.extractor import Extractor
    from .parts.synthesizer import Synthesizer
    from .runtime import OrtSession, load

    imported = resident_mb()
    sessions: dict[str, OrtSession] = {}
    runtime = load(
        side["bundle"],
        precision=side["precision"],
        threads=side["threads"],
        sessions=sessions,
        **side["decoding"],
    )

    def report() -> dict[str, Any]:
        profile = {n: {"calls": s.calls, "seconds": s.seconds} for n, s in sessions.items()}
        return {"imports_mb": imported, "profile": profile}

    if isinstance(runtime, Synthesizer):
        return _spoken(runtime, _voice(side)), report

    def work(samples: Any) -> dict[str, Any]:
        results = runtime.batch(samples, batch_size=len(samples))
        if isinstance(runtime, Extractor):
            return _frames(results)
        return {
            "ids": [list(map(int, r.ids)) for r in results],
            "texts": [r.text for r in results],
        }

    return work, report


def _spoken(tts: Synthesizer, voice: Mapping[str, Any]) -> Work:
    """A text whole, or with `first` the first part of its stream."""

    def work(line: Any) -> dict[str, Any]:
        given = {**line["settings"], **voice}
        if line.get("first"):
            return {"samples": len(next(tts(line["text"], stream=True, **given)))}
        return {"samples": len(tts(line["text"], **given).wave)}

    return work


def _voice(side: Mapping[str, Any]) -> dict[str, Any]:
    """What `bench_speech` wrote of the voice, by the names of ESPnet's `Text2Speech`."""
    with np.load(side["voice"], allow_pickle=False) as file:
        return dict(file)


def _espnet(side: Mapping[str, Any]) -> tuple[Work, Callable[[], dict[str, Any]]]:
    import torch

    speaks = side.get("voice") is not None
    importlib.import_module(f"espnet2.bin.{'tts' if speaks else 'asr'}_inference")

    from . import loader, sources
    from .claims import claim_model
    from .companions import Companions
    from .manager import Manager
    from .reference import Features, Recogniser
    from .speaker import Speaker

    torch.set_num_threads(side["threads"])
    torch.set_grad_enabled(False)
    imported = resident_mb()
    source = sources.find(side["model"])
    loaded = loader.load_model(source, side.get("task"))
    if role := side.get("features"):
        features = Features(claim_model(loaded, Companions(), Manager.load(), role=role).component)
        return lambda samples: _frames(features.batch(samples)), lambda: {"imports_mb": imported}
    named = (side.get("lm"), side.get("ngram"), source.extra, side.get("vocoder"))
    companions = Companions.of(*named).load()
    if speaks:
        speaker = Speaker.beside(loaded, companions)
        return _said(speaker, _voice(side)), lambda: {"imports_mb": imported}
    extra = dict.fromkeys(("quantize_asr_model", "quantize_lm"), side["precision"] == "int8")
    espnet = Recogniser(loaded, **companions.inference, **side["decoding"], **extra)

    def work(samples: Any) -> dict[str, Any]:
        answers = [espnet(samples[0])] if len(samples) == 1 else espnet.batch(samples)
        return {"ids": [list(a.ids) for a in answers], "texts": [a.text for a in answers]}

    return work, lambda: {"imports_mb": imported}


def _said(speaker: Speaker, voice: Mapping[str, Any]) -> Work:
    def work(line: Any) -> dict[str, Any]:
        return {"samples": len(speaker.say(line["text"], voice, line["settings"])["wav"])}

    return work


def _frames(features: Any) -> dict[str, Any]:
    return {"frames": [len(feats) for feats in features]}


def main() -> None:
    """Serve one side until stdin ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    side = json.loads(sys.stdin.readline())
    work, report = (_bundle if side["side"] == "bundle" else _espnet)(side)
    print(json.dumps({"ready": True, "loaded_mb": peak_mb()}), file=out)
    for line in sys.stdin:
        asked = json.loads(line)
        audio = [np.load(path, allow_pickle=False) for path in asked.get("audio", ())]
        time.sleep(_PAUSE)
        start = time.perf_counter()
        answer = work(audio or asked)
        answer["seconds"] = time.perf_counter() - start
        print(json.dumps({**answer, "peak_mb": peak_mb(), **report()}), file=out)


if __name__ == "__main__":
    main()
