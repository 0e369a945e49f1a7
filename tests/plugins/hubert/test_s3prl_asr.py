"""Frontend `s3prl`: its graph against ESPnet's frontend, recognisers over it against ESPnet's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")
pytest.importorskip("s3prl")

import espnet_onnx
from espnet_onnx import components, loader, sources
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.export import export
from espnet_onnx.parity import compare, expect
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.testing import TinyModel, write_model
from espnet_onnx.tracer import input_names
from espnet_onnx_plugin_hubert import export_module, split_modules, upstreams
from espnet_onnx_plugin_hubert.building import untrained
from espnet_onnx_plugin_hubert.s3prl_tiny import LARGE, s3prl_asr, write_checkpoint

from ..eager import eager
from .test_building import frontend, hugging_face, untrained_frontend

SEARCH = {"beam_size": 3, "ctc_weight": 0.3, "maxlenratio": -8}
BLOCKS = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 1}
CONFORMER: dict[str, Any] = {
    "normalize": "utterance_mvn",
    "preencoder": "linear",
    "preencoder_conf": {"input_size": 32, "output_size": 24},
    "encoder": "conformer",
    "encoder_conf": {**BLOCKS, "cnn_module_kernel": 3, "macaron_style": True},
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
}
AUDIO = ("theo-test-00144.flac", "nicolas-test-00150.flac", "lucas-test-00167.flac")
# One sample, under 0.05 s, odd, 2 s.
LENGTHS = [[1], [16001, 401, 1], [799], [32000]]


@pytest.fixture(scope="module")
def recordings() -> list[Path]:
    folder = resources.files("espnet_onnx") / "data/demo/audio"
    return [Path(str(folder / name)) for name in AUDIO]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = s3prl_asr("asr", "hubert", {}, {"multilayer_feature": True}, **CONFORMER)
    return write_model(model, tmp_path_factory.mktemp("s3prl") / "model")


def espnet(loaded: loader.Loaded) -> Callable[[Path], tuple[list[int], float]]:
    understand = loader.inference(loaded, **SEARCH)

    def answer(path: Path) -> tuple[list[int], float]:
        _, _, ids, hypothesis = understand(read_audio(path, 16000).samples)[0]
        return list(ids), float(hypothesis.score)

    return answer


def same(result: Any, want: tuple[list[int], float]) -> None:
    assert list(result.ids) == want[0]
    assert result.score == pytest.approx(want[1], abs=1e-3)


@pytest.mark.slow
def test_a_conformer_over_hubert_gives_espnets_tokens(
    folder: Path, recordings: list[Path], tmp_path: Path
) -> None:
    asr = espnet_onnx.load(export(folder, tmp_path / "bundle", threads=1).bundle, threads=1)
    answer = espnet(loader.load_model(sources.find(folder)))
    wanted = [answer(path) for path in recordings]
    assert len({tuple(ids) for ids, _ in wanted}) > 1
    for result, want in zip(asr.batch(recordings, **SEARCH), wanted, strict=True):
        same(result, want)
    for path, want in zip(recordings, wanted, strict=True):
        same(asr(path, **SEARCH), want)


def test_from_a_live_speech2text(folder: Path, recordings: list[Path], tmp_path: Path) -> None:
    """Built by ESPnet itself, s3prl's checkpoint and all."""
    from espnet2.bin.asr_inference import Speech2Text

    # ESPnet's own YAML is complete, and names files from where it was trained.
    config = loader.complete_config(sources.find(folder).config, "asr", base=folder)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    weights = folder / "valid.acc.ave.pth"
    live = Speech2Text(str(tmp_path / "config.yaml"), str(weights), **SEARCH)
    loaded = loader.from_live(live)
    asr = eager(loaded)
    answer = espnet(loader.load_model(sources.find(folder)))
    for result, path in zip(asr.batch(recordings, **SEARCH), recordings, strict=True):
        want = live(read_audio(path, 16000).samples)[0]
        same(result, (list(want[2]), float(want[3].score)))
        same(result, answer(path))


