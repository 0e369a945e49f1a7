"""A bundle against the ESPnet model it came from: every graph, then whole recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from . import bundle as bundles
from . import loader, sources
from .bundle import Manifest, NodeEntry
from .claims import claim_model
from .companions import Companions, Language
from .errors import InputError
from .graphs import graphs_of, runner, verdict
from .manager import Manager
from .parity import compare, cosine, difference, expect
from .parts.extractor import Extractor
from .parts.first_pass import paired
from .reference import Features, Inputs, Recogniser, same_answer
from .reference import settings as followed
from .resolver import Claim
from .runtime import OrtSession, load, session_options

__all__ = ["FeaturesCheck", "GraphCheck", "RecordingCheck", "Verified", "verify"]

# ANCHORS of the project: features of a recording, by `parity.difference`.
TOLERANCE = 1e-4


@attrs.frozen
class GraphCheck:
    """Parity of one graph file."""

    graph: str
    precision: str
    difference: float
    cosine: float
    passed: bool


@attrs.frozen
class RecordingCheck:
    """One recording, or text: both answers, and whether they are the same, tied or different."""

    audio: str
    precision: str
    verdict: str
    ours: str | None
    espnet: str | None
    ids: Sequence[int]
    espnet_ids: Sequence[int]


@attrs.frozen
class FeaturesCheck:
    """The features of one recording on both sides."""

    audio: str
    precision: str
    frames: int
    espnet_frames: int
    difference: float
    cosine: float

    @property
    def same(self) -> bool:
        """Whether they are ESPnet's, within the tolerance of fp32."""
        return self.difference <= TOLERANCE


@attrs.frozen
class Verified:
    """All checks of a bundle. `passed` holds fp32 to equality, int8 to its parity alone."""

    graphs: Sequence[GraphCheck]
    recordings: Sequence[RecordingCheck] = ()
    features: Sequence[FeaturesCheck] = ()

    @property
    def passed(self) -> bool:
        """Whether every graph is within tolerance and every fp32 answer is ESPnet's."""
        good = all(check.passed for check in self.graphs)
        answers = [r for r in self.recordings if r.precision == "fp32"]
        features = [f for f in self.features if f.precision == "fp32"]
        same = all(r.verdict != "different" for r in answers)
        return good and same and all(f.same for f in features)


def verify(
    bundle: str | Path,
    against: str | Path,
    inputs: Sequence[Any] = (),
    *,
    task: str | None = None,
    lm: Language = None,
    ngram: str | Path | Literal[False] | None = None,
    transcripts: Sequence[str] = (),
    manager: Manager | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
    **decoding: Any,
) -> Verified:
    """Check a bundle.

    Args:
        bundle: the bundle.
        against: the ESPnet model: folder, zip or zoo tag.
        inputs: what both sides recognise or translate, as the bundle's runtime reads it: files of
            recordings, texts, ...
        task: the ESPnet task that loads the model; None decides by the config.
        lm: the language model that the bundle was exported with; see `export.export`.
        ngram: likewise the n-gram model.
        transcripts: what a first pass heard in each input, for models that read it.
        decoding: search settings for both sides.

    Raises:
        InputError: bundle, model or a recording cannot be read, or do not belong together.
    """
    folder = Path(bundle)
    manifest = bundles.read_manifest(folder)
    bundles.verify_files(folder, manifest)
    manager = manager or Manager.load()
    source = sources.find(against)
    loaded = loader.load_model(source, task)
    companions = Companions.of(lm, ngram, source.extra).load()
    claim = claim_model(loaded, companions, manager, role=manifest.role)
    graphs = list(_graphs(folder, manifest.tree, claim, manager, threads, progress))
    settings = {**manifest.decoding, **decoding}
    extractors = _extractors(folder, manifest, manager, threads, decoding) if inputs else {}
    if extractors:
        paired(extractors[manifest.precisions[0]], inputs, transcripts)
        features = Features(claim.component)
        return Verified(graphs, features=list(_features(extractors, features, inputs, progress)))
    recordings = list(
        _recordings(
            folder,
            manifest.precisions,
            lambda settings: Recogniser(loaded, **companions.inference, **settings),
            inputs,
            transcripts,
            settings,
            manager,
            threads,
            progress,
        )
    )
    return Verified(graphs, recordings)


