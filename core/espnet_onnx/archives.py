"""Unpacking a packed ESPnet model (a zip with meta.yaml) that nobody vouches for."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from .errors import ModelError, one_line

__all__ = ["cache_folder", "unpack"]

_MOST_MEMBERS = 20_000
# Weights hardly compress: an honest pack stays far below this.
_MOST_RATIO = 20
_ALWAYS_ALLOWED = 1 << 30


def cache_folder() -> Path:
    """Where unpacked models and bundles by tag are kept.

    That is `$ESPNET_ONNX_CACHE`, else `~/.cache/espnet_onnx`.
    """
    named = os.environ.get("ESPNET_ONNX_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "espnet_onnx"


def unpack(archive: Path, cache: Path) -> Path:
    """Extract a zip to `cache/unpacked/<digest>` and return that folder.

    The folder appears whole or not at all, and is reused for the same bytes.

    Raises:
        ModelError: not a zip, damaged, encrypted, with members that would land outside the folder
            (`..`, absolute, drive letters), links, too much data, or no space for it.
    """
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        target = cache / "unpacked" / digest
        if not target.is_dir():
            _extract(archive, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"{archive}: is not a zip that can be unpacked ({one_line(error)}); download it again"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{archive}: cannot be unpacked into {cache} ({one_line(error)})"
        ) from error
    return target


def _extract(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as packed:
        members = [info for info in packed.infolist() if not info.is_dir()]
        _check(archive, members)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
        try:
            for info in members:
                _write(packed, info, part / info.filename)
            _appear(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _write(packed: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # "x": two members of one name, or names that a file system folds together, are an error.
    with packed.open(info) as source, path.open("xb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _appear(part: Path, target: Path) -> None:
    part.chmod(0o755)
    with suppress(OSError):
        part.rename(target)
    if not target.is_dir():
        raise OSError(f"cannot create {target}")


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for info in members:
        problem = _unsafe(info)
        if problem:
            raise ModelError(
                f"{archive}: member {info.orig_filename!r} {problem}; such a zip is not unpacked"
            )
    size = sum(info.file_size for info in members)
    allowed = max(_ALWAYS_ALLOWED, _MOST_RATIO * archive.stat().st_size)
    if len(members) > _MOST_MEMBERS or size > allowed:
        raise ModelError(
            f"{archive}: would unpack to {len(members)} files of {size} bytes, far more than its"
            " own size explains; such a zip is not unpacked"
        )


def _unsafe(info: zipfile.ZipInfo) -> str | None:
    """Why a member must not be written; None if it may be.

    The name is judged as stored: `zipfile` cuts it at NUL and turns separators round.
    """
    name = info.orig_filename
    mode = info.external_attr >> 16
    if "\0" in name or "\\" in name:
        return "has a name that systems read differently"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute name"
    if ".." in name.split("/"):
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or another special file"
    return "is encrypted" if info.flag_bits & 1 else None
