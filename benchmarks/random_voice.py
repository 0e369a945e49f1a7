"""Write a full-size model that speaks, or a vocoder, with random weights, for speed and parity.

    python benchmarks/random_voice.py benchmarks/conf/ljspeech_vits.yaml MODEL
    python benchmarks/random_voice.py benchmarks/conf/hifigan_v1.yml MODEL/vocoder

Weights are random with seed 0, but activations of generators stay near one and their wave near a
third of full scale, as silence would make every comparison pass; the duration predictor says some
eight frames a token. A vocoder is written as ParallelWaveGAN's trainer does.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from espnet_onnx.configs import read_yaml
from espnet_onnx.loader import build_model

__all__ = ["main", "write_vocoder", "write_voice"]

# Frames a token; how far tokens differ.
FRAMES, SPREAD = 8.0, 0.35
LOUDNESS = 0.3
BANDS, TOKENS = 80, 78
STATS = "feats_stats.npz"
# ParallelWaveGAN's class -> ESPnet's module of the same one.
GENERATORS = {"HiFiGANGenerator": "hifigan", "MelGANGenerator": "melgan"}


def write_voice(config: Mapping[str, Any], folder: Path) -> float:
    """Write `config.yaml`, `model.pth` and feature statistics; returns millions of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    end_to_end = config["tts"] in ("vits", "jets")
    tokens = ["<blank>", "<unk>", *(f"p{i}" for i in range(TOKENS - 3)), "<sos/eos>"]
    complete = {**config, "token_type": "char", "token_list": tokens, "init": None}
    if not end_to_end:
        feats = _features()
        totals = {"count": len(feats), "sum": feats.sum(0), "sum_square": (feats**2).sum(0)}
        np.savez(folder / STATS, **totals)  # type: ignore[arg-type]
        complete |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": STATS}}
    torch.manual_seed(0)
    model, _ = build_model(complete, "gan_tts" if end_to_end else "tts", base=folder)
    _speaks(model.tts)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(complete), "utf-8")
    return sum(p.numel() for p in model.tts.parameters()) / 1e6


def write_vocoder(config: Mapping[str, Any], folder: Path) -> float:
    """Write `config.yml`, a checkpoint and `stats.npy`; returns millions of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    kind, params = config["generator_type"], config["generator_params"]
    cls = getattr(importlib.import_module(f"espnet2.gan_tts.{GENERATORS[kind]}"), kind)
    known = inspect.signature(cls.__init__).parameters
    torch.manual_seed(0)
    generator = cls(**{name: value for name, value in params.items() if name in known})
    _sounds(generator, BANDS)
    state = {"model": {"generator": generator.state_dict()}}
    torch.save(state, folder / "checkpoint-1steps.pkl")
    feats = _features()
    np.save(folder / "stats.npy", np.stack([feats.mean(0), feats.std(0)]).astype(np.float32))
    (folder / "config.yml").write_text(yaml.safe_dump(dict(config)), "utf-8")
    return sum(p.numel() for p in generator.parameters()) / 1e6


def _features() -> np.ndarray[Any, Any]:
    return np.random.RandomState(0).randn(1000, BANDS) * 1.5 - 2


@torch.no_grad()
def _speaks(tts: Any) -> None:
    """Durations, and generators, of a live model."""
    generator = getattr(tts, "generator", None)
    if hasattr(generator, "decoder") and hasattr(generator, "flow"):
        _flows(generator)
        _sounds(generator.decoder, generator.decoder.input_conv.in_channels)
        return
    _durations((tts if generator is None else generator).duration_predictor)
    if generator is not None:
        _sounds(generator.generator, generator.generator.input_conv.in_channels)


def _flows(generator: Any) -> None:
    """A stochastic duration predictor whose last layer says log(frames), and no still flows."""
    parts = (generator.flow, generator.duration_predictor)
    for name, weight in (pair for part in parts for pair in part.named_parameters()):
        if name.endswith("proj.weight"):
            weight.normal_(0, 0.3 / math.sqrt(weight.shape[1]))
    affine = next(flow for flow in generator.duration_predictor.flows if hasattr(flow, "logs"))
    affine.m.fill_(-math.log(FRAMES))
    affine.logs.fill_(1.0)


def _durations(predictor: Any) -> None:
    # Behind a layer norm: its input has unit variance.
    width = predictor.linear.in_features
    predictor.linear.weight.normal_(0, SPREAD / math.sqrt(width))
    predictor.linear.bias.fill_(math.log(FRAMES + predictor.offset))


@torch.no_grad()
def _sounds(generator: Any, width: int) -> None:
    """Draw a generator's weights by fan-in, then scale the last so that its wave is heard."""
    layers = [m for m in generator.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d)]
    for layer in layers:
        fan = layer.in_channels * layer.kernel_size[0]
        up = isinstance(layer, nn.ConvTranspose1d)
        # Residual blocks add up; what is stretched is spread over strides.
        gain = 1.4 * math.sqrt(layer.stride[0]) if up else 0.5 if _residual(layer) else 1.0
        _draw(layer, gain / math.sqrt(fan))
        if layer.bias is not None:
            layer.bias.normal_(0, 0.02)
    last = next(layer for layer in reversed(layers) if isinstance(layer, nn.Conv1d))
    before: list[Any] = []
    hook = last.register_forward_hook(lambda _module, _inputs, out: before.append(out))
    generator.eval().inference(torch.randn(60, width, generator=torch.Generator().manual_seed(1)))
    hook.remove()
    getattr(last, "weight_g", last.weight).mul_(LOUDNESS / float(before[0].std()))
    if last.bias is not None:
        last.bias.zero_()


def _residual(layer: Any) -> bool:
    return bool(layer.in_channels == layer.out_channels)


def _draw(layer: Any, std: float) -> None:
    if not hasattr(layer, "weight_v"):
        layer.weight.normal_(0, std)
        return
    layer.weight_v.normal_(0, std)
    layer.weight_g.copy_(layer.weight_v.flatten(1).norm(dim=1)[:, None, None])


def main(argv: Sequence[str] | None = None) -> None:
    """Write one model or vocoder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path, help="training config of a recipe, as in conf/")
    parser.add_argument("folder", type=Path, help="what to write")
    args = parser.parse_args(argv)
    config = read_yaml(args.config)
    write = write_vocoder if "generator_type" in config else write_voice
    print(f"{args.folder}: {write(config, args.folder):.1f}M parameters")


if __name__ == "__main__":
    main()
