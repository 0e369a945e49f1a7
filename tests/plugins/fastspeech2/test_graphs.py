"""The graphs against ESPnet's own modules, one utterance at a time."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.graphs import verdict
from espnet_onnx.parity import compare, expect

from .live import Eager, claimed, component

CONFORMER: dict[str, Any] = {"encoder_type": "conformer", "decoder_type": "conformer"}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("fastspeech2", {}),
    ("fastspeech2", {**CONFORMER, "conformer_rel_pos_type": "legacy"}),
    (
        "fastspeech2",
        {
            "positionwise_layer_type": "conv1d-linear",
            "use_macaron_style_in_conformer": False,
            "use_cnn_in_conformer": False,
            "zero_triu": True,
            "postnet_layers": 0,
            "langs": 3,
        },
    ),
    (
        "fastspeech2",
        {
            "encoder_type": "transformer",
            "decoder_type": "transformer",
            "spks": 3,
            "spk_embed_dim": 5,
            "spk_embed_integration_type": "concat",
            "reduction_factor": 2,
            "use_scaled_pos_enc": False,
            "encoder_concat_after": True,
            "encoder_normalize_before": False,
            "decoder_normalize_before": False,
            "use_batch_norm": False,
        },
    ),
    ("fastspeech", {"spk_embed_dim": 5, "positionwise_layer_type": "conv1d"}),
    ("fastspeech", {**CONFORMER, "spks": 2, "conformer_rel_pos_type": "latest"}),
    ("jets", {"spks": 3, "langs": 2}),
    ("jets", {**CONFORMER, "conformer_rel_pos_type": "latest", "spk_embed_dim": 5}),
]


@pytest.mark.parametrize(("type", "changes"), VARIANTS)
def test_parity(type: str, changes: dict[str, Any]) -> None:
    _, graphs = claimed(component(type, **changes))
    assert set(graphs) == {"text", "frames"}
    for name, graph in graphs.items():
        parity = compare(graph, Eager(graph).run, expect(graph, [*graph.trials, (3, 29, 11, 1)]))
        good, wanted = verdict("fp32", graph, parity)
        assert good, f"{name}: {parity.difference}, {wanted}, {parity.worst}"


def test_frames_a_second_are_told_where_they_are_known() -> None:
    acoustic = component("fastspeech2")
    assert claimed(acoustic)[1]["frames"].rate is None
    given = {**acoustic.given, "sample_rate": 16000, "n_shift": 200}
    known = type(acoustic)("tts", "acoustic", "fastspeech2", acoustic.conf, acoustic.module, given)
    assert claimed(known)[1]["frames"].rate == 80
