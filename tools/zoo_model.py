"""Model folders of small configs, with random weights that hide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from zoo_shrink import BERT, MELS, SPEAKING, STATS

__all__ = ["write_model"]

# Log mel bands: of what recognisers hear, and of what Griffin-Lim speaks from, to the base of ten.
HEARD, SPOKEN = (-8, 3), (-2, 0.5)


def write_model(config: dict[str, Any], task: str, folder: Path) -> Path:
    """A model folder: config.yaml, the files that it names, and weights that decide."""
    import torch

    from espnet_onnx import loader

    folder.mkdir()
    _write_files(config, task, folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        live, _ = loader.build_model(config, task, base=folder)
        with torch.no_grad():
            _stir(live)
    torch.save(live.state_dict(), folder / "valid.acc.ave.pth")
    return folder


def _stir(live: Any) -> None:
    """Fresh biases and batch statistics hide mistakes; fresh output layers tie or end at once."""
    import torch

    for parameter in live.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    for name, buffer in live.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    for name, module in live.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        if name.rpartition(".")[2] in ("output_layer", "ctc_lo", "output"):
            module.weight.mul_(4)
            module.bias[-1] = -30
        if name.endswith("duration_predictor.linear"):
            # Else hardly anything lasts. ESPnet says e^x - 1 frames, so weights must stay small.
            module.weight.mul_(0.3)
            module.bias.fill_(1.2)


def _write_files(config: dict[str, Any], task: str, folder: Path) -> None:
    rng = np.random.default_rng(0)
    confs = [config.get(f"{name}normalize_conf") or {} for name in ("", "pitch_", "energy_")]
    if any(conf.get("stats_file") == STATS for conf in confs):
        mean, deviation = SPOKEN if task in SPEAKING else HEARD
        feats = rng.normal(mean, deviation, (100, MELS)).astype(np.float32)
        np.savez(folder / STATS, count=100, sum=feats.sum(0), sum_square=(feats**2).sum(0))
    if config.get("postdecoder"):
        from espnet_onnx_plugin_slu.tiny import write_bert

        (folder / BERT).mkdir(parents=True)
        write_bert(folder / BERT / "config.json")
