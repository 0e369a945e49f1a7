"""A tiny model, alive, and the bundle that was exported from it: what the checks look at."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
import yaml

from .. import components, loader, sources
from ..bundle import GraphEntry, Manifest, NodeEntry
from ..companions import Companions
from ..export import export
from ..graphs import graphs_of
from ..manager import Manager
from ..resolver import Claim, resolve
from ..types import Graph
from ..vocoder_files import LiveVocoder, VocoderFiles
from .snapshot import changes, snapshot
from .tiny import TinyModel

__all__ = ["Exhibit", "Specimen", "companions_of", "write_model"]

WEIGHTS = "valid.acc.ave.pth"
LM = "lm"  # folder of the language model, in the model's
VOCODER = "vocoder/checkpoint-1steps.pkl"  # likewise


@attrs.frozen
class Exhibit:
    """One graph of the plugin: what it claims to be, and what the bundle has of it."""

    label: str
    graph: Graph
    entry: GraphEntry


@attrs.frozen
class Specimen:
    """A tiny model and its bundle.

    Attributes:
        plugin: entry-point name of the plugin that is examined.
        model: what it was made from.
        folder: the model folder (config.yaml, weights).
        loaded: the live model.
        config_claim: the tree that the config.yaml alone gives.
        claim: the tree that the live model gives.
        bundle: the bundle's folder.
        manifest: what the bundle says of itself.
        changed: what the export changed in the live model, one line each.
        manager: the plugins in use.
        companions: what it decodes or speaks with, alive.
    """

    plugin: str
    model: TinyModel
    folder: Path
    loaded: loader.Loaded = attrs.field(repr=False)
    config_claim: Claim = attrs.field(repr=False)
    claim: Claim = attrs.field(repr=False)
    bundle: Path
    manifest: Manifest = attrs.field(repr=False)
    changed: Sequence[str]
    manager: Manager = attrs.field(repr=False)
    companions: Companions = attrs.field(factory=Companions, repr=False)

    @classmethod
    def make(
        cls, plugin: str, model: TinyModel, folder: Path, manager: Manager | None = None
    ) -> Specimen:
        """Build, export in fp32 and int8, and keep everything.

        Args:
            plugin: entry-point name of the plugin that is examined.
            model: the tiny model.
            folder: an empty folder to work in.
            manager: plugins to use; None finds the installed ones.

        Raises:
            EspnetOnnxError: ESPnet does not build the model, or it does not export.
        """
        manager = manager or Manager.load()
        source = sources.find(write_model(model, folder / "model"))
        loaded = loader.load_model(source, model.task)
        vocoder = None if model.vocoder is None else source.folder / VOCODER
        companions = Companions.of(extra=source.extra, vocoder=vocoder).load()
        live_vocoder = companions.vocoder
        before = snapshot(loaded.model)
        live = argparse.Namespace(
            model=loaded.model, train_args=argparse.Namespace(**loaded.config)
        )
        exported = export(
            live,
            folder / "bundle",
            task=loaded.task,
            lm=companions.lm or False,
            ngram=companions.ngram,
            vocoder=live_vocoder if isinstance(live_vocoder, LiveVocoder) else None,
            precision=("fp32", "int8"),
            keep_slower=True,
            threads=1,
            manager=manager,
        )
        return cls(
            plugin,
            model,
            folder / "model",
            loaded,
            _claim(source.config, loaded, companions_of(model, folder), manager, alive=False),
            _claim(loaded.config, loaded, companions, manager, alive=True),
            exported.bundle,
            exported.manifest,
            changes(before, snapshot(loaded.model)),
            manager,
            companions,
        )

    def exhibits(self) -> Iterator[Exhibit]:
        """Every graph of the plugin's own parts, made again over the live model."""
        for claim, entry in _pairs(self.claim, self.manifest.tree):
            if claim.plugin != self.plugin:
                continue
            for name, graph in graphs_of(claim, self.manager).items():
                yield Exhibit(f"{claim.path}.{name}".strip("."), graph, entry.graphs[name])


def write_model(model: TinyModel, folder: Path) -> Path:
    """A model folder with config.yaml, the files that it names, and weights that hide nothing.

    One that decodes with other models is laid out as a pack, whose meta.yaml names them.

    Args:
        folder: to be made; it is returned.
    """
    folder.mkdir(parents=True)
    for name, write in model.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(model.config)), "utf-8")
    source = sources.find(folder)
    task = model.task or components.root(source.config)[0].type
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        live, _ = loader.build_model(source.config, task, base=folder)
        _stir(live)
    torch.save(live.state_dict(), folder / WEIGHTS)
    if model.vocoder is not None:
        _write_vocoder(VocoderFiles(folder / VOCODER, model.vocoder))
    if model.lm is not None or model.ngram is not None:
        _pack(model, folder, task)
    return folder


def companions_of(model: TinyModel, folder: Path = Path()) -> Companions:
    """What a tiny model decodes with, from configs alone."""
    lm, ngram, vocoder = None, None, None
    if model.lm is not None:
        lm = sources.Source(LM, folder / LM, folder / LM / "config.yaml", config=model.lm)
    if model.ngram is not None:
        ngram = folder / model.ngram
    if model.vocoder is not None:
        vocoder = VocoderFiles(folder / VOCODER, model.vocoder)
    return Companions(lm, ngram, vocoder=vocoder)


def _write_vocoder(files: VocoderFiles) -> None:
    """What the ParallelWaveGAN toolkit leaves: config.yml and a checkpoint beside it."""
    files.weights.parent.mkdir(exist_ok=True)
    config = yaml.safe_dump(dict(files.config))
    files.weights.with_name("config.yml").write_text(config, "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        generator = files.build()
        _stir(generator)
    torch.save({"model": {"generator": generator.state_dict()}}, files.weights)


def _pack(model: TinyModel, folder: Path, task: str) -> None:
    """`espnet2.main_funcs.pack_funcs`, in place."""
    yaml_files = {f"{task}_train_config": "config.yaml"}
    files = {f"{task}_model_file": WEIGHTS}
    if model.lm is not None:
        write_model(TinyModel(LM, model.lm), folder / LM)
        yaml_files["lm_train_config"], files["lm_file"] = f"{LM}/config.yaml", f"{LM}/{WEIGHTS}"
    if model.ngram is not None:
        files["ngram_file"] = model.ngram
    meta = {"yaml_files": yaml_files, "files": files}
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta), "utf-8")


def _stir(live: torch.nn.Module) -> None:
    """Fresh biases and batch statistics are zeros and ones: an export could forget them unseen."""
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in live.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.3)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)


def _claim(
    config: Mapping[str, Any],
    loaded: loader.Loaded,
    companions: Companions,
    manager: Manager,
    *,
    alive: bool,
) -> Claim:
    root, _ = components.root(
        config,
        base=loaded.base,
        module=loaded.model if alive else None,
        task=loaded.task,
        companions=companions.components(config),
    )
    return resolve(root, manager)


def _pairs(claim: Claim, entry: NodeEntry) -> Iterator[tuple[Claim, NodeEntry]]:
    yield claim, entry
    for name, child in claim.children.items():
        yield from _pairs(child, entry.children[name])
