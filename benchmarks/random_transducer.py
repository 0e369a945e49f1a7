"""Write a random transducer that speaks now and then, of the asr task or the standalone one.

    python benchmarks/random_transducer.py CONFIG MODEL speech1.flac ...

Its output layer is sharp, and the blank's bias such that before the first token the blank is the
best output in five of six frames of the recordings. Streams show their memory with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from inputs import RATE
from random_model import SCALE, write_model

from espnet_onnx import loader, sources
from espnet_onnx.configs import read_yaml
from espnet_onnx.parts.audio import read_audio
from espnet_onnx.types import Array

__all__ = ["bias_blank", "main"]

SILENT = 5 / 6


def main(argv: Sequence[str] | None = None) -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path, help="training config of a recipe, as in conf/")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("audio", type=Path, nargs="+", help="recordings")
    parser.add_argument("--vocab", type=int, default=500, help="number of tokens")
    args = parser.parse_args(argv)
    write_model(read_yaml(args.config), args.model, args.vocab)
    loaded = loader.load_model(sources.find(args.model))
    bias_blank(loaded.model, [read_audio(path, RATE).samples for path in args.audio])
    torch.save(loaded.model.state_dict(), args.model / "model.pth")


@torch.no_grad()
def bias_blank(model: Any, recordings: Sequence[Array]) -> None:
    """Let the blank be the best output in `SILENT` of all frames; changes the model.

    Args:
        model: a live `ESPnetASRModel` or `ESPnetASRTransducerModel`.
        recordings: (S,) samples each, at the model's rate.
    """
    joint, decoder = model.joint_network, model.decoder
    joint.lin_out.weight.mul_(SCALE)
    blank = decoder.embed(torch.tensor([[0]]))
    (start,), _ = decoder.rnn_forward(blank, decoder.init_state(1))
    gaps = []
    for samples in recordings:
        speech = torch.from_numpy(samples)[None]
        (frames,), _ = model.encode(speech, torch.tensor([len(samples)]))
        scores = joint(frames, start.expand(len(frames), -1))
        gaps.append(scores[:, 1:].max(1).values - scores[:, 0])
    joint.lin_out.bias[0] += torch.cat(gaps).quantile(SILENT)


if __name__ == "__main__":
    main()
