"""The states of all layers as a torch module, in the place of s3prl's upstream.

Shapes: B utterances, N samples, T frames, D width, L states.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from espnet_onnx.errors import InputError

from .binding import opened, run_bound
from .states import States

__all__ = ["OnnxUpstream"]


class OnnxUpstream(nn.Module):
    """`s3prl.nn.S3PRLUpstream` on onnxruntime: ESPnet's featurizer weighs what it gives."""

    def __init__(
        self,
        bundle: str | Path,
        *,
        precision: str = "fp32",
        threads: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """Open a bundle that `training` made; the arguments are those of `OnnxFrontend`.

        Raises:
            InputError: the bundle gives the weighted sum.
        """
        super().__init__()
        found, sessions, self._device = opened(bundle, precision, threads, device)
        if not isinstance(found, States):
            raise InputError(
                f"{bundle}: gives the weighted sum of the layers, whose weights are trained:"
                " leave it out, and one with the states of all layers is made"
            )
        (self._session,) = sessions

    @torch.no_grad()
    def forward(self, wavs: Tensor, wavs_len: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(B, N) and lengths in samples -> L states (B, T, D), and L times lengths in frames."""
        feed = {"speech": wavs.detach().float(), "speech_lengths": wavs_len.long()}
        *states, lengths = run_bound(self._session, feed, self._device)
        states = [state.to(wavs.device) for state in states]
        return states, [lengths.to(wavs_len.device)] * len(states)
