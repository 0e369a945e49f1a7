"""Checks of what a plugin claims: from a config as from a live model, and nothing of others'."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from .. import components
from ..manager import Manager
from ..resolver import Claim, resolve
from ..types import Component
from .alone import BLOCKED
from .specimen import Specimen, companions_of
from .tiny import TinyModel, tiny_models

__all__ = [
    "check_claims",
    "check_ignores_strangers",
    "check_kinds",
    "check_leaves_others_alone",
    "check_loads_without_torch",
    "check_same_tree",
]

_LOAD = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
from espnet_onnx.manager import Manager
manager = Manager.load()
if {plugin!r} not in manager.plugins:
    sys.exit(manager.hint({plugin!r}))
heavy = sorted(name for name in {heavy!r} if name in sys.modules)
sys.exit(f"importing plugin {plugin} imports {{', '.join(heavy)}}" if heavy else 0)
"""


def check_loads_without_torch(plugin: str) -> None:
    """The entry point loads where the export extra is not installed, and imports lightly."""
    code = _LOAD.format(plugin=plugin, blocked=BLOCKED, heavy=("onnxruntime", "soundfile"))
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ESPNET_ONNX_RAISE": ""},
    )
    assert result.returncode == 0, result.stderr.strip()


def check_kinds(plugin: str, manager: Manager | None = None) -> None:
    """The plugin's `KINDS` are exactly what it claims in its tiny models: none goes untested."""
    manager = manager or Manager.load()
    stated = getattr(manager.plugins[plugin].module, "KINDS", None)
    assert stated, f"plugin {plugin} states no KINDS: list the kinds that it can claim"
    claimed = {
        claim.part.kind
        for model in tiny_models(plugin, manager)
        for claim in _tree(model, manager).walk()
        if claim.plugin == plugin and claim.part
    }
    untested, unstated = sorted(set(stated) - claimed), sorted(claimed - set(stated))
    assert not untested, f"no tiny model of plugin {plugin} has {', '.join(untested)}"
    assert not unstated, f"KINDS of plugin {plugin} lacks {', '.join(unstated)}"


def check_ignores_strangers(plugin: str, manager: Manager | None = None) -> None:
    """Asked about a type that nobody knows, in any role, the plugin says None."""
    manager = manager or Manager.load()
    roles = {
        claim.component.role
        for name in manager.plugins
        for model in tiny_models(name, manager)
        for claim in _tree(model, manager).walk()
    }
    for role in sorted(roles | {"encoder", "unheard_of"}):
        stranger = Component("stranger", role, "unheard_of")
        answer = manager.ask_owner(plugin, "split_modules", component=stranger)
        assert answer is None, f"plugin {plugin} answers {answer} for {role} of type unheard_of"


def check_leaves_others_alone(plugin: str, manager: Manager | None = None) -> None:
    """What others claim in their own tiny models without this plugin, they claim beside it."""
    manager = manager or Manager.load()
    rest = [p for name, p in manager.plugins.items() if name != plugin]
    without = Manager(rest)
    for name in without.plugins:
        for model in tiny_models(name, manager):
            beside = {claim.path: claim for claim in _tree(model, manager).walk()}
            for claim in _tree(model, without).walk():
                now = beside[claim.path]
                assert claim.plugin in (None, now.plugin), (
                    f"{name}'s tiny model {model.name}: {now.problem or now.plugin}"
                )


def check_claims(specimen: Specimen) -> None:
    """Everything in the tiny model is claimed, and part of it by this plugin."""
    claim = specimen.config_claim
    assert not claim.problems, "; ".join(claim.problems)
    owners = {c.plugin for c in claim.walk()}
    assert specimen.plugin in owners, f"plugin {specimen.plugin} claims nothing in it"


def check_same_tree(specimen: Specimen) -> None:
    """A config alone and the live model give the same names, roles, types, plugins and kinds."""
    config, live = list(_rows(specimen.config_claim)), list(_rows(specimen.claim))
    only_config = [row for row in config if row not in live]
    only_live = [row for row in live if row not in config]
    assert config == live, f"only from the config: {only_config}; only alive: {only_live}"


def _rows(claim: Claim) -> Iterator[tuple[str | None, ...]]:
    for c in claim.walk():
        kind = c.part.kind if c.part else None
        yield (c.path, c.component.name, c.component.role, c.component.type, c.plugin, kind)


def _tree(model: TinyModel, manager: Manager) -> Claim:
    companions = companions_of(model).components(model.config)
    root, _ = components.root(model.config, task=model.task, companions=companions)
    return resolve(root, manager)
