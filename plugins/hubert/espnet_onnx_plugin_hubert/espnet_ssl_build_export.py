"""Builds what `ESPnetSSLFrontend` holds, without its download and its checkpoint.

The checkpoint of the whole model holds the upstream's weights; of the upstream itself only the
config.yaml beside its own checkpoint is needed.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from espnet_onnx.errors import ModelError

from .espnet_ssl_claim import model_config, not_here

__all__ = ["untrained"]


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let `ESPnetSSLFrontend` build its upstream with random weights.

    Args:
        module: espnet2.asr.frontend.espnet_ssl.
    """
    original = module.ESPnetSSLFrontend.__init__

    @functools.wraps(original)
    def build(self: Any, *args: Any, **named: Any) -> None:
        name = (named.get("frontend_conf") or {}).get("path_or_url")
        if isinstance(name, str) and model_config(Path(name)) is None:
            raise ModelError(not_here(name))
        original(self, *args, **named)

    with (
        mock.patch.object(module.ESPnetSSLFrontend, "__init__", build),
        mock.patch.object(module, "SSLTask", _Untrained(module.SSLTask)),
    ):
        yield


class _Untrained:
    """Stands in for `SSLTask`."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def build_model_from_file(
        self, _config: object, checkpoint: str, device: str = "cpu"
    ) -> tuple[Any, argparse.Namespace]:
        """The model of the config beside the checkpoint, and its arguments."""
        config = {**self.task.get_default_config(), **(model_config(Path(checkpoint)) or {})}
        args = argparse.Namespace(**{**config, "init": None})
        return self.task.build_model(args).to(device), args
