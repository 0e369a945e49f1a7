"""The bundle on disk: manifest, digests, and paths that are never trusted."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import cattrs

from .errors import BundleError, InputError
from .types import Node

__all__ = [
    "FORMAT",
    "MANIFEST",
    "FileEntry",
    "GraphEntry",
    "Manifest",
    "NodeEntry",
    "build_nodes",
    "digest",
    "read_manifest",
    "safe_path",
    "staging",
    "verify_files",
    "write_manifest",
]

FORMAT = 1
MANIFEST = "manifest.json"


@attrs.frozen
class FileEntry:
    """Size in bytes and sha256 of one file."""

    size: int
    sha256: str


@attrs.frozen
class GraphEntry:
    """One graph of a node: its file for each precision, and what the checks found.

    Attributes:
        files: precision -> path of the .onnx file. Where int8 does not pay, both name one file.
        report: checks by precision (differences, cosine, milliseconds) and fusion counts.
    """

    files: Mapping[str, str]
    report: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class NodeEntry:
    """One node of the tree."""

    kind: str
    plugin: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    graphs: Mapping[str, GraphEntry] = attrs.field(factory=dict)
    files: Mapping[str, str] = attrs.field(factory=dict)
    children: Mapping[str, NodeEntry] = attrs.field(factory=dict)


@attrs.frozen
class Manifest:
    """All that a bundle says of itself.

    Attributes:
        precisions: what `load(precision=...)` accepts; the first is the default.
        decoding: defaults of the search (beam size, weights, CTC window, maxlenratio).
        plugins: entry-point name -> {"distribution", "version"} of every plugin in the tree.
        versions: what the bundle was made with.
        parity: "passed", or the graphs that did not and were kept with --keep-going.
        limits: what the model cannot take (longest input, ...), by name.
        source: the name of the model the bundle was made from.
        role: what the root of the tree is: `model`, or the component exported by itself.
    """

    format: int
    tree: NodeEntry
    precisions: Sequence[str]
    files: Mapping[str, FileEntry]
    plugins: Mapping[str, Mapping[str, str]]
    versions: Mapping[str, str]
    decoding: Mapping[str, Any] = attrs.field(factory=dict)
    parity: str | Sequence[str] = "passed"
    limits: Mapping[str, Any] = attrs.field(factory=dict)
    source: str = ""
    role: str = "model"


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook_func(
        lambda t: t == (str | Sequence[str]),
        lambda v, _: v if isinstance(v, str) else [str(x) for x in v],
    )
    return converter


def digest(path: Path) -> FileEntry:
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.stat().st_size, sha)


def safe_path(folder: Path, name: str) -> Path:
    """`folder/name` for a relative name that stays inside and passes no link.

    Raises:
        BundleError: the name is absolute, climbs out, or a link is on the way.
    """
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
        raise BundleError(f"{folder}: the path {name!r} leaves the bundle: do not use this bundle")
    path = folder
    for piece in pure.parts:
        path = path / piece
        if path.is_symlink():
            raise BundleError(f"{folder}: {name} is a link: copy the bundle with its files instead")
    return path


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a bundle, checked for form; its files are not looked at.

    Raises:
        BundleError: there is none, it is damaged, or its format is not ours.
    """
    folder = Path(folder)
    path = safe_path(folder, MANIFEST)
    if not path.is_file():
        raise BundleError(f"{folder}: {_no_manifest(folder)}")
    try:
        data = json.loads(path.read_text("utf-8"))
        number = data["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleError(f"{path}: the manifest is damaged: export or copy it again") from None
    if number != FORMAT:
        raise BundleError(
            f"{folder}: bundle format {number}, this espnet-onnx reads {FORMAT}: export again"
        )
    try:
        manifest = _converter().structure(data, Manifest)
    except Exception as error:
        reason = cattrs.transform_error(error)[0]
        raise BundleError(f"{path}: the manifest is damaged ({reason}): export again") from None
    if not manifest.precisions:
        raise BundleError(f"{path}: the manifest is damaged (no precisions): export again")
    return manifest


def _no_manifest(folder: Path) -> str:
    if not folder.exists():
        return "no such bundle: make one with `espnet-onnx export MODEL -o BUNDLE`"
    if (folder / "config.yaml").is_file() and any(folder.rglob("*.onnx")):
        return "made by espnet_onnx 0.2: export the ESPnet model again with this version"
    return "not a bundle (it has no manifest.json): make one with `espnet-onnx export`"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json, its keys in a fixed order."""
    data = _converter().unstructure(manifest)
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the size and digest in the manifest.

    Raises:
        BundleError: names the first file that is missing, cut short, changed or not listed.
    """
    for name in _named(manifest.tree):
        if name not in manifest.files:
            raise BundleError(f"{folder}: {name} has no digest in the manifest: export again")
    for name, entry in manifest.files.items():
        path = safe_path(folder, name)
        if not path.is_file():
            raise BundleError(f"{folder}: {name} is missing: copy or export the bundle again")
        if path.stat().st_size != entry.size or digest(path) != entry:
            raise BundleError(f"{folder}: {name} is damaged: copy or export the bundle again")


def _named(entry: NodeEntry) -> Iterator[str]:
    """Every file that a node or one below it uses."""
    yield from entry.files.values()
    for graph in entry.graphs.values():
        yield from graph.files.values()
    for child in entry.children.values():
        yield from _named(child)


def build_nodes(folder: Path, entry: NodeEntry, path: str = "") -> Node:
    """The tree of nodes, file names resolved inside the bundle's folder."""
    children = {
        name: build_nodes(folder, child, f"{path}.{name}" if path else name)
        for name, child in entry.children.items()
    }
    files = {name: safe_path(folder, file) for name, file in entry.files.items()}
    return Node(path, entry.kind, entry.plugin, entry.config, tuple(entry.graphs), files, children)


@contextmanager
def staging(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder beside `target` that becomes it when the block ends well, else vanishes.

    Raises:
        InputError: the target exists (and is no bundle to overwrite) or cannot be written.
    """
    target = Path(target).absolute()
    if target.exists() and not (overwrite and _replaceable(target)):
        how = "give another name" + ("" if overwrite else " or --overwrite")
        raise InputError(f"{target} exists: {how}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    try:
        (partial / ".pid").write_text(str(os.getpid()))
        yield partial
        (partial / ".pid").unlink()
        partial.chmod(0o755)
        _replace(target, partial)
    except OSError as error:
        where = f", {error.filename}" if error.filename else ""
        reason = f"{error.strerror or error}{where}"
        raise InputError(f"{target}: writing failed ({reason}): nothing is left") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(target: Path, partial: Path) -> None:
    """Rename, and delete an old bundle only when the new one is in its place."""
    if not target.exists():
        partial.rename(target)
        return
    old = partial.with_name(partial.name + "-old")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _replaceable(target: Path) -> bool:
    return (target / MANIFEST).is_file() or (target.is_dir() and not any(target.iterdir()))


def _sweep(target: Path) -> None:
    """Remove what a killed export of the same target left behind."""
    for old in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        if not _writing(old):
            shutil.rmtree(old, ignore_errors=True)


def _writing(partial: Path) -> bool:
    """Whether the export that makes a folder is still alive."""
    try:
        pid = int((partial / ".pid").read_text())
        if os.name == "nt":
            return True  # os.kill would end the process there; the folder stays for its user
        os.kill(pid, 0)
    except PermissionError:  # somebody else's
        return True
    except (OSError, ValueError):
        return False
    return True
