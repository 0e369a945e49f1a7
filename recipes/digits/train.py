"""Train a model on the prepared digits with ESPnet's own trainer, and pack it as ESPnet does.

    python recipes/digits/train.py CONFIG WORK

A config that names `lm` trains a language model on the transcripts, for decoding with the others.
`--onnx-frontend` runs a frozen frontend on onnxruntime meanwhile (conf/hubert.yaml).
Feature statistics go to WORK/stats, the trainer's files to WORK/exp/NAME, NAME being the config's;
the model appears as WORK/NAME.zip, ESPnet's own pack, and unpacked as WORK/models/NAME.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from espnet2.main_funcs.pack_funcs import pack
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.lm import LMTask

from espnet_onnx.checkpoint import load_state
from espnet_onnx.configs import read_yaml

__all__ = ["collect_command", "language_model_command", "main", "train_command"]

STATS = Path("stats")
TOKENS = ["--token_type=bpe", "--bpemodel=bpe.model", "--token_list=tokens.txt"]


def _common(config: str) -> list[str]:
    data = [
        f"--{split}_data_path_and_name_and_type={name}"
        for split in ("train", "valid")
        for name in (f"data/{split}/wav.scp,speech,sound", f"data/{split}/text,text,text")
    ]
    # Error rates while training would need the package editdistance.
    quiet = ["--model_conf=report_cer=false", "--model_conf=report_wer=false"]
    return [f"--config={config}", "--use_preprocessor=true", *quiet, *TOKENS, *data]


def collect_command(config: str) -> list[str]:
    """What asr.sh's stage 10 asks of `espnet2.bin.asr_train`: lengths and feature statistics."""
    keys = [f"--{split}_shape_file=data/{split}/wav.scp" for split in ("train", "valid")]
    return [*_common(config), *keys, "--collect_stats=true", f"--output_dir={STATS}"]


def train_command(config: str) -> list[str]:
    """What asr.sh's stage 11 asks of `espnet2.bin.asr_train`: train, then average the best."""
    lengths = [f"--{split}_shape_file={STATS / split}/speech_shape" for split in ("train", "valid")]
    return [
        *_common(config),
        *lengths,
        "--resume=true",
        *_normalisation(config),
        f"--output_dir=exp/{Path(config).stem}",
    ]


def _normalisation(config: str) -> list[str]:
    """By the statistics of the training set, unless the config has a way of its own."""
    if "normalize" in read_yaml(Path(config)):
        return []
    return [
        "--normalize=global_mvn",
        f"--normalize_conf=stats_file={STATS}/train/feats_stats.npz",
    ]


def language_model_command(config: str) -> list[str]:
    """What asr.sh's stage 7 asks of `espnet2.bin.lm_train`, on transcripts instead of a corpus."""
    data = [
        option
        for split in ("train", "valid")
        for option in (
            f"--{split}_data_path_and_name_and_type=data/{split}/text,text,text",
            f"--{split}_shape_file=data/{split}/text",
        )
    ]
    folder = f"--output_dir=exp/{Path(config).stem}"
    return [
        f"--config={config}",
        "--use_preprocessor=true",
        *TOKENS,
        *data,
        "--resume=true",
        folder,
    ]


def _train(command: list[str], onnx_frontend: str | None) -> None:
    if onnx_frontend is None:
        ASRTask.main(cmd=command)
        return
    from espnet_onnx_plugin_hubert.training import OnnxASRTask

    OnnxASRTask.main(cmd=[*command, f"--frontend_precision={onnx_frontend}"])


def _averaged(folder: Path) -> Path:
    """What the trainer's `average_nbest_models` wrote, without the links to it."""
    (link,) = folder.glob("valid.*.ave.pth")
    return link.resolve().relative_to(Path.cwd())


def _pack(name: str, *, language: bool, statistics: bool) -> Path:
    """`espnet2.bin.pack`, and its zip unpacked with the config's names left relative."""
    folder, archive, model = Path("exp") / name, Path(f"{name}.zip"), Path("models") / name
    weights, config = ("lm_file", "lm_train_config")
    if not language:
        weights, config = ("asr_model_file", "asr_train_config")
    pack(
        files={weights: _averaged(folder)},
        yaml_files={config: folder / "config.yaml"},
        outpath=archive,
        option=["bpe.model", *([STATS / "train" / "feats_stats.npz"] if statistics else [])],
    )
    shutil.rmtree(model, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(model)
    return model


def _halve(model: Path) -> None:
    """Keep the weights in float16: half the size, and ESPnet loads them as float32."""
    (weights,) = model.glob("exp/*/*.pth")
    state = load_state(weights)
    halved = {k: v.half() if v.is_floating_point() else v.clone() for k, v in state.items()}
    torch.save(halved, weights)


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path, help="training config, as conf/conformer.yaml")
    parser.add_argument("work", type=Path, help="folder that prepare.py wrote")
    parser.add_argument("--half", action="store_true", help="unpacked weights in float16")
    parser.add_argument(
        "--onnx-frontend",
        choices=("fp32", "int8"),
        help="run the frozen frontend on onnxruntime in this precision",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Collect statistics, train, pack. Training resumes where it was interrupted."""
    args = _arguments(argv)
    work = args.work.resolve()
    # Every name in the model's config is relative to the folder that is packed.
    config = shutil.copyfile(args.config, work / f"{args.config.stem}.yaml").name
    language = "lm" in read_yaml(args.config)
    with contextlib.chdir(work):
        if language:
            LMTask.main(cmd=language_model_command(config))
        else:
            ASRTask.main(cmd=collect_command(config))
            _train(train_command(config), args.onnx_frontend)
        statistics = not language and bool(_normalisation(config))
        model = _pack(args.config.stem, language=language, statistics=statistics)
        if args.half:
            _halve(model)
    print(f"{work / model}: espnet-onnx export {work / model} -o BUNDLE")


if __name__ == "__main__":
    main()
