"""One graph on its way into a bundle: traced, checked, fused, checked, quantised, checked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from . import layers, optimizer, quantiser, static_quantiser
from .bundle import GraphEntry
from .errors import CheckFailed, EspnetOnnxError, ModelError, one_line
from .manager import Answer, Manager, log
from .parity import Expected, Parity, compare, cut, expect
from .resolver import Claim
from .runtime import OrtSession, session_options
from .tracer import input_names, trace
from .types import Array, Feed, Graph

__all__ = ["GraphBuilder", "graphs_of", "runner", "verdict"]

CPU = ("CPUExecutionProvider",)
# What a calibrated graph never heard may leave its ranges: such inputs only tell what is broken.
HEARD, UNHEARD = "int8 of what it hears", 0.7
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


@attrs.frozen
class Waiting:
    """A graph that becomes int8 once it is known what it hears.

    Attributes:
        name: path of its node and its own, as `load` names sessions.
        label: what its files are called after.
        files: its entry's, to be changed.
        report: likewise.
    """

    name: str
    label: str
    graph: Graph
    files: dict[str, str]
    report: dict[str, Any]


@attrs.define
class GraphBuilder:
    """Builds every graph of a tree into one folder.

    Attributes:
        static: also make the int8 of graphs that need calibration.
        failed: graphs outside their tolerance that `keep_going` kept.
        waiting: graphs to `calibrate` when the bundle runs; until then their int8 is fp32.
    """

    folder: Path
    manager: Manager
    precision: Sequence[str]
    threads: int | None = None
    keep_going: bool = False
    keep_slower: bool = False
    progress: Callable[[str], None] = lambda step: None
    static: bool = False
    failed: list[str] = attrs.field(factory=list)
    waiting: list[Waiting] = attrs.field(factory=list)

    def build(self, claim: Claim) -> dict[str, GraphEntry]:
        """Every graph of one claimed part, written to the folder."""
        assert claim.part is not None and claim.plugin is not None
        graphs = graphs_of(claim, self.manager)
        rules = _rules(self.manager, claim)
        return {name: self._build(claim, name, graph, rules) for name, graph in graphs.items()}

    def calibrate(self, heard: Mapping[str, Sequence[Feed]]) -> None:
        """Make the int8 of graphs that wait for what they hear, and change their entries.

        Args:
            heard: inputs by the `name` of those that wait; a graph without any gets those that it
                is checked with.
        """
        for each in self.waiting:
            feeds, where = heard.get(each.name, ()), "inputs that the bundle gave it"
            if not feeds:
                feeds, where = _single(each.graph), "made-up inputs"
            file, report = self._calibrate(each, feeds)
            each.report["int8"] = {**report, "calibrated_on": f"{len(feeds)} {where}"}
            replaced, each.files["int8"] = each.files["int8"], file
            if replaced not in each.files.values():
                _remove(self.folder / replaced)

    def _build(self, claim: Claim, name: str, graph: Graph, rules: Sequence[Any]) -> GraphEntry:
        label = _label(claim, name)
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
        if self.static and "int8" in files and graph.quantise and graph.quantise.calibrate:
            path = f"{claim.path}.{name}".strip(".")
            self.waiting.append(Waiting(path, label, graph, files, report))
        return GraphEntry(files, report)

    def _quantise(
        self, label: str, graph: Graph, fp32: Path, expected: Sequence[Expected]
    ) -> tuple[str, dict[str, Any]]:
        kept = self._name(label, "fp32")
        if graph.quantise is None:
            return kept, {"kept": "fp32", "why": "not quantised"}
        if graph.quantise.calibrate:
            return kept, {"kept": "fp32", "why": "needs static int8", "nodes": {"quantised": {}}}
        self.progress(f"{label}: int8")
        int8 = self._path(label, "int8")
        nodes = quantiser.quantise(fp32, int8, graph.quantise)
        parity = self._check(label, "int8", graph, int8, expected)
        report = {**_brief(parity), "nodes": nodes}
        return self._faster(label, graph, expected[-1].feed, report)

    def _calibrate(self, waiting: Waiting, feeds: Sequence[Feed]) -> tuple[str, dict[str, Any]]:
        """int8 of ranges that some inputs have, held against fp32 on the others."""
        label, graph = waiting.label, waiting.graph
        assert graph.quantise is not None
        self.progress(f"{label}: static int8")
        chosen, checks = static_quantiser.split(feeds)
        fp32, int8 = self._path(label, "fp32"), self._path(label, "int8")
        nodes = static_quantiser.quantise(fp32, int8, graph.quantise, chosen)
        if not nodes["quantised"]:
            why = {"kept": "fp32", "why": "nothing to quantise", "nodes": nodes}
            return self._name(label, "fp32"), why
        run = runner(self._open(int8), graph)
        found = static_quantiser.Agreement.of(run, runner(self._open(fp32), graph), checks)
        self._require(label, HEARD, graph, Parity(found.difference, found.cosine, ()))
        # A batch says what its utterances say, as ever, but as int8 says it.
        alone = attrs.evolve(graph, reference=run)
        self._check(label, "int8", alone, int8, expect(alone))
        report = {
            "difference": float(f"{found.difference:.3g}"),
            "cosine": round(found.cosine, 6),
            "snr_db": round(found.snr_db, 1),
            "nodes": nodes,
        }
        longest = max(feeds, key=lambda feed: sum(array.size for array in feed.values()))
        return self._faster(label, graph, longest, report)

    def _faster(
        self, label: str, graph: Graph, feed: Feed, report: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """The int8 file, unless it is slower: then the fp32 one; and the report."""
        fp32, int8 = self._path(label, "fp32"), self._path(label, "int8")
        speed = self._race(graph, fp32, int8, feed)
        report = {**report, **speed}
        if speed["int8_ms"] > SLOWER * speed["fp32_ms"] and not self.keep_slower:
            _remove(int8)
            why = {"kept": "fp32", "why": "int8 is slower here"}
            return self._name(label, "fp32"), {**report, **why}
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
        return self._require(label, stage, graph, parity)

    def _require(self, label: str, stage: str, graph: Graph, parity: Parity) -> Parity:
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


def _single(graph: Graph) -> list[Feed]:
    """The inputs that a graph is checked with, one utterance at a time."""
    return [
        cut(graph, feed, feed, b)
        for feed, lengths in zip(graph.feeds, graph.trials, strict=True)
        for b in range(len(lengths))
    ]


def _label(claim: Claim, name: str) -> str:
    # The whole path: there may be another encoder in a frontend.
    return claim.path if claim.path.split(".")[-1] == name else f"{claim.path}.{name}".strip(".")


def verdict(stage: str, graph: Graph, parity: Parity) -> tuple[bool, str]:
    """Whether a parity is good enough for a stage, and what it is held against."""
    spec = graph.quantise
    if stage in ("int8", HEARD) and spec is not None:
        least = UNHEARD if spec.calibrate and stage == "int8" else spec.cosine
        good = parity.cosine >= least
        if spec.tolerance is not None:
            good = good and parity.difference <= spec.tolerance
        return good, f"cosine {parity.cosine:.4f} (at least {least})"
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
