"""The bundle on disk: what is refused, and what is found damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from espnet_onnx import bundle as bundles
from espnet_onnx.bundle import FileEntry
from espnet_onnx.errors import BundleError, InputError
from espnet_onnx.manager import Manager
from espnet_onnx.runtime import load

from .fake_bundles import MANAGER, write
from .fake_plugins import fake

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle")


def edit(bundle: Path, change: Edit) -> None:
    path = bundle / bundles.MANIFEST
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def refused(bundle: Path, *words: str) -> str:
    with pytest.raises(BundleError) as caught:
        load(bundle, manager=MANAGER)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    return text


def test_what_was_written_is_read(bundle: Path) -> None:
    manifest = bundles.read_manifest(bundle)
    bundles.verify_files(bundle, manifest)
    assert manifest.tree.children["encoder"].graphs["encoder"].report["fp32"]["difference"] == 1e-6
    bundles.write_manifest(bundle, manifest)
    assert bundles.read_manifest(bundle) == manifest


def test_nodes_know_paths_files_and_settings(bundle: Path) -> None:
    node = load(bundle, manager=MANAGER, nbest=2)
    assert node.config == {"decoding": {"beam_size": 3, "nbest": 2}}
    assert node.files["bpe"] == bundle / "files/bpe.model"
    assert node.children["encoder"].path == "encoder"
    assert node.children["encoder"].graphs == ("encoder",)


def test_a_bundle_may_be_moved(bundle: Path, tmp_path: Path) -> None:
    moved = bundle.rename(tmp_path / "elsewhere")
    assert load(moved, manager=MANAGER).files["bpe"].read_bytes()


BAD_PATHS = [
    "../secret",
    "graphs/../../secret",
    "/etc/passwd",
    "C:/secret",
    "C:secret",
    "graphs\\..\\secret",
    "",
    "..",
    "\\\\host\\share",
]


@pytest.mark.parametrize("name", BAD_PATHS)
@pytest.mark.parametrize("where", ["digest", "file", "graph"])
def test_paths_that_leave_the_bundle_are_refused(name: str, where: str, bundle: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["files"][name] = {"size": 1, "sha256": "0"}
        if where == "file":
            data["tree"]["files"]["bpe"] = name
        if where == "graph":
            data["tree"]["children"]["encoder"]["graphs"]["encoder"]["files"]["fp32"] = name

    (bundle.parent / "secret").write_text("s")
    edit(bundle, change)
    refused(bundle, "leaves the bundle")


@pytest.mark.parametrize("name", BAD_PATHS)
def test_bad_paths_are_refused_without_digests_too(name: str, bundle: Path) -> None:
    manifest = bundles.read_manifest(bundle)
    tree = attrs.evolve(manifest.tree, files={"bpe": name})
    with pytest.raises(BundleError, match="leaves the bundle"):
        bundles.build_nodes(bundle, tree)


@pytest.mark.parametrize("name", ["files/bpe.model", "graphs", "manifest.json"])
def test_links_are_refused(name: str, bundle: Path) -> None:
    outside = bundle.parent / "outside"
    (bundle / name).rename(outside)
    (bundle / name).symlink_to(outside)
    refused(bundle, "is a link", name.split("/", maxsplit=1)[0])


def flip(data: bytes) -> bytes:
    return data[:5] + bytes([data[5] ^ 1]) + data[6:]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda p: p.write_bytes(flip(p.read_bytes())),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "longer": lambda p: p.write_bytes(p.read_bytes() + b"x"),
    "empty": lambda p: p.write_bytes(b""),
    "missing": lambda p: p.unlink(),
    "folder": lambda p: (p.unlink(), p.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["graphs/encoder.fp32.onnx", "graphs/encoder.fp32.onnx.data", "files/bpe.model"]
)
def test_damage_is_found(name: str, damage: str, bundle: Path) -> None:
    DAMAGE[damage](bundle / name)
    refused(bundle, name, "copy or export the bundle again")


def test_damage_is_not_looked_for_where_the_caller_says_so(bundle: Path) -> None:
    DAMAGE["flipped"](bundle / "files/bpe.model")
    load(bundle, manager=MANAGER, verify=False)


def test_a_file_without_a_digest_is_refused(bundle: Path) -> None:
    edit(bundle, lambda data: data["files"].pop("graphs/encoder.fp32.onnx"))
    refused(bundle, "graphs/encoder.fp32.onnx has no digest")


MANIFESTS: dict[str, Edit] = {
    "unknown key": lambda d: d.update(surprise=1),
    "unknown key of a node": lambda d: d["tree"].update(code="import os"),
    "missing key": lambda d: d.pop("tree"),
    "wrong type": lambda d: d.update(files=["a"]),
    "child is no node": lambda d: d["tree"]["children"].update(encoder=3),
    "size is no number": lambda d: d["files"].update(a={"size": "big", "sha256": ""}),
    "no precisions": lambda d: d.update(precisions=[]),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_malformed_manifests_are_refused(name: str, bundle: Path) -> None:
    edit(bundle, MANIFESTS[name])
    refused(bundle, "manifest.json", "damaged", "export again")


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"format": 1,', "[]", "null", "3", "{}", "\x00", "[" * 100_000, '{"format"' * 9],
)
def test_damaged_json_is_refused(text: str, bundle: Path) -> None:
    (bundle / bundles.MANIFEST).write_text(text)
    refused(bundle, "manifest.json", "damaged")


def test_bytes_that_are_no_text_are_refused(bundle: Path) -> None:
    (bundle / bundles.MANIFEST).write_bytes(b"\xff\xfe{}")
    refused(bundle, "damaged")


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_other_formats_are_refused(number: object, bundle: Path) -> None:
    edit(bundle, lambda data: data.update(format=number))
    refused(bundle, f"bundle format {number}, this espnet-onnx reads 1: export again")


def test_no_bundle(tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "no such bundle", "espnet-onnx export")
    refused(tmp_path, "not a bundle")
    (tmp_path / "config.yaml").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "encoder.onnx").touch()
    refused(tmp_path, "made by espnet_onnx 0.2")


def test_missing_plugin_says_what_to_install(bundle: Path) -> None:
    with pytest.raises(BundleError) as caught:
        load(bundle, manager=Manager([]))
    assert str(caught.value).endswith(
        "plugin one is not installed: pip install espnet-onnx-plugin-one"
    )


def test_skipped_plugin_says_why(bundle: Path) -> None:
    with pytest.raises(BundleError, match="plugin API 9"):
        load(bundle, manager=Manager([fake("one", api=9)]))


def test_plugin_that_no_longer_knows_the_kind(bundle: Path) -> None:
    manager = Manager([fake("one", build_runtime=lambda node: None)])
    with pytest.raises(BundleError, match=r"plugin one 0\.1 does not know one\.encoder: update it"):
        load(bundle, manager=manager)


def test_graph_that_is_not_there(bundle: Path) -> None:
    manager = Manager([fake("one", build_runtime=lambda open_session: open_session("decoder"))])
    with pytest.raises(BundleError, match="encoder has no fp32 graph decoder"):
        load(bundle, manager=manager)


def test_graph_that_is_no_onnx(bundle: Path) -> None:
    manager = Manager([fake("one", build_runtime=lambda open_session: open_session("encoder"))])
    with pytest.raises(BundleError, match="onnxruntime cannot load it"):
        load(bundle, manager=manager)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"precision": "int4"}, "has no int4: use one of fp32"), ({"threads": 0}, "threads is 0")],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str, bundle: Path) -> None:
    with pytest.raises(InputError, match=words):
        load(bundle, manager=MANAGER, **options)


def test_size_is_compared_before_the_file_is_read(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = bundles.read_manifest(bundle)
    read: list[Path] = []
    monkeypatch.setattr(bundles, "digest", lambda path: read.append(path) or FileEntry(0, ""))
    files = {name: attrs.evolve(entry, size=1) for name, entry in manifest.files.items()}
    with pytest.raises(BundleError):
        bundles.verify_files(bundle, attrs.evolve(manifest, files=files))
    assert not read
