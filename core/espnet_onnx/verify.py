"""A bundle against the ESPnet model it came from: every graph, then whole recordings or texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from . import bundle as bundles
from . import loader, sources
from .bundle import Manifest, NodeEntry
from .claims import claim_model
from .companions import Companions, Language, Vocoder
from .errors import InputError
from .graphs import graphs_of, runner, verdict
from .manager import Manager
from .parity import compare, cosine, difference, expect
from .parts.extractor import Extractor
from .parts.first_pass import paired
from .parts.somebody import check_texts, somebody
from .reference import Features, Inputs, Recogniser, same_answer
from .reference import settings as followed
from .resolver import Claim
from .runtime import OrtSession, load, session_options
from .speaker import Speaker
from .types import Graph
from .verify_speech import SpeechCheck, compare_speech

__all__ = ["FeaturesCheck", "GraphCheck", "RecordingCheck", "SpeechCheck", "Verified", "verify"]

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
    speech: Sequence[SpeechCheck] = ()

    @property
    def passed(self) -> bool:
        """Whether every graph is within tolerance and every fp32 answer is ESPnet's."""
        good = all(check.passed for check in self.graphs)
        answers = [r for r in self.recordings if r.precision == "fp32"]
        features = [f for f in self.features if f.precision == "fp32"]
        same = all(r.verdict != "different" for r in answers)
        speech = all(s.same for s in self.speech if s.precision == "fp32")
        return good and same and speech and all(f.same for f in features)


def verify(
    bundle: str | Path,
    against: str | Path,
    inputs: Sequence[Any] = (),
    *,
    task: str | None = None,
    lm: Language = None,
    ngram: str | Path | Literal[False] | None = None,
    vocoder: Vocoder = None,
    transcripts: Sequence[str] = (),
    voice: Mapping[str, Any] | None = None,
    seed: int | None = None,
    manager: Manager | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
    **decoding: Any,
) -> Verified:
    """Check a bundle.

    Args:
        bundle: the bundle.
        against: the ESPnet model: folder, zip or zoo tag.
        inputs: what both sides recognise, translate or speak, as the bundle's runtime reads it:
            files of recordings, texts, ...
        task: the ESPnet task that loads the model; None decides by the config.
        lm: the language model that the bundle was exported with; see `export.export`.
        ngram: likewise the n-gram model.
        vocoder: likewise the vocoder.
        transcripts: what a first pass heard in each input, for models that read it.
        voice: of `sids`, `lids`, `spembs` and `speech`, who speaks texts; what the model needs and
            is not given is made up.
        seed: of the noise in speech; None is the bundle's own.
        decoding: settings of the search, or of the model that speaks, for both sides.

    Raises:
        InputError: bundle, model or a recording cannot be read, or do not belong together.
    """
    manager = manager or Manager.load()
    ours = _Bundle.open(Path(bundle), manager, threads, progress)
    source = sources.find(against)
    loaded = loader.load_model(source, task)
    companions = Companions.of(lm, ngram, source.extra, vocoder).load()
    speaks = hasattr(loaded.model, "tts") and ours.manifest.role == "model"
    if speaks:
        check_texts(inputs, str(bundle))
    elif voice or seed is not None:
        raise InputError(f"{bundle}: this bundle does not speak: leave voice and seed out")
    claim = claim_model(loaded, companions, manager, role=ours.manifest.role)
    graphs = list(ours.graphs(ours.manifest.tree, claim))
    if not inputs and not transcripts:
        return Verified(graphs)
    if extractors := ours.extractors(decoding):
        paired(next(iter(extractors.values())), inputs, transcripts)
        espnet = Features(claim.component)
        return Verified(graphs, features=list(ours.features(extractors, espnet, inputs)))
    if speaks:
        speaker = Speaker.beside(loaded, companions)
        said = ours.speech(speaker, inputs, voice or {}, seed, decoding)
        return Verified(graphs, speech=list(said))
    settings = {**ours.manifest.decoding, **decoding}
    recogniser = Recogniser(loaded, **companions.inference, **settings)
    return Verified(graphs, list(ours.recordings(recogniser, settings, inputs, transcripts)))


