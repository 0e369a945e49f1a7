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
from espnet_onnx import loader
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


def made(name: str) -> tuple[Mapping[str, eo.Graph], int]:
    """The graphs, and the fewest input frames."""
    found = component(name)
    part = claim(found)
    assert isinstance(part, eo.Part)
    return graphs(found, part), part.config["shortest"]


@pytest.mark.parametrize("name", CONFS)
def test_a_ragged_batch_is_what_espnet_makes_of_each(name: str) -> None:
    found, _ = made(name)
    for graph in found.values():
        names = getattr(graph.module, "input_names", ["feats", "feats_lengths"])
        for feed in graph.feeds:
            with torch.no_grad():
                out = graph.module(
                    *(torch.from_numpy(np.ascontiguousarray(feed[n])) for n in names)
                )
            for b, size in enumerate(feed[names[1]]):
                alone = {key: value[b : b + 1] for key, value in feed.items()}
                alone[names[0]] = alone[names[0]][:, :size]
                wanted = graph.reference(alone)
                for key, value in zip(graph.outputs, out, strict=True):
                    one = value[b, : len(wanted[key][0])] if value.dim() == 3 else value[b]
                    np.testing.assert_allclose(one, wanted[key][0], rtol=0, atol=2e-5)


def test_the_shortest_input_is_what_espnet_still_takes() -> None:
    found, shortest = made("conv1d with strides")
    subsample, blocks = found["subsample"], found["blocks"]

    def frames(count: int) -> int:
        feed = subsample.reference(subsample.feed([count]))
        feed = {**blocks.feed([feed["frames"].shape[1]]), **feed}
        return len(blocks.reference(feed)["encoder_out"][0])

    assert frames(shortest) == 1
    with pytest.raises(RuntimeError, match="ernel size"):
        frames(shortest - 1)


def test_models_of_one_process_have_their_own_sizes() -> None:
    """ESPnet writes them into the default of an argument."""
    sizes = []
    for width in (16, 24):
        block = {**CONFORMER, "hidden_size": width}
        config = {
            "token_list": ["<blank>", "a", "<sos/eos>"],
            "encoder_conf": {"body_conf": [block]},
            "decoder": "stateless",
            "specaug": None,
        }
        model, _ = loader.build_model(config, "asr_transducer")
        sizes.append(model.encoder.embed.conv[0].out_channels)
    assert sizes == [16, 24]


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