def test_without_a_checkpoint(
    recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = upstreams.Sizes(1, 32, 2, 64, layer_norm=True, norm_first=True, normalize=True)
    monkeypatch.setitem(upstreams.CHECKPOINTS, "xlsr2_300m", small)
    url = "https://example.org/xlsr2_300m.pt"
    given = {"frontend_conf": {"upstream": "wav2vec2_url", "path_or_url": url}}
    config = {**s3prl_asr("asr", "wav2vec2", {}, {}).config, **CONFORMER, "frontend_conf": given}
    model = write_model(TinyModel("asr", config), tmp_path / "model")
    loaded = loader.load_model(sources.find(model))
    same(eager(loaded)(recordings[0], **SEARCH), espnet(loaded)(recordings[0]))


def component(live: Any, conf: dict[str, Any]) -> espnet_onnx.Component:
    return espnet_onnx.Component("frontend", "frontend", "s3prl", conf, live)


def check(live: Any, conf: dict[str, Any]) -> espnet_onnx.Graph:
    """The graph, run by torch, against the live frontend; utterances of a batch one by one."""
    part = split_modules(component(live, conf))
    graph = export_module(component(live, conf), part)["frontend"]

    def run(feed: Any) -> Any:
        tensors = [torch.from_numpy(feed[name]) for name in input_names(graph)]
        with torch.no_grad():
            return {
                n: t.numpy() for n, t in zip(graph.outputs, graph.module(*tensors), strict=True)
            }

    parity = compare(graph, run, expect(graph, LENGTHS))
    assert parity.difference < 1e-5, parity.worst
    return graph


VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "data2vec": ("data2vec", {"extractor_mode": "layer_norm"}, {}, {}),
    "layer of a large one": ("hubert", {**LARGE, "normalize": True}, {}, {"layer": 1}),
    "a layer from the end": ("wavlm", {}, {"tile_factor": 2}, {"layer": -2}),
    "normalised states": ("wav2vec2", LARGE, {"normalize": True}, {"multilayer_feature": True}),
    "tiles": ("hubert", {}, {"tile_factor": 4}, {"multilayer_feature": True}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name: str, tmp_path: Path) -> None:
    from espnet2.asr.frontend.s3prl import S3prlFrontend

    family, sizes, upstream, conf = VARIANTS[name]
    write_checkpoint(family, **sizes)(tmp_path / "tiny.pt")
    file = {"upstream": f"{family}_local", "path_or_url": str(tmp_path / "tiny.pt")}
    given = {"frontend_conf": {**file, **upstream}, **conf}
    with untrained():
        live = S3prlFrontend(**given).eval()
    if conf.get("multilayer_feature"):
        live.featurizer.weights.data.normal_(generator=torch.Generator().manual_seed(0))
    check(live, given)


def test_a_model_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    hugging_face(tmp_path)
    given = {"frontend_conf": {"upstream": "hf_wav2vec2_custom", "path_or_url": str(tmp_path)}}
    check(frontend("hf_wav2vec2_custom", tmp_path, multilayer_feature=False), given)


@pytest.mark.parametrize("sizes", [{}, LARGE])
def test_adapters(sizes: dict[str, Any], tmp_path: Path) -> None:
    """What ESPnet fine-tunes instead of the model itself."""
    from espnet2.layers.create_adapter_fn import create_houlsby_adapter

    write_checkpoint("wav2vec2", **sizes)(tmp_path / "tiny.pt")
    live = untrained_frontend("wav2vec2_local", tmp_path / "tiny.pt")
    holder = torch.nn.Module()
    holder.frontend = live
    create_houlsby_adapter(holder, bottleneck=8, target_layers=[1])
    given = {"frontend_conf": {"upstream": "wav2vec2_local", "path_or_url": "tiny.pt"}}
    check(live.eval(), {**given, "multilayer_feature": True})


def test_a_copy_hears_itself(tmp_path: Path) -> None:
    """s3prl's own hooks do not survive `copy.deepcopy`, which a model in training goes through."""
    write_checkpoint("hubert")(tmp_path / "tiny.pt")
    live = untrained_frontend("hubert_local", tmp_path / "tiny.pt")
    given = {"frontend_conf": {"upstream": "hubert_local", "path_or_url": "tiny.pt"}}
    check(copy.deepcopy(live), {**given, "multilayer_feature": True})


def test_layers_at_run_time(folder: Path) -> None:
    loaded = loader.load_model(sources.find(folder))
    runtime = eager(loaded).frontend
    live = loaded.model.frontend
    speech = np.random.default_rng(0).normal(0, 0.1, (2, 5000)).astype(np.float32)
    lengths = np.array([5000, 3333])
    assert (runtime.layers, runtime.width, runtime.hop_length) == (3, 32, 320)
    for layer in range(3):
        feats, frames = runtime(speech, lengths, layer=layer)
        assert frames.tolist() == [16, 11]
        for row in range(2):
            alone = torch.from_numpy(speech[row : row + 1, : lengths[row]])
            with torch.no_grad():
                states, _ = live.upstream(alone, torch.tensor([lengths[row]]))
            want = states[layer][0].numpy()
            np.testing.assert_allclose(feats[row, : frames[row]], want, atol=1e-5)
    for layer in (-1, 3):
        with pytest.raises(InputError, match=f"layer {layer}: the model has layers 0 to 2"):
            runtime(speech, lengths, layer=layer)
    with pytest.raises(AudioError, match="too short"):
        runtime(speech, np.array([5000, 0]))
    stereo = np.stack([speech, np.zeros_like(speech)], axis=2)
    assert np.array_equal(runtime(stereo, lengths)[0], runtime(speech, lengths)[0])


def test_default_weights_are_the_softmax(folder: Path) -> None:
    loaded = loader.load_model(sources.find(folder))
    root, _ = components.root(loaded.config, base=folder, module=loaded.model, task="asr")
    weights = eager(loaded).frontend.weights
    want = torch.softmax(root.module.frontend.featurizer.weights, 0).detach().numpy()
    np.testing.assert_allclose(weights, want, rtol=1e-6)
    assert weights.std() > 0
