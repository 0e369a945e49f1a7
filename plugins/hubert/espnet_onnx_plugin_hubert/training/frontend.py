"""A bundle of a frontend as a torch module.

Shapes: B utterances, N samples, T frames, D width.
"""

from __future__ import annotations

from pathlib import Path

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor

from espnet_onnx.errors import AudioError, InputError

from .binding import opened, run_bound

__all__ = ["OnnxFrontend"]

_INPUTS = {"speech", "speech_lengths", "layer_weights"}


class OnnxFrontend(AbsFrontend):  # type: ignore[misc]  # ESPnet has no types
    """Waveform to features on onnxruntime; nothing in it is trained.

    It can be given to `ESPnetASRModel` as its frontend. Its features carry no gradient.

    Attributes:
        hop_length: samples from one frame to the next.
    """

    def __init__(
        self,
        bundle: str | Path,
        *,
        precision: str = "fp32",
        threads: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """Open a bundle that `espnet-onnx export --role frontend` wrote.

        Args:
            bundle: the folder.
            precision: "fp32" or "int8".
            threads: of onnxruntime on the CPU, None for every core.
            device: of the model. On a GPU, with onnxruntime-gpu, features never leave it.

        Raises:
            InputError: the bundle gives no features, or lacks the precision.
        """
        super().__init__()
        extractor, self._sessions, self._device = opened(bundle, precision, threads, device)
        if not hasattr(extractor, "frontend"):
            raise InputError(
                f"{bundle}: gives no features: export a frontend with"
                " `espnet-onnx export MODEL --role frontend`"
            )
        self._frontend = extractor.frontend
        self._width = int(extractor.width)
        self.hop_length = int(self._frontend.hop_length)

    def output_size(self) -> int:
        """D."""
        return self._width

    @torch.no_grad()
    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) float32 and lengths in samples -> (B, T, D) and lengths in frames.

        Both are where `input` is. On the CPU neither side copies the other's memory.

        Raises:
            AudioError: an utterance is shorter than the frontend accepts.
        """
        speech, lengths = input.detach().float(), input_lengths.long()
        self._require_enough(int(lengths.min()))
        if len(self._sessions) == 1 and not self._sessions[0].inputs.keys() - _INPUTS:
            feed = {"speech": speech, "speech_lengths": lengths, **self._weights()}
            feats, frames = run_bound(self._sessions[0], feed, self._device)
        else:  # several graphs meet in numpy
            arrays = self._frontend(speech.cpu().numpy(), lengths.cpu().numpy())
            feats, frames = map(torch.from_numpy, arrays)
        return feats.to(input.device), frames.to(input_lengths.device)

    def _require_enough(self, samples: int) -> None:
        if samples < self._frontend.shortest:
            raise AudioError(
                f"too short: {samples} samples, the frontend needs {self._frontend.shortest}:"
                " leave such utterances out of the training set"
            )

    def _weights(self) -> dict[str, Tensor]:
        """What each state counts, where the graph asks for it."""
        if "layer_weights" not in self._sessions[0].inputs:
            return {}
        return {"layer_weights": torch.from_numpy(self._frontend.weights)}
