"""Streams of the standalone task, chunk by chunk, against ESPnet's `streaming_decode`."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import attrs
import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet2.asr_transducer.encoder.encoder import Encoder

import espnet_onnx as eo
from espnet_onnx import StreamingSpeech2Text, cli, loader, sources
from espnet_onnx.errors import InputError
from espnet_onnx.export import export
from espnet_onnx.types import Array
from espnet_onnx_plugin_conformer_transducer.standalone_encoder_claim import claim
from espnet_onnx_plugin_conformer_transducer.standalone_encoder_export import graphs
from espnet_onnx_plugin_conformer_transducer.standalone_encoder_runtime import StandaloneEncoder

from ...tiny_models import changed, write_model
from ..streaming.espnet_stream import speech

SIZES = {"hidden_size": 16, "linear_size": 24, "conv_mod_kernel_size": 3, "heads": 2}
CAUSAL = {
    "main_conf": {"dynamic_chunk_training": True},
    "body_conf": [
        {"block_type": "conv1d", "output_size": 16, "kernel_size": 3},
        {"block_type": "conformer", **SIZES},
        {"block_type": "ebranchformer", **SIZES},
    ],
}
# Its convolutions see the edges of a chunk.
OPEN = {"body_conf": [{"block_type": "branchformer", **SIZES, "num_blocks": 2}]}
SHORTENS = {"body_conf": [{"block_type": "conv1d", "output_size": 16, "kernel_size": 3}]}
WINDOW, LEFT = 300, 5
HOP = 16 * WINDOW


def written(folder: Path, encoder: dict[str, Any], **config: Any) -> Path:
    """A tiny model and its bundle in a folder."""
    given = {
        key: value
        for key, value in changed(**config).items()
        if key not in ("encoder", "model_conf", "init")
    }
    given |= {
        "encoder_conf": encoder,
        "decoder": "rnn",
        "decoder_conf": {"embed_size": 8, "hidden_size": 16},
        "joint_network_conf": {"joint_space_size": 16},
    }
    write_model(folder / "model", given, task="asr_transducer")
    export(folder / "model", folder / "bundle", task="asr_transducer", threads=1)
    return folder


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("causal"), CAUSAL)


@pytest.fixture(scope="module")
def samples() -> Array:
    demo = Path(eo.__file__).parent / "data" / "demo" / "audio"
    return speech(demo, 2.3)


def espnets(folder: Path, **search: Any) -> Any:
    """ESPnet's `Speech2Text` of the task, streaming."""
    from espnet2.bin.asr_transducer_inference import Speech2Text
    from espnet2.tasks.asr_transducer import ASRTransducerTask

    loaded = loader.load_model(sources.find(folder / "model"), "asr_transducer")
    args = argparse.Namespace(**{"bpemodel": None, **loaded.config})
    built = classmethod(lambda *_args, **_named: (loaded.model, args))
    beam, nbest = search.pop("beam_size"), search.pop("nbest", 1)
    with mock.patch.object(ASRTransducerTask, "build_model_from_file", built):
        return Speech2Text(
            "config.yaml",
            beam_size=beam,
            nbest=nbest,
            beam_search_config=search,
            streaming=True,
            decoding_window=WINDOW,
            left_context=LEFT,
        )


def check_alive(ours: Any, theirs: Any) -> None:
    """Two paths may say the same."""
    running = sorted((h.score, h.tokens) for h in ours)
    expected = sorted((float(h.score), tuple(h.yseq[1:])) for h in theirs)
    assert [tokens for _, tokens in running] == [tokens for _, tokens in expected]
    scores = [score for score, _ in expected]
    assert [score for score, _ in running] == pytest.approx(scores, abs=1e-3)


def stream(folder: Path, **settings: Any) -> Any:
    asr = eo.load(folder / "bundle", threads=1)
    return asr.stream(decoding_window=WINDOW, left_context=LEFT, **settings)


