"""Write a HuBERT with random weights as s3prl writes the published ones.

    python recipes/digits/random_hubert.py WORK

WORK/hubert_base_ls960.pt has the size of the HuBERT of that name, for `conf/hubert.yaml`: enough
to take times and to try the steps, useless to recognise with.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from s3prl.upstream.hubert.hubert_model import (
    HubertConfig,
    HubertModel,
    HubertPretrainingConfig,
)

__all__ = ["NAME", "main", "write"]

NAME = "hubert_base_ls960.pt"


def write(path: Path, sizes: Mapping[str, Any]) -> None:
    """A checkpoint that s3prl's upstream `hubert_local` reads.

    Args:
        path: of the file.
        sizes: fields of s3prl's `HubertConfig` other than those of HuBERT base.
    """
    torch.manual_seed(0)
    config, task = HubertConfig(label_rate=50.0, **sizes), HubertPretrainingConfig(label_rate=50.0)
    symbols = [["0", "1"]]
    state = {
        "task_cfg": asdict(task),
        "model_cfg": asdict(config),
        "model_weight": HubertModel(config, task, symbols).state_dict(),
        "dictionaries_symbols": symbols,
    }
    torch.save(state, path)


def main(argv: Sequence[str] | None = None) -> None:
    """Write one of the size of HuBERT base."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that prepare.py wrote")
    args = parser.parse_args(argv)
    write(args.work / NAME, {})
    print(f"{args.work / NAME}: random weights")


if __name__ == "__main__":
    main()
