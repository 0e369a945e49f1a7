"""Write a full-size ESPnet model folder with random weights, for speed and parity.

    python benchmarks/random_model.py benchmarks/conf/librispeech_conformer10.yaml MODEL

A recogniser, or where the config names `lm` a language model over the same tokens.
Weights are ESPnet's own initialisation with seed 0. Output layers are scaled by 8 and <eos> gets
a bias of -30, so that a search neither ends early nor ties; feature statistics are fixed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from espnet_onnx.configs import read_yaml
from espnet_onnx.loader import build_model

__all__ = ["main", "write_model"]

SCALE = 8.0
EOS_BIAS = -30.0
# What names a task that is not asr.
_TASKS = {"lm": "lm", "joint_network_conf": "asr_transducer"}
STATS = "feats_stats.npz"
FRAMES, BANDS = 1000, 80  # of the made-up features whose statistics are written


def write_model(config: Mapping[str, Any], folder: Path, vocab: int = 5000) -> float:
    """Write `config.yaml`, `model.pth` and, of a recogniser, feature statistics.

    Args:
        config: a recipe's training config.
        folder: is made where it does not exist.
        vocab: number of tokens.

    Returns:
        Millions of parameters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    task = next((task for key, task in _TASKS.items() if key in config), "asr")
    complete = {
        **config,
        "init": None,
        "token_type": "word",
        "bpemodel": None,
        "token_list": ["<blank>", "<unk>", *(f"t{i}" for i in range(vocab - 3)), "<sos/eos>"],
    }
    if task != "lm":
        _write_statistics(folder / STATS)
        normalize = {"normalize": "global_mvn", "normalize_conf": {"stats_file": STATS}}
        complete |= {"input_size": None, **normalize}
    torch.manual_seed(0)
    model, _ = build_model(complete, task, base=folder)
    _sharpen(model)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(complete), "utf-8")
    return sum(p.numel() for p in model.parameters()) / 1e6


def _write_statistics(path: Path) -> None:
    feats = np.random.RandomState(0).randn(FRAMES, BANDS) * 3 - 8
    np.savez(path, count=FRAMES, sum=feats.sum(0), sum_square=(feats**2).sum(0))


@torch.no_grad()
def _sharpen(model: Any) -> None:
    """Make the output layers decisive, and <eos> the last choice."""
    decoder, ctc = getattr(model, "decoder", None), getattr(model, "ctc", None)
    outputs = [getattr(decoder, "output_layer", None), getattr(ctc, "ctc_lo", None)]
    for layer in (*outputs, getattr(getattr(model, "lm", None), "decoder", None)):
        if layer is not None:
            layer.weight.mul_(SCALE)
            layer.bias[-1] = EOS_BIAS


def main(argv: Sequence[str] | None = None) -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path, help="training config of a recipe, as in conf/")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("--vocab", type=int, default=5000, help="number of tokens")
    args = parser.parse_args(argv)
    millions = write_model(read_yaml(args.config), args.model, args.vocab)
    print(f"{args.model}: {millions:.1f}M parameters")


if __name__ == "__main__":
    main()
