"""Generators against ESPnet's own, one utterance at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.gan_tts.hifigan import HiFiGANGenerator
from espnet2.gan_tts.melgan import MelGANGenerator
from espnet2.gan_tts.melgan.pqmf import PQMF
from espnet2.gan_tts.parallel_wavegan import ParallelWaveGANGenerator
from espnet2.gan_tts.style_melgan import StyleMelGANGenerator

import espnet_onnx as eo
import espnet_onnx_plugin_vocoders as plugin
from espnet_onnx.errors import InputError
from espnet_onnx.parity import compare, expect
from espnet_onnx.tracer import input_names
from espnet_onnx.types import Array, Graph
from espnet_onnx_plugin_vocoders import vocoder_runtime
from espnet_onnx_plugin_vocoders.vocoder_runtime import Generator

pytestmark = pytest.mark.export

CLASSES: dict[str, Callable[..., Any]] = {
    "hifigan": HiFiGANGenerator,
    "melgan": MelGANGenerator,
    "parallel_wavegan": ParallelWaveGANGenerator,
    "style_melgan": StyleMelGANGenerator,
}
HIFIGAN = {
    "in_channels": 5,
    "channels": 16,
    "upsample_scales": [4, 3],
    "upsample_kernel_sizes": [8, 6],
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilations": [[1, 3], [1, 5]],
}
MELGAN = {"in_channels": 5, "channels": 16, "upsample_scales": [4, 3], "stacks": 2}
STYLE = {
    "in_channels": 6,
    "aux_channels": 5,
    "channels": 4,
    "noise_upsample_scales": [3, 2],
    "upsample_scales": [2, 3, 1],
}
PARALLEL = {
    "layers": 6,
    "stacks": 2,
    "residual_channels": 4,
    "gate_channels": 8,
    "skip_channels": 4,
    "aux_channels": 5,
    "upsample_params": {"upsample_scales": [4, 3]},
}
BANDS = {"out_channels": 4, "pqmf_params": {"subbands": 4, "taps": 62}}
STATS: dict[str, Any] = {"mean": np.arange(5.0), "scale": 1 + np.arange(5.0)}
VARIANTS = {
    "hifigan": ("hifigan", HIFIGAN),
    "hifigan_speaker": ("hifigan", {**HIFIGAN, "global_channels": 7}),
    "hifigan_bands": ("hifigan", {**HIFIGAN, **BANDS, "use_additional_convs": False}),
    "hifigan_plain": ("hifigan", {**HIFIGAN, "use_weight_norm": False, "bias": False}),
    "melgan": ("melgan", MELGAN),
    "melgan_bands": ("melgan", {**MELGAN, **BANDS, "stack_kernel_size": 5}),
    "melgan_replicate": ("melgan", {**MELGAN, "pad": "ReplicationPad1d"}),
    "melgan_zeros": ("melgan", {**MELGAN, "pad": "ZeroPad1d", "bias": False}),
    "style_melgan": ("style_melgan", STYLE),
    "style_melgan_sigmoid": ("style_melgan", {**STYLE, "gated_function": "sigmoid"}),
    "parallel_wavegan": ("parallel_wavegan", PARALLEL),
    "parallel_wavegan_plain": (
        "parallel_wavegan",
        {
            **PARALLEL,
            "upsample_net": "UpsampleNetwork",
            "upsample_params": {
                "upsample_scales": [4, 3],
                "freq_axis_kernel_size": 3,
                "nonlinear_activation": "LeakyReLU",
            },
        },
    ),
    "parallel_wavegan_bands": ("parallel_wavegan", {**PARALLEL, **BANDS}),
}
SPOKEN = ("hifigan_speaker", "melgan_bands", "style_melgan", "parallel_wavegan")


def component(kind: str, conf: Mapping[str, Any], **given: Any) -> eo.Component:
    """A generator none of whose weights are zero or small."""
    arguments = {key: value for key, value in conf.items() if key != "pqmf_params"}
    if "upsample_params" in arguments:  # the constructor writes into it
        arguments["upsample_params"] = dict(arguments["upsample_params"])
    torch.manual_seed(0)
    live = CLASSES[kind](**arguments).eval()
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return eo.Component("vocoder", "vocoder", kind, conf, live, given=given)


def claimed(found: eo.Component) -> tuple[eo.Part, Graph]:
    part = plugin.split_modules(found)
    assert isinstance(part, eo.Part)
    graphs = plugin.export_module(found, part)
    assert graphs is not None
    return part, graphs["vocoder"]


def eager(graph: Graph) -> Callable[..., tuple[Array, ...]]:
    """The graph's module as a session."""
    names = input_names(graph)

    def run(**feed: Array) -> tuple[Array, ...]:
        assert feed.keys() == set(names)
        with torch.no_grad():
            return (graph.module(*(torch.from_numpy(feed[name]) for name in names)).numpy(),)

    run.inputs = dict.fromkeys(names, ())  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("name", VARIANTS)
def test_a_batch_is_what_espnet_makes_of_each_utterance(name: str) -> None:
    _, graph = claimed(component(*VARIANTS[name]))
    shortest = min(length for trial in graph.trials for length in trial)
    trials = [[shortest, 31, shortest + 1, 12], [500]]
    session = eager(graph)
    names = input_names(graph)

    def run(feed: Any) -> dict[str, Array]:
        return {"wave": session(**{n: feed[n] for n in names})[0]}

    parity = compare(graph, run, expect(graph, trials))
    loud = np.abs(run(graph.feed([31]))["wave"]).max()
    assert loud > 0.01
    assert parity.difference < 1e-4 * loud, parity


