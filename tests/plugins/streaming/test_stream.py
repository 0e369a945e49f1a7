"""Streams against ESPnet's `Speech2TextStreaming`, push by push, on speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx
from espnet_onnx import StreamingSpeech2Text, cli
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.export import export
from espnet_onnx.testing.tiny import feats_stats
from espnet_onnx.types import Array

from ...tiny_models import changed, write_model
from .espnet_stream import chunks_of, espnet_stream, speech

pytestmark = pytest.mark.export

# Many tokens, so that a random model does not repeat one at once.
TOKENS = ["<blank>", "<unk>", *(chr(0x4E00 + i) for i in range(60)), "<sos/eos>"]
MODELS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "conformer": {
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": "stats.npz"},
        "frontend_conf": {"win_length": 100},
    },
}
SECONDS = 3.0
OPTIONS: list[dict[str, Any]] = [
    {"ctc_weight": 0.3, "beam_size": 5, "nbest": 3},
    {"ctc_weight": 0.0, "beam_size": 5},
    {"ctc_weight": 0.3, "beam_size": 1},
    {"ctc_weight": 0.3, "beam_size": 5, "disable_repetition_detection": True},
    {"ctc_weight": 1.0, "beam_size": 3, "penalty": 0.3},
    {"ctc_weight": 0.3, "beam_size": 4, "incremental_decode": True, "normalize_length": True},
    {"ctc_weight": 0.0, "beam_size": 2, "decoder_text_length_limit": 6},
    # 202511 fails where there are more tokens than frames that CTC hears
    {"ctc_weight": 0.4, "beam_size": 3, "encoded_feat_length_limit": 50, "maxlenratio": 0.5},
]
CHUNKS = [(4096,), (4095, 4097), (7777, 1, 900), (100_000,)]


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny streaming model and its bundle."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "model").mkdir()
    feats_stats(16)(folder / "model" / "stats.npz")
    encoder = {"cnn_module_kernel": 5} if request.param == "conformer" else {}
    config = changed(
        token_list=TOKENS,
        encoder=f"contextual_block_{request.param}",
        encoder_conf={"block_size": 40, "hop_size": 16, "look_ahead": 16, **encoder},
        **MODELS[request.param],
    )
    write_model(folder / "model", config)
    export(folder / "model", folder / "bundle", threads=1)
    return folder


@pytest.fixture(scope="module")
def asr(folder: Path) -> Any:
    return espnet_onnx.load(folder / "bundle", threads=1)


@pytest.fixture(scope="module")
def samples() -> Array:
    demo = Path(espnet_onnx.__file__).parent / "data" / "demo" / "audio"
    return speech(demo, SECONDS)


def tokens(results: Any) -> list[list[int]]:
    """Of what ESPnet's class or its namesake here returns."""
    return [ids for _, _, ids, _ in results]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_push_equals_espnet(
    folder: Path, asr: Any, samples: Array, options: dict[str, Any]
) -> None:
    check_equal(folder, asr, chunks_of(samples, CHUNKS[0]), options)


@pytest.mark.parametrize("sizes", CHUNKS[1:])
def test_chunks_of_any_size(folder: Path, asr: Any, samples: Array, sizes: Sequence[int]) -> None:
    options = {"ctc_weight": 0.3, "beam_size": 2, "disable_repetition_detection": True}
    check_equal(folder, asr, chunks_of(samples, sizes), options)


def check_equal(folder: Path, asr: Any, chunks: Sequence[Array], options: dict[str, Any]) -> None:
    """Results, all hypotheses that are alive, and what stays of what was committed."""
    nbest = options.get("nbest", 1)
    # ESPnet collects what ends in the last block twice
    theirs = espnet_stream(folder / "model", **options | {"nbest": 4 * nbest})
    ours = asr.stream(**options)
    committed: tuple[str, ...] = ()
    for chunk in chunks[:-1]:
        expected = tokens(theirs(chunk, is_final=False))[:nbest]
        partial = ours.push(chunk)
        found = [[t for t in h.tokens if t != 0] for h in ours.utterance.ended]
        assert found == expected
        beam = theirs.beam_search.running_hyps
        alive = [] if beam is None else [tuple(yseq[1:].tolist()) for yseq in beam.yseq]
        assert [h.tokens for h in ours.utterance.running] == alive
        assert partial.tokens[: len(committed)] == committed
        assert partial.text == "".join(partial.tokens)
        committed = partial.tokens[: partial.stable]
        assert partial.committed == "".join(committed)
    expected = theirs(chunks[-1], is_final=True)
    result = ours.finish(chunks[-1])
    assert result.tokens[: len(committed)] == committed
    distinct = list(dict.fromkeys(tuple(ids) for ids in tokens(expected)))
    assert [r.ids for r in result.nbest] == distinct[:nbest]
    assert result.text == expected[0][0]
    assert result.score == pytest.approx(float(expected[0][3].score), rel=1e-4)
    assert result.segments == ()


def test_a_whole_recording_equals_espnet(folder: Path, asr: Any, samples: Array) -> None:
    from espnet_onnx import loader, sources
    from espnet_onnx.inference import inference

    loaded = loader.load_model(sources.find(folder / "model"), "asr")
    theirs = inference(loaded, beam_size=3, ctc_weight=0.3, maxlenratio=-20, ctc_window_margin=100)
    assert asr(samples, beam_size=3, ctc_weight=0.3, maxlenratio=-20).text == theirs(samples)[0][0]