def _graphs(
    folder: Path,
    entry: NodeEntry,
    claim: Claim,
    manager: Manager,
    threads: int | None,
    progress: Callable[[str], None],
) -> Iterator[GraphCheck]:
    assert claim.part is not None and claim.plugin is not None
    ours, theirs = _shape(entry.kind, entry.children), _shape(claim.part.kind, claim.children)
    if ours != theirs:
        raise InputError(
            f"{folder}: {claim.path or 'the root'} is {ours}, the model has {theirs}: "
            "give the model that the bundle was made from"
        )
    for name, graph in graphs_of(claim, manager).items():
        expected = expect(graph)
        for precision, file in entry.graphs[name].files.items():
            progress(f"{claim.path}.{name} {precision}".strip("."))
            session = OrtSession(folder / file, session_options(threads), ("CPUExecutionProvider",))
            parity = compare(graph, runner(session, graph), expected)
            stage = "int8" if f".{precision}." in file and precision == "int8" else "fp32"
            passed, _ = verdict(stage, graph, parity)
            label = f"{claim.path}.{name}".strip(".")
            yield GraphCheck(label, precision, parity.difference, parity.cosine, passed)
    for name, child in claim.children.items():
        yield from _graphs(folder, entry.children[name], child, manager, threads, progress)


def _shape(kind: str, children: Mapping[str, Any]) -> str:
    return f"{kind} with {', '.join(children)}" if children else kind


def _extractors(
    folder: Path,
    manifest: Manifest,
    manager: Manager,
    threads: int | None,
    decoding: Mapping[str, Any],
) -> dict[str, Extractor]:
    """A feature extractor by precision; none where the bundle is something else."""
    found: dict[str, Extractor] = {}
    # What searches is opened once the settings of its search are known.
    for precision in () if manifest.decoding else manifest.precisions:
        runtime = load(
            folder, precision=precision, threads=threads, manager=manager, verify=False, **decoding
        )
        if isinstance(runtime, Extractor):
            found[precision] = runtime
    return found


def _features(
    extractors: Mapping[str, Extractor],
    espnet: Features,
    inputs: Sequence[Any],
    progress: Callable[[str], None],
) -> Iterator[FeaturesCheck]:
    for source in inputs:
        progress(str(source))
        for precision, extractor in extractors.items():
            want = espnet(*extractor.read(source))
            got = extractor(source)
            yield FeaturesCheck(
                str(source),
                precision,
                len(got),
                len(want),
                difference(got, want),
                cosine(got, want),
            )


def _recordings(
    folder: Path,
    precisions: Sequence[str],
    reference: Callable[[dict[str, Any]], Recogniser],
    inputs: Sequence[Any],
    transcripts: Sequence[str],
    settings: dict[str, Any],
    manager: Manager,
    threads: int | None,
    progress: Callable[[str], None],
) -> Iterator[RecordingCheck]:
    if not inputs and not transcripts:
        return
    espnet = reference(settings)
    # As this ESPnet can: 202511 knows no window of CTC scores. It may search more than we do.
    ours = {k: v for k, v in followed(espnet.speech2text).items() if k in settings}
    settings = {**settings, **ours}
    sides = {
        p: load(folder, precision=p, threads=threads, manager=manager, verify=False, **settings)
        for p in precisions
    }
    sources = paired(sides[precisions[0]], inputs, transcripts)
    for name, source in zip(inputs, sources, strict=True):
        progress(str(name))
        for precision, runtime in sides.items():
            given = _read(runtime, folder, source)
            want = espnet(given)
            got = runtime(source)
            verdict_ = same_answer(espnet, given, got.ids, want)
            yield RecordingCheck(
                str(name), precision, verdict_, got.text, want.text, got.ids, want.ids
            )


def _read(runtime: Any, folder: Path, source: Any) -> Inputs:
    """What ESPnet's own inference takes for an input; the runtime knows how to read it."""
    if not hasattr(runtime, "read"):
        raise InputError(f"{folder}: its runtime reads no inputs to compare: give the bundle alone")
    inputs: Inputs = runtime.read(source)
    return inputs
