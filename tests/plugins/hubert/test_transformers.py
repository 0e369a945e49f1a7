"""Models of transformers: taken apart, and as ESPnet's frontend `huggingface`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import espnet_onnx as eo
from espnet_onnx.errors import ModelError
from espnet_onnx.loader import build_model
from espnet_onnx_plugin_hubert import huggingface_claim
from espnet_onnx_plugin_hubert.speech_model_graph import SpeechModel
from espnet_onnx_plugin_hubert.transformers_anatomy_export import transformers_anatomy
from espnet_onnx_plugin_hubert.upstreams import HUGGING_FACE, Sizes

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
NORMS = [
    {"feat_extract_norm": norm, "do_stable_layer_norm": first, "conv_bias": norm == "layer"}
    for norm in ("group", "layer")
    for first in (False, True)
]
DATA2VEC = {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
BUCKETS = {"num_buckets": 32, "max_bucket_distance": 40}
CASES = [
    *(("Wav2Vec2", norms) for norms in NORMS),
    *(("WavLM", {**norms, **BUCKETS}) for norms in NORMS),
    ("Hubert", NORMS[0]),
    ("Hubert", {**NORMS[3], "feat_proj_layer_norm": False}),
    ("UniSpeech", NORMS[0]),
    ("UniSpeechSat", NORMS[3]),
    ("Data2VecAudio", DATA2VEC),
]


def live(name: str, **options: Any) -> Any:
    """A random model, no weight of which is what a fresh one has."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **options})
    model = getattr(transformers, f"{name}Model")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("normalise", [True, False])
def test_states_are_those_of_the_live_model(
    name: str, options: dict[str, Any], normalise: bool
) -> None:
    model = live(name, **options)
    processor = transformers.Wav2Vec2FeatureExtractor(
        do_normalize=normalise, return_attention_mask=options.get("feat_extract_norm") == "layer"
    )
    graph = SpeechModel(transformers_anatomy(model, processor)).eval()
    lengths = torch.tensor([400, 9001, 3213])
    speech = 0.3 * torch.randn(3, 9001) + 0.1
    with torch.no_grad():
        states, frames = graph(speech, lengths)
        for row, count, wave, length in zip(states[-1], frames, speech, lengths, strict=True):
            prepared = processor(
                [wave[:length].numpy()], return_tensors="pt", sampling_rate=16000, padding=True
            )
            expected = model(**prepared).last_hidden_state
            assert count == expected.shape[1]
            torch.testing.assert_close(row[None, :count], expected, rtol=0, atol=2e-5)
        single, _ = graph(speech[1:2], lengths[1:2])
        every = model(
            processor(speech[1].numpy(), return_tensors="pt", sampling_rate=16000).input_values,
            output_hidden_states=True,
        ).hidden_states
    assert len(single) == len(every) == 3
    for state, expected in zip(single, every, strict=True):
        torch.testing.assert_close(state, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"add_adapter": True}, "adapter behind its blocks"),
        (
            {"adapter_attn_dim": 4, "do_stable_layer_norm": True},
            "adapters in its blocks",
        ),
        ({"hidden_act": "relu"}, "hidden_act is relu"),
    ],
)
def test_variants_without_a_graph_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        transformers_anatomy(live("Wav2Vec2", **options))


def test_positions_normalised_by_batch_are_refused() -> None:
    with pytest.raises(ModelError, match="conv_pos_batch_norm"):
        transformers_anatomy(live("Hubert", conv_pos_batch_norm=True))


def component(folder: Path, config: dict[str, Any]) -> eo.Component:
    """A frontend over a local folder."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    conf = {"model": folder.name, "fs": "16k"}
    return eo.Component("frontend", "frontend", "huggingface", conf, base=folder.parent)


def test_a_config_alone_tells_what_the_model_hears(tmp_path: Path) -> None:
    convs = {"conv_kernel": [8, 4], "conv_stride": [4, 2]}
    part = huggingface_claim.claim(component(tmp_path / "m", {"model_type": "hubert", **convs}))
    assert isinstance(part, eo.Part)
    assert part.config == {"sample_rate": 16000, "hop_length": 8, "shortest": 20}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "wav2vec2-bert"}, "wav2vec2-bert does not hear waveforms"),
        ({"model_type": "wav2vec2", "add_adapter": True}, "adapters"),
    ],
)
def test_other_models_are_declined(tmp_path: Path, config: dict[str, Any], reason: str) -> None:
    answer = huggingface_claim.claim(component(tmp_path / "m", config))
    assert isinstance(answer, eo.Declined)
    assert reason in answer.reason


def asr(model: str) -> dict[str, Any]:
    """A recogniser over a model of transformers."""
    return {
        "token_list": ["<blank>", "a", "<sos/eos>"],
        "frontend": "huggingface",
        "frontend_conf": {"model": model},
        "specaug": None,
        "normalize": None,
        "encoder": "transformer",
        "encoder_conf": {"input_layer": "linear", "output_size": 8, "num_blocks": 1},
        "model_conf": {"ctc_weight": 1.0},
    }


def test_a_model_that_is_nowhere_here_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"nobody/nothing.*config\.json"):
        build_model(asr("nobody/nothing"), "asr")


def test_a_published_model_is_built_from_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Sizes(layers=1, width=32, heads=2, hidden=16, layer_norm=True, norm_first=True)
    monkeypatch.setitem(HUGGING_FACE, "facebook/tiny-hubert", sizes)
    before = transformers.AutoModel.from_pretrained
    model, _ = build_model(asr("facebook/tiny-hubert"), "asr")
    frontend: Any = model.frontend
    encoder = frontend.encoder
    assert type(encoder).__name__ == "HubertModel"
    assert (encoder.config.hidden_size, encoder.config.num_hidden_layers) == (32, 1)
    assert encoder.config.feat_extract_norm == "layer"
    assert frontend.processor.do_normalize
    assert transformers.AutoModel.from_pretrained == before
