"""The standalone task's encoder, block by block, against ESPnet's own of one utterance."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr_transducer.encoder.encoder import Encoder

import espnet_onnx as eo
from espnet_onnx_plugin_conformer_transducer.standalone_encoder_claim import claim
from espnet_onnx_plugin_conformer_transducer.standalone_encoder_export import graphs

WIDTH = 22
SIZES = {"hidden_size": 16, "linear_size": 24, "conv_mod_kernel_size": 3, "heads": 2}
CONFORMER = {"block_type": "conformer", **SIZES, "num_blocks": 2}
BRANCHFORMER = {"block_type": "branchformer", **SIZES}
E_BRANCHFORMER = {"block_type": "ebranchformer", **SIZES, "depth_conv_kernel_size": 5}
CONV = {"block_type": "conv1d", "output_size": 16, "kernel_size": 3}
CAUSAL = {"dynamic_chunk_training": True, "short_chunk_size": 4}
VGG = {"vgg_like": True, "conv_size": [4, 6]}


def conf(body: Any, input_conf: Any = None, **main: Any) -> dict[str, Any]:
    blocks = body if isinstance(body, list) else [body]
    return {"body_conf": blocks, "input_conf": input_conf or {}, "main_conf": main}


CONFS: Mapping[str, dict[str, Any]] = {
    "conformer": conf(CONFORMER),
    "conformer, factor 2": conf(CONFORMER, {"subsampling_factor": 2, "conv_size": 5}),
    "conformer, factor 6, causal": conf(CONFORMER, {"subsampling_factor": 6}, **CAUSAL),
    "conformer behind vgg": conf(CONFORMER, VGG),
    "conformer behind vgg, factor 6": conf(CONFORMER, {**VGG, "subsampling_factor": 6}),
    "branchformer": conf(
        {**BRANCHFORMER, "norm_partial": 0.5}, norm_type="rms_norm", conv_mod_norm_type="scale_norm"
    ),
    "branchformer, causal": conf(BRANCHFORMER, norm_type="basic_norm", **CAUSAL),
    "ebranchformer, simplified": conf(
        E_BRANCHFORMER, simplified_att_score=True, pos_wise_act_type="smish"
    ),
    "ebranchformer, causal": conf(E_BRANCHFORMER, pos_wise_act_type="ftswish", **CAUSAL),
    "conv1d alone": conf([{**CONV, "dilation": 2}, {**CONV, "groups": 2, "relu": False}]),
    "conv1d before conformer": conf([CONV, CONFORMER], conv_mod_act_type="mish"),
    "conv1d with strides": conf(
        [{**CONV, "stride": 2}, BRANCHFORMER, {**CONV, "stride": 3, "batch_norm": True}, CONFORMER]
    ),
    "conv1d behind vgg, causal": conf([CONV, CONFORMER], VGG, **CAUSAL),
    "conv1d, simplified": conf(
        [{**CONV, "stride": 2}, CONFORMER], simplified_att_score=True, pos_wise_act_type="hardtanh"
    ),
}


def component(name: str) -> eo.Component:
    given = CONFS[name]
    torch.manual_seed(len(name))
    live = Encoder(WIDTH, **copy.deepcopy(given)).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return eo.Component("encoder", "encoder", "asr_transducer", given, live, {"input_size": WIDTH})


@pytest.mark.parametrize("name", CONFS)
def test_a_ragged_batch_is_what_espnet_makes_of_each(name: str) -> None:
    made = component(name)
    part = claim(made)
    assert isinstance(part, eo.Part)
    graph = graphs(made, part)["encoder"]
    shortest = part.config["shortest"]
    for lengths in [[shortest], [shortest + 13, 3 * shortest, shortest, 2 * shortest + 6]]:
        feed = graph.feed(lengths)
        feats, sizes = (torch.from_numpy(feed[n]) for n in ("feats", "feats_lengths"))
        with torch.no_grad():
            out, out_lengths = graph.module(feats, sizes)
        for b, size in enumerate(lengths):
            alone = feed["feats"][b : b + 1, :size], np.array([size])
            one = dict(zip(("feats", "feats_lengths"), alone, strict=True))
            wanted = graph.reference(one)["encoder_out"][0]
            assert int(out_lengths[b]) == len(wanted)
            np.testing.assert_allclose(out[b, : len(wanted)], wanted, rtol=0, atol=2e-5)


def test_the_shortest_input_is_what_espnet_still_takes() -> None:
    made = component("conv1d with strides")
    part = claim(made)
    assert isinstance(part, eo.Part)
    graph = graphs(made, part)["encoder"]
    with pytest.raises(RuntimeError, match="ernel size"):
        graph.reference(graph.feed([part.config["shortest"] - 1]))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (conf({"block_type": "lstm"}), "lstm"),
        (conf([]), "list is empty"),
        (conf(CONFORMER, {"subsampling_factor": 8}), "subsampling_factor 8"),
        (conf([{**CONV, "kernel_size": [3, 3]}]), "no number"),
    ],
)
def test_declines(given: dict[str, Any], word: str) -> None:
    answer = claim(eo.Component("encoder", "encoder", "asr_transducer", given))
    assert isinstance(answer, eo.Declined) and word in answer.reason
