"""One graph on its way into a bundle: traced, checked, fused, checked, quantised, checked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from . import layers, optimizer, quantiser
from .bundle import GraphEntry
from .errors import CheckFailed, EspnetOnnxError, ModelError, one_line
from .manager import Answer, Manager, log
from .parity import Expected, Parity, compare, expect
from .resolver import Claim
from .runtime import OrtSession, session_options
from .tracer import input_names, trace
from .types import Array, Feed, Graph

__all__ = ["GraphBuilder", "graphs_of", "runner", "verdict"]

CPU = ("CPUExecutionProvider",)
# An int8 graph has to lose by more than timing noise before fp32 takes its place.
SLOWER = 1.1


def graphs_of(claim: Claim, manager: Manager) -> Mapping[str, Graph]:
    """The graphs that a claim's owner makes of its part; a plugin without the hook makes none.

    Raises:
        EspnetOnnxError: the owner raised, or answered with something else.
    """
    assert claim.plugin is not None
    answer = manager.ask_owner(
        claim.plugin, "export_module", component=claim.component, part=claim.part
    )
    graphs = {} if answer is None else answer
    if not isinstance(graphs, Mapping) or not all(isinstance(g, Graph) for g in graphs.values()):
        raise EspnetOnnxError(
            f"plugin {claim.plugin} answered export_module for {claim.path or 'the model'} with"
            " something else than graphs by name: report it to who wrote the plugin"
        )
    return graphs


def runner(session: OrtSession, graph: Graph) -> Callable[[Feed], Mapping[str, Array]]:
    """A session as `parity.compare` calls it: a feed in, outputs by name out."""
    names = input_names(graph)

    def run(feed: Feed) -> Mapping[str, Array]:
        return dict(zip(graph.outputs, session(**{n: feed[n] for n in names}), strict=True))

    return run


@attrs.define
class GraphBuilder:
    """Builds every graph of a tree into one folder.

    Attributes:
        failed: graphs outside their tolerance that `keep_going` kept.
    """

    folder: Path
    manager: Manager
    precision: Sequence[str]
    threads: int | None = None
    keep_going: bool = False
    keep_slower: bool = False
    progress: Callable[[str], None] = lambda step: None
    failed: list[str] = attrs.field(factory=list)

    def build(self, claim: Claim) -> dict[str, GraphEntry]:
        """Every graph of one claimed part, written to the folder."""
        assert claim.part is not None and claim.plugin is not None
        graphs = graphs_of(claim, self.manager)
        rules = _rules(self.manager, claim)
        return {
            name: self._build(_label(claim, name), graph, rules) for name, graph in graphs.items()
        }

    def _build(self, label: str, graph: Graph, rules: Sequence[Any]) -> GraphEntry:
        self.progress(f"{label}: trace")
        (self.folder / "graphs").mkdir(exist_ok=True)
        fp32 = self._path(label, "fp32")
        try:
            model = trace(graph)
        except Exception as error:
            raise ModelError(f"{label}: torch.export failed ({one_line(error)})") from error
        expected = expect(graph)
        optimizer.save(model, fp32)
        self.progress(f"{label}: parity")
        traced = self._check(label, "traced", graph, fp32, expected)
        model, fusions = optimizer.fuse(model, rules)
        optimizer.save(model, fp32)
        self.progress(f"{label}: parity after fusion")
        fused = self._check(label, "fp32", graph, fp32, expected)
        report = {"fusions": fusions, "traced": _brief(traced), "fp32": _brief(fused)}
        files = {"fp32": self._name(label, "fp32")}
        if "int8" in self.precision:
            files["int8"], report["int8"] = self._quantise(label, graph, fp32, expected)
        if "fp32" not in self.precision and files.pop("fp32") not in files.values():
            _remove(fp32)
        return GraphEntry(files, report)

    def _quantise(
        self, label: str, graph: Graph, fp32: Path, expected: Sequence[Expected]
    ) -> tuple[str, dict[str, Any]]:
        kept = self._name(label, "fp32")
        if graph.quantise is None:
            return kept, {"kept": "fp32", "why": "not quantised"}
        self.progress(f"{label}: int8")
        int8 = self._path(label, "int8")
        nodes = quantiser.quantise(fp32, int8, graph.quantise)
        parity = self._check(label, "int8", graph, int8, expected)
        speed = self._race(graph, fp32, int8, expected[-1].feed)
        report = {**_brief(parity), **speed, "nodes": nodes}
        if speed["int8_ms"] > SLOWER * speed["fp32_ms"] and not self.keep_slower:
            _remove(int8)
            return kept, {**report, "kept": "fp32", "why": "int8 is slower here"}
        return self._name(label, "int8"), report

    def _race(self, graph: Graph, fp32: Path, int8: Path, feed: Feed) -> dict[str, float]:
        runs = [runner(self._open(path), graph) for path in (fp32, int8)]
        times: list[list[float]] = [[], []]
        for i in range(8):
            for run, taken in zip(runs, times, strict=True):
                start = time.perf_counter()
                run(feed)
                if i > 1:
                    taken.append(1000 * (time.perf_counter() - start))
        return dict(zip(("fp32_ms", "int8_ms"), map(statistics.median, times), strict=True))

    def _check(
        self, label: str, stage: str, graph: Graph, path: Path, expected: Sequence[Expected]
    ) -> Parity:
        parity = compare(graph, runner(self._open(path), graph), expected)
        good, wanted = verdict(stage, graph, parity)
        if not good:
            line = (
                f"{label} ({stage}): difference {parity.difference:.2e}, {wanted}, {parity.worst}"
            )
            if not self.keep_going:
                raise CheckFailed(f"parity failed: {line}; --keep-going keeps it all the same")
            self.failed.append(line)
        return parity

    def _open(self, path: Path) -> OrtSession:
        return OrtSession(path, session_options(self.threads), CPU)

    def _name(self, label: str, precision: str) -> str:
        return f"graphs/{label}.{precision}.onnx"

    def _path(self, label: str, precision: str) -> Path:
        return self.folder / self._name(label, precision)


def _remove(graph: Path) -> None:
    for path in (graph, graph.with_name(graph.name + ".data")):
        path.unlink(missing_ok=True)


def _label(claim: Claim, name: str) -> str:
    # The whole path: there may be another encoder in a frontend.
    return claim.path if claim.path.split(".")[-1] == name else f"{claim.path}.{name}".strip(".")


def verdict(stage: str, graph: Graph, parity: Parity) -> tuple[bool, str]:
    """Whether a parity is good enough for a stage, and what it is held against."""
    spec = graph.quantise
    if stage == "int8" and spec is not None:
        good = parity.cosine >= spec.cosine
        if spec.tolerance is not None:
            good = good and parity.difference <= spec.tolerance
        return good, f"cosine {parity.cosine:.4f} (at least {spec.cosine})"
    return parity.difference <= graph.tolerance, f"tolerance {graph.tolerance:.0e}"


def _brief(parity: Parity) -> dict[str, Any]:
    return {
        "difference": float(f"{parity.difference:.3g}"),
        "cosine": round(parity.cosine, 6),
        "trials": parity.trials,
    }


def _rules(manager: Manager, claim: Claim) -> list[Any]:
    """Rules of `layers`, then the owner's, then other plugins' by name."""
    assert claim.part is not None
    answers = [a for a in manager.answers("fusion_patterns", kind=claim.part.kind) if _rule_list(a)]
    answers.sort(key=lambda a: (a.plugin != claim.plugin, a.plugin))
    return [*layers.fusion_rules(), *(rule for a in answers for rule in a.value)]


def _rule_list(answer: Answer) -> bool:
    good = isinstance(answer.value, Sequence) and all(
        hasattr(rule, "apply_to_model") for rule in answer.value
    )
    if not good:
        log.warning("plugin %s answered fusion_patterns with no rules: ignored", answer.plugin)
    return good
