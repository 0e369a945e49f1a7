"""The kit itself: every first-party plugin runs it, and what it promises to find, it finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

import espnet_onnx as eo
from espnet_onnx import bundle as bundles
from espnet_onnx.manager import Manager, Plugin

from .fake_plugins import HOOKS, fake, install_plugin

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

import onnx

from espnet_onnx.testing import Specimen, TinyModel, dispatch, graphs, tiny_models
from espnet_onnx.testing import bundles as bundle_checks
from espnet_onnx.testing import specimen as specimens
from espnet_onnx.testing.snapshot import changes, snapshot

Found = Callable[..., str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Specimen:
    """A sound plugin's smallest model, exported once."""
    model = next(m for m in tiny_models("features") if m.name == "global_mvn_linear")
    return Specimen.make("features", model, tmp_path_factory.mktemp("specimen"))


@pytest.fixture
def specimen(whole: Specimen, tmp_path: Path) -> Specimen:
    """The same with a bundle of its own, to be spoilt."""
    shutil.copytree(whole.bundle, tmp_path / "bundle")
    return attrs.evolve(whole, bundle=tmp_path / "bundle")


def found(check: Callable[..., None], *arguments: Any) -> str:
    """What a check says of what is wrong."""
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    return str(caught.value)


# --- coverage


def test_every_plugin_of_ours_runs_the_kit(root: Path) -> None:
    plugins = {folder.name for folder in (root / "plugins").iterdir() if folder.is_dir()}
    tested = set()
    for name in plugins:
        test = root / "tests" / "plugins" / name / "test_conformance.py"
        if test.is_file():
            assert f'plugin = "{name}"' in test.read_text()
            tested.add(name)
    assert plugins == tested


def test_a_kind_without_a_tiny_model_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import espnet_onnx_plugin_features as plugin

    monkeypatch.setattr(plugin, "KINDS", (*plugin.KINDS, "features.new"))
    assert "no tiny model of plugin features has features.new" in found(
        dispatch.check_kinds, "features"
    )
    monkeypatch.setattr(plugin, "KINDS", ("features.default",))
    assert "KINDS of plugin features lacks features.global_mvn" in found(
        dispatch.check_kinds, "features"
    )
    monkeypatch.delattr(plugin, "KINDS")
    assert "states no KINDS" in found(dispatch.check_kinds, "features")


