"""Finds the plugins, keeps a broken one from breaking the rest, and gets exactly one answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import attrs
import importlib_metadata
import pluggy

from . import hookspecs
from .errors import DispatchError, EspnetOnnxError, one_line
from .hookspecs import API_VERSION, PROJECT

__all__ = ["Answer", "Manager", "Plugin", "Skipped"]

GROUP = "espnet_onnx"
log = logging.getLogger("espnet_onnx")


@attrs.frozen
class Plugin:
    """A plugin that loaded: entry-point name, module, and the distribution that brought it."""

    name: str
    module: Any = attrs.field(repr=False)
    distribution: str = ""
    version: str = ""


@attrs.frozen
class Skipped:
    """A plugin that did not load, and why, in one line."""

    name: str
    reason: str


@attrs.frozen
class Answer:
    """What one plugin said."""

    plugin: str
    value: Any


def reraise() -> bool:
    """Whether a plugin's exception goes through to who debugs it."""
    return os.environ.get("ESPNET_ONNX_RAISE") == "1"


class Manager:
    """The plugins in use and the only way to ask them anything.

    Attributes:
        plugins: name -> plugin, those that loaded, by name.
        skipped: those that did not, with the reason.
    """

    def __init__(
        self,
        plugins: Iterable[Plugin],
        skipped: Iterable[Skipped] = (),
        prefer: Sequence[str] = (),
    ) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.skipped = list(skipped)
        self.prefer = tuple(prefer)
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        for plugin in sorted(plugins, key=lambda p: p.name):
            self._register(plugin)

    @classmethod
    def load(cls, *, prefer: Sequence[str] = (), without: Sequence[str] = ()) -> Manager:
        """The installed plugins, found by entry point and loaded one by one.

        Args:
            prefer: plugins that win where they conflict with others.
            without: plugins to leave out.

        Raises:
            DispatchError: `prefer` or `without` names a plugin that is not installed.
        """
        plugins: list[Plugin] = []
        skipped: list[Skipped] = []
        entry_points = _entry_points(skipped)
        _known({*prefer, *without}, entry_points)
        for name, entry_point in sorted(entry_points.items()):
            if name in without:
                continue
            try:
                plugins.append(_load(entry_point))
            except (Exception, SystemExit) as error:
                if reraise():
                    raise
                skipped.append(Skipped(name, f"does not import ({one_line(error)})"))
        manager = cls(plugins, skipped, prefer)
        for skip in manager.skipped:
            log.warning("plugin %s skipped: %s", skip.name, skip.reason)
        return manager

    def _register(self, plugin: Plugin) -> None:
        version = getattr(plugin.module, "ESPNET_ONNX_API", None)
        if version != API_VERSION:
            reason = f"is written for plugin API {version}, this espnet-onnx has {API_VERSION}"
            self.skipped.append(Skipped(plugin.name, reason))
            return
        try:
            self._pluggy.register(plugin.module, name=plugin.name)
            # A hook by a name that we do not have would never be asked.
            self._pluggy.check_pending()
        except Exception as error:
            # pluggy keeps the hooks that it took before the one that does not fit.
            self._pluggy.unregister(name=plugin.name)
            if reraise():
                raise
            reason = f"has a hook that does not fit ({' '.join(str(error).split())})"
            self.skipped.append(Skipped(plugin.name, reason))
            return
        self.plugins[plugin.name] = plugin

    def answers(self, hook: str, **arguments: Any) -> Iterator[Answer]:
        """Every answer to a hook that is not None, by plugin name.

        A plugin that raises is reported and passed over (`ESPNET_ONNX_RAISE=1` re-raises).
        """
        impls = getattr(self._pluggy.hook, hook).get_hookimpls()
        for impl in sorted(impls, key=lambda i: str(i.plugin_name)):
            try:
                value = impl.function(*(arguments[name] for name in impl.argnames))
            except Exception as error:
                if reraise() or isinstance(error, EspnetOnnxError):
                    raise
                log.warning("plugin %s failed in %s: %s", impl.plugin_name, hook, one_line(error))
                continue
            if value is not None:
                yield Answer(str(impl.plugin_name), value)

    def ask_owner(self, owner: str, hook: str, **arguments: Any) -> Any:
        """The answer of one named plugin; None where it has no such hook.

        Raises:
            EspnetOnnxError: the plugin raised (`ESPNET_ONNX_RAISE=1` re-raises).
        """
        impls = getattr(self._pluggy.hook, hook).get_hookimpls()
        for impl in impls:
            if impl.plugin_name == owner:
                return _asked(owner, hook, impl.function, [arguments[n] for n in impl.argnames])
        return None

    def one(self, answers: Sequence[Answer], subject: Callable[[], str]) -> Answer:
        """The only answer, or the one of the plugin that the user prefers.

        Raises:
            DispatchError: two plugins answered and `prefer` does not settle it.
        """
        preferred = [a for a in answers if a.plugin in self.prefer] or list(answers)
        if len(preferred) > 1:
            names = " and ".join(a.plugin for a in preferred)
            raise DispatchError(
                f"{subject()} is claimed by {names}: choose with --prefer NAME or --without NAME"
            )
        return preferred[0]

    def hint(self, name: str) -> str:
        """What to do about a plugin that is not there."""
        for skip in self.skipped:
            if skip.name == name:
                return f"plugin {name} {skip.reason}"
        return f"plugin {name} is not installed"


def _asked(owner: str, hook: str, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        return function(*arguments)
    except EspnetOnnxError:
        raise
    except Exception as error:
        if reraise():
            raise
        raise EspnetOnnxError(
            f"plugin {owner} failed in {hook} ({one_line(error)}): report it to who wrote the"
            " plugin; ESPNET_ONNX_RAISE=1 shows where"
        ) from error


def _entry_points(skipped: list[Skipped]) -> dict[str, Any]:
    """By name; of two with one name the first by distribution, the other is skipped."""
    found: dict[str, Any] = {}
    installed = importlib_metadata.entry_points(group=GROUP)
    for entry_point in sorted(installed, key=lambda ep: (ep.name, _distribution(ep))):
        name = entry_point.name
        if name in found:
            reason = (
                f"of {_distribution(entry_point)} has the name of {_distribution(found[name])}'s"
            )
            skipped.append(Skipped(name, reason))
        else:
            found[name] = entry_point
    return found


def _distribution(entry_point: Any) -> str:
    return str(entry_point.dist.metadata["Name"]) if entry_point.dist else ""


def _load(entry_point: Any) -> Plugin:
    module: ModuleType = entry_point.load()
    version = entry_point.dist.version if entry_point.dist else ""
    return Plugin(entry_point.name, module, _distribution(entry_point), version)


def _known(names: Iterable[str], installed: Mapping[str, Any]) -> None:
    for name in sorted(names):
        if name not in installed:
            have = ", ".join(sorted(installed)) or "none"
            raise DispatchError(f"no plugin is called {name!r}; installed: {have}")
