"""The recogniser against ESPnet's `Speech2Text`, its children being the live modules themselves.

So nothing but reading, batching, search, tokens and times is compared; graphs have tests of their
own. Shapes: B utterances, S samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import yaml

from espnet_onnx import Node, components, loader, reference, sources
from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.parts.recognizer import Recognizer
from espnet_onnx.roles import Encoded
from espnet_onnx.types import Array
from espnet_onnx_plugin_asr_transformer.root_claim import KIND, claim_root

from ..tiny_models import changed, write_model
from .search_reference import TorchScorer

pytestmark = pytest.mark.export

DEMO = Path(components.__file__).parent / "data/demo/conformer"
WORDS = ["<blank>", "<unk>", "ONE", "TWO", "THREE", "<sos/eos>"]
SOUNDS = ["<blank>", "<unk>", "AH0", "B", "K", "T", "<sos/eos>"]
CONFORMER = {
    "num_blocks": 3,
    "cnn_module_kernel": 3,
    "rel_pos_type": "latest",
    "pos_enc_layer_type": "rel_pos",
    "selfattention_layer_type": "rel_selfattn",
    "interctc_layer_idx": [1, 2],
    "interctc_use_conditioning": True,
}
HYBRID = [
    {},
    {"nbest": 4, "penalty": 0.7},
    {"minlenratio": 0.4},
    {"maxlenratio": -5, "minlenratio": -3},
    {"maxlenratio": 0.2},
    {"normalize_length": True, "nbest": 3},
    {"ctc_weight": 0.0},
    {"ctc_weight": 1.0},
    {"beam_size": 1, "ctc_weight": 0.9},
]


def bpe() -> dict[str, Any]:
    tokens = yaml.safe_load(next(DEMO.rglob("config.yaml")).read_text("utf-8"))["token_list"]
    return changed(
        token_type="bpe",
        bpemodel=str(DEMO / "bpe.model"),
        token_list=tokens,
        frontend_conf={"fs": 16000},
        encoder="conformer",
        encoder_conf=CONFORMER,
        model_conf={"interctc_weight": 0.3},
    )


MODELS: dict[str, tuple[Callable[[], dict[str, Any]], list[dict[str, Any]]]] = {
    "hybrid_char_8k": (lambda: changed(normalize="utterance_mvn"), HYBRID),
    "symbols_elsewhere": (
        lambda: changed(
            token_list=["<unk>", "<blank>", "A", "B", "C", "<s>", "</s>", "D"],
            model_conf={"sym_sos": "<s>", "sym_eos": "</s>"},
        ),
        [{}, {"ctc_weight": 1.0}],
    ),
    "ctc_only_word": (
        lambda: changed(token_type="word", token_list=WORDS, model_conf={"ctc_weight": 1.0}),
        [{"ctc_weight": 1.0}, {"ctc_weight": 1.0, "nbest": 3, "beam_size": 5}],
    ),
    "attention_only_phn_features": (
        lambda: changed(
            token_type="phn",
            token_list=SOUNDS,
            frontend=None,
            frontend_conf={},
            input_size=12,
            model_conf={"ctc_weight": 0.0},
        ),
        [{"ctc_weight": 0.0, "maxlenratio": 0.5}, {"ctc_weight": 0.0, "nbest": 2}],
    ),
    "interctc_bpe": (bpe, [{}]),
}


class Frontend:
    def __init__(self, model: Any, rate: int) -> None:
        self.sample_rate, self.shortest, self._model = rate, 65, model

    def __call__(self, speech: Array, lengths: Array) -> tuple[Array, Array]:
        return each(self._model.frontend, speech, lengths)


class Encoder:
    shortest = 7

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, feats: Array, lengths: Array) -> Encoded:
        # Conditioned encoders hear their own CTC.
        own = {"ctc": self._model.ctc} if self._model.encoder.interctc_use_conditioning else {}
        outs, inters = [], []
        for x, n in zip(feats, lengths, strict=True):
            with torch.no_grad():
                out, *_ = self._model.encoder(torch.tensor(x[None, :n]), torch.tensor([n]), **own)
            out, inter = out if isinstance(out, tuple) else (out, [])
            outs.append(out[0].numpy())
            inters.append({block: y[0].numpy() for block, y in inter})
        out, out_lengths = together(outs)
        inter = {block: together([i[block] for i in inters])[0] for block in inters[0]}
        return Encoded(out, out_lengths, inter)


def each(module: Any, x: Array, lengths: Array) -> tuple[Array, Array]:
    """Every utterance alone through a live module."""
    with torch.no_grad():
        outs = [
            module(torch.tensor(row[None, :n]), torch.tensor([n]))[0][0].numpy()
            for row, n in zip(x, lengths, strict=True)
        ]
    return together(outs)


def together(rows: list[Array]) -> tuple[Array, Array]:
    """Pad (T, D) arrays with nonsense."""
    lengths = np.array([len(row) for row in rows])
    out = np.full((len(rows), lengths.max(), rows[0].shape[1]), 5.0, dtype=np.float32)
    for padded, row in zip(out, rows, strict=True):
        padded[: len(row)] = row
    return out, lengths


def recognizer(loaded: Any) -> Recognizer:
    """A recogniser as a bundle's node would make it, over the live modules."""
    model = loaded.model
    root, _ = components.root(loaded.config, base=loaded.base, module=model, task="asr")
    part = claim_root(root)
    built: dict[str, Any] = {"encoder": Encoder(model)}
    if "frontend" in part.children:
        built["frontend"] = Frontend(model, 8000 if loaded.config["token_type"] != "bpe" else 16000)
    if "normalize" in part.children:
        built["normalize"] = lambda x, n: each(model.normalize, x, n)
    if "ctc" in part.children:
        built["ctc"] = lambda out: model.ctc.log_softmax(torch.tensor(out)).detach().numpy()
    if "decoder" in part.children:
        built["decoder"] = TorchScorer(model.decoder)
    node = Node("", KIND, "asr_transformer", part.config, (), part.files)
    assert set(built) == set(part.children)
    return Recognizer.from_node(node, built)


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    config, decodings = MODELS[request.param]
    folder = write_model(tmp_path_factory.mktemp(request.param), config())
    loaded = loader.load_model(sources.find(folder))
    return loaded, recognizer(loaded), decodings