@attrs.frozen
class _Bundle:
    """What is checked."""

    folder: Path
    manifest: Manifest
    manager: Manager
    threads: int | None
    progress: Callable[[str], None]

    @classmethod
    def open(
        cls, folder: Path, manager: Manager, threads: int | None, progress: Callable[[str], None]
    ) -> _Bundle:
        """The bundle in a folder, whose files are whole."""
        manifest = bundles.read_manifest(folder)
        bundles.verify_files(folder, manifest)
        return cls(folder, manifest, manager, threads, progress)

    def graphs(self, entry: NodeEntry, claim: Claim) -> Iterator[GraphCheck]:
        """Parity of a node's graphs, and of those below it."""
        assert claim.part is not None and claim.plugin is not None
        ours, theirs = _shape(entry.kind, entry.children), _shape(claim.part.kind, claim.children)
        if ours != theirs:
            raise InputError(
                f"{self.folder}: {claim.path or 'the root'} is {ours}, the model has {theirs}: "
                "give the model that the bundle was made from"
            )
        for name, graph in graphs_of(claim, self.manager).items():
            label = f"{claim.path}.{name}".strip(".")
            yield from self._graph(label, graph, entry.graphs[name].files)
        for name, child in claim.children.items():
            yield from self.graphs(entry.children[name], child)

    def _graph(self, label: str, graph: Graph, files: Mapping[str, str]) -> Iterator[GraphCheck]:
        expected = expect(graph)
        options = session_options(self.threads)
        for precision, file in files.items():
            self.progress(f"{label} {precision}")
            session = OrtSession(self.folder / file, options, ("CPUExecutionProvider",))
            parity = compare(graph, runner(session, graph), expected)
            stage = "int8" if f".{precision}." in file and precision == "int8" else "fp32"
            passed, _ = verdict(stage, graph, parity)
            yield GraphCheck(label, precision, parity.difference, parity.cosine, passed)

    def extractors(self, decoding: Mapping[str, Any]) -> dict[str, Extractor]:
        """A feature extractor by precision; none where the bundle is something else."""
        # What searches is opened once the settings of its search are known.
        found = {} if self.manifest.decoding else self._runtimes(decoding)
        return {p: runtime for p, runtime in found.items() if isinstance(runtime, Extractor)}

    def features(
        self, extractors: Mapping[str, Extractor], espnet: Features, inputs: Sequence[Any]
    ) -> Iterator[FeaturesCheck]:
        """What extractors make of inputs, beside ESPnet."""
        for source in inputs:
            self.progress(str(source))
            for precision, extractor in extractors.items():
                want = espnet(*extractor.read(source))
                got = extractor(source)
                apart, alike = difference(got, want), cosine(got, want)
                yield FeaturesCheck(str(source), precision, len(got), len(want), apart, alike)

    def recordings(
        self,
        espnet: Recogniser,
        settings: Mapping[str, Any],
        inputs: Sequence[Any],
        transcripts: Sequence[str],
    ) -> Iterator[RecordingCheck]:
        """What both sides answer to inputs."""
        # As this ESPnet can: 202511 knows no window of CTC scores. It may search more than we do.
        theirs = {k: v for k, v in followed(espnet.speech2text).items() if k in settings}
        sides = self._runtimes({**settings, **theirs})
        pairs = paired(next(iter(sides.values())), inputs, transcripts)
        for name, source in zip(inputs, pairs, strict=True):
            self.progress(str(name))
            for precision, runtime in sides.items():
                given = self._read(runtime, source)
                want, got = espnet(given), runtime(source)
                same = same_answer(espnet, given, got.ids, want)
                both = (got.text, want.text, got.ids, want.ids)
                yield RecordingCheck(str(name), precision, same, *both)

    def speech(
        self,
        espnet: Speaker,
        inputs: Sequence[Any],
        voice: Mapping[str, Any],
        seed: int | None,
        settings: Mapping[str, Any],
    ) -> Iterator[SpeechCheck]:
        """What both sides say."""
        sides = self._runtimes({})
        who = somebody(next(iter(sides.values())), voice)
        return compare_speech(
            espnet, sides, inputs, who, seed=seed, progress=self.progress, **settings
        )

    def _runtimes(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        given = {"threads": self.threads, "manager": self.manager, "verify": False, **settings}
        return {p: load(self.folder, precision=p, **given) for p in self.manifest.precisions}

    def _read(self, runtime: Any, source: Any) -> Inputs:
        """What ESPnet's own inference takes for an input; the runtime knows how to read it."""
        if not hasattr(runtime, "read"):
            raise InputError(
                f"{self.folder}: its runtime reads no inputs to compare: give the bundle alone"
            )
        inputs: Inputs = runtime.read(source)
        return inputs


def _shape(kind: str, children: Mapping[str, Any]) -> str:
    return f"{kind} with {', '.join(children)}" if children else kind