# --- dispatch


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import torch\n" + HOOKS, "torch"),
        ("import soundfile\n" + HOOKS, "imports soundfile"),
        ("ESPNET_ONNX_API = 3", "plugin API 3"),
    ],
)
def test_a_plugin_that_is_not_light_is_found(
    code: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(tmp_path, "heavy", code.replace("{name}", "heavy"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert word in found(dispatch.check_loads_without_torch, "heavy")


def installed(*more: Plugin) -> Manager:
    return Manager([*Manager.load().plugins.values(), *more])


def greedy(role: str) -> Plugin:
    def split(component: eo.Component) -> eo.Part | None:
        return eo.Part("greedy.kind") if component.role == role else None

    return fake("greedy", split_modules=split)


def test_a_greedy_plugin_is_found() -> None:
    manager = installed(greedy("encoder"))
    said = found(dispatch.check_ignores_strangers, "greedy", manager)
    assert "for encoder of type unheard_of" in said
    said = found(dispatch.check_leaves_others_alone, "greedy", manager)
    assert "claimed by asr_transformer and greedy" in said


def test_a_modest_plugin_passes() -> None:
    manager = installed(greedy("nothing_of_ours"))
    dispatch.check_ignores_strangers("greedy", manager)
    dispatch.check_leaves_others_alone("greedy", manager)


def test_other_trees_from_config_and_live_model_are_found(whole: Specimen) -> None:
    dispatch.check_same_tree(whole)
    children = dict(whole.claim.children)
    children.pop("ctc")
    spoilt = attrs.evolve(whole, claim=attrs.evolve(whole.claim, children=children))
    assert "only from the config: [('ctc', 'ctc', 'ctc', " in found(
        dispatch.check_same_tree, spoilt
    )


def test_a_plugin_without_a_part_in_its_model_is_found(whole: Specimen) -> None:
    stranger = attrs.evolve(whole, plugin="stranger")
    assert "stranger claims nothing" in found(dispatch.check_claims, stranger)


# --- graphs


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give every graph that the kit makes other values; a function makes them from the graph."""
    original = specimens.graphs_of

    def spoil(**values: Callable[[eo.Graph], Any]) -> None:
        def graphs_of(*arguments: Any) -> Mapping[str, eo.Graph]:
            return {
                name: attrs.evolve(graph, **{k: make(graph) for k, make in values.items()})
                for name, graph in original(*arguments).items()
            }

        monkeypatch.setattr(specimens, "graphs_of", graphs_of)

    return spoil


def test_a_wrong_graph_is_found(whole: Specimen, spoil: Callable[..., None]) -> None:
    graphs.check_parity(whole)

    def off(graph: eo.Graph) -> Any:
        def reference(feed: Any) -> Any:
            return {n: a + a.dtype.type(1) for n, a in graph.reference(feed).items()}

        return reference

    spoil(reference=off)
    for check in (graphs.check_parity, graphs.check_int8, graphs.check_minute):
        said = found(check, whole)
        assert "difference" in said
        assert "lengths (" in said


def test_what_is_wrong_at_untried_lengths_only_is_found(
    whole: Specimen, spoil: Callable[..., None]
) -> None:
    def limited(graph: eo.Graph) -> Any:
        longest = max(length for trial in graph.trials[:2] for length in trial)

        def reference(feed: Any) -> Any:
            out = graph.reference(feed)
            too_long = any(int(a.max()) > longest for n, a in feed.items() if n.endswith("lengths"))
            return {n: a * 2 for n, a in out.items()} if too_long else out

        return reference

    spoil(reference=limited, trials=lambda graph: graph.trials[:2])
    assert "difference" in found(graphs.check_parity, whole)


@pytest.mark.parametrize(
    ("trials", "word"), [([[5], [6]], "same batch"), ([[5], [5, 5]], "same length")]
)
def test_poor_trials_are_found(
    trials: Any, word: str, whole: Specimen, spoil: Callable[..., None]
) -> None:
    graphs.check_feeds(whole)
    spoil(trials=lambda graph: trials)
    assert word in found(graphs.check_feeds, whole)


def test_feeds_that_change_are_found(whole: Specimen, spoil: Callable[..., None]) -> None:
    import numpy as np

    def noisy(graph: eo.Graph) -> Any:
        return lambda lengths: {"x": np.random.default_rng().random(len(lengths))}

    spoil(feed=noisy)
    assert "another x each time" in found(graphs.check_feeds, whole)


def test_a_fixed_axis_is_found(specimen: Specimen) -> None:
    graphs.check_axes(specimen)
    path = specimen.bundle / "graphs/frontend.fp32.onnx"
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save(model, path)
    assert "axis batch of input speech is always 3" in found(graphs.check_axes, specimen)


def test_foreign_operators_are_found(specimen: Specimen) -> None:
    graphs.check_onnx(specimen)
    path = specimen.bundle / "graphs/frontend.fp32.onnx"
    model = onnx.load(path)
    model.opset_import.append(onnx.helper.make_opsetid("private.ops", 1))
    onnx.save(model, path)
    assert "private.ops" in found(graphs.check_onnx, specimen)


def test_int8_in_name_only_is_found(whole: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs.check_int8(whole)
    exhibits = [
        attrs.evolve(x, entry=attrs.evolve(x.entry, report={"int8": {"nodes": {"quantised": {}}}}))
        for x in whole.exhibits()
    ]
    monkeypatch.setattr(Specimen, "exhibits", lambda self: iter(exhibits))
    assert "no weight is large enough" in found(graphs.check_int8, whole)


# --- bundles


def test_a_bundle_that_needs_torch_is_found(whole: Specimen) -> None:
    model = attrs.evolve(whole.model, ask="espnet_onnx.testing.specimen:write_model")
    assert "torch" in found(bundle_checks.check_runs_alone, attrs.evolve(whole, model=model))


def test_another_answer_alone_is_found(whole: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_checks, "ask", lambda *_: {"text": "else", "ids": [], "score": 0.0})
    assert "without torch" in found(bundle_checks.check_runs_alone, whole)


@pytest.mark.parametrize(
    "text", ["/home/me/bpe.model", "C:\\me\\bpe.model", "C:/me/bpe.model", "\\\\host\\me\\x"]
)
def test_absolute_paths_are_found(text: str, specimen: Specimen) -> None:
    bundle_checks.check_manifest(specimen)
    manifest = specimen.manifest
    tree = attrs.evolve(manifest.tree, config={**manifest.tree.config, "bpemodel": text})
    bundles.write_manifest(specimen.bundle, attrs.evolve(manifest, tree=tree))
    assert "absolute paths" in found(bundle_checks.check_manifest, specimen)


def test_tokens_are_no_paths(specimen: Specimen) -> None:
    manifest = specimen.manifest
    tree = attrs.evolve(manifest.tree, config={"token_list": ["/", "//", "\\", "a/b", "▁/", "/a"]})
    bundles.write_manifest(specimen.bundle, attrs.evolve(manifest, tree=tree))
    bundle_checks.check_manifest(specimen)


def test_files_that_nobody_lists_are_found(specimen: Specimen) -> None:
    (specimen.bundle / "notes.txt").touch()
    assert "notes.txt" in found(bundle_checks.check_manifest, specimen)


def test_damage_that_goes_unseen_is_found(
    specimen: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle_checks.check_damage_is_found(specimen, tmp_path / "one")
    monkeypatch.setattr(bundles, "verify_files", lambda *_: None)
    assert "goes unseen" in found(bundle_checks.check_damage_is_found, specimen, tmp_path / "two")


# --- the live model


def touch_weights(model: Any) -> None:
    with torch.no_grad():
        model[0].weight[0, 0] += 1


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "weight": (touch_weights, "0.weight: values"),
    "statistics": (lambda m: m[1].running_mean.add_(1), "1.running_mean: values"),
    "mode": (lambda m: m[0].train(), "0: training"),
    "hook": (lambda m: m[0].register_forward_hook(print), "0: hooks"),
    "forward": (lambda m: setattr(m[0], "forward", print), "0: attributes"),
    "frozen": (lambda m: m[0].weight.requires_grad_(requires_grad=False), "requires_grad"),
    "class": (lambda m: m.__setitem__(0, torch.nn.Bilinear(2, 2, 2)), "0: class"),
    "other tensor": (
        lambda m: setattr(m[0], "weight", torch.nn.Parameter(m[0].weight.clone())),
        "0.weight: identity",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_live_model_is_found(name: str) -> None:
    change, line = CHANGES[name]
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    before = snapshot(model)
    assert changes(before, snapshot(model)) == []
    change(model)
    assert any(line in c for c in changes(before, snapshot(model)))


def test_a_changed_model_fails_the_kit(whole: Specimen) -> None:
    bundle_checks.check_model_is_unchanged(whole)
    spoilt = attrs.evolve(whole, changed=["encoder: hooks"])
    assert "the export changed encoder: hooks" in found(
        bundle_checks.check_model_is_unchanged, spoilt
    )


# --- tiny models


def test_a_plugin_without_tiny_models_has_none() -> None:
    assert tiny_models("greedy", installed(greedy("x"))) == ()


def test_tiny_models_are_found_beside_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    package = tmp_path / "mine_with_models"
    package.mkdir()
    (package / "__init__.py").write_text("ESPNET_ONNX_API = 1")
    (package / "tiny.py").write_text(
        "from espnet_onnx.testing import TinyModel\nMODELS = [TinyModel('a', {'encoder': 'b'})]"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module: ModuleType = importlib.import_module("mine_with_models")
    (model,) = tiny_models("mine", Manager([Plugin("mine", module)]))
    assert model == TinyModel("a", {"encoder": "b"})
