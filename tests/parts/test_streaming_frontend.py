"""Features of a stream against ESPnet's `Speech2TextStreaming.apply_frontend`."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.bin.asr_inference_streaming import Speech2TextStreaming
from espnet2.layers.utterance_mvn import UtteranceMVN

from espnet_onnx.parts.streaming_frontend import StreamingFrontend
from espnet_onnx.types import Array

pytestmark = pytest.mark.export


@attrs.define
class Live:
    """An ESPnet module as a frontend or a normalisation."""

    module: Any
    hop_length: int = 0
    win_length: int = 0
    shortest: int = 0
    sample_rate: int = 8000

    def __call__(self, x: Array, lengths: Array) -> tuple[Array, Array]:
        with torch.no_grad():
            out, frames = self.module(torch.from_numpy(x), torch.from_numpy(lengths))
        return out.numpy(), frames.numpy()


@pytest.mark.parametrize("sizes", [(128, 64, 128), (128, 64, 100), (128, 50, 128), (200, 48, 160)])
@pytest.mark.parametrize(
    "chunks", [[700] * 4, [1, 200, 3, 950, 64], [400, 0], [2000], [90], [250, 9]]
)
def test_equals_espnet(sizes: tuple[int, int, int], chunks: Sequence[int]) -> None:
    n_fft, hop, window = sizes
    live = DefaultFrontend(8000, n_fft=n_fft, hop_length=hop, win_length=window, n_mels=9).eval()
    normalize = UtteranceMVN()

    def extract_feats(speech: Any, speech_lengths: Any) -> Any:
        return live(speech, speech_lengths)

    model = SimpleNamespace(normalize=normalize, _extract_feats=extract_feats)
    theirs = SimpleNamespace(
        win_length=window, hop_length=hop, dtype="float32", device="cpu", asr_model=model
    )
    ours = StreamingFrontend(Live(live, hop, window, n_fft // 2 + 1), [Live(normalize)])
    samples = np.random.default_rng(0).normal(0, 0.1, sum(chunks)).astype(np.float32)
    state, begin = None, 0
    for i, size in enumerate(chunks):
        chunk, last = samples[begin : begin + size], i == len(chunks) - 1
        begin += size
        with torch.no_grad():
            feats, _, state = Speech2TextStreaming.apply_frontend(
                theirs, torch.from_numpy(chunk), state, is_final=last
            )
        found = ours.push(chunk, last=last)
        assert (found is None) == (feats is None)
        if found is not None:
            np.testing.assert_allclose(found, feats.numpy(), atol=1e-5)
