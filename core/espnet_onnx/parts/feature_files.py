"""Features on disk, in the two forms that ESPnet's data readers know: `npy` and `kaldi_ark`.

Whatever is written here is there in full or not at all.

Shapes: T frames, D width.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np

from ..types import Array
from .utterances import Utterance

__all__ = ["Form", "Record", "write_features", "write_lists", "write_text"]


class Form(StrEnum):
    """How features are stored: each in a file of its own, or many in a Kaldi archive."""

    npy = "npy"
    kaldi = "kaldi"


@attrs.frozen
class Record:
    """Where one utterance's features are.

    Attributes:
        id: of the utterance.
        samples: of its recording.
        frames: T.
        width: D.
        file: relative to the dump's folder.
        offset: of the matrix in an archive, in bytes; None where it has a file of its own.
        end: bytes that the file has at least.
    """

    id: str
    samples: int
    frames: int
    width: int
    file: str
    offset: int | None
    end: int

    @classmethod
    def of(cls, line: str) -> Record:
        """What `str` made."""
        id, samples, frames, width, file, offset, end = line.split("\t")
        at = None if offset == "-" else int(offset)
        return cls(id, int(samples), int(frames), int(width), file, at, int(end))

    def __str__(self) -> str:
        values = attrs.astuple(self)
        return "\t".join("-" if value is None else str(value) for value in values)

    def location(self, folder: Path) -> str:
        """What a scp file says."""
        path = folder / self.file
        return str(path) if self.offset is None else f"{path}:{self.offset}"

    def is_in(self, folder: Path) -> bool:
        """Whether the features are there, in full length."""
        path = folder / self.file
        return path.is_file() and path.stat().st_size >= self.end


def write_features(
    form: Form, folder: Path, name: str, features: Sequence[tuple[Utterance, Array]]
) -> list[Record]:
    """Write the features of a few utterances, (T, D) float32 each.

    Args:
        form: npy or kaldi.
        folder: of the dump.
        name: inside it, of the folder of files or, without ending, of the archive.
        features: in the order that the archive and the records have.
    """
    if form is Form.kaldi:
        return _archive(folder, f"{name}.ark", features)
    # A killed run may have left files that are nobody's any more.
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).mkdir()
    return [_file(folder, f"{name}/{utterance.id}.npy", utterance, f) for utterance, f in features]


def write_lists(folder: Path, records: Sequence[Record]) -> None:
    """What a Kaldi data directory of ESPnet has for extracted features; feats.scp comes last."""
    write_text(folder / "feats_type", "extracted\n")
    write_text(folder / "feats_dim", f"{records[0].width}\n")
    lists: dict[str, Callable[[Record], object]] = {
        "utt2num_frames": lambda r: r.frames,
        "feats_shape": lambda r: f"{r.frames},{r.width}",
        "feats.scp": lambda r: r.location(folder),
    }
    for name, value in lists.items():
        write_text(folder / name, "".join(f"{r.id} {value(r)}\n" for r in records))


def write_text(path: Path, text: str) -> None:
    """A UTF-8 file."""
    with _whole(path) as file:
        file.write(text.encode("utf-8"))


def _file(folder: Path, file: str, utterance: Utterance, feats: Array) -> Record:
    with _whole(folder / file) as out:
        np.save(out, feats)
        return _record(utterance, feats, file, None, out.tell())


def _archive(folder: Path, file: str, features: Sequence[tuple[Utterance, Array]]) -> list[Record]:
    records = []
    with _whole(folder / file) as out:
        for utterance, feats in features:
            out.write(f"{utterance.id} ".encode())
            offset = out.tell()
            out.write(_matrix(feats))
            records.append(_record(utterance, feats, file, offset, out.tell()))
    return records


def _record(u: Utterance, feats: Array, file: str, offset: int | None, end: int) -> Record:
    frames, width = feats.shape
    return Record(u.id, u.samples, frames, width, file, offset, end)


def _matrix(feats: Array) -> bytes:
    """(T, D) as Kaldi's binary float matrix: zero, B, FM, each size behind its byte count."""
    frames, width = feats.shape
    return b"\0BFM " + struct.pack("<bibi", 4, frames, 4, width) + feats.astype("<f4").tobytes()


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is whole and on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
