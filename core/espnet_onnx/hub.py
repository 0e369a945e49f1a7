"""A zoo tag becomes a folder or a zip: local caches first, then the download. No torch.

Names in espnet_model_zoo's table point to Zenodo; every other `org/name` is a Hugging Face
repository. Both packages belong to the export extra and are imported only when asked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .errors import ModelError, one_line

__all__ = ["fetch", "is_tag"]

_HUB = "https://huggingface.co/"
_TAG = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+(@[\w./-]+)?)?")


def is_tag(name: str) -> bool:
    """Whether a name could be a zoo tag or an address rather than a path."""
    return name.startswith("https://") or bool(_TAG.fullmatch(name))


def fetch(tag: str, cache: Path | None, *, local: bool = False) -> Path:
    """The folder (Hugging Face) or the zip (espnet_model_zoo's table) of a published model.

    Args:
        tag: `org/name`, `org/name@revision`, a name of espnet_model_zoo's table, or an address.
        cache: where both packages look and download to; None is each one's own cache.
        local: look only into the Hugging Face cache, without the network.

    Raises:
        ModelError: not found or not reachable; says which cache was looked at.
    """
    downloader = _downloader(cache)
    try:
        url = downloader.get_url(name=tag) if downloader else _HUB
        if url.startswith("http") and not url.startswith(_HUB):
            if local:
                raise ModelError(f"{tag}: is an archive, not a Hugging Face repository")
            # It looks into its own cache first.
            return Path(downloader.download(name=url, quiet=True))
        repository = (url.removeprefix(_HUB) if url.startswith(_HUB) else "") or tag
        return _snapshot(repository.removeprefix(_HUB).strip("/"), cache, local)
    except ModelError:
        raise
    # Whatever these packages, requests or httpx raise means the same: there is no such model here.
    except Exception as error:
        where = cache or f"the default caches ({_default_caches(downloader)})"
        raise ModelError(
            f"{tag}: not a path, not in {where} and not downloaded ({one_line(error)});"
            " check the name and the network, or give a folder or zip"
        ) from error


def _snapshot(tag: str, cache: Path | None, local: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ModelError(
            f"{tag}: no such file or folder, and a zoo tag needs huggingface-hub;"
            " install espnet-onnx[export]"
        ) from error
    repository, _, revision = tag.partition("@")
    if "/" not in repository:
        raise ModelError(f"{tag}: no such file or folder, and a zoo tag reads org/name; check it")
    folder: Any = snapshot_download(
        repository,
        revision=revision or None,
        cache_dir=cache,
        library_name="espnet",
        local_files_only=local,
    )
    return Path(folder)


def _downloader(cache: Path | None) -> Any:
    """espnet_model_zoo's ModelDownloader; None where the package is not installed."""
    try:
        from espnet_model_zoo.downloader import ModelDownloader
    except ImportError:
        return None
    try:
        return ModelDownloader(cache)
    except OSError as error:
        raise ModelError(f"espnet_model_zoo cannot use its cache ({one_line(error)})") from error


def _default_caches(downloader: Any) -> str:
    from huggingface_hub import constants

    own = [str(downloader.cachedir)] if downloader else []
    return ", ".join([str(constants.HF_HUB_CACHE), *own])
