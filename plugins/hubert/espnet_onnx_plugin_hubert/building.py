"""ESPnet's constructors of self-supervised models, without downloads and pickles."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest import mock

__all__ = ["untrained", "within"]

# ESPnet's module -> ours, whose context manager `untrained(module)` lets the constructors of that
# module build random weights. Imported only where a model's task has imported ESPnet's.
_BUILDERS = {
    "espnet2.asr.frontend.espnet_ssl": ".espnet_ssl_build_export",
    "espnet2.asr.encoder.hubert_encoder": ".fairseq_build_export",
    "espnet2.asr.encoder.wav2vec2_encoder": ".fairseq_build_export",
    "espnet2.asr.frontend.fused": ".fused_build_export",
    "espnet2.asr.frontend.huggingface": ".huggingface_build_export",
    "espnet2.asr.frontend.s3prl": ".s3prl_build_export",
}


@contextmanager
def untrained() -> Iterator[None]:
    """Let ESPnet build them with random weights; a checkpoint holds the trained ones."""
    with ExitStack() as stack:
        for name, ours in _BUILDERS.items():
            if name in sys.modules:
                builder = import_module(ours, __package__)
                stack.enter_context(builder.untrained(sys.modules[name]))
        yield


def within(cls: Any, context: Callable[[], AbstractContextManager[Any]]) -> Any:
    """A context manager in which every object of a class is built inside a `context()` of its own.

    So what an object needs is imported and replaced only if one is really built.
    """
    original = cls.__init__

    @functools.wraps(original)
    def build(self: Any, *args: Any, **named: Any) -> None:
        with context():
            original(self, *args, **named)

    return mock.patch.object(cls, "__init__", build)
