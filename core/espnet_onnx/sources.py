"""MODEL as the user names it becomes a Source: files on disk. No torch, no espnet."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from .archives import cache_folder, unpack
from .configs import read_yaml, resolve_files
from .errors import ModelError
from .hub import fetch, is_tag

__all__ = ["Source", "find"]

_CONFIG = "config.yaml"
_META = "meta.yaml"
# What ESPnet's trainer leaves beside the weights that its recipes decode with.
_NOT_FINAL = re.compile(r"checkpoint|latest|\d+epoch")


@attrs.frozen
class Source:
    """An ESPnet model on disk.

    Attributes:
        name: short name for messages and manifests (a tag, or a file or folder name).
        folder: where file names of the config are resolved.
        config_path: the model's config.yaml.
        weights: the checkpoint; None if there is only a config.
        config: the config as read, with the files it names made absolute where they exist.
        extra: the other files that meta.yaml names (`lm_train_config`, `lm_file`, ...).
        yaml_files: all YAML files that meta.yaml names.
        hint: what meta.yaml's own key says about the task (`asr` of `asr_train_config`).
    """

    name: str
    folder: Path
    config_path: Path
    weights: Path | None = None
    config: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    extra: Mapping[str, Path] = attrs.field(factory=dict)
    yaml_files: Mapping[str, Path] = attrs.field(factory=dict)
    hint: str | None = None


def find(model: str | Path, *, cache: str | Path | None = None) -> Source:
    """Find a model's config and weights.

    Args:
        model: config.yaml; `*.pth` with a config.yaml beside it; model folder (`config.yaml` and
            `*.pth`); folder or zip that ESPnet's `pack` made; or a zoo tag.
        cache: folder for downloads and unpacked zips; by default the caches of huggingface_hub
            and espnet_model_zoo, and `$ESPNET_ONNX_CACHE` for unpacked zips.

    Raises:
        ModelError: one line that names what is missing or broken.
    """
    path = Path(model).expanduser()
    folder = Path(cache).expanduser() if cache is not None else None
    if path.is_dir():
        return _from_folder(path, path.resolve().name)
    if path.is_file():
        return _from_file(path, folder)
    if is_tag(str(model)) and path.suffix not in {".yaml", ".yml", ".zip", ".pth"}:
        return _from_tag(str(model), folder)
    raise ModelError(f"{model}: no such file or folder, and not a zoo tag; check the name")


def _from_file(path: Path, cache: Path | None) -> Source:
    if path.name == _META:
        return _from_pack(path.parent, path.parent.resolve().name)
    if path.suffix in {".yaml", ".yml"}:
        name = path.parent.resolve().name if path.name == _CONFIG else path.stem
        return _plain(name, path, None)
    if path.suffix == ".pth":
        return _plain(path.parent.resolve().name, path.parent / _CONFIG, path)
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"{path}: is not a zip, config.yaml or *.pth; give one of these, a folder or a zoo tag"
        )
    return _from_folder(unpack(path, cache or cache_folder()), path.stem)


def _from_tag(tag: str, cache: Path | None) -> Source:
    """The local copy if it is whole, else what the download brings; a cached config serves too."""
    cached = None
    with suppress(ModelError):
        cached = _from_fetched(tag, cache, local=True)
    if cached is not None and cached.weights is not None:
        return cached
    try:
        return _from_fetched(tag, cache, local=False)
    except ModelError:
        if cached is None:
            raise
        return cached


def _from_fetched(tag: str, cache: Path | None, *, local: bool) -> Source:
    path = fetch(tag, cache, local=local)
    source = _from_folder(path, tag) if path.is_dir() else _from_file(path, cache)
    return attrs.evolve(source, name=tag)


def _from_folder(folder: Path, name: str) -> Source:
    if (folder / _META).is_file():
        return _from_pack(folder, name)
    if (folder / _CONFIG).is_file():
        return _plain(name, folder / _CONFIG, _final_weights(folder))
    # A zip of a folder has that folder inside.
    inner = [path.parent for path in sorted(folder.glob(f"*/{_META}"))]
    if len(inner) == 1:
        return _from_pack(inner[0], name)
    raise ModelError(
        f"{folder}: has neither {_META} nor {_CONFIG}; give the folder that holds one of them"
    )


def _plain(name: str, config_path: Path, weights: Path | None) -> Source:
    """A config outside a pack names its files from the recipe's folder, some levels above it."""
    folder = config_path.parent.resolve()
    config = resolve_files(read_yaml(config_path), [folder, *folder.parents[:3]])
    return Source(name, folder, config_path, weights, config)


def _final_weights(folder: Path) -> Path | None:
    """The one checkpoint that ESPnet's recipes would decode with; None if there is none.

    They average the best epochs (`valid.acc.ave_10best.pth`) and link `valid.acc.ave.pth` to it.
    """
    found = sorted(folder.glob("*.pth"))
    final = [path for path in found if not _NOT_FINAL.fullmatch(path.stem)] or found
    averaged = [path for path in final if ".ave" in path.name]
    linked = [path for path in averaged if path.stem.endswith(".ave")]
    choice = linked or averaged or final
    if len({path.resolve() for path in choice}) > 1:
        names = ", ".join(path.name for path in choice)
        raise ModelError(f"{folder}: has several checkpoints ({names}); give the .pth file itself")
    return choice[0] if choice else None


def _from_pack(folder: Path, name: str) -> Source:
    """`espnet2.main_funcs.pack_funcs`: meta.yaml names the files, relative to its folder."""
    meta_path = folder / _META
    meta = read_yaml(meta_path)
    yaml_files = _named(meta_path, meta, "yaml_files")
    files = _named(meta_path, meta, "files")
    config_key = _config_key(meta_path, yaml_files)
    weights_key = _weights_key(config_key)
    weights = files.get(weights_key)
    config = resolve_files(read_yaml(yaml_files[config_key]), [folder.resolve()])
    return Source(
        name,
        folder.resolve(),
        yaml_files[config_key],
        weights if weights is not None and weights.is_file() else None,
        config,
        {k: v for k, v in {**yaml_files, **files}.items() if k not in (config_key, weights_key)},
        yaml_files,
        config_key.removesuffix("train_config").rstrip("_") or None,
    )


def _named(meta_path: Path, meta: Mapping[str, Any], key: str) -> dict[str, Path]:
    names = meta.get(key) or {}
    if not isinstance(names, dict) or not all(isinstance(v, str) for v in names.values()):
        raise ModelError(f"{meta_path}: `{key}` is not a mapping of file names; pack it again")
    if any(".." in Path(value).parts for value in names.values()):
        raise ModelError(f"{meta_path}: `{key}` leads out of its folder; pack the model again")
    # A file packed from elsewhere is listed with an absolute name and stored without the slash.
    return {str(k): meta_path.parent / v.lstrip("/") for k, v in names.items()}


def _config_key(meta_path: Path, yaml_files: Mapping[str, Path]) -> str:
    keys = [key for key in yaml_files if key.endswith("train_config")]
    models = [key for key in keys if not key.endswith("lm_train_config")] or keys
    if len(models) != 1:
        listed = ", ".join(yaml_files) or "nothing"
        raise ModelError(
            f"{meta_path}: names {listed} under yaml_files, where one *train_config is expected;"
            " give the model's config.yaml or .pth itself"
        )
    return models[0]


def _weights_key(config_key: str) -> str:
    prefix = config_key.removesuffix("train_config")
    return f"{prefix}file" if prefix.endswith("lm_") else f"{prefix}model_file"
