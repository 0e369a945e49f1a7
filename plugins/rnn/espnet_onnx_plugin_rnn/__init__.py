"""rnn."""

from __future__ import annotations

ESPNET_ONNX_API = 1
KINDS: tuple[str, ...] = ()