def inputs(asr: Recognizer) -> list[Array]:
    rng = np.random.default_rng(1)
    if asr.frontend is None:
        return [rng.normal(size=(n, 12)).astype(np.float32) for n in (9, 31, 50)]
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (1800, 4000, 2500)]


def test_answers_are_those_of_espnet(pair: Any) -> None:
    loaded, asr, decodings = pair
    for decoding in decodings:
        options = {"beam_size": 4, "ctc_window_margin": 0, **decoding}
        espnet = reference.Recogniser(loaded, **options).speech2text
        ours = asr.batch(inputs(asr), **options)
        for samples, result in zip(inputs(asr), ours, strict=True):
            answer = espnet(samples)
            nbest, inter = answer if isinstance(answer, tuple) else (answer, {})
            assert [h.ids for h in result.nbest] == [tuple(map(int, ids)) for _, _, ids, _ in nbest]
            assert [h.tokens for h in result.nbest] == [tuple(tokens) for _, tokens, _, _ in nbest]
            assert [h.text for h in result.nbest] == [text for text, *_ in nbest]
            np.testing.assert_allclose(
                [h.score for h in result.nbest], [float(h.score) for *_, h in nbest], atol=1e-3
            )
            assert result.intermediate == {n: tuple(tokens) for n, tokens in inter.items()}


def test_a_result_fits_together(pair: Any) -> None:
    _, asr, decodings = pair
    for result in asr.batch(inputs(asr), **decodings[-1]):
        assert result.text == asr.tokenizer.tokens2text(result.tokens)
        assert result.nbest[0].ids == result.ids
        scores = [h.score for h in result.nbest]
        assert scores == sorted(scores, reverse=True)
        weights = asr.decoding.weights | {"ctc": decodings[-1].get("ctc_weight", 0.5)}
        weights["decoder"] = 1 - weights["ctc"]
        total = sum(weights[name] * part for name, part in result.scores.items())
        if "beam_size" not in decodings[-1]:
            assert total == pytest.approx(result.score, abs=1e-3)
        if "ctc" not in result.scores:
            assert result.token_times == ()
            continue
        assert [t.text for t in result.token_times] == list(result.tokens)
        times = [x for t in result.token_times if t.start is not None for x in (t.start, t.end)]
        assert times == sorted(times)
        assert not times or times[-1] <= result.duration + 1e-6
        assert all(0 <= t.confidence <= 1 for t in result.token_times if t.confidence is not None)
        said = "".join(w.text for w in result.words).replace(" ", "")
        assert said == (result.text or "").replace(" ", "")


