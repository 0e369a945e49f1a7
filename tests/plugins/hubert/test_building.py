"""`S3prlFrontend` without downloads and pickles: a model file's weights, and what is refused."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")
pytest.importorskip("s3prl")

from espnet2.asr.frontend.s3prl import S3prlFrontend

from espnet_onnx.checkpoint import apply_state
from espnet_onnx.errors import ModelError
from espnet_onnx_plugin_hubert import upstreams
from espnet_onnx_plugin_hubert.building import untrained
from espnet_onnx_plugin_hubert.s3prl_tiny import LARGE, SIZES, write_checkpoint

FAMILIES: dict[str, dict[str, Any]] = {
    "hubert": {},
    "wav2vec2": {**LARGE, "conv_bias": True, "normalize": True},
    "wavlm": {"normalize": True},
    "data2vec": {"extractor_mode": "layer_norm"},
}
# Of no use to features, and left out: see `fit`.
SPARE = ("final_proj", "project_q", "quantizer", "label_embs_concat", "masked_spec_embed")


def hugging_face(folder: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def frontend(upstream: str, path: Path | str | None = None, **conf: Any) -> Any:
    given = {"upstream": upstream, **({"path_or_url": str(path)} if path else {})}
    return S3prlFrontend(frontend_conf=given, **{"multilayer_feature": True, **conf}).eval()


def untrained_frontend(*args: Any, **conf: Any) -> Any:
    with untrained():
        return frontend(*args, **conf)


def features(live: Any, samples: int = 4001) -> Any:
    speech = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return live(speech, torch.tensor([samples]))[0]


@pytest.mark.parametrize("family", [*FAMILIES, "hf_wav2vec2"])
def test_loaded_it_is_what_espnet_builds(family: str, tmp_path: Path) -> None:
    if family.startswith("hf_"):
        pytest.importorskip("transformers")
        path, upstream = tmp_path, f"{family}_custom"
        hugging_face(path)
    else:
        path, upstream = tmp_path / "tiny.pt", f"{family}_local"
        write_checkpoint(family, **FAMILIES[family])(path)
    native = frontend(upstream, path)
    with torch.no_grad():
        for parameter in native.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours = untrained_frontend(upstream, path)
    assert ours.upstream.num_layers == native.upstream.num_layers
    assert ours.output_size() == native.output_size()
    assert not torch.equal(features(ours), features(native))
    # Strictly: it raises if anything is missing or surplus.
    apply_state(ours, native.state_dict())
    want, got = native.state_dict(), ours.state_dict()
    assert set(got) <= set(want)
    assert all(torch.equal(got[name], want[name]) for name in got)
    assert all(any(word in name for word in SPARE) for name in set(want) - set(got))
    assert torch.equal(features(ours), features(native))


def test_names_of_older_models(tmp_path: Path) -> None:
    """ESPnet up to 2022 had s3prl's expert where its `S3PRLUpstream` is now."""
    write_checkpoint("hubert")(tmp_path / "tiny.pt")
    native = frontend("hubert_local", tmp_path / "tiny.pt")
    state = {
        name.replace("upstream.upstream.", "upstream."): weight
        for name, weight in native.state_dict().items()
    }
    assert any(name.startswith("upstream.model.") for name in state)
    ours = untrained_frontend("hubert_local", tmp_path / "tiny.pt")
    before = set(state)
    apply_state(ours, state)
    assert set(state) == before
    assert torch.equal(features(ours), features(native))


def test_a_published_name_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3prl.nn
    from s3prl.util import download

    small = upstreams.Sizes(1, 32, 2, 64, layer_norm=True, norm_first=True, normalize=True)
    monkeypatch.setitem(upstreams.CHECKPOINTS, "wavlm_large", small)
    for name in ("_urls_to_filepaths", "_download", "_download_url_to_file"):
        monkeypatch.setattr(download, name, None)
    before = S3prlFrontend.__init__, s3prl.nn.S3PRLUpstream.__init__, download.get_dir()
    made = untrained_frontend("wavlm_large", download_dir=str(tmp_path / "hub"))
    assert (made.upstream.num_layers, made.output_size()) == (2, 32)
    assert made.pretrained_params == {}
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert made.upstream.upstream.cfg.normalize
    assert torch.isfinite(features(made)).all()
    assert not (tmp_path / "hub").exists()
    after = S3prlFrontend.__init__, s3prl.nn.S3PRLUpstream.__init__, download.get_dir()
    assert before == after


def test_biases_of_convolutions_are_those_of_the_file(tmp_path: Path) -> None:
    """Configs that are published for one model differ in them."""
    for bias in (True, False):
        write_checkpoint("wav2vec2", **LARGE, conv_bias=bias)(tmp_path / f"{bias}.pt")
    for theirs in (True, False):
        native = frontend("wav2vec2_local", tmp_path / f"{theirs}.pt")
        ours = untrained_frontend("wav2vec2_local", tmp_path / f"{not theirs}.pt")
        apply_state(ours, native.state_dict())
        assert torch.equal(features(ours), features(native))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"model_cfg": argparse.Namespace(), "task_cfg": {}}, "would run code when read"),
        ({"weights": {}}, "has no model_cfg"),
        (
            {"model_cfg": {**SIZES, "conv_feature_layers": "[print(1)]"}, "task_cfg": {}},
            "conv_feature_layers holds code",
        ),
        ({"model_cfg": {**SIZES, "layer_type": "conformer"}}, "layer_type 'conformer'"),
    ],
)
def test_refused_checkpoints(state: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    torch.save(state, path)
    with pytest.raises(ModelError, match=reason.replace("(", r"\(")) as error:
        untrained_frontend("hubert_local", path)
    assert "\n" not in str(error.value)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"mine.pt is neither a published checkpoint"):
        untrained_frontend("hubert_local", tmp_path / "mine.pt")
    (tmp_path / "mine.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        untrained_frontend("hubert_local", tmp_path / "mine.pt")
    with pytest.raises(ModelError, match="without a download"):
        untrained_frontend("hf_wav2vec2_custom", tmp_path / "mine")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3prl.nn", None)
    with pytest.raises(ModelError, match="pip install espnet-s3prl"):
        untrained_frontend("hubert")
