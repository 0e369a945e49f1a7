"""Packages of one language, imported when a text first needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...errors import InputError, one_line

__all__ = ["nltk_offline", "package"]


def package(module: str, extra: str, user: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: the module, dots included.
        extra: of espnet-onnx, that installs it; or another package's name, where no extra does.
        user: who needs it, for the message.

    Raises:
        InputError: it is not installed, or does not load.
    """
    wanted = f"'espnet-onnx[{extra}]'" if extra.startswith("text-") else extra
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{user} needs {module.partition('.')[0]} ({one_line(error)}): pip install {wanted},"
            " or give token ids"
        ) from error


@contextmanager
def nltk_offline(data: dict[str, str], extra: str, user: str) -> Iterator[None]:
    """Import a package that fetches NLTK data when it is imported, without a fetch.

    Args:
        data: folder of NLTK's data (`corpora`) -> what must be there (`cmudict`).
        extra: see `package`.
        user: who needs it.

    Raises:
        InputError: NLTK or some of the data is not installed.
    """
    nltk = package("nltk", extra, user)
    missing = [name for folder, name in data.items() if not _has(nltk, f"{folder}/{name}")]
    if missing:
        names = " ".join(missing)
        raise InputError(
            f"{user} needs NLTK's data {names}, which no package brings and nothing here fetches:"
            f" run python -m nltk.downloader {names}, or give token ids"
        )
    fetch, nltk.download = nltk.download, lambda *args, **options: False
    try:
        yield
    finally:
        nltk.download = fetch


def _has(nltk: Any, name: str) -> bool:
    for form in (f"{name}/", f"{name}.zip"):
        try:
            nltk.data.find(form)
        except LookupError:
            continue
        return True
    return False