def test_the_calls_of_0_2_1(folder: Path, samples: Array) -> None:
    options = {"ctc_weight": 0.3, "beam_size": 2, "disable_repetition_detection": True}
    theirs = espnet_stream(folder / "model", **options)
    ours = StreamingSpeech2Text(model_dir=folder / "bundle", **options)
    assert ours.hop_size == 64 * 4 * 16
    for _ in range(2):  # a second recording is not what the first one was
        ours.start()
        for chunk in chunks_of(samples, [ours.hop_size]):
            expected = theirs(chunk, is_final=False)
            found = ours(chunk)
            assert tokens(found) == tokens(expected)
            assert [r[0] for r in found] == [r[0] for r in expected]
        expected = theirs(np.zeros(0, np.float32), is_final=True)
        found = ours.end()
        assert tokens(found) == tokens(expected)
        assert found[0][3].yseq.tolist() == expected[0][3].yseq.tolist()
    assert ours(samples[:9000], always_assemble_hyps=False) == []
    assert ours(samples[9000:], is_final=True)[0][2] == theirs(samples)[0][2]
    assert tokens(ours.simulate(samples)) == tokens(theirs(samples))


def test_a_long_stream_becomes_segments(asr: Any, samples: Array) -> None:
    quiet = np.zeros(8000, np.float32)
    audio = np.concatenate([samples, quiet, samples, quiet, samples])
    settings = {"segment": 3.0, "longest_segment": 6.0, "beam_size": 2, "maxlenratio": 0.1}
    whole = asr.stream(**settings)
    pieces = asr.stream(**settings)
    seen = [s for c in chunks_of(audio, [1500, 7]) for s in pieces.push(c).segments]
    result = pieces.finish()
    assert list(result.segments[: len(seen)]) == seen
    assert len(seen) >= 2
    assert result.text == "".join(segment.text or "" for segment in result.segments)
    assert result.duration == pytest.approx(len(audio) / 8000)
    # each segment is what an utterance of its own gives
    second = result.segments[1]
    alone = asr.stream(beam_size=2, maxlenratio=0.1)
    cut = audio[round(second.start * 8000) : round(second.end * 8000)]
    assert alone.finish(cut).ids == second.ids
    times = [word.start for word in result.words if word.start is not None]
    assert times == sorted(times)
    # where it is cut depends on the samples, not on the chunks
    assert [s.end for s in whole.finish(audio).segments] == [s.end for s in result.segments]
    forgetful = asr.stream(**settings, keep_segments=False)
    handed = [s for c in chunks_of(audio, [1500, 7]) for s in forgetful.push(c).segments]
    assert handed == seen
    assert [*handed, *forgetful.finish().segments] == list(result.segments)


def test_what_a_stream_keeps_has_a_bound(asr: Any, samples: Array) -> None:
    stream = asr.stream(segment=2.0, longest_segment=3.0, beam_size=1, maxlenratio=-5)
    longest = 0
    for chunk in chunks_of(np.tile(samples, 3), [4096]):
        stream.push(chunk)
        longest = max(longest, stream.utterance.samples)
    assert longest <= 3.0 * 8000 + 4096


def test_bad_input(asr: Any, samples: Array) -> None:
    stream = asr.stream()
    with pytest.raises(AudioError, match="NaN"):
        stream.push(np.array([np.nan], np.float32))
    assert stream.push([]).text == ""
    with pytest.raises(AudioError, match="needs 7"):
        stream.finish(samples[:10])
    assert asr.stream(beam_size=1, maxlenratio=-2).finish(samples[:4000]).tokens
    over = asr.stream(beam_size=1, maxlenratio=-2)
    over.finish(samples)
    with pytest.raises(InputError, match="finished"):
        over.push(samples)
    for options, why in (
        ({"segment": 9.0, "longest_segment": 8.0}, "longest_segment"),
        ({"look_ahead": 40}, "look_ahead"),
        ({"hop": 1}, "no search setting is called 'hop'"),
        ({"sample_rate": 0}, "0 Hz"),
    ):
        with pytest.raises(InputError, match=why):
            asr.stream(**options)


def test_other_rates_and_integers(asr: Any, samples: Array) -> None:
    doubled = (np.repeat(samples, 2) * 32767).astype(np.int16)
    stream = asr.stream(sample_rate=16000, beam_size=1, maxlenratio=-3)
    for chunk in chunks_of(doubled, [5000]):
        stream.push(chunk)
    result = stream.finish()
    assert result.duration == pytest.approx(SECONDS, abs=0.01)
    assert "resampled from 16000 Hz to 8000 Hz" in result.notes


def test_the_command(
    folder: Path, asr: Any, samples: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    path = tmp_path / "speech.wav"
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    arguments = ["stream", str(folder / "bundle"), str(path), "--beam-size", "2", "--eager"]
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert not left.value.code
    expected = asr.stream(beam_size=2, disable_repetition_detection=True)
    for chunk in chunks_of(samples, [1600]):
        expected.push(chunk)
    assert capsys.readouterr().out.strip() == expected.finish().text
