"""Train ASR as `espnet2.bin.asr_train` does, the frozen frontend on onnxruntime."""

from __future__ import annotations

from .task import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
