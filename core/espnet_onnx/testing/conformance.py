"""The checks as pytest cases: a plugin's test class names its plugin and inherits them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from . import bundles, dispatch, graphs
from .specimen import Specimen
from .tiny import TinyModel, tiny_models
from .traces import shared_traces, torchlib_once

__all__ = ["Conformance"]


class Conformance:
    """Subclass it as `TestConformance` and set `plugin`; needs the export extra and pytest.

    Every tiny model of the plugin is exported once and all checks of the class share it. A minute
    of audio is tried under the marker `slow`.

    Attributes:
        plugin: entry-point name of an installed plugin.
    """

    plugin: ClassVar[str]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One specimen for every tiny model."""
        if "tiny" in metafunc.fixturenames:
            models = tiny_models(self.plugin)
            names = [model.name for model in models]
            metafunc.parametrize("tiny", models, ids=names, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def specimen(cls, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Specimen:
        """The tiny model, alive, and its bundle."""
        for package in tiny.needs:
            pytest.importorskip(package)
        folder = tmp_path_factory.mktemp(f"{cls.plugin}-{tiny.name}")
        with torchlib_once(), shared_traces():
            return Specimen.make(cls.plugin, tiny, folder)

    def test_loads_without_torch(self) -> None:
        """See `dispatch.check_loads_without_torch`."""
        dispatch.check_loads_without_torch(self.plugin)

    def test_every_kind_has_a_tiny_model(self) -> None:
        """See `dispatch.check_kinds`."""
        dispatch.check_kinds(self.plugin)

    def test_ignores_strangers(self) -> None:
        """See `dispatch.check_ignores_strangers`."""
        dispatch.check_ignores_strangers(self.plugin)

    def test_leaves_others_alone(self) -> None:
        """See `dispatch.check_leaves_others_alone`."""
        dispatch.check_leaves_others_alone(self.plugin)

    def test_claims(self, specimen: Specimen) -> None:
        """See `dispatch.check_claims`."""
        dispatch.check_claims(specimen)

    def test_config_and_live_model_give_one_tree(self, specimen: Specimen) -> None:
        """See `dispatch.check_same_tree`."""
        dispatch.check_same_tree(specimen)

    def test_graphs_are_sound_onnx(self, specimen: Specimen) -> None:
        """See `graphs.check_onnx`."""
        graphs.check_onnx(specimen)

    def test_feeds(self, specimen: Specimen) -> None:
        """See `graphs.check_feeds`."""
        graphs.check_feeds(specimen)

    def test_axes_are_dynamic(self, specimen: Specimen) -> None:
        """See `graphs.check_axes`."""
        graphs.check_axes(specimen)

    def test_parity(self, specimen: Specimen) -> None:
        """See `graphs.check_parity`."""
        graphs.check_parity(specimen)

    @pytest.mark.slow
    def test_parity_of_a_minute(self, specimen: Specimen) -> None:
        """See `graphs.check_minute`."""
        graphs.check_minute(specimen)

    def test_int8_agrees(self, specimen: Specimen) -> None:
        """See `graphs.check_int8`."""
        graphs.check_int8(specimen)

    def test_runs_alone(self, specimen: Specimen) -> None:
        """See `bundles.check_runs_alone`."""
        bundles.check_runs_alone(specimen)

    def test_answers_as_espnet(self, specimen: Specimen, tmp_path: Path) -> None:
        """See `bundles.check_answers_as_espnet`."""
        bundles.check_answers_as_espnet(specimen, tmp_path)

    def test_leaves_the_live_model_as_it_was(self, specimen: Specimen) -> None:
        """See `bundles.check_model_is_unchanged`."""
        bundles.check_model_is_unchanged(specimen)

    def test_manifest(self, specimen: Specimen) -> None:
        """See `bundles.check_manifest`."""
        bundles.check_manifest(specimen)

    def test_damage_is_found(self, specimen: Specimen, tmp_path: Path) -> None:
        """See `bundles.check_damage_is_found`."""
        bundles.check_damage_is_found(specimen, tmp_path)
