"""`hooks`: dispatch by tables, and modules imported only when a hook needs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import espnet_onnx as eo

CLAIM = """
from espnet_onnx.types import Part

def claim(component):
    return Part(kind="homes.encoder")
"""
EXPORT = """
def graphs(component, part):
    return {"encoder": (component.type, part.kind)}
"""
RUNTIME = """
def build(node, children, open_session):
    return node.kind, children
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "homes_of_a_plugin"
    home = tmp_path / name
    home.mkdir()
    (home / "__init__.py").touch()
    for module, source in (("claims", CLAIM), ("exports", EXPORT), ("runs", RUNTIME)):
        (home / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]


def component(type_: str) -> eo.Component:
    return eo.Component(name="encoder", role="encoder", type=type_)


def test_each_hook_asks_the_home_of_its_kind_and_no_other(package: str) -> None:
    split, export, build = eo.hooks(
        package, {("encoder", "tdnn"): ".claims"}, {"homes.encoder": (".exports", ".runs")}
    )
    part = split(component("tdnn"))
    assert part.kind == "homes.encoder"
    assert f"{package}.exports" not in sys.modules
    assert f"{package}.runs" not in sys.modules
    assert export(component("tdnn"), part) == {"encoder": ("tdnn", "homes.encoder")}
    assert f"{package}.runs" not in sys.modules
    node = eo.Node(path="encoder", kind="homes.encoder", plugin="homes")
    assert build(node, {"child": 1}, lambda name: None) == ("homes.encoder", {"child": 1})


def test_what_is_not_the_plugins_is_left_to_others(package: str) -> None:
    split, export, build = eo.hooks(package, {("encoder", "tdnn"): ".claims"}, {})
    assert split(component("lstm")) is None
    assert export(component("tdnn"), eo.Part(kind="other.encoder")) is None
    other = eo.Node(path="encoder", kind="other.encoder", plugin="other")
    assert build(other, {}, lambda name: None) is None
