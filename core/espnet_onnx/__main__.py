"""`python -m espnet_onnx` is the command `espnet-onnx`."""

from .cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
