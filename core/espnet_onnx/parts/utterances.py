"""Recordings with utterance ids: files, folders and Kaldi's wav.scp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from ..errors import AudioError, InputError
from .audio import open_sound

__all__ = ["Utterance", "find_utterances"]

_SOUNDS = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au"))
_LIST = "wav.scp"


@attrs.frozen
class Utterance:
    """A recording, looked at but not read.

    Attributes:
        id: without white space, so that lists by id can be written.
        path: of the sound file.
        samples: of one channel, as the file's header says.
        sample_rate: in Hz.
    """

    id: str
    path: Path
    samples: int
    sample_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


def find_utterances(sources: Sequence[str | Path]) -> list[Utterance]:
    """The utterances of what a user names, sorted by id as Kaldi does.

    Args:
        sources: sound files, whose names without ending are the ids; folders, with their wav.scp
            or else all sound files below them; lists `*.scp` of lines `ID PATH`.

    Raises:
        InputError: a source is missing or holds nothing, a list has other lines, or two
            recordings have one id.
        AudioError: a file is missing, is no sound or has no samples.
    """
    found: dict[str, Path] = {}
    for id, path in _named(sources):
        if id in found:
            raise InputError(
                f"utterance id {id} is that of {found[id]} and of {path}: rename one, or give a"
                " wav.scp with ids"
            )
        found[id] = path
    if not found:
        raise InputError("there are no recordings: give sound files, folders or a wav.scp")
    return [_looked_at(id, found[id]) for id in sorted(found)]


def _named(sources: Iterable[str | Path]) -> Iterator[tuple[str, Path]]:
    for source in map(Path, sources):
        if source.is_dir():
            yield from _in_folder(source)
        elif source.suffix == ".scp":
            yield from _in_list(source)
        else:
            yield _id_of(source), source


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    if (folder / _LIST).is_file():
        yield from _in_list(folder / _LIST)
        return
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SOUNDS and p.is_file()]
    if not files:
        raise InputError(f"{folder}: holds no sound files and no {_LIST}: give another folder")
    for path in files:
        yield _id_of(path), path


def _in_list(path: Path) -> Iterator[tuple[str, Path]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(f"{path}: cannot be read as a list ({why}): check it") from error
    for number, line in enumerate(lines, 1):
        pieces = line.split(maxsplit=1)
        if len(pieces) < 2:
            raise InputError(f"{path}: line {number} is not ID PATH: give one recording a line")
        id, file = pieces[0], pieces[1].strip()
        if file.endswith("|"):
            raise InputError(
                f"{path}: line {number} is a command to run: write its sound into a file first"
            )
        yield id, Path(file)


def _id_of(path: Path) -> str:
    if len(path.stem.split()) != 1:
        raise InputError(
            f"{path}: its name makes no utterance id, which has no spaces: rename it, or give a"
            " wav.scp with ids"
        )
    return path.stem


def _looked_at(id: str, path: Path) -> Utterance:
    if Path(id).name != id or id in (".", ".."):
        raise InputError(f"utterance id {id}: is no name for a file: give ids without slashes")
    with open_sound(path, str(path)) as sound:
        samples, rate = sound.frames, sound.samplerate
    if samples == 0:
        raise AudioError(f"{path}: holds zero samples; record or cut it again")
    return Utterance(id, path, samples, rate)
