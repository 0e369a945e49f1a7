"""ESPnet's constructors of self-supervised models, without downloads and pickles."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

__all__ = ["untrained"]

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
