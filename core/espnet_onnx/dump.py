"""Features of many recordings, written once for training: `feats.scp` as ESPnet reads it.

The folder of a dump:
    dump.json    what made it; another bundle or other settings are refused
    data/N.*     features of a few utterances, N from 1 on, and their table N.tsv, written last:
                 a part that has one is done
    feats.scp, feats_shape, utt2num_frames, feats_dim, feats_type    written when all parts are
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from .bundle import MANIFEST, digest, read_manifest
from .errors import AudioError, InputError
from .parts.audio import read_for
from .parts.batch import buckets, in_order
from .parts.extractor import Extractor
from .parts.feature_files import Form, Record, write_features, write_lists, write_text
from .parts.utterances import Utterance, find_utterances
from .runtime import load
from .types import Array

__all__ = ["Dumped", "dump"]

LAYOUT = 1
ABOUT = "dump.json"
# What is written, and repeated after a kill, as one; of so many batches' utterances those of like
# length go together.
BATCHES = 4


@attrs.frozen
class Dumped:
    """What a dump holds.

    Attributes:
        folder: with `feats.scp` in it.
        utterances: how many there are.
        kept: how many of them were there from an earlier run.
        frames: of all together.
        width: values a frame.
        seconds: of audio.
    """

    folder: Path
    utterances: int
    kept: int
    frames: int
    width: int
    seconds: float


def dump(
    bundle: str | Path,
    audio: Sequence[str | Path],
    output: str | Path,
    *,
    form: str = "npy",
    layer: int | None = None,
    batch_size: int = 8,
    precision: str | None = None,
    threads: int | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> Dumped:
    """Write the features of recordings.

    Stopped at any point, the same call goes on from there, and what it leaves is to the byte what
    it leaves without the stop.

    Args:
        bundle: of a feature extractor (`export --role frontend`).
        audio: files, folders and lists, as `parts.utterances.find_utterances` takes them.
        output: the folder to write.
        form: "npy" or "kaldi".
        layer: as in `parts.extractor.Extractor`.
        batch_size: recordings that go through together.
        precision: one of the bundle's; None is its first.
        threads: as in `load`.
        progress: told the seconds of audio that are done, and those of all.

    Raises:
        InputError: the bundle extracts no features, two recordings have one id, or the folder
            holds something else.
        AudioError: a recording cannot be used.
    """
    extractor = _extractor(bundle, precision, threads)
    extractor.check_layer(layer)
    folder = Path(output).absolute()
    parts = _parts(folder, find_utterances(audio), batch_size)
    for utterance in (u for part in parts for u in part.utterances):
        _check_length(extractor, utterance)
    about = _about(Path(bundle), extractor, precision, layer, Form(form), batch_size)
    with _begun(folder, about):
        found = _found(folder, parts)
        clock = _Clock(progress, sum(part.duration for part in parts))
        clock.add(sum(part.duration for part, there in zip(parts, found, strict=True) if there))
        records = []
        for part, there in zip(parts, found, strict=True):
            records += there or part.write(Form(form), extractor, layer, batch_size, clock.add)
        write_lists(folder, records)
    kept = sum(len(there) for there in found)
    frames = sum(record.frames for record in records)
    return Dumped(folder, len(records), kept, frames, records[0].width, clock.total)


def _extractor(bundle: str | Path, precision: str | None, threads: int | None) -> Extractor:
    extractor = load(bundle, precision=precision, threads=threads)
    if not isinstance(extractor, Extractor):
        raise InputError(
            f"{bundle}: extracts no features: export the model again with --role frontend"
        )
    return extractor


def _about(
    bundle: Path,
    extractor: Extractor,
    precision: str | None,
    layer: int | None,
    form: Form,
    batch_size: int,
) -> dict[str, Any]:
    """All that the bytes of a dump depend on, besides the recordings."""
    manifest = read_manifest(bundle)
    return {
        "layout": LAYOUT,
        "bundle": digest(bundle / MANIFEST).sha256,
        "model": manifest.source,
        "precision": precision or manifest.precisions[0],
        "layer": layer,
        "format": form.value,
        "batch_size": batch_size,
        "sample_rate": extractor.sample_rate,
        "hop_length": extractor.hop_length,
    }


@attrs.define
class _Clock:
    """Seconds of audio that are done."""

    tell: Callable[[float, float], None]
    total: float
    done: float = 0.0

    def add(self, seconds: float) -> None:
        self.done += seconds
        self.tell(self.done, self.total)


@attrs.frozen
class _Part:
    """A few utterances that are written together, next to each other in the order of ids."""

    folder: Path
    number: int
    utterances: Sequence[Utterance]

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return sum(u.duration for u in self.utterances)

    @property
    def _table(self) -> Path:
        return self.folder / f"data/{self.number}.tsv"

    def read(self) -> list[Record]:
        """What an earlier run wrote; nothing where it did not end or is damaged.

        Raises:
            InputError: it wrote other recordings.
        """
        if not self._table.is_file():
            return []
        records = [Record.of(line) for line in self._table.read_text("utf-8").splitlines()]
        ours = [(u.id, u.samples) for u in self.utterances]
        if [(r.id, r.samples) for r in records] != ours:
            raise _other_recordings(self.folder)
        return records if all(record.is_in(self.folder) for record in records) else []

    def write(
        self,
        form: Form,
        extractor: Extractor,
        layer: int | None,
        batch_size: int,
        tell: Callable[[float], None],
    ) -> list[Record]:
        """Extract and write the features; `tell` hears of the seconds that each batch had."""
        groups = buckets([round(1000 * u.duration) for u in self.utterances], batch_size)

        def batches() -> Iterator[list[Array]]:
            for group in groups:
                together = [self.utterances[i] for i in group]
                yield _features(extractor, together, layer)
                tell(sum(u.duration for u in together))

        feats = in_order(groups, batches())
        pairs = list(zip(self.utterances, feats, strict=True))
        records = write_features(form, self.folder, f"data/{self.number}", pairs)
        write_text(self._table, "".join(f"{record}\n" for record in records))
        return records


def _features(
    extractor: Extractor, together: Sequence[Utterance], layer: int | None
) -> list[Array]:
    paths = [u.path for u in together]
    try:
        return extractor.batch(paths, batch_size=len(paths), layer=layer)
    except AudioError:
        raise
    except InputError as error:
        # What the graph cannot take is too long, and names no recording.
        longest = max(together, key=lambda u: u.duration)
        raise AudioError(f"{longest.path} ({longest.duration:.0f} s): {error}") from error


def _parts(folder: Path, utterances: Sequence[Utterance], batch_size: int) -> list[_Part]:
    buckets([], batch_size)  # refuses what is no size
    size = BATCHES * batch_size
    starts = range(0, len(utterances), size)
    return [_Part(folder, n, utterances[i : i + size]) for n, i in enumerate(starts, 1)]


def _found(folder: Path, parts: Sequence[_Part]) -> list[list[Record]]:
    """The records of each part that is done.

    Raises:
        InputError: the folder has parts of other recordings.
    """
    tables = len(list((folder / "data").glob("*.tsv")))
    if tables > len(parts):
        raise _other_recordings(folder)
    return [part.read() for part in parts]


def _other_recordings(folder: Path) -> InputError:
    return InputError(f"{folder}: holds the features of other recordings: give another folder")


def _check_length(extractor: Extractor, utterance: Utterance) -> None:
    """Say before any work what is too short; resampling may round a sample up."""
    samples = utterance.duration * extractor.sample_rate
    if samples <= extractor.frontend.shortest:
        read_for(extractor.frontend, utterance.path)


@contextmanager
def _begun(folder: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """A folder for a dump, new or of the same settings; a new one stays only with a part in it."""
    new = not folder.exists()
    _check_folder(folder, about)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    try:
        yield
    except AudioError as error:
        done = len(list((folder / "data").glob("*.tsv")))
        later = "; the same command goes on from here" if done else ""
        raise AudioError(f"{error}{later}") from error
    finally:
        if new and not any((folder / "data").glob("*.tsv")):
            shutil.rmtree(folder)


def _check_folder(folder: Path, about: Mapping[str, Any]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / ABOUT).is_file()):
        raise InputError(f"{folder}: exists and is no dump of features: give another folder")
    if not (folder / ABOUT).is_file():
        return
    try:
        there = json.loads((folder / ABOUT).read_text("utf-8"))
        differ = [name for name in about if there.get(name) != about[name]]
    except (ValueError, AttributeError):
        raise InputError(f"{folder / ABOUT}: is damaged: give another folder") from None
    if differ:
        name = differ[0]
        old, new = ("none" if x is None else x for x in (there.get(name), about[name]))
        raise InputError(
            f"{folder}: was begun with {name} {old}, not {new}: give another folder, or the same"
            " bundle and settings"
        )
