"""load -> resolve -> trace -> parity -> fuse -> parity -> quantise -> parity -> bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import importlib_metadata

from . import bundle as bundles
from . import loader, sources, static_quantiser
from .bundle import Manifest, NodeEntry
from .claims import claim_model
from .companions import Companions, Language, Vocoder
from .errors import CheckFailed, InputError, ModelError
from .graphs import GraphBuilder
from .manager import Manager, log
from .reference import settings
from .resolver import Claim
from .runtime import load, session_options
from .tracer import OPSET

if TYPE_CHECKING:
    from .dropin_export import ASRModelExport, TTSModelExport

__all__ = ["ASRModelExport", "Exported", "TTSModelExport", "export"]

PRECISIONS = ("fp32", "int8")


@attrs.frozen
class Exported:
    """What an export made.

    Attributes:
        bundle: the folder.
        manifest: what it says of itself.
        failed: graphs whose parity failed and which `keep_going` kept.
        dropped: checkpoint keys that no inference needs.
    """

    bundle: Path
    manifest: Manifest
    failed: Sequence[str] = ()
    dropped: Sequence[str] = ()


def export(
    model: Any,
    bundle: str | Path,
    *,
    task: str | None = None,
    precision: Sequence[str] = ("fp32",),
    prefer: Sequence[str] = (),
    without: Sequence[str] = (),
    role: str | None = None,
    lm: Language = None,
    ngram: str | Path | Literal[False] | None = None,
    vocoder: Vocoder = None,
    decoding: Mapping[str, Any] | None = None,
    keep_going: bool = False,
    keep_slower: bool = False,
    static_int8: bool = False,
    calibration: Sequence[Any] = (),
    overwrite: bool = False,
    threads: int | None = None,
    cache: str | Path | None = None,
    manager: Manager | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Turn an ESPnet model into a bundle. The model itself comes back unchanged.

    Args:
        model: a zoo tag, a packed zip, a model folder, or a live ESPnet `Speech2Text`.
        bundle: the folder to write; it appears whole or not at all.
        task: the ESPnet task that loads the model; None finds it from the config.
        precision: of "fp32" and "int8", the first is the bundle's default.
        prefer: plugins that win where two claim the same component.
        without: plugins to leave out.
        role: export only the first component of this role, as a bundle of its own.
        lm: language model to decode with: a folder, zip or tag, "CONFIG:FILE", or live; None
            takes the one that a pack brings, False none.
        ngram: n-gram model to decode with, an ARPA file or kenlm's binary; None and False likewise.
        vocoder: what makes sound of an acoustic model's features: a ParallelWaveGAN checkpoint or a
            folder with one; None and False are Griffin-Lim.
        decoding: search settings that become the bundle's defaults (`beam_size`, ...); None
            takes those of a live object, or ESPnet's own defaults.
        keep_going: keep graphs that fail parity; the manifest then names them.
        keep_slower: keep int8 graphs that ran slower here than fp32.
        static_int8: make the int8 also of graphs whose activations need calibrated ranges; without
            it these stay in fp32. The report says how much of the signal is left (`snr_db`).
        calibration: what the bundle is run on for that, as `load(bundle)` takes it (texts,
            recordings); a model that speaks can do without.
        overwrite: replace a bundle that is there already.
        threads: threads of the checks.
        cache: where zoo models and unpacked zips are kept.
        manager: plugins to use; None finds the installed ones.
        progress: told of each step.

    Raises:
        InputError: the model cannot be read, is not supported, or `bundle` cannot be written.
        CheckFailed: a graph's parity is outside its tolerance.
    """
    _known_precisions(precision)
    static_quantiser.check_request(precision, role, static_int8, calibration)
    session_options(threads)
    manager = manager or Manager.load(prefer=prefer, without=without)
    with bundles.staging(bundle, overwrite=overwrite) as folder:
        progress("load")
        loaded, companions, name = _load(model, lm, ngram, vocoder, task, role, cache, manager)
        claim = claim_model(loaded, companions, manager, role=role)
        search = _search(claim, model, decoding)
        builder = GraphBuilder(
            folder,
            manager,
            tuple(precision),
            threads,
            keep_going,
            keep_slower,
            progress,
            static_int8,
        )
        tree = _write_node(claim, builder)
        manifest = _manifest(tree, claim, builder, search, name)
        bundles.write_manifest(folder, manifest)
        if static_int8:
            _calibrate(builder, calibration)
            manifest = _manifest(tree, claim, builder, search, name)
            bundles.write_manifest(folder, manifest)
        progress("try the bundle")
        _try_out(folder, manifest, manager, threads)
    return Exported(Path(bundle), manifest, tuple(builder.failed), tuple(loaded.dropped))


def _known_precisions(precision: Sequence[str]) -> None:
    unknown = [p for p in precision if p not in PRECISIONS]
    if unknown or not precision:
        raise InputError(f"precision {', '.join(unknown) or '(none)'}: use fp32, int8 or both")


