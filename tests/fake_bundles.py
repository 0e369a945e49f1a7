"""A bundle whose files are no real graphs, and the plugin that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import espnet_onnx as eo
from espnet_onnx import bundle as bundles
from espnet_onnx.bundle import GraphEntry, Manifest, NodeEntry
from espnet_onnx.manager import Manager

from .fake_plugins import fake

__all__ = ["MANAGER", "write"]


def build(node: eo.Node, open_session: Any) -> Any:
    return node


MANAGER = Manager([fake("one", build_runtime=build)])


def write(folder: Path) -> Path:
    """A bundle of one node with a child, whose files are no real graphs."""
    for name in ("graphs/encoder.fp32.onnx", "graphs/encoder.fp32.onnx.data", "files/bpe.model"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 9)
    graph = GraphEntry({"fp32": "graphs/encoder.fp32.onnx"}, {"fp32": {"difference": 1e-6}})
    child = NodeEntry("one.encoder", "one", {"size": 4}, {"encoder": graph})
    tree = NodeEntry("one.root", "one", {}, {}, {"bpe": "files/bpe.model"}, {"encoder": child})
    files = {
        p.relative_to(folder).as_posix(): bundles.digest(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".pid"
    }
    plugins = {"one": {"distribution": "espnet-onnx-plugin-one", "version": "0.1"}}
    manifest = Manifest(1, tree, ["fp32"], files, plugins, {"opset": "20"}, {"beam_size": 3})
    bundles.write_manifest(folder, manifest)
    return folder