def check(folder: Path, samples: Array, search: str = "default", **settings: Any) -> Any:
    """Every chunk's hypotheses, and the result."""
    theirs = espnets(folder, search_type=search, **settings)
    ours = stream(folder, search=search, **settings)
    whole = len(samples) // HOP * HOP
    for begin in range(0, whole, HOP):
        chunk = samples[begin : begin + HOP]
        alive = theirs.streaming_decode(chunk, is_final=False)
        # Pushes of any size are the same chunks.
        ours.push(chunk[:1000])
        ours.push(chunk[1000:])
        check_alive(ours.utterance.running, alive)
    expected = theirs.streaming_decode(samples[whole:], is_final=True)
    result = ours.finish(samples[whole:])
    assert [r.ids for r in result.nbest] == [tuple(h.yseq[1:]) for h in expected]
    assert [r.score for r in result.nbest] == pytest.approx([h.score for h in expected], abs=1e-3)
    return result


@pytest.mark.parametrize("search", ["default", "tsd", "maes"])
def test_every_chunk_equals_espnet(causal: Path, samples: Array, search: str) -> None:
    result = check(causal, samples, search, beam_size=3, nbest=2)
    assert result.tokens
    starts = [token.start for token in result.token_times]
    assert starts == sorted(starts)
    assert starts[-1] <= len(samples) / 8000


def test_chunks_of_a_model_that_is_not_causal(
    tmp_path_factory: pytest.TempPathFactory, samples: Array
) -> None:
    folder = written(tmp_path_factory.mktemp("open"), OPEN, normalize="utterance_mvn")
    check(folder, samples, beam_size=2)
    # The last chunk is empty, and the only one too short for a window.
    check(folder, samples[: 2 * HOP], beam_size=2)
    check(folder, samples[:100], beam_size=2)


def test_the_calls_of_0_2_1(causal: Path, samples: Array) -> None:
    options = {"decoding_window": WINDOW, "left_context": LEFT, "beam_size": 2}
    ours = StreamingSpeech2Text(model_dir=causal / "bundle", **options)
    assert ours.hop_size == HOP
    ((_, _, ids, _),) = ours.simulate(samples)
    expected = stream(causal, beam_size=2).finish(samples)
    assert tuple(ids) == expected.ids


def test_the_command(causal: Path, samples: Array, capsys: pytest.CaptureFixture[str]) -> None:
    recording = causal / "said.wav"
    soundfile.write(recording, samples, 8000, subtype="FLOAT")
    options = {"search": "tsd", "decoding_window": WINDOW, "left_context": LEFT}
    given = [text for name, value in options.items() for text in ("--set", f"{name}={value}")]
    with pytest.raises(SystemExit) as left:
        cli.main(["stream", str(causal / "bundle"), str(recording), "--threads", "1", *given])
    assert not left.value.code
    expected = stream(causal, search="tsd").finish(samples)
    assert capsys.readouterr().out.strip() == expected.text


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"decoding_window": 20}, "give at least 60"),
        ({"decoding_window": 0}, "at least 1"),
        ({"left_context": -1}, "at least 0"),
        ({"left_context": 10**12}, "at most 10000"),
        ({"search": "alsd"}, "give default, tsd, maes"),
    ],
)
def test_refuses(causal: Path, options: dict[str, Any], word: str) -> None:
    asr = eo.load(causal / "bundle", threads=1)
    with pytest.raises(InputError, match=word):
        asr.stream(**options)


def test_a_window_at_the_limit_is_heard(causal: Path, samples: Array) -> None:
    asr = eo.load(causal / "bundle", threads=1)
    with pytest.raises(InputError) as told:
        asr.stream(decoding_window=1)
    least = int(str(told.value).split()[-1])
    ours = asr.stream(decoding_window=least, left_context=0, beam_size=2)
    ours.push(samples[: 16 * least])
    assert ours.utterance.running[0].score < 0
    assert np.isfinite(ours.finish(samples[16 * least :]).score)


def test_what_shortens_its_input_is_refused() -> None:
    """The export gives such blocks nothing to remember."""
    component = eo.Component("encoder", "encoder", "asr_transducer", SHORTENS)
    component = attrs.evolve(component, module=Encoder(16, **SHORTENS), given={"input_size": 16})
    part = claim(component)
    assert isinstance(part, eo.Part)
    blocks = SimpleNamespace(inputs=dict.fromkeys(graphs(component, part)["blocks"].feeds[0]))
    encoder = StandaloneEncoder(blocks, blocks, part.config["shortest"], part.config["factor"])
    with pytest.raises(InputError, match="conv1d block of this model shortens"):
        encoder.listen(blocks, (), None, None)
