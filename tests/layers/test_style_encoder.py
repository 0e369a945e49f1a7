"""The style encoder of global style tokens against ESPnet's own, one recording at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
StyleEncoder = pytest.importorskip("espnet2.tts.gst.style_encoder").StyleEncoder

import espnet_onnx as eo
from espnet_onnx import layers, optimizer
from espnet_onnx.graphs import runner
from espnet_onnx.layers import style_encoder
from espnet_onnx.parity import compare, expect
from espnet_onnx.runtime import OrtSession, session_options
from espnet_onnx.tracer import trace
from espnet_onnx.types import Feed

pytestmark = pytest.mark.export


class Styles(torch.nn.Module):
    """A graph of the layer alone."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.style = style_encoder.StyleEncoder(live)

    def forward(self, speech: torch.Tensor, speech_lengths: torch.Tensor) -> torch.Tensor:
        return self.style(speech, speech_lengths)


@pytest.mark.parametrize(
    "sizes",
    [
        {"conv_layers": 3, "conv_chans_list": (4, 4, 6), "gru_units": 8, "gru_layers": 2},
        {"conv_layers": 2, "conv_chans_list": (3, 5), "conv_kernel_size": 5, "conv_stride": 3},
    ],
)
def test_a_ragged_batch_has_the_styles_of_its_recordings(
    sizes: dict[str, Any], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    live = StyleEncoder(idim=20, gst_tokens=5, gst_token_dim=12, gst_heads=3, **sizes).eval()
    with torch.no_grad():
        for name, buffer in live.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
        live.stl.mha.linear_q.weight.mul_(20)

    def feed(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        speech = rng.standard_normal((len(lengths), max(lengths), 20), dtype=np.float32)
        return {"speech": speech, "speech_lengths": np.array(lengths, np.int64)}

    def reference(feed: Feed) -> Feed:
        with torch.no_grad():
            return {"style": live(torch.from_numpy(feed["speech"])).numpy()}

    graph = eo.Graph(
        Styles(live).eval(),
        outputs=["style"],
        axes={
            "speech": ("batch", "frames", None),
            "speech_lengths": ("batch",),
            "style": ("batch", None),
        },
        lengths={"frames": "speech_lengths"},
        feed=feed,
        reference=reference,
        trials=((23, 9, 40), (1,), (7, 64)),
    )
    model, _ = optimizer.fuse(trace(graph), layers.fusion_rules())
    path = tmp_path / "style.onnx"
    optimizer.save(model, path)
    session = OrtSession(path, session_options(1), ("CPUExecutionProvider",))
    assert compare(graph, runner(session, graph), expect(graph)).difference < 1e-5
    # The reference tells recordings apart, or equality would say nothing.
    out = [wanted["style"] for trial in expect(graph) for wanted in trial.wanted]
    assert np.ptp(np.concatenate(out), axis=0).max() > 1e-2
