"""A bundle becomes a callable: numpy and onnxruntime only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from . import bundle as bundles
from .bundle import Manifest, NodeEntry
from .errors import BundleError, InputError, one_line
from .manager import Manager
from .parts.extractor import Extractor
from .types import Array, Node

__all__ = ["Binding", "OrtSession", "load", "session_options"]

# onnxruntime's fused kernels are 5 to 10 times slower on CPUs than Add and LayerNormalization,
# and twice as slow as Add and Gelu.
SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]


def session_options(threads: int | None = None) -> Any:
    """Session options that a bundle runs with.

    Args:
        threads: threads inside an operator; None is one for every core the process may use.

    Raises:
        InputError: `threads` is no whole number of at least 1.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads is {threads!r}: give a whole number of 1 or more")
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads if threads is not None else _cores()
    options.inter_op_num_threads = 1
    # Threads wait actively between the operators of one run (waking them costs 5 % of a search),
    # and sleep as soon as it returns.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # A plan is kept for every input shape that was ever seen, and lengths hardly ever repeat.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # what goes wrong is raised; its log would say it twice
    return options


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class OrtSession:
    """One open graph; see `roles.Session`.

    Attributes:
        calls: how often it ran.
        seconds: how long that took in all.
        heard: where its inputs are written down, if anybody wants to know them.
    """

    def __init__(self, path: Path, options: Any, providers: Sequence[str]) -> None:
        import onnxruntime as ort

        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=list(providers), disabled_optimizers=SLOW_FUSIONS
            )
        except Exception as error:
            raise BundleError(
                f"{path.name}: onnxruntime cannot load it ({one_line(error)}): export again"
            ) from None
        asleep = [p for p in providers if p not in self._session.get_providers()]
        if asleep:
            raise InputError(
                f"execution provider {', '.join(asleep)} does not start on this machine: install"
                " what its documentation asks for, or leave it out"
            )
        self._name = path.stem
        self.inputs: Mapping[str, Sequence[int | str]] = {
            i.name: i.shape for i in self._session.get_inputs()
        }
        self.calls = 0
        self.seconds = 0.0
        self.heard: list[Mapping[str, Array]] | None = None

    def __call__(self, **feed: Array) -> tuple[Array, ...]:
        """Run the graph; outputs in the graph's own order.

        Raises:
            InputError: memory is too small for inputs of this size, or their shapes do not fit.
        """
        if self.heard is not None:
            self.heard.append(feed)
        return tuple(self._timed(self._session.run, None, feed))

    def bind(self) -> Binding:
        """Buffers on any device for one run: bind inputs and outputs to its `io`, then `run`."""
        outputs = tuple(output.name for output in self._session.get_outputs())
        run = partial(self._timed, self._session.run_with_iobinding)
        return Binding(self._session.io_binding(), outputs, run)

    def _timed(self, run: Callable[..., Any], *given: Any) -> Any:
        start = time.perf_counter()
        try:
            answer = run(*given)
        # onnxruntime's exceptions have no base of their own.
        except Exception as error:
            raise InputError(f"graph {self._name} cannot run: {_why(error)}") from error
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return answer


@attrs.frozen
class Binding:
    """What one run of a graph reads and writes in place.

    Attributes:
        io: onnxruntime's `IOBinding`.
        outputs: the graph's output names, in its order.
    """

    io: Any
    outputs: tuple[str, ...]
    _run: Callable[[Any], Any] = attrs.field(repr=False)

    def run(self) -> list[Any]:
        """Run the graph; its outputs as onnxruntime's `OrtValue`s, where they were bound.

        Raises:
            InputError: memory is too small for inputs of this size, or their shapes do not fit.
        """
        self._run(self.io)
        self.io.synchronize_outputs()
        outputs: list[Any] = self.io.get_outputs()
        return outputs


def _why(error: Exception) -> str:
    """What onnxruntime means; attention takes memory by the square of the length."""
    if "Failed to allocate memory" in str(error) or isinstance(error, MemoryError):
        return "memory is too small for this much audio: give shorter or fewer recordings at once"
    return f"its input does not fit ({one_line(error)}): give what the model was trained with"


