"""Mask-CTC against ESPnet's own inference, on tiny random models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.maskctc_model import MaskCTCInference
from espnet2.bin.asr_inference_maskctc import Speech2Text

import espnet_onnx as eo
from espnet_onnx import loader, reference, sources
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.loader import Loaded
from espnet_onnx.roles import Encoded
from espnet_onnx.types import Array
from espnet_onnx_plugin_mask_ctc.mask_predict_runtime import MaskPredict
from espnet_onnx_plugin_mask_ctc.settings import MaskDecoding

from ...tiny_models import changed, write_model

CONFIG = changed(
    token_list=["<blank>", "<unk>", *"ABCDEFGHIJKLMNOP", "<space>", "<sos/eos>"],
    model="maskctc",
    decoder="mlm",
    decoder_conf={"num_blocks": 2},
)
SETTINGS = [(10, 0.99), (1, 0.9), (3, 0.5), (0, 0.8), (4, 1.0), (10, 0.0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("maskctc") / "model", CONFIG)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    return loader.load_model(sources.find(folder))


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    bundle = folder.parent / "bundle"
    export(folder, bundle, threads=1)
    return bundle


class LiveDecoder:
    """Role `masked_decoder`, answered by ESPnet's own module utterance by utterance."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._width = decoder.output_layer.out_features

    def start(self, encoder_out: Array, lengths: Array) -> Mapping[str, Array]:
        return {"out": encoder_out, "lengths": lengths}

    def __call__(self, tokens: Array, lengths: Array, memory: Mapping[str, Array]) -> Array:
        scores = np.full((*tokens.shape, self._width), np.nan, np.float32)
        for b, (frames, size) in enumerate(zip(memory["lengths"], lengths, strict=True)):
            if not size:
                continue
            out = torch.from_numpy(memory["out"][b : b + 1, :frames])
            prefix = torch.from_numpy(tokens[b : b + 1, :size])
            with torch.no_grad():
                scored, _ = self._decoder(out, [int(frames)], prefix, [int(size)])
            scores[b, :size] = scored[0].numpy()
        return scores


@pytest.mark.parametrize(("n_iterations", "threshold"), SETTINGS)
def test_the_loop_is_espnets(loaded: Loaded, n_iterations: int, threshold: float) -> None:
    model = loaded.model
    rng = np.random.default_rng(3)
    lengths = np.array([40, 7, 1, 23, 31], np.int64)
    out = 0.7 * rng.standard_normal((5, 40, model.encoder.output_size()), dtype=np.float32)
    theirs = MaskCTCInference(model, n_iterations, threshold)
    with torch.no_grad():
        want = [
            theirs(torch.from_numpy(o[:n])).yseq.tolist()[1:-1]
            for o, n in zip(out, lengths, strict=True)
        ]

    def ctc(encoder_out: Array) -> Array:
        with torch.no_grad():
            return model.ctc.log_softmax(torch.from_numpy(encoder_out)).numpy()

    search = MaskPredict(ctc, LiveDecoder(model.decoder), model.mask_token, 0)
    settings = MaskDecoding(n_iterations=n_iterations, threshold_probability=threshold)
    got = [list(t.hypotheses[0].tokens) for t in search(Encoded(out, lengths), settings)]
    assert got == want
    assert sum(map(len, got)) > 30


def recordings() -> list[Array]:
    """Noise that swells and fades, so that the frames differ; ragged."""
    rng = np.random.default_rng(5)
    made = []
    for samples in (8000, 3001, 12345, 900):
        loudness = 10 ** np.interp(
            np.arange(samples),
            np.arange(0, samples, 300),
            rng.normal(-1.5, 1, len(range(0, samples, 300))),
        )
        made.append((loudness * rng.standard_normal(samples)).astype(np.float32))
    return made


@pytest.mark.parametrize(("n_iterations", "threshold"), SETTINGS)
def test_a_bundle_answers_as_espnet(
    loaded: Loaded, bundle: Path, n_iterations: int, threshold: float
) -> None:
    chosen = {"n_iterations": n_iterations, "threshold_probability": threshold}
    theirs = loader.inference(loaded, **chosen)
    assert isinstance(theirs, Speech2Text)
    assert reference.settings(theirs) == chosen
    want = [theirs(samples)[0][:3] for samples in recordings()]
    asr = eo.load(bundle, threads=1)
    alone = [asr(samples, **chosen) for samples in recordings()]
    assert [(r.text, list(r.tokens), list(r.ids)) for r in alone] == want
    together = asr.batch(recordings(), **chosen)
    assert [r.ids for r in together] == [r.ids for r in alone]
    assert len({r.ids for r in alone}) == len(alone)


def test_masking_changes_the_answer(bundle: Path) -> None:
    """What the tests above compare is not greedy CTC alone."""
    asr = eo.load(bundle, threads=1)
    masked, greedy = (asr.batch(recordings(), threshold_probability=p) for p in (0.99, 0.0))
    assert all(m.ids != g.ids for m, g in zip(masked, greedy, strict=True))


def test_settings_of_the_bundle_and_of_a_call(bundle: Path) -> None:
    (samples, *_) = recordings()
    asr = eo.load(bundle, threads=1, threshold_probability=0.0)
    greedy = asr(samples)
    assert greedy.ids == asr(samples, n_iterations=2).ids
    assert greedy.ids != asr(samples, threshold_probability=0.99).ids
    with pytest.raises(InputError, match=r"beam_size.*n_iterations, threshold_probability"):
        asr(samples, beam_size=3)


def test_times_are_of_the_words_that_ctc_can_say(bundle: Path) -> None:
    result = eo.load(bundle, threads=1, threshold_probability=0.0)(recordings()[0])
    assert len(result.token_times) == len(result.tokens)
    assert all(t.start is not None for t in result.token_times)


@pytest.mark.parametrize("threshold", [0.99, 0.5])
def test_verify_decodes_as_espnet_does(
    folder: Path,
    bundle: Path,
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    threshold: float,
) -> None:
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    manifest = json.loads((other / "manifest.json").read_text("utf-8"))
    manifest["decoding"].update(threshold_probability=threshold)
    (other / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    path = tmp_path / "a.wav"
    soundfile.write(path, recordings()[0], 8000, subtype="FLOAT")
    code, out, err = run("verify", other, path, "--against", folder, "--threads", 1, "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["recordings"]
    assert row["verdict"] == "same"
    assert row["ids"]
    assert row["ours"] == row["espnet"]
    assert tuple(row["ids"]) == eo.load(other, threads=1)(path).ids


def test_without_a_beam_search_nothing_is_a_tie(loaded: Loaded) -> None:
    espnet = reference.Recogniser(loaded)
    samples = recordings()[0]
    want = espnet(samples)
    assert reference.same_answer(espnet, samples, want.ids, want) == "same"
    assert reference.same_answer(espnet, samples, want.ids[1:], want) == "different"


def test_a_live_object_keeps_its_settings(loaded: Loaded, tmp_path: Path) -> None:
    live = loader.inference(loaded, n_iterations=3, threshold_probability=0.5)
    done = export(live, tmp_path / "b", threads=1)
    assert done.manifest.decoding == {"n_iterations": 3, "threshold_probability": 0.5}
