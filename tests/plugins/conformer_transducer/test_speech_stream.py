"""Streams of speech through a transducer, against ESPnet's encoder and its streaming search."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr.transducer.beam_search_transducer_streaming import BeamSearchTransducerStreaming

import espnet_onnx
from espnet_onnx import StreamingSpeech2Text, cli
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.parts.audio_blocks import open_recording
from espnet_onnx.types import Array

from ...tiny_models import changed, write_model
from ..streaming.espnet_stream import chunks_of, espnet_stream, speech

TOKENS = ["<blank>", "<unk>", *(chr(0x4E00 + i) for i in range(20)), "<sos/eos>"]
SECONDS = 2.5


class Online(torch.nn.Module):  # type: ignore[misc]
    """ESPnet's streaming search in all encoder output so far, where ESPnet's class of the same
    place searches by labels alone."""

    def __init__(self, model: Any, **settings: Any) -> None:
        super().__init__()
        self.full_scorers: dict[str, Any] = {}
        settings["search_type"] = settings.pop("search", "default")
        self._search = BeamSearchTransducerStreaming(model.decoder, model.joint_network, **settings)
        self.reset()

    def reset(self) -> None:
        self._heard: list[Any] = []

    def forward(self, x: Any, is_final: bool, **ratios: float) -> Any:
        self._heard.append(x)
        return self._search(torch.cat(self._heard), is_final=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny streaming transducer and its bundle."""
    folder = tmp_path_factory.mktemp("transducer")
    config = changed(
        token_list=TOKENS,
        encoder="contextual_block_conformer",
        encoder_conf={"block_size": 10, "hop_size": 4, "look_ahead": 4, "cnn_module_kernel": 3},
        decoder="transducer",
        joint_net_conf={"joint_space_size": 16},
        model="espnet",
    )
    # Those of the attention decoder.
    config["decoder_conf"] = {"rnn_type": "lstm", "num_layers": 1, "hidden_size": 16}
    write_model(folder / "model", config)
    export(folder / "model", folder / "bundle", threads=1)
    return folder


def espnets_stream(folder: Path, **settings: Any) -> Any:
    """ESPnet's `Speech2TextStreaming` with its search for transducers."""
    from espnet2.bin import asr_inference_streaming

    from espnet_onnx import loader, sources

    model = loader.load_model(sources.find(folder / "model"), "asr").model
    online = Online(model, **settings)
    with mock.patch.object(asr_inference_streaming, "BatchBeamSearchOnline", return_value=online):
        return espnet_stream(folder / "model", nbest=settings.get("nbest", 1))


@pytest.fixture(scope="module")
def asr(folder: Path) -> Any:
    return espnet_onnx.load(folder / "bundle", threads=1)


@pytest.fixture(scope="module")
def samples() -> Array:
    demo = Path(espnet_onnx.__file__).parent / "data" / "demo" / "audio"
    return speech(demo, SECONDS)


@pytest.mark.parametrize(
    "settings", [{"beam_size": 1}, {"beam_size": 4, "nbest": 2}, {"beam_size": 3, "search": "maes"}]
)
def test_every_push_equals_espnet(
    folder: Path, asr: Any, samples: Array, settings: dict[str, Any]
) -> None:
    theirs, ours = espnets_stream(folder, **settings), asr.stream(**settings)
    chunks = chunks_of(samples, (4096, 1000))
    committed: tuple[str, ...] = ()
    for chunk in chunks[:-1]:
        expected = theirs(chunk, is_final=False)
        partial = ours.push(chunk)
        assert [list(r.ids) for r in ours.utterance.results()] == ids(expected)
        assert partial.tokens[: len(committed)] == committed
        committed = partial.tokens[: partial.stable]
    expected, result = theirs(chunks[-1], is_final=True), ours.finish(chunks[-1])
    assert [list(r.ids) for r in result.nbest] == ids(expected)
    scores = [float(hypothesis.score) for _, _, _, hypothesis in expected]
    assert [r.score for r in result.nbest] == pytest.approx(scores, abs=1e-3)
    assert result.tokens[: len(committed)] == committed
    starts = [token.start for token in result.token_times]
    assert len(starts) == len(result.tokens) >= 1
    assert starts == sorted(starts)
    assert 0 <= starts[0] <= starts[-1] <= SECONDS


def ids(results: Any) -> list[list[int]]:
    """Of what ESPnet's class or its namesake here returns."""
    return [numbers for _, _, numbers, _ in results]


def test_the_calls_of_0_2_1(folder: Path, samples: Array) -> None:
    ours = StreamingSpeech2Text(model_dir=folder / "bundle", beam_size=2)
    assert ids(ours.simulate(samples)) == ids(espnets_stream(folder, beam_size=2)(samples))


def test_the_command(folder: Path, asr: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(espnet_onnx.__file__).parent / "data/demo/audio/theo-test-00144.flac"
    with pytest.raises(SystemExit) as left:
        given = ["--beam-size", "2", "--threads", "1"]
        cli.main(["stream", str(folder / "bundle"), str(path), *given])
    assert not left.value.code
    samples = np.concatenate(list(open_recording(str(path), asr.sample_rate)))
    expected = asr.stream(beam_size=2).finish(samples)
    assert capsys.readouterr().out.strip() == expected.text


def test_a_search_that_needs_the_whole_is_refused(asr: Any) -> None:
    with pytest.raises(InputError, match="search=alsd needs whole recordings: give default, tsd"):
        asr.stream(search="alsd")


@pytest.mark.parametrize("name", ["decoding_window", "left_context"])
def test_options_of_chunks_are_refused_by_blocks(asr: Any, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}=40 is for encoders that take chunks"):
        asr.stream(**{name: 40})
