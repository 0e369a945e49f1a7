"""The run time of VITS against `VITS.inference` of each utterance, with the same noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import espnet_onnx as eo
from espnet_onnx.errors import InputError
from espnet_onnx.roles import Spoken
from espnet_onnx.types import Array
from espnet_onnx_plugin_vits import tiny
from espnet_onnx_plugin_vits.acoustic_reference import injected
from espnet_onnx_plugin_vits.acoustic_runtime import Vits, build, spread

from .live import Eager, Noises, claimed, component

pytestmark = pytest.mark.export

LENGTHS = np.array([7, 23, 1])
TOKENS = np.random.default_rng(0).integers(0, len(tiny.TOKENS), (3, 23))
SEEDS = (5, 6, 7)
CONTROLS: dict[str, Any] = {
    "sids": np.array([4, 0, 2]),
    "lids": np.array([2, 1, 0]),
    "spembs": np.random.default_rng(1).normal(0, 3, (3, 6)).astype(np.float32),
}


def opened(acoustic: eo.Component) -> Vits:
    part, graphs = claimed(acoustic)
    node = eo.Node("tts", part.kind, "vits", part.config, tuple(graphs))
    return build(node, {}, lambda name: Eager(graphs[name]))


def espnet(live: Any, noises: Noises, spoken: Spoken, b: int, options: Mapping[str, Any]) -> Any:
    """`VITS.inference` of utterance b, with what was drawn for it in the batch."""
    frames = max(int(spoken.durations[b].sum()), 1)  # type: ignore[index]
    drawn = [noises.drawn["prior"][b : b + 1, :, :frames]]
    if "durations" not in options:
        drawn.insert(0, noises.drawn["durations"][b : b + 1, :, : LENGTHS[b]])
    generator, given = live.generator, dict(options)
    for name, size in (("sids", "spks"), ("lids", "langs"), ("spembs", "spk_embed_dim")):
        if getattr(generator, size) is not None:
            row = torch.from_numpy(CONTROLS[name][b : b + 1])
            given[name] = row[0] if name == "spembs" else row
    if "durations" in options:
        given["durations"] = torch.from_numpy(options["durations"][b, : LENGTHS[b]])
    with torch.no_grad(), injected(*drawn):
        return live.inference(torch.from_numpy(TOKENS[b, : LENGTHS[b]]), **given)


def decoded(live: Any, spoken: Spoken, b: int) -> Array:
    """The live decoder over what was spoken."""
    latent = torch.from_numpy(spoken.feats[b : b + 1, : spoken.lengths[b]]).transpose(1, 2)
    condition = spoken.conditions.get("speaker")
    g = None if condition is None else torch.from_numpy(condition[b : b + 1])[..., None]
    with torch.no_grad():
        wav: Array = live.generator.decoder(latent, g=g).flatten().numpy()
    return wav


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("plain", {}),
        ("speakers", {"alpha": 1.7, "noise_scale": 0.3, "noise_scale_dur": 0.1}),
        ("everything", {"max_len": 9}),
        ("embeddings", {"noise_scale": 0.0, "noise_scale_dur": 0.0}),
        ("one_speaker_of_one", {"alpha": 0.0}),
        ("plain", {"durations": np.arange(69).reshape(3, 23) % 4}),
    ],
)
def test_batch_is_as_espnet_one_by_one(variant: str, options: dict[str, Any]) -> None:
    acoustic = component(variant)
    runtime, noises = opened(acoustic), Noises(*SEEDS)
    assert runtime.needs == tuple(n for n in ("sids", "lids", "spembs") if n in runtime.sizes)
    spoken = runtime(TOKENS, LENGTHS, {**CONTROLS, **options}, noises)
    for b, length in enumerate(LENGTHS):
        want = espnet(acoustic.module, noises, spoken, b, options)
        assert np.array_equal(spoken.durations[b, :length], want["duration"].numpy())
        wav = decoded(acoustic.module, spoken, b)
        assert wav.shape == want["wav"].shape
        np.testing.assert_allclose(wav, want["wav"].numpy(), atol=1e-5)


def test_no_noise_says_the_same_each_time() -> None:
    runtime = opened(component("plain"))
    silent = {"noise_scale": 0.0, "noise_scale_dur": 0.0}
    first, second = (
        runtime(TOKENS, LENGTHS, silent, Noises(seed, seed, seed)).feats for seed in (1, 2)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sids": None}, "needs sids: give a number from 0 to 4"),
        (
            {"lids": np.array([0, 3, 0])},
            "lids of shape .3,. will not do: give a number from 0 to 2",
        ),
        ({"spembs": np.zeros((3, 5))}, "give 6 values"),
    ],
)
def test_a_wrong_control_is_refused(change: dict[str, Any], message: str) -> None:
    runtime = opened(component("everything"))
    with pytest.raises(InputError, match=message):
        runtime(TOKENS, LENGTHS, {**CONTROLS, **change}, Noises(*SEEDS))


def test_path() -> None:
    path, frames = spread(np.array([[2, 0, 1, 0], [0, 0, 0, 0]]))
    assert path.tolist() == [[1, 1, 3], [0, 0, 0]]
    assert frames.tolist() == [3, 1]
