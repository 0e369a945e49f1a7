"""Trees of claims: exactly one answer for each component, and a reason where there is none."""

from __future__ import annotations

from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx.errors import DispatchError
from espnet_onnx.manager import Manager, Plugin
from espnet_onnx.resolver import require, resolve

from .fake_plugins import fake

ROOT = eo.Component("", "model", "asr")
ENCODER = eo.Component("encoder", "encoder", "zigzag")


def parent(**children: Any) -> Plugin:
    def split(component: eo.Component) -> eo.Part | None:
        if component.role == "model":
            return eo.Part("parent.root", children or {"encoder": ENCODER})
        return None

    return fake("parent", split_modules=split)


def claimer(name: str, answer: Any = None, role: str = "encoder") -> Plugin:
    def split(component: eo.Component) -> Any:
        return (answer or eo.Part(f"{name}.kind")) if component.role == role else None

    return fake(name, split_modules=split)


def test_the_tree_is_folded_out() -> None:
    claim = resolve(ROOT, Manager([parent(), claimer("one")]))
    require(claim)
    assert [(c.path, c.plugin, c.part and c.part.kind) for c in claim.walk()] == [
        ("", "parent", "parent.root"),
        ("encoder", "one", "one.kind"),
    ]


def test_two_claims_on_one_component_name_both() -> None:
    claim = resolve(ROOT, Manager([parent(), claimer("one"), claimer("two")]))
    with pytest.raises(DispatchError) as caught:
        require(claim)
    assert str(caught.value) == (
        "encoder (role encoder, type zigzag) is claimed by one and two: "
        "choose with --prefer NAME or --without NAME"
    )
    assert claim.plugin == "parent"


def test_prefer_and_without_settle_it() -> None:
    plugins = [parent(), claimer("one"), claimer("two")]
    preferred = resolve(ROOT, Manager(plugins, prefer=["two"]))
    assert preferred.children["encoder"].plugin == "two"
    without = resolve(ROOT, Manager([p for p in plugins if p.name != "two"]))
    assert without.children["encoder"].plugin == "one"
    for claim in (preferred, without):
        require(claim)


def test_a_claim_beats_a_plugin_that_declines() -> None:
    plugins = [parent(), claimer("one"), claimer("two", eo.Declined("too wide"))]
    claim = resolve(ROOT, Manager(plugins))
    assert claim.children["encoder"].plugin == "one"


def test_what_is_declined_is_unclaimed_and_says_why() -> None:
    plugins = [parent(), claimer("two", eo.Declined("too wide"))]
    claim = resolve(ROOT, Manager(plugins))
    assert claim.problems == [
        "encoder (role encoder, type zigzag) is not supported: two declines: too wide"
    ]


def test_what_nobody_claims_names_who_was_asked() -> None:
    manager = Manager([parent(), claimer("one", role="decoder"), fake("old", api=0)])
    (problem,) = resolve(ROOT, manager).problems
    assert problem == (
        "encoder (role encoder, type zigzag) is claimed by no plugin; asked: one, parent "
        "(skipped: old); install one that claims it"
    )


def test_all_problems_are_told_at_once() -> None:
    decoder = eo.Component("decoder", "decoder", "zigzag")
    claim = resolve(ROOT, Manager([parent(encoder=ENCODER, decoder=decoder)]))
    with pytest.raises(DispatchError, match=r"encoder \(.*; decoder \("):
        require(claim)


JUNK = {
    "text": "a str",
    "class": "a type",
    "no_component": "children that are no components (encoder)",
    "list": "a Part whose kind is no text or whose children are no mapping",
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_is_ignored_with_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    answers: dict[str, Any] = {
        "text": "encoder",
        "class": eo.Part,
        "no_component": eo.Part("junk.kind", {"encoder": None}),  # type: ignore[dict-item]
        "list": eo.Part("junk.kind", [ENCODER]),  # type: ignore[arg-type]
    }
    manager = Manager([parent(), claimer("good"), claimer("junk", answers[name])])
    claim = resolve(ROOT, manager)
    require(claim)
    assert claim.children["encoder"].plugin == "good"
    assert [r.getMessage() for r in caplog.records] == [
        f"plugin junk answered split_modules with {JUNK[name]}: ignored"
    ]


def test_a_plugin_that_raises_leaves_the_tree_to_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def split(component: eo.Component) -> None:
        raise ZeroDivisionError

    claim = resolve(ROOT, Manager([parent(), claimer("one"), fake("bad", split_modules=split)]))
    require(claim)
    assert {r.getMessage() for r in caplog.records} == {
        "plugin bad failed in split_modules: ZeroDivisionError"
    }


def test_paths_of_deep_children() -> None:
    def split(component: eo.Component) -> eo.Part:
        if component.name == "leaf":
            return eo.Part("deep.leaf")
        name = "inner" if not component.name else "leaf"
        return eo.Part("deep.node", {name: eo.Component(name, "encoder", "deep")})

    claim = resolve(ROOT, Manager([fake("deep", split_modules=split)]))
    assert [c.path for c in claim.walk()] == ["", "inner", "inner.leaf"]
