"""Models of ESPnet's ssl task, by themselves and as frontend `espnet_ssl`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
from espnet_onnx import loader, sources
from espnet_onnx.errors import AudioError, BundleError, InputError, ModelError
from espnet_onnx.export import export
from espnet_onnx.roles import Encoded
from espnet_onnx.testing import TinyModel, write_model
from espnet_onnx_plugin_hubert import ssl_root_claim, ssl_root_runtime
from espnet_onnx_plugin_hubert.espnet_ssl_claim import claim
from espnet_onnx_plugin_hubert.espnet_ssl_export import graphs
from espnet_onnx_plugin_hubert.espnet_ssl_tiny import MODELS, SSL

pytestmark = pytest.mark.export

RECOGNISER: TinyModel = next(model for model in MODELS if model.name == "espnet_ssl")
SAMPLES = (2001, 1500, 747)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser over a tiny ssl model, with the names of its files made absolute."""
    return write_model(RECOGNISER, tmp_path_factory.mktemp("espnet_ssl") / "model")


@pytest.fixture(scope="module")
def live(folder: Path) -> Any:
    """Its frontend, as ESPnet has it."""
    model: Any = loader.load_model(sources.find(folder)).model
    return model.frontend


@pytest.fixture(scope="module")
def extractor(folder: Path) -> Any:
    """Its frontend, exported by itself."""
    export(folder, folder.parent / "bundle", role="frontend", precision=("fp32",), threads=1)
    return eo.load(folder.parent / "bundle", threads=1)


def noise(samples: int) -> Any:
    return np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)


def test_features_of_a_batch_are_those_of_espnet(live: Any, extractor: Any) -> None:
    audios = [noise(samples) for samples in SAMPLES]
    for feats, audio in zip(extractor.batch(audios), audios, strict=True):
        with torch.no_grad():
            want, frames = live(torch.from_numpy(audio[None]), torch.tensor([len(audio)]))
        assert len(feats) == frames
        np.testing.assert_allclose(feats, want[0], atol=1e-4)


def test_layers_are_numbered_as_in_espnet(live: Any, extractor: Any) -> None:
    audio = noise(SAMPLES[0])
    upstream = live.upstream
    with torch.no_grad():
        _, states, _ = upstream.inference_encode(
            torch.from_numpy(audio[None]), torch.tensor([len(audio)])
        )
    assert extractor.layers == len(states) == 2
    for layer, state in enumerate(states):
        np.testing.assert_allclose(extractor(audio, layer=layer), state[0], atol=1e-4)
    with pytest.raises(InputError, match="layer is 2"):
        extractor(audio, layer=2)


def test_sizes(extractor: Any) -> None:
    shortest = 10 + (4 + 4 - 1) * 5
    assert (extractor.sample_rate, extractor.hop_length) == (16000, 40)
    assert len(extractor(noise(shortest))) == 1
    assert len(extractor(noise(shortest + 40))) == 2
    with pytest.raises(AudioError, match="too short"):
        extractor(noise(shortest - 1))


def test_an_encoder_that_gives_no_hidden_states_is_named() -> None:
    class Mute:
        shortest = hop_length = 1

        def __call__(self, feats: Any, lengths: Any) -> Any:
            return Encoded(feats, lengths)

    stages: Any = {"frontend": lambda speech, lengths: (speech, lengths), "encoder": Mute()}
    stages["frontend"].__dict__.update(shortest=1, hop_length=1, sample_rate=16000)
    config = {"states": [1, 2], "subsampling": 1}
    node = eo.Node("upstream", ssl_root_claim.KIND, "hubert", config=config)
    sessions: Any = {}
    model = ssl_root_runtime.build(node, stages, sessions.get)
    with pytest.raises(BundleError, match="hidden_states"):
        model(noise(100)[None], np.array([100]))


def frontend(folder: Path | None, **conf: Any) -> eo.Component:
    nested = {"path_or_url": "upstream/ssl.pth"}
    full = {"fs": 16000, "frontend_conf": nested, **conf}
    return eo.Component("frontend", "frontend", "espnet_ssl", full, base=folder)


@pytest.mark.parametrize(
    ("conf", "states"),
    [
        ({"multilayer_feature": True, "layer": 0}, [1, 2]),
        ({"layer": 0}, [1]),
        ({"layer": -1}, [2]),
        ({"layer": -2, "use_final_output": True}, [1]),
    ],
)
def test_asks_its_upstream_for_what_it_reads(
    folder: Path, conf: dict[str, Any], states: list[int]
) -> None:
    part = claim(frontend(folder, **conf))
    assert isinstance(part, eo.Part)
    assert part.config["states"] == states
    upstream = part.children["upstream"]
    assert (upstream.role, upstream.type) == ("model", "ssl")
    inside = ssl_root_claim.claim(upstream)
    assert isinstance(inside, eo.Part)
    assert list(inside.children) == ["frontend", "preencoder", "encoder"]
    assert inside.children["encoder"].given["hidden_states"] == states


def test_an_upstream_that_is_not_here_is_claimed_and_not_exported(tmp_path: Path) -> None:
    for component in (frontend(None), frontend(tmp_path)):
        part = claim(component)
        assert isinstance(part, eo.Part)
        assert not part.children
        with pytest.raises(ModelError, match=r"upstream/ssl\.pth is not here"):
            graphs(component, part)


@pytest.mark.parametrize("name", ["espnet/xeus", "upstream/ssl.pth"])
def test_espnet_is_not_let_to_download_it(name: str, tmp_path: Path) -> None:
    config = dict(RECOGNISER.config)
    config["frontend_conf"] = {"frontend_conf": {"path_or_url": name}}
    with pytest.raises(ModelError, match=f"the SSL model {name} is not here"):
        loader.build_model(config, "asr", base=tmp_path)


def test_espnet_is_left_as_it_was(folder: Path) -> None:
    module: Any = importlib.import_module("espnet2.asr.frontend.espnet_ssl")
    before = (module.SSLTask, module.ESPnetSSLFrontend.__init__)
    loader.load_model(sources.find(folder))
    assert (module.SSLTask, module.ESPnetSSLFrontend.__init__) == before


@pytest.mark.parametrize(
    ("conf", "why"), [({"layer": 2}, "layer 2"), ({"layer": -3}, "-3"), ({"fs": "x"}, "fs 'x'")]
)
def test_declines_with_a_reason(folder: Path, conf: dict[str, Any], why: str) -> None:
    answer = claim(frontend(folder, **conf))
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason


@pytest.mark.parametrize(
    ("change", "why"), [({"input_size": 80}, "input_size"), ({"model": "x"}, "x")]
)
def test_a_model_that_hears_no_waveform_is_declined(change: dict[str, Any], why: str) -> None:
    from espnet_onnx.components import root

    component, _ = root({**SSL, **change}, task="ssl")
    answer = ssl_root_claim.claim(component)
    assert isinstance(answer, eo.Declined)
    assert why in answer.reason


def test_hop_of_an_encoder_that_takes_fewer_frames() -> None:
    from espnet_onnx.components import root

    conf = {**SSL, "encoder": "transformer", "encoder_conf": {"input_layer": "conv2d2"}}
    part = ssl_root_claim.claim(root(conf, task="ssl")[0])
    assert isinstance(part, eo.Part)
    assert part.config == {"states": list(range(1, 7)), "subsampling": 2}