def test_a_batch_gives_what_each_gives_alone(pair: Any) -> None:
    _, asr, decodings = pair
    options = {"beam_size": 3, **decodings[0]}
    batched = asr.batch(inputs(asr), **options)
    pairs = asr.batch(inputs(asr), batch_size=2, **options)
    for samples, a, b in zip(inputs(asr), batched, pairs, strict=True):
        alone = asr(samples, **options)
        assert alone.ids == a.ids == b.ids
        assert alone.score == pytest.approx(a.score, abs=1e-4)


def test_real_recordings_in_a_batch_alone_and_by_espnet() -> None:
    loaded = loader.load_model(sources.find(DEMO))
    asr = recognizer(loaded)
    audio = sorted((DEMO.parent / "audio").glob("*.flac"))
    options = {"beam_size": 5, "ctc_weight": 0.3}
    espnet = reference.Recogniser(loaded, **options)
    said = dict(
        line.split(maxsplit=1)
        for line in (DEMO.parent / "audio/text").read_text("utf-8").splitlines()
    )
    right = 0
    for path, batched in zip(audio, asr.batch(audio, **options), strict=True):
        alone = asr(path, **options)
        assert batched.ids == alone.ids
        assert batched.score == pytest.approx(alone.score, abs=1e-4)
        want = espnet(read_audio(path, 16000).samples)
        assert (alone.text, alone.ids) == (want.text, want.ids)
        assert [w.text for w in alone.words] == (alone.text or "").split()
        right += alone.text == said[path.stem]
    assert right > len(audio) // 2


@pytest.fixture(scope="module")
def ctc_only(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config, _ = MODELS["ctc_only_word"]
    folder = write_model(tmp_path_factory.mktemp("ctc"), config())
    loaded = loader.load_model(sources.find(folder))
    return loaded, recognizer(loaded)


def test_ctc_alone_decodes_greedily_and_frame_by_frame(ctc_only: Any) -> None:
    loaded, asr = ctc_only
    samples = inputs(asr)[1]
    with torch.no_grad():
        out, _ = loaded.model.encode(torch.tensor(samples)[None], torch.tensor([len(samples)]))
        best = loaded.model.ctc.argmax(out)[0]
    merged = torch.unique_consecutive(best)
    greedy = asr(samples, search="greedy")
    assert list(greedy.ids) == merged[merged != 0].tolist()
    assert asr(samples, search="time_sync", beam_size=8).score >= greedy.score


def test_what_a_model_lacks_is_said(ctc_only: Any) -> None:
    _, asr = ctc_only
    samples = inputs(asr)[0]
    with pytest.raises(InputError, match="no attention decoder: use ctc_weight=1"):
        asr(samples, ctc_weight=0.5)
    with pytest.raises(InputError, match=r"no search setting is called 'beam'.*beam_size"):
        asr(samples, beam=3)
    with pytest.raises(InputError, match="beam_size=0"):
        asr(samples, beam_size=0)


def test_audio_too_short_names_what_is_needed(ctc_only: Any) -> None:
    _, asr = ctc_only
    with pytest.raises(
        AudioError, match=r"too short \(20 samples at 8000 Hz, the model needs 65\)"
    ):
        asr(np.zeros(20, np.float32))
    with pytest.raises(AudioError, match="too short: 3 feature frames, the encoder needs 7"):
        asr(np.zeros(150, np.float32))


def test_a_minlenratio_beyond_reach_gives_no_text(ctc_only: Any) -> None:
    _, asr = ctc_only
    result = asr(inputs(asr)[0], minlenratio=-50)
    assert result.text == ""
    assert result.notes == ("no hypothesis reached minlenratio",)


def test_features_are_checked(tmp_path: Path) -> None:
    config, _ = MODELS["attention_only_phn_features"]
    asr = recognizer(loader.load_model(sources.find(write_model(tmp_path, config()))))
    with pytest.raises(AudioError, match="no frontend: give a finite float array"):
        asr(np.zeros(8000, np.float32))
    with pytest.raises(InputError, match="no CTC: use ctc_weight=0"):
        asr(inputs(asr)[0], ctc_weight=0.3)
