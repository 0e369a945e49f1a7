"""What the acoustic models say, against ESPnet's own inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.roles import Spoken
from espnet_onnx.types import Array
from espnet_onnx_plugin_fastspeech2 import build_runtime

from .live import ODIM, claimed, component, opener, silent

FORCED = "use_teacher_forcing"
TEXTS = ((3, 1, 4, 1, 5, 9, 2, 6), (7,), (11, 12, 13, 2))
GST: dict[str, Any] = {
    "use_gst": True,
    "gst_tokens": 4,
    "gst_heads": 2,
    "gst_conv_layers": 2,
    "gst_conv_chans_list": [4, 8],
    "gst_gru_units": 8,
}


def runtime(acoustic: eo.Component) -> Any:
    part, graphs = claimed(acoustic)
    node = eo.Node("tts", part.kind, "fastspeech2", part.config, tuple(graphs))
    return build_runtime(node, {"vocoder": "its own"}, opener(acoustic, graphs))


def spoken(model: Any, texts: Sequence[Sequence[int]], **controls: Any) -> Spoken:
    lengths = np.array(list(map(len, texts)))
    tokens = np.full((len(texts), lengths.max()), 5)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    answer: Spoken = model(tokens, lengths, controls, no_noise)
    return answer


def no_noise(name: str, shape: Sequence[int]) -> Array:
    raise AssertionError("these models have none")


def espnet(acoustic: eo.Component, text: Sequence[int], **controls: Any) -> dict[str, Array]:
    plain = {name: controls.pop(name) for name in ("alpha", FORCED) if name in controls}
    given = {name: torch.as_tensor(value) for name, value in controls.items()}
    with torch.no_grad():
        said = acoustic.module.inference(torch.tensor(text), **given, **plain)
    return {name: tensor.numpy() for name, tensor in said.items()}


def agree(ours: Spoken, row: int, wanted: dict[str, Array]) -> None:
    feats = ours.feats[row, : ours.lengths[row]]
    assert feats.shape == wanted["feat_gen"].shape
    assert np.abs(feats - wanted["feat_gen"]).max() < 1e-4
    tokens = len(wanted["duration"])
    for name in ("duration", "pitch", "energy"):
        if name in wanted:
            assert np.allclose(ours.details[name][row, :tokens], wanted[name], atol=1e-4)


@pytest.mark.parametrize(
    ("type", "changes"),
    [
        ("fastspeech2", {}),
        ("fastspeech2", {"reduction_factor": 2, "conformer_rel_pos_type": "legacy"}),
        ("fastspeech", {}),
    ],
)
@pytest.mark.parametrize("alpha", [1.0, 0.7, 1.5])
def test_a_batch_says_what_espnet_says_of_each(
    type: str, changes: dict[str, Any], alpha: float
) -> None:
    acoustic = component(type, **changes)
    ours = spoken(runtime(acoustic), TEXTS, alpha=alpha)
    for row, text in enumerate(TEXTS):
        agree(ours, row, espnet(acoustic, text, alpha=alpha))
    assert ours.durations is not None
    assert np.array_equal(ours.durations.sum(1), ours.lengths)


def test_voices() -> None:
    acoustic = component("fastspeech2", spks=3, langs=2, spk_embed_dim=5, **GST)
    model = runtime(acoustic)
    assert set(model.needs) == {"sids", "lids", "spembs", "speech"}
    rng = np.random.default_rng(0)
    spembs = rng.standard_normal((3, 5), dtype=np.float32)
    speech = rng.standard_normal((37, ODIM), dtype=np.float32)
    voices: dict[str, Any] = {"sids": np.array([2, 0, 1]), "lids": np.array([1, 0, 1])}
    ours = spoken(model, TEXTS, **voices, spembs=spembs, speech=speech)
    for row, text in enumerate(TEXTS):
        one = {name: ids[row : row + 1] for name, ids in voices.items()}
        agree(ours, row, espnet(acoustic, text, **one, spembs=spembs[row], feats=speech))


@pytest.mark.parametrize("type", ["fastspeech", "fastspeech2"])
def test_where_nothing_lasts_each_token_has_a_frame(type: str) -> None:
    acoustic = silent(component(type))
    ours = spoken(runtime(acoustic), TEXTS)
    assert ours.lengths.tolist() == [9, 2, 5]
    for row, text in enumerate(TEXTS):
        wanted = espnet(acoustic, text)
        del wanted["duration"]  # before the frames are filled in, or after: versions differ
        feats = ours.feats[row, : ours.lengths[row]]
        assert np.abs(feats - wanted["feat_gen"]).max() < 1e-4


@pytest.mark.parametrize(
    ("type", "factor"), [("fastspeech", 1), ("fastspeech2", 1), ("fastspeech2", 2)]
)
def test_given_durations_are_those_of_teacher_forcing(type: str, factor: int) -> None:
    acoustic = component(type, reduction_factor=factor)
    model = runtime(acoustic)
    frames = np.random.default_rng(0).integers(0, 4, (3, 9))
    # Behind an utterance there may be anything, and alpha has no say.
    ours = spoken(model, TEXTS, durations=factor * frames, alpha=2.0)
    assert ours.durations is not None
    for row, text in enumerate(TEXTS):
        given = {"durations": frames[row, : len(text) + 1], FORCED: True}
        if type == "fastspeech2":
            free = espnet(acoustic, text)
            given |= {name: free[name] for name in ("pitch", "energy")}
        wanted = espnet(acoustic, text, **given)["feat_gen"]
        feats = ours.feats[row, : ours.lengths[row]]
        assert feats.shape == wanted.shape and np.abs(feats - wanted).max() < 1e-4
        lasted = ours.durations[row]
        assert lasted[: len(text) + 1].tolist() == (factor * given["durations"]).tolist()
        assert not lasted[len(text) + 1 :].any()


def test_pitch_and_energy_are_ours_to_change() -> None:
    model = runtime(component("fastspeech2"))
    plain = spoken(model, TEXTS)
    high = spoken(model, TEXTS, pitch_scale=2.0, energy_shift=0.5)
    assert np.allclose(high.details["pitch"], 2 * plain.details["pitch"], atol=1e-5)
    real = np.arange(9) < np.array([9, 2, 5])[:, None]
    shifted = plain.details["energy"][..., 0] + 0.5 * real
    assert np.allclose(high.details["energy"][..., 0], shifted, atol=1e-5)
    assert np.array_equal(high.durations, plain.durations)
    assert not np.allclose(high.feats, plain.feats, atol=1e-2)


@pytest.mark.parametrize("changes", [{}, {"spks": 3, "spk_embed_dim": 5}])
def test_jets_hands_its_vocoder_what_espnet_does(changes: dict[str, Any]) -> None:
    acoustic = component("jets", **changes)
    model = runtime(acoustic)
    assert model.vocoder == "its own"
    spembs = np.random.default_rng(0).standard_normal((3, 5), dtype=np.float32)
    voices = {"sids": np.array([2, 0, 1]), "spembs": spembs} if changes else {}
    ours = spoken(model, TEXTS, **voices)
    for row, text in enumerate(TEXTS):
        one = {"sids": torch.tensor([[2, 0, 1][row]]), "spembs": torch.tensor(spembs[row])}
        with torch.no_grad():
            wanted = acoustic.module.inference(torch.tensor(text), **(one if changes else {}))
            feats = torch.from_numpy(ours.feats[row : row + 1, : ours.lengths[row]])
            wave = acoustic.module.generator.generator(feats.transpose(1, 2)).view(-1)
        assert np.array_equal(ours.durations[row, : len(text)], wanted["duration"])
        assert wave.shape == wanted["wav"].shape
        assert (wave - wanted["wav"]).abs().max() < 1e-4
    steered = spoken(model, TEXTS, **voices, durations=ours.durations, alpha=2.0)
    np.testing.assert_array_equal(steered.feats, ours.feats)
    slower = spoken(model, TEXTS, **voices, durations=2 * ours.durations)
    np.testing.assert_array_equal(slower.durations, 2 * ours.durations)


def test_jets_where_nothing_lasts() -> None:
    acoustic = silent(component("jets"))
    ours = spoken(runtime(acoustic), TEXTS)
    assert ours.lengths.tolist() == [8, 1, 4]
    with torch.no_grad():
        wanted = acoustic.module.inference(torch.tensor(TEXTS[2]))
        feats = torch.from_numpy(ours.feats[2:3, :4])
        wave = acoustic.module.generator.generator(feats.transpose(1, 2)).view(-1)
    assert wave.shape == wanted["wav"].shape and (wave - wanted["wav"]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ({"sids": 0}, "give spembs"),
        ({"sids": 3, "spembs": np.ones(5)}, "0 to 2"),
        ({"sids": 0, "spembs": np.ones(4)}, r"\(5,\)"),
        ({"sids": 0, "spembs": np.ones(5), "alpha": 0.0}, "above 0"),
    ],
)
def test_what_cannot_be_said(controls: dict[str, Any], says: str) -> None:
    model = runtime(component("fastspeech2", spks=3, spk_embed_dim=5))
    with pytest.raises(InputError, match=says):
        spoken(model, TEXTS, **controls)
