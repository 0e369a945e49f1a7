"""Convolutional decoders against ESPnet's own, on tiny random models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.decoder import transformer_decoder

import espnet_onnx as eo
from espnet_onnx import loader, sources
from espnet_onnx.parity import compare, expect
from espnet_onnx_plugin_light_conv.decoder_claim import TYPES, claim_decoder
from espnet_onnx_plugin_light_conv.decoder_export import decoder_graphs

from ...tiny_models import changed, write_model
from ..decoder_checks import assert_same_answers, eager, scorer_of, walk

pytestmark = pytest.mark.export

V, D = 11, 16
TOKENS = ["<blank>", "<unk>", "<space>", *"abcdefghijklmno", "<sos/eos>"]
CONF = {
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 2,
    "conv_wshare": 4,
    "conv_kernel_length": (3, 7),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "biased": {"conv_usebias": True, "conv_wshare": 2},
    "post_norm": {"normalize_before": False, "concat_after": True},
    # 37 taps reach beyond all 16 channels
    "wide": {"conv_kernel_length": (37, 1), "conv_wshare": 16, "conv_usebias": True},
}
CLASSES = {
    "lightweight_conv": "LightweightConvolutionTransformerDecoder",
    "lightweight_conv2d": "LightweightConvolution2DTransformerDecoder",
    "dynamic_conv": "DynamicConvolutionTransformerDecoder",
    "dynamic_conv2d": "DynamicConvolution2DTransformerDecoder",
}


def live_decoder(type: str, **conf: Any) -> Any:
    """A random decoder whose scores are far from uniform, so that a wrong step shows."""
    torch.manual_seed(0)
    decoder = getattr(transformer_decoder, CLASSES[type])(V, D, **{**CONF, **conf}).eval()
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if name.endswith("self_attn.bias"):  # ESPnet leaves it as it lay in memory
                parameter.zero_()
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder


def graphs_of(type: str, decoder: Any) -> dict[str, eo.Graph]:
    component = eo.Component("decoder", "decoder", type, CONF, decoder)
    part = claim_decoder(component)
    assert isinstance(part, eo.Part)
    return dict(decoder_graphs(component, part))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("type", TYPES)
def test_graphs_equal_espnet_utterance_by_utterance(type: str, variant: str) -> None:
    decoder = live_decoder(type, **VARIANTS[variant])
    before = {key: tensor.clone() for key, tensor in decoder.state_dict().items()}
    for name, graph in graphs_of(type, decoder).items():
        parity = compare(graph, eager(graph), expect(graph))
        assert parity.difference < 1e-5, (name, parity)
    after = decoder.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.fixture(scope="module", params=TYPES)
def pair(request: pytest.FixtureRequest) -> Any:
    decoder = live_decoder(request.param, conv_usebias=True)
    return decoder, scorer_of("light_conv", graphs_of(request.param, decoder))


def test_reordered_hypotheses_equal_what_a_search_gets(pair: Any) -> None:
    decoder, scorer = pair
    rng = np.random.default_rng(1)
    lengths = [4, 9, 1]
    encoder_out = rng.standard_normal((3, 9, D), dtype=np.float32)
    for tokens, parents, log_probs in walk(scorer, V, rng, encoder_out, lengths, [4, 4, 10, 3]):
        for b, length in enumerate(lengths):
            wanted = searched(decoder, tokens[b], encoder_out[b, :length])
            assert np.abs(log_probs[b] - wanted).max() < 1e-4
        assert parents.shape == tokens.shape[:2]


def test_a_search_sees_the_last_token_only(pair: Any) -> None:
    """What this plugin rests on: ESPnet's cached step and its whole-prefix result differ."""
    decoder, _ = pair
    encoder_out = np.random.default_rng(2).standard_normal((6, D), dtype=np.float32)
    one, two = searched(decoder, np.array([[1, 2, 3], [4, 5, 3]]), encoder_out)
    assert np.abs(one - two).max() < 1e-6
    xs = torch.from_numpy(encoder_out)[None]
    with torch.no_grad():
        whole, _ = decoder.batch_score(torch.tensor([[1, 2, 3]]), [None], xs)
    assert np.abs(whole.numpy() - one).max() > 1e-3


@pytest.mark.parametrize("type", TYPES)
def test_answers_are_those_of_espnet(type: str, tmp_path: Path) -> None:
    conf = {"conv_kernel_length": [5]}
    config = changed(decoder=type, decoder_conf=conf, token_list=TOKENS)
    loaded = loader.load_model(sources.find(write_model(tmp_path, config)))
    scorer = scorer_of("light_conv", graphs_of(type, loaded.model.decoder))
    rng = np.random.default_rng(1)
    samples = [rng.normal(0, 0.1, n).astype(np.float32) for n in (1800, 4000, 2500)]
    for beam_size in (3, 10):
        assert_same_answers(loaded, scorer, samples, beam_size=beam_size, ctc_weight=0.3)


def searched(decoder: Any, prefix: Any, encoder_out: Any) -> Any:
    """`batch_score` of (H, U) prefixes as `BatchBeamSearch` calls it, token by token."""
    xs = torch.from_numpy(encoder_out).expand(len(prefix), -1, -1)
    states: list[Any] = [None] * len(prefix)
    for size in range(1, prefix.shape[1] + 1):
        with torch.no_grad():
            log_probs, states = decoder.batch_score(torch.from_numpy(prefix[:, :size]), states, xs)
    return log_probs.numpy()


@pytest.mark.parametrize(
    ("conf", "word"),
    [({"input_layer": "linear"}, "linear"), ({"use_output_layer": False}, "output")],
)
def test_declines_what_no_search_can_use(conf: dict[str, Any], word: str) -> None:
    answer = claim_decoder(eo.Component("decoder", "decoder", "dynamic_conv", conf))
    assert isinstance(answer, eo.Declined)
    assert word in answer.reason


@pytest.mark.parametrize("role_and_type", [("decoder", "rnn"), ("encoder", "dynamic_conv")])
def test_leaves_others_alone(role_and_type: tuple[str, str]) -> None:
    assert claim_decoder(eo.Component("x", *role_and_type)) is None
