"""A vocoder's tag becomes a folder, from a local cache or downloaded. No torch of our own.

`parallel_wavegan/NAME` is ESPnet's `vocoder_tag`: the ParallelWaveGAN toolkit knows where each name
lies. Any other tag is one of `hub`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from .archives import cache_folder, unpack
from .errors import ModelError, one_line
from .hub import fetch, is_tag

__all__ = ["fetch_vocoder", "is_vocoder_tag", "unpack_vocoder"]

_TOOLKIT = "parallel_wavegan/"
# What a vocoder is made of; an archive's samples and logs stay in it.
_WANTED = re.compile(r"[\w.-]+\.pkl|config\.ya?ml|stats\.(h5|npy)")
_MOST_MEMBERS = 20_000
# Weights hardly compress: an honest archive stays far below this.
_MOST_RATIO = 20
_ALWAYS_ALLOWED = 1 << 30


def is_vocoder_tag(name: str) -> bool:
    """Whether a name that is no path could be a tag: `parallel_wavegan/NAME`, `org/name`."""
    return "/" in name and not name.endswith((".pkl", ".yml", ".yaml")) and is_tag(name)


def fetch_vocoder(tag: str, cache: str | Path | None = None) -> Path:
    """The folder of a published vocoder.

    Args:
        tag: see `is_vocoder_tag`.
        cache: where downloads are looked for and kept; by default `~/.cache/parallel_wavegan`, the
            toolkit's own, or that of `hub.fetch`. Archives are unpacked in `$ESPNET_ONNX_CACHE`.

    Raises:
        ModelError: there is no such vocoder, it cannot be fetched, or its archive is damaged.
    """
    folder = None if cache is None else Path(cache).expanduser()
    if not tag.startswith(_TOOLKIT):
        found = fetch(tag, folder)
        return found if found.is_dir() else unpack(found, cache_folder())
    folder = folder or Path.home() / ".cache" / "parallel_wavegan"
    name = tag.removeprefix(_TOOLKIT)
    if any((folder / name).glob("*.pkl")):  # unpacked by the toolkit
        return folder / name
    archive = folder / f"{name}.tar.gz"
    if not archive.is_file():
        _download(name, archive)
    return unpack_vocoder(archive, cache_folder())


def _download(name: str, archive: Path) -> None:
    """`parallel_wavegan.utils.download_pretrained_model`, of the archive alone."""
    places, drive = _toolkit(name, archive)
    if name not in places:
        close = difflib.get_close_matches(name, places, 3) or sorted(places)[:3]
        raise ModelError(
            f"{_TOOLKIT}{name}: the toolkit's list has no such name: give one of its"
            f" {len(places)}, such as {', '.join(close)}"
        )
    part = archive.with_name(f"{archive.name}.part")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        if drive.download(id=places[name], output=str(part), quiet=True) is None:
            raise OSError("nothing came")
        part.replace(archive)
    # Whatever gdown and requests raise means the same.
    except Exception as error:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"{_TOOLKIT}{name}: is not in {archive.parent} and was not downloaded"
            f" ({one_line(error)}): check the network, or put {archive.name} there"
        ) from error


def _toolkit(name: str, archive: Path) -> tuple[Mapping[str, str], Any]:
    """Name -> file id in the toolkit's list, and the package that fetches them."""
    try:
        drive = importlib.import_module("gdown")
        places: Mapping[str, str] = importlib.import_module(
            "parallel_wavegan.utils"
        ).PRETRAINED_MODEL_LIST
    # It may be there and not load: it uses modules that newer Pythons lack.
    except Exception as error:
        raise ModelError(
            f"{_TOOLKIT}{name}: is not in {archive.parent}, and a download needs the packages"
            f" parallel_wavegan and gdown ({one_line(error)}): put {archive.name} there, or give"
            " the vocoder's folder"
        ) from error
    return places, drive


def unpack_vocoder(archive: Path, cache: Path) -> Path:
    """Extract checkpoint, config and statistics, flat, to `cache/unpacked/<digest>`; that folder.

    Nobody vouches for the archive: links, special files and folders in it are passed over. The
    folder appears whole or not at all, and is reused for the same bytes.

    Raises:
        ModelError: not a tar, damaged, far larger than it seems, or with two files of one name.
    """
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        target = cache / "unpacked" / digest
        if not target.is_dir():
            _extract(archive, target)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ModelError(
            f"{archive}: cannot be unpacked into {cache} ({one_line(error)}): delete it and fetch"
            " it again"
        ) from error
    return target


def _extract(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        _write(archive, part)
        part.chmod(0o755)
        with suppress(OSError):  # another process was first
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(archive: Path, folder: Path) -> None:
    allowed = max(_ALWAYS_ALLOWED, _MOST_RATIO * archive.stat().st_size)
    size = 0
    with tarfile.open(archive, "r:*") as packed:
        for count, member in enumerate(packed):
            size += member.size
            if count >= _MOST_MEMBERS or size > allowed:
                raise ModelError(
                    f"{archive}: would unpack to far more than its own size explains: such an"
                    " archive is not unpacked"
                )
            name = PurePosixPath(member.name).name
            source = packed.extractfile(member) if member.isreg() else None
            if source is not None and _WANTED.fullmatch(name):
                with source, (folder / name).open("xb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
