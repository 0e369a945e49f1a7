"""Short-time power spectra as matrix products, for stock onnxruntime.

Shapes: B utterances, S samples, T frames, W window samples, K hops a window spans, F bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PowerSpectrum"]


class PowerSpectrum(nn.Module):
    """|STFT|^2 of a ragged batch, each utterance framed as if it were alone.

    Mirrors ESPnet's `espnet2.layers.stft.Stft.forward` (`torch.stft` underneath) except for the
    batch: with `center`, ESPnet reflects the samples around the end of the padded batch, this
    module around the end of each utterance, which is what ESPnet does to an utterance alone.

    Args:
        n_fft: points of the Fourier transform; also sets padding and the number of frames.
        win_length: window samples W, at most n_fft; the window sits in the middle of a frame.
        hop_length: samples from one frame to the next.
        window: the W weights; each must equal the one as far behind the middle (`torch`'s
            periodic windows: w[n] = w[W-n]).
        center: frame t is centred on sample t * hop_length, the ends being reflected.
        normalized: scale the spectrum by n_fft ** -0.5.
        bins: which frequencies to compute, in order; None is 0 to n_fft // 2.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(
        self,
        n_fft: int,
        win_length: int,
        hop_length: int,
        window: Tensor,
        center: bool = True,
        normalized: bool = False,
        bins: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.win_length = win_length
        self.center = center
        margin = n_fft // 2 if center else 0
        # Samples between the beginning of the first window and that of the recording.
        self.before = margin - (n_fft - win_length) // 2
        self.overhang = 2 * margin - n_fft
        self.hops = -(-win_length // hop_length)
        bins = torch.arange(n_fft // 2 + 1) if bins is None else bins
        cosines, sines = _folded_dft(n_fft, window, bins, n_fft**-0.5 if normalized else 1.0)
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Samples (B,) -> frames (B,), as `Stft.forward` counts them."""
        return (lengths + self.overhang) // self.hop_length + 1

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Speech (B, S) and its lengths in samples -> power (B, T, F).

        Frames behind `frame_lengths(lengths)` hold whatever the padding held.
        """
        frames = self._frames(speech, lengths)
        half = self.win_length // 2
        first, front = frames[..., :1], frames[..., 1 : half + 1]
        back = frames[..., self.win_length - half :].flip(-1)
        real = torch.cat([first, front + back], -1) @ self.cosines
        imag = torch.cat([first, front - back], -1) @ self.sines
        return real * real + imag * imag

    def _frames(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, W): blocks of one hop, each joined with the blocks behind it.

        onnxruntime copies whole blocks several times as fast as it gathers samples.
        """
        hop = self.hop_length
        after = self.hops * hop + self.overhang - self.before
        padded = functional.pad(speech, (self.before, after))
        if self.center:
            padded = self._reflect(padded, speech, lengths)
        count = padded.shape[1] // hop
        blocks = padded[:, : count * hop].reshape(padded.shape[0], count, hop)
        frames = count - self.hops + 1
        widths = [min(hop, self.win_length - k * hop) for k in range(self.hops)]
        return torch.cat([blocks[:, k : k + frames, :w] for k, w in enumerate(widths)], -1)

    def _reflect(self, padded: Tensor, speech: Tensor, lengths: Tensor) -> Tensor:
        """Write the mirrored samples before the beginning and behind each utterance's end."""
        head = torch.arange(self.before).expand(speech.shape[0], -1)
        behind = torch.arange(self.win_length + self.overhang - self.before)
        end = lengths[:, None]
        target = torch.cat([head, self.before + end + behind], 1)
        source = torch.cat([self.before - head, (end - 2 - behind).clamp(min=0)], 1)
        return padded.scatter(1, target, speech.gather(1, source))


def _folded_dft(n_fft: int, window: Tensor, bins: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Windowed cosines and sines (1 + W//2, F).

    Their rows are for a frame's first sample and for its sums, or differences, of samples n and
    W-n. Computed in float64 around the middle of the window: where time zero lies changes phases,
    not powers.
    """
    width = len(window)
    n = torch.arange(width // 2 + 1, dtype=torch.float64)
    weights = window.double()[: len(n)] * scale
    if width % 2 == 0:
        weights[-1] /= 2  # the middle sample is its own partner
    angles = 2 * math.pi / n_fft * (n - width / 2)[:, None] * bins.double()
    return (
        (weights[:, None] * angles.cos()).float().contiguous(),
        (weights[:, None] * angles.sin()).float().contiguous(),
    )
