"""Power spectra against `torch.stft`, before any export."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from espnet_onnx.layers.stft import PowerSpectrum

pytestmark = pytest.mark.export

CASES = [
    (512, 400, 160, "hann", {}),
    (512, 400, 160, "hamming", {}),
    (256, 256, 100, None, {}),  # hop and window share few factors, no window function
    (200, 151, 37, "blackman", {}),  # an odd window off the middle of its frame
    (127, 127, 64, "hann", {}),  # odd n_fft: one frame fewer
    (64, 40, 50, "bartlett", {}),  # samples between the frames
    (512, 400, 160, "kaiser", {"normalized": True}),
    (512, 400, 160, "hann", {"center": False}),
    (200, 200, 80, None, {"center": False}),
]


@pytest.mark.parametrize(("n_fft", "win", "hop", "window", "options"), CASES)
def test_equals_torch_alone_and_in_a_batch(
    n_fft: int, win: int, hop: int, window: str | None, options: dict[str, Any]
) -> None:
    weights = torch.ones(win) if window is None else getattr(torch, f"{window}_window")(win)
    spectrum = PowerSpectrum(n_fft, win, hop, weights, **options)
    shortest = n_fft if options.get("center") is False else n_fft // 2 + 1
    lengths = torch.tensor([shortest, 1999, 3 * shortest])
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(3, int(lengths.max()), generator=generator)
    power, frames = spectrum(speech, lengths), spectrum.frame_lengths(lengths)
    for b, length in enumerate(lengths):
        stft = torch.stft(
            speech[b, :length].double(),
            n_fft,
            hop,
            win,
            weights.double(),
            **{"center": True, "normalized": False, "onesided": True, **options},
            return_complex=True,
        )
        want = stft.abs().square().T
        assert frames[b] == len(want)
        error = (power[b, : frames[b]] - want).abs().max() / want.max()
        assert error < 1e-6


def test_chosen_bins_are_columns_of_the_whole() -> None:
    window, lengths = torch.hann_window(400), torch.tensor([4000])
    speech = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    bins = torch.tensor([3, 200, 17])
    whole = PowerSpectrum(512, 400, 160, window)(speech, lengths)
    some = PowerSpectrum(512, 400, 160, window, bins=bins)(speech, lengths)
    torch.testing.assert_close(some, whole[..., bins])
