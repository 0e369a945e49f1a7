"""Whole slu models against `espnet2.bin.slu_inference.Speech2Understand`: tokens and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")
pytest.importorskip("transformers")

from espnet_onnx import loader
from espnet_onnx.errors import InputError
from espnet_onnx.loader import Loaded
from espnet_onnx_plugin_slu.tiny import BERT, write_bert

from .eager import runtime

pytestmark = pytest.mark.export

SEARCH = {"beam_size": 4, "ctc_weight": 0.3, "maxlenratio": -8}
BLOCKS = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 1}
BASE: dict[str, Any] = {
    "token_list": ["<blank>", "<unk>", "play", "stop", "<sos/eos>", "music", "light", "off"],
    "token_type": "word",
    "init": None,
    "frontend": "default",
    "frontend_conf": {"fs": "8k", "n_fft": 128, "hop_length": 64, "n_mels": 16},
    "specaug": None,
    "normalize": "utterance_mvn",
    "encoder": "transformer",
    "encoder_conf": BLOCKS,
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3},
}
CONFORMER = {**BLOCKS, "cnn_module_kernel": 3, "macaron_style": True}
PLAIN: dict[str, dict[str, Any]] = {
    "conformer": {"encoder": "conformer", "encoder_conf": CONFORMER},
    "transformer post-encoder": {
        "postencoder": "transformer",
        "postencoder_conf": {**BLOCKS, "input_layer": "None", "normalize_before": False},
    },
    "conformer post-encoder": {
        "postencoder": "conformer",
        "postencoder_conf": {**CONFORMER, "rel_pos_type": "latest", "num_blocks": 2},
    },
}
TWO_PASS: dict[str, Any] = {
    "postdecoder": "hugging_face_transformers",
    "postdecoder_conf": {"model_name_or_path": BERT, "output_size": 16},
    "transcript_token_list": ["<blank>", "<unk>", "turn", "lights", "the", "on"],
    "two_pass": True,
}
DELIBERATING: dict[str, dict[str, Any]] = {
    "no encoder": TWO_PASS,
    "transformer": {
        **TWO_PASS,
        "deliberationencoder": "transformer",
        "deliberationencoder_conf": {**BLOCKS, "output_size": 20},
    },
    "conformer of other width": {
        **TWO_PASS,
        "postdecoder_conf": {"model_name_or_path": BERT, "output_size": 12},
        "deliberationencoder": "conformer",
        "deliberationencoder_conf": {**CONFORMER, "output_size": 12},
    },
}
# Unknown to the transcripts' vocabulary, to the BERT's, to neither; more than 128 pieces; none.
TRANSCRIPTS = ["Turn off the lights", "the lights on", "turn " * 140, ""]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Loaded]:
    """Config -> live model with weights that are always the same, spread enough to tell apart."""
    folder = tmp_path_factory.mktemp("slu")
    (folder / BERT).mkdir(parents=True)
    write_bert(folder / BERT / "config.json")

    def build(config: dict[str, Any]) -> Loaded:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model, complete = loader.build_model({**BASE, **config}, "slu", base=folder)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.3 * torch.randn_like(parameter))
        return Loaded(model, complete, "slu", folder)

    return build


def speech(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)


def espnet(loaded: Loaded) -> Iterator[Any]:
    """Samples and a transcript -> what ESPnet makes of them, through its own preprocessor."""
    import argparse

    from espnet2.tasks.slu import SLUTask

    understand = loader.inference(loaded, **SEARCH)
    prepare = SLUTask.build_preprocess_fn(argparse.Namespace(**loaded.config), False)

    def answer(samples: np.ndarray, transcript: str | None = None) -> Any:
        given = []
        if transcript is not None:
            ids = prepare("utterance", {"transcript": transcript})["transcript"]
            given.append(torch.from_numpy(ids))
        text, _, ids, hypothesis = understand(samples, *given)[0]
        return text, ids, float(hypothesis.score)

    return answer


def same(result: Any, want: Any) -> None:
    text, ids, score = want
    assert (list(result.ids), result.text) == (ids, text)
    assert result.score == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("name", PLAIN)
def test_plain(name: str, built: Any) -> None:
    loaded = built(PLAIN[name])
    slu, understand = runtime(loaded), espnet(loaded)
    recordings = [speech(n) for n in (4001, 7000, 5555)]
    results = slu.batch(recordings, **SEARCH)
    assert any(r.ids for r in results)
    for recording, result in zip(recordings, results, strict=True):
        same(result, understand(recording))
    with pytest.raises(InputError, match="reads no transcript"):
        slu(recordings[0], transcript="the lights")


@pytest.mark.parametrize("name", DELIBERATING)
def test_deliberation(name: str, built: Any) -> None:
    loaded = built(DELIBERATING[name])
    slu, understand = runtime(loaded), espnet(loaded)
    pairs = [(speech(4001 + 700 * i), text) for i, text in enumerate(TRANSCRIPTS)]
    results = slu.batch(pairs, **SEARCH)
    for pair, result in zip(pairs, results, strict=True):
        same(result, understand(*pair))
    assert slu.self_check() is None


def test_what_was_transcribed_matters(built: Any) -> None:
    slu = runtime(built(DELIBERATING["transformer"]))
    audio = speech(4001)
    scores = [slu(audio, transcript=t, **SEARCH).score for t in TRANSCRIPTS]
    assert len({round(s, 4) for s in scores}) == len(scores)
    result = slu(audio, transcript=TRANSCRIPTS[0], **SEARCH)
    # CTC has heard the transcript too, so it cannot say when.
    assert result.ids and result.words == ()
    samples, ids = slu.read((audio, "turn it on"))
    assert np.array_equal(samples, audio)
    assert ids.tolist() == [2, 1, 5]
    with pytest.raises(InputError, match="give transcript="):
        slu(audio)
    with pytest.raises(InputError, match="whole recordings"):
        slu.stream()


def test_weights_of_a_bert_are_not_needed(built: Any, tmp_path: Path) -> None:
    """They are in the checkpoint; ESPnet alone would download them to throw them away."""
    from espnet_onnx_plugin_slu.building import HOME, untrained

    module = pytest.importorskip(HOME)
    write_bert(tmp_path / "config.json")
    (tmp_path / "model.safetensors").unlink()
    original = module.AutoModel
    with untrained():
        made = module.HuggingFaceTransformersPostDecoder(str(tmp_path), 8)
    assert made.out_linear.in_features == 32
    assert module.AutoModel is original
