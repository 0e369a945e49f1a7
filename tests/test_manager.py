"""Finding plugins: whatever one of them does, the rest works, and one line says what happened."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.errors import DispatchError, EspnetOnnxError, ModelError
from espnet_onnx.manager import Answer, Manager

from .fake_plugins import HOOKS, fake, install_plugin


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of sys.path, with one sound plugin in it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("ESPNET_ONNX_RAISE", raising=False)
    install_plugin(folder, "aardvark", distribution=f"aardvark-{tmp_path.name.replace('_', '-')}")
    return folder


@pytest.fixture
def load(caplog: pytest.LogCaptureFixture) -> Callable[..., tuple[Manager, list[str]]]:
    """`Manager.load` and the lines that it logs."""

    def load(**options: Any) -> tuple[Manager, list[str]]:
        with caplog.at_level(logging.WARNING, "espnet_onnx"):
            manager = Manager.load(**options)
        return manager, [r.getMessage() for r in caplog.records if r.name == "espnet_onnx"]

    return load


def component(type_: str) -> eo.Component:
    return eo.Component("x", "encoder", type_)


def works(manager: Manager) -> bool:
    """Whether the sound plugin and ours still answer."""
    answers = list(manager.answers("split_modules", component=component("aardvark")))
    ours = {"asr_transformer", "features"} <= manager.plugins.keys()
    return ours and [a.plugin for a in answers] == ["aardvark"]


BROKEN = {
    "raises_on_import": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits_on_import": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "syntax": ("def (", "SyntaxError"),
    "needs_what_is_not_there": ("import not_there_at_all", "not_there_at_all"),
    "other_api": ("ESPNET_ONNX_API = 2", "plugin API 2, this espnet-onnx has 1"),
    "no_api": ("", "plugin API None"),
    "wrong_argument": (
        HOOKS + "\n@eo.hookimpl\ndef build_runtime(node, session):\n    pass\n",
        "session",
    ),
    "misspelt_hook": (
        HOOKS + "\n@eo.hookimpl\ndef split_module(component):\n    pass\n",
        "split_module",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_skipped_with_one_line(
    name: str, site: Path, load: Callable[..., tuple[Manager, list[str]]]
) -> None:
    code, reason = BROKEN[name]
    install_plugin(site, name, code.replace("{name}", "whatever"))
    manager, lines = load()
    assert name not in manager.plugins
    assert [s.name for s in manager.skipped] == [name]
    (line,) = lines
    assert line.startswith(f"plugin {name} skipped: ")
    assert reason in line
    assert "\n" not in line
    assert works(manager)
    # Not even the hooks that fitted are asked.
    assert not list(manager.answers("split_modules", component=component("whatever")))


@pytest.mark.parametrize("name", ["raises_on_import", "wrong_argument", "misspelt_hook"])
def test_raise_lets_it_through(name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(site, name, BROKEN[name][0])
    monkeypatch.setenv("ESPNET_ONNX_RAISE", "1")
    with pytest.raises(Exception, match=r"no luck|session|split_module"):
        Manager.load()


def test_missing_module_is_skipped(
    site: Path, load: Callable[..., tuple[Manager, list[str]]]
) -> None:
    install_plugin(site, "gone", "", target="no_module_by_this_name")
    manager, (line,) = load()
    assert "ModuleNotFoundError" in line
    assert works(manager)


def test_two_distributions_with_one_name(
    site: Path, load: Callable[..., tuple[Manager, list[str]]]
) -> None:
    install_plugin(site, "features", distribution="zzz-features")
    manager, (line,) = load()
    assert manager.plugins["features"].distribution == "espnet-onnx"
    assert "zzz-features" in line
    assert "espnet-onnx" in line
    assert works(manager)


def test_without_leaves_a_plugin_out(
    site: Path, load: Callable[..., tuple[Manager, list[str]]]
) -> None:
    manager, lines = load(without=["aardvark"])
    assert "aardvark" not in manager.plugins
    assert not lines
    assert manager.hint("aardvark") == "plugin aardvark is not installed"


def test_skipped_plugin_says_why_it_is_missing(
    site: Path, load: Callable[..., tuple[Manager, list[str]]]
) -> None:
    install_plugin(site, "late", "ESPNET_ONNX_API = 7")
    assert "plugin API 7" in load()[0].hint("late")


@pytest.mark.parametrize("option", ["prefer", "without"])
def test_unknown_name_is_refused(option: str, site: Path) -> None:
    with pytest.raises(DispatchError, match=r"'nobody'; installed: aardvark, "):
        Manager.load(**{option: ["nobody"]})


def test_distribution_and_version_are_known(site: Path) -> None:
    install_plugin(site, "zebra")
    plugin = Manager.load().plugins["zebra"]
    assert (plugin.distribution, plugin.version) == ("espnet-onnx-plugin-zebra", "0.1")


# --- asking


def boom(*_: object) -> None:
    raise KeyError("oops")


def test_a_hook_that_raises_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    good = fake("good", split_modules=lambda component: eo.Part("good.kind"))
    bad = fake("bad", split_modules=lambda component: boom())
    answers = list(Manager([good, bad]).answers("split_modules", component=component("x")))
    assert [a.plugin for a in answers] == ["good"]
    assert [r.getMessage() for r in caplog.records] == [
        "plugin bad failed in split_modules: KeyError: 'oops'"
    ]


def test_a_hook_s_own_errors_go_through() -> None:
    def refuse(component: eo.Component) -> None:
        raise ModelError("encoder: has no weights: train it")

    manager = Manager([fake("strict", split_modules=refuse)])
    with pytest.raises(ModelError, match="train it"):
        list(manager.answers("split_modules", component=component("x")))


def test_the_owner_s_exception_becomes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager([fake("bad", export_module=lambda component, part: boom())])
    arguments = {"component": component("x"), "part": eo.Part("bad.kind")}
    with pytest.raises(EspnetOnnxError, match="plugin bad failed in export_module") as caught:
        manager.ask_owner("bad", "export_module", **arguments)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    monkeypatch.setenv("ESPNET_ONNX_RAISE", "1")
    with pytest.raises(KeyError):
        manager.ask_owner("bad", "export_module", **arguments)


def test_a_hook_names_only_the_arguments_that_it_uses() -> None:
    manager = Manager([fake("terse", build_runtime=lambda open_session: open_session("g"))])
    built = manager.ask_owner(
        "terse", "build_runtime", node=None, children={}, open_session=str.upper
    )
    assert built == "G"


def test_the_owner_without_the_hook_answers_none() -> None:
    manager = Manager([fake("silent")])
    assert manager.ask_owner("silent", "fusion_patterns", kind="k") is None


def test_one_of_two() -> None:
    answers = [Answer("a", 1), Answer("b", 2)]
    assert Manager([]).one(answers[:1], lambda: "it").value == 1
    assert Manager([], prefer=["b"]).one(answers, lambda: "it").value == 2
    # A preference decides conflicts only.
    assert Manager([], prefer=["b"]).one(answers[:1], lambda: "it").value == 1
    for prefer in ([], ["a", "b"], ["c"]):
        with pytest.raises(DispatchError, match=r"it is claimed by a and b: .*--prefer.*--without"):
            Manager([], prefer=prefer).one(answers, lambda: "it")