def load(
    bundle: str | Path,
    *,
    precision: str | None = None,
    threads: int | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    manager: Manager | None = None,
    verify: bool = True,
    sessions: dict[str, OrtSession] | None = None,
    **decoding: Any,
) -> Any:
    """Open a bundle.

    Args:
        bundle: the folder that `espnet-onnx export` wrote.
        precision: one of the bundle's precisions ("fp32", "int8"); None is its first.
        threads: threads inside an operator; None uses every core the process may use.
        providers: onnxruntime execution providers, in order of preference.
        manager: plugins to use; None finds the installed ones.
        verify: compare every file with its digest first.
        sessions: gathers every session that is opened, by graph, for profiles.
        decoding: search settings that replace the bundle's own (`beam_size=5`, ...).

    Returns:
        What the root plugin builds: for recognition a callable `asr("speech.flac").text`. A
        frontend comes as `parts.extractor.Extractor`: `extractor("speech.flac")` is (T, D).

    Raises:
        BundleError: the bundle is damaged, of another format, or needs a plugin that is missing.
        InputError: a precision, provider or setting that this bundle does not have.
    """
    folder = Path(bundle)
    manifest = bundles.read_manifest(folder)
    precision = _known_precision(folder, manifest, precision)
    tree = _with_decoding(folder, manifest, decoding)
    options, providers = session_options(threads), _known_providers(providers)
    manager = manager or Manager.load()
    _require_plugins(folder, manifest, manager)
    if verify:
        bundles.verify_files(folder, manifest)
    sessions = {} if sessions is None else sessions
    build = _Builder(folder, precision, options, providers, manager, sessions)
    built = build(bundles.build_nodes(folder, tree), tree)
    # What reads no sound (embeddings of tokens) has the role, too.
    extracts = manifest.role == "frontend" and hasattr(built, "sample_rate")
    return Extractor(built) if extracts else built


def _known_precision(folder: Path, manifest: Manifest, precision: str | None) -> str:
    if precision is None:
        return manifest.precisions[0]
    if precision not in manifest.precisions:
        have = ", ".join(manifest.precisions)
        raise InputError(f"{folder}: has no {precision}: use one of {have}, or export it again")
    return precision


def _known_providers(providers: Sequence[str]) -> Sequence[str]:
    """What onnxruntime would only warn of before it fell back to the CPU."""
    import onnxruntime as ort

    names = [providers] if isinstance(providers, str) else list(providers)
    have = ort.get_available_providers()
    unknown = [str(name) for name in names if name not in have]
    if unknown or not names:
        raise InputError(
            f"execution provider {', '.join(unknown) or '(none)'}: this onnxruntime has"
            f" {', '.join(have)}; use one of these or install the onnxruntime that has it"
        )
    return names


def _with_decoding(folder: Path, manifest: Manifest, decoding: Mapping[str, Any]) -> NodeEntry:
    """The tree with search defaults, and what the caller replaces of them, in the root's config."""
    if not manifest.decoding and decoding:
        raise InputError(f"{folder}: has no search to set {', '.join(decoding)} of: leave it out")
    if not manifest.decoding:
        return manifest.tree
    config = {**manifest.tree.config, "decoding": {**manifest.decoding, **decoding}}
    return attrs.evolve(manifest.tree, config=config)


def _require_plugins(folder: Path, manifest: Manifest, manager: Manager) -> None:
    for name, made_with in manifest.plugins.items():
        if name not in manager.plugins:
            package = made_with.get("distribution") or f"espnet-onnx-plugin-{name}"
            raise BundleError(f"{folder}: {manager.hint(name)}: pip install {package}")


@attrs.frozen
class _Builder:
    """Builds children before parents, opening each node's graphs on demand."""

    folder: Path
    precision: str
    options: Any
    providers: Sequence[str]
    manager: Manager
    sessions: dict[str, OrtSession]

    def __call__(self, node: Node, entry: NodeEntry) -> Any:
        children = {
            name: self(child, entry.children[name]) for name, child in node.children.items()
        }
        built = self.manager.ask_owner(
            node.plugin,
            "build_runtime",
            node=node,
            children=children,
            open_session=self._opener(node, entry),
        )
        if built is None:
            version = self.manager.plugins[node.plugin].version
            raise BundleError(
                f"{self.folder}: plugin {node.plugin} {version} does not know {node.kind}:"
                " update it"
            )
        return built

    def _opener(self, node: Node, entry: NodeEntry) -> Callable[[str], OrtSession]:
        def open_session(name: str) -> OrtSession:
            graph = entry.graphs.get(name)
            file = graph.files.get(self.precision) if graph else None
            if file is None:
                owner = node.path or "the root"
                raise BundleError(f"{self.folder}: {owner} has no {self.precision} graph {name}")
            path = bundles.safe_path(self.folder, file)
            session = OrtSession(path, self.options, self.providers)
            self.sessions[f"{node.path}.{name}".strip(".")] = session
            return session

        return open_session
