"""The cells of recurrent language models, before ONNX, against ESPnet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

import espnet_onnx as eo
from espnet_onnx import loader
from espnet_onnx_plugin_lm.seq_rnn_export import seq_rnn_graphs


@pytest.mark.parametrize("rnn_type", ["lstm", "gru", "rnn_tanh", "RNN_RELU"])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_step(rnn_type: str, layers: int) -> None:
    pytest.importorskip("espnet2")
    conf = {"unit": 7, "nhid": 5, "nlayers": layers, "rnn_type": rnn_type}
    config = {"token_list": [*"abcd", "<sos/eos>"], "lm": "seq_rnn", "lm_conf": conf}
    model, _ = loader.build_model(config, "lm", base=Path.cwd())
    component = eo.Component("lm", "lm", "seq_rnn", conf, model.lm)
    (graph,) = seq_rnn_graphs(component, eo.Part("lm.seq_rnn")).values()
    feed = graph.feed([4])
    names = graph.module.input_names
    assert list(feed) == names
    with torch.no_grad():
        got = graph.module(*(torch.from_numpy(feed[name]) for name in names))
    for name, tensor in zip(graph.outputs, got, strict=True):
        np.testing.assert_allclose(tensor.numpy(), graph.reference(feed)[name], atol=1e-6)