@pytest.mark.parametrize("name", [n for n in VARIANTS if not n.startswith("style")])
def test_a_sample_hears_no_more_than_its_context(name: str) -> None:
    part, graph = claimed(component(*VARIANTS[name]))
    hop, context = part.config["hop"], part.config["context"]
    frames, middle = 2 * context + 9, context + 4
    feed = {n: torch.from_numpy(graph.feed([frames])[n]) for n in input_names(graph)}
    feats = feed["feats"] = feed["feats"].double().requires_grad_()
    floats = {n: x.double() if x.is_floating_point() else x for n, x in feed.items()}
    wave = graph.module.double()(**{**floats, "feats": feats})
    wave[:, middle * hop : (middle + 1) * hop].sum().backward()
    heard = feats.grad.abs().sum((0, 2)).nonzero()[:, 0] - middle
    reach = int(heard.abs().max())
    # Of several bands, what one of them hears furthest away may cancel out.
    assert context - (2 if "pqmf_params" in VARIANTS[name][1] else 0) <= reach <= context


def test_the_run_time_speaks_each_utterance_alone() -> None:
    for name in SPOKEN:
        part, graph = claimed(component(*VARIANTS[name], **STATS))
        generator = Generator(eager(graph), **part.config)  # type: ignore[arg-type]
        lengths = np.array([9, 301])
        feed = graph.feed(lengths.tolist())
        conditions = {"speaker": feed["speaker"]} if "speaker" in feed else {}
        waves = generator(feed["feats"], lengths, conditions, functools.partial(_given, feed))
        assert waves.shape == (2, 301 * generator.hop) and waves.dtype == np.float32
        for i, frames in enumerate(lengths):
            row = {n: feed[n][i : i + 1] for n in input_names(graph)}
            if "feats_lengths" not in row:
                row["feats"] = row["feats"][:, :frames]
            size = frames * generator.hop
            (want,) = eager(graph)(**row)
            np.testing.assert_allclose(waves[i, :size], want[0, :size], atol=1e-5)


def test_windows_cover_an_utterance_and_share_twice_the_context() -> None:
    for frames, context in itertools.product((1, 77, 156, 157, 861, 5003), (0, 1, 13)):
        begins, size = vocoder_runtime._windows(frames, context)
        assert begins[0] == 0 and begins[-1] + size == frames
        shared = begins[:-1] + size - begins[1:]
        assert len(begins) == 1 or shared.min() >= 2 * context > 0


def _given(feed: Mapping[str, Array], _name: str, shape: Any) -> Array:
    assert feed["noise"].shape == tuple(shape)
    return feed["noise"]


def test_what_does_not_fit_is_refused() -> None:
    part, graph = claimed(component(*VARIANTS["melgan"]))
    generator = Generator(eager(graph), **part.config)  # type: ignore[arg-type]
    assert generator.shortest == 4
    feats = np.zeros((1, 3, 5), np.float32)
    with pytest.raises(InputError, match="too short for the vocoder: 3 frames, it needs 4"):
        generator(feats, np.array([3]), {}, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="takes the conditions"):
        generator(np.zeros((1, 9, 5)), np.array([9]), {"speaker": feats}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "conf", "reason"),
    [
        ("hifigan", {"out_channels": 4}, "without a filter bank"),
        ("hifigan", {"use_causal_conv": True}, "no causal vocoder"),
        ("melgan", {"out_channels": 4, "pqmf_params": {"subbands": 2}}, "not the 2 of PQMF"),
        ("melgan", {"pad": "CircularPad1d"}, "pad CircularPad1d"),
        ("style_melgan", {"upsample_mode": "linear"}, "upsample_mode linear"),
        ("parallel_wavegan", {"upsample_conditional_features": False}, "rate of samples"),
        ("parallel_wavegan", {"in_channels": 2}, "in_channels 2"),
    ],
)
def test_variants_without_a_graph_are_declined(
    kind: str, conf: dict[str, Any], reason: str
) -> None:
    answer = plugin.split_modules(eo.Component("vocoder", "vocoder", kind, conf))
    assert isinstance(answer, eo.Declined) and reason in answer.reason


def test_a_config_alone_tells_hop_and_context() -> None:
    found = eo.Component("v", "vocoder", "hifigan", {}, given={"sample_rate": 22050})
    part = plugin.split_modules(found)
    assert isinstance(part, eo.Part)
    assert part.config == {"hop": 256, "context": 13, "shortest": 1, "sample_rate": 22050}


def test_a_parents_filter_bank_is_taken_as_it_is() -> None:
    kind, conf = VARIANTS["melgan_bands"]
    bank = PQMF(4, 62)
    bank.synthesis_filter.mul_(0.5)
    feed = claimed(component(kind, conf))[1].feed([9])
    waves = [
        claimed(component(kind, conf, **given))[1].reference(dict(feed))["wave"]
        for given in ({}, {"pqmf": bank})
    ]
    np.testing.assert_allclose(waves[0], 2 * waves[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("conf", "reason"),
    [({"fs": 8000}, "needs n_fft, n_shift"), ({"window": "kaiser"}, "window kaiser")],
)
def test_features_that_griffin_lim_cannot_read_are_declined(
    conf: dict[str, Any], reason: str
) -> None:
    sizes = {} if "fs" in conf else {"fs": 8000, "n_fft": 64, "n_shift": 16}
    found = eo.Component("vocoder", "vocoder", "griffin_lim", {**sizes, **conf})
    answer = plugin.split_modules(found)
    assert isinstance(answer, eo.Declined) and reason in answer.reason