def _calibrate(builder: GraphBuilder, samples: Sequence[Any]) -> None:
    """Make the int8 of graphs that wait for what the bundle gives them."""
    names = [each.name for each in builder.waiting]
    if not names:
        log.warning("nothing in this model needs static int8: it made no difference")
        return
    builder.progress("run the bundle to calibrate")
    heard = static_quantiser.heard(builder.folder, names, samples, builder.manager, builder.threads)
    builder.calibrate(heard)


def _load(
    model: Any,
    lm: Language,
    ngram: str | Path | Literal[False] | None,
    vocoder: Vocoder,
    task: str | None,
    role: str | None,
    cache: str | Path | None,
    manager: Manager,
) -> tuple[loader.Loaded, Companions, str]:
    """The live models and a name; what nobody claims is said before ESPnet builds anything."""
    if not isinstance(model, str | Path):
        companions = Companions.beside(model, lm, ngram, vocoder).load()
        live = loader.from_live(model, task=task, lm=lm, vocoder=vocoder)
        return live, companions, type(model).__name__
    if task is not None:
        loader.task_class(task)
    source = sources.find(model, cache=cache)
    wanted = role in (None, *Companions.NAMES)
    companions = Companions.of(lm, ngram, source.extra if wanted else {}, vocoder)
    claim_model(source, companions, manager, task=task, role=role)
    left = companions.left if wanted else sorted(source.extra)
    if left:
        log.warning("%s: the bundle leaves out %s of the pack", source.name, ", ".join(left))
    return loader.load_model(source, task), companions.load(), source.name


def _search(claim: Claim, model: Any, decoding: Mapping[str, Any] | None) -> dict[str, Any]:
    """Every search setting of the bundle; none where the claim names none."""
    assert claim.part is not None
    defaults: Mapping[str, Any] = claim.part.config.get("decoding", {})
    unknown = [name for name in decoding or {} if name not in defaults]
    if unknown:
        have = ", ".join(defaults) or "none"
        raise InputError(f"decoding: no setting is called {', '.join(unknown)}; there are: {have}")
    if not defaults:
        return {}
    wanted = dict(settings(model) if decoding is None else decoding)
    if decoding is None:
        # A live search has weights of models that it does not have.
        for name in set(Companions.NAMES) - set(claim.children):
            wanted.pop(f"{name}_weight", None)
    return {**defaults, **{name: value for name, value in wanted.items() if name in defaults}}


def _write_node(claim: Claim, builder: GraphBuilder) -> NodeEntry:
    assert claim.part is not None and claim.plugin is not None
    graphs = builder.build(claim)
    files = {}
    for name, source in claim.part.files.items():
        if not source.is_file():
            what = claim.path or "the model"
            raise ModelError(f"{source}: no such file, which {what} needs as {name}: put it there")
        relative = f"files/{claim.path + '.' if claim.path else ''}{name}"
        (builder.folder / "files").mkdir(exist_ok=True)
        shutil.copyfile(source, builder.folder / relative)
        files[name] = relative
    children = {name: _write_node(c, builder) for name, c in claim.children.items()}
    config = {k: v for k, v in claim.part.config.items() if k not in ("decoding", "limits")}
    return NodeEntry(claim.part.kind, claim.plugin, config, graphs, files, children)


def _manifest(
    tree: NodeEntry,
    claim: Claim,
    builder: GraphBuilder,
    decoding: Mapping[str, Any],
    source: str,
) -> Manifest:
    folder = builder.folder
    files = {
        path.relative_to(folder).as_posix(): bundles.digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".pid", bundles.MANIFEST)
    }
    return Manifest(
        format=bundles.FORMAT,
        tree=tree,
        precisions=list(builder.precision),
        files=files,
        plugins=_plugins(claim, builder.manager),
        versions=_versions(),
        decoding=decoding,
        parity=list(builder.failed) or "passed",
        limits=_limits(claim),
        source=source,
        role=claim.component.role,
    )


def _limits(claim: Claim) -> dict[str, Any]:
    """What the parts cannot take, by the part's path and the limit's name."""
    return {
        f"{c.path}.{name}".strip("."): limit
        for c in claim.walk()
        if c.part is not None
        for name, limit in c.part.config.get("limits", {}).items()
    }


def _plugins(claim: Claim, manager: Manager) -> dict[str, dict[str, str]]:
    used = sorted({c.plugin for c in claim.walk() if c.plugin})
    return {
        name: {
            "distribution": manager.plugins[name].distribution,
            "version": manager.plugins[name].version,
        }
        for name in used
    }


def _versions() -> dict[str, str]:
    names = ("espnet-onnx", "espnet", "torch", "onnx", "onnxscript", "onnxruntime")
    versions = {"opset": str(OPSET)}
    for name in names:
        try:
            versions[name] = importlib_metadata.version(name)
        except importlib_metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def _try_out(folder: Path, manifest: Manifest, manager: Manager, threads: int | None) -> None:
    for precision in manifest.precisions:
        runtime = load(folder, precision=precision, threads=threads, manager=manager, verify=False)
        check = getattr(runtime, "self_check", None)
        if check is not None and (problem := check()):
            raise CheckFailed(f"the {precision} bundle does not run: {problem}")


def __getattr__(name: str) -> Any:
    if name in ("ASRModelExport", "TTSModelExport"):
        from . import dropin_export

        return getattr(dropin_export, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
