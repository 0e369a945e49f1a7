"""Train a small voice on the speech of eSpeak NG: FastSpeech2 and a HiFi-GAN.

    python recipes/voice/train.py WORK

WORK gets the speech, both trainings (an interrupted one goes on) and `model`: ESPnet's own pack of
the acoustic model, unpacked, with the vocoder in its folder `hifigan`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import acoustic
import torch
import vocoder
import yaml
from espnet2.main_funcs.pack_funcs import pack
from prepare import G2P, prepare

from espnet_onnx.configs import read_yaml
from espnet_onnx.parts.text.g2p import load_g2p

__all__ = ["assemble", "main"]

CONF = Path(__file__).resolve().parent / "conf"
REFERENCES = ("digits-00000", "digits-00001", "sentences-00000", "sentences-00001")


def assemble(work: Path, weights: Path, checkpoint: Path) -> Path:
    """Put both models, and some of what they learnt to imitate, into WORK/model.

    The model's config extracts no pitch: that needs pyworld, and who only speaks extracts none.
    """
    archive, model, stats = work / "voice.zip", work / "model", acoustic.STATS / "train"
    with contextlib.chdir(work):
        names = (stats / f"{name}_stats.npz" for name in ("feats", "pitch", "energy"))
        pack(
            files={"model_file": weights.relative_to(work)},
            yaml_files={"train_config": acoustic.OUT / "config.yaml"},
            outpath=archive,
            option=[name for name in names if name.is_file()],
        )
    shutil.rmtree(model, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(model)
    archive.unlink()
    config = model / acoustic.OUT / "config.yaml"
    speaking = {**read_yaml(config), "pitch_extract": None}
    config.write_text(yaml.safe_dump(speaking, allow_unicode=True, sort_keys=False), "utf-8")
    for part in (checkpoint, *map(checkpoint.with_name, ("config.yml", "stats.npy"))):
        _copy(part, model / "hifigan")
    for name in REFERENCES:
        wave = work / "data" / name.split("-")[0] / "wav" / f"{name}.wav"
        if wave.is_file():
            _copy(wave, model / "reference")
    return model


def _copy(file: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / file.name)


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder to write to")
    parser.add_argument("--utterances", type=int, default=2400, help="to train on")
    parser.add_argument("--seed", type=int, default=0, help="of what is said")
    parser.add_argument("--acoustic", type=Path, default=CONF / "fastspeech2.yaml", help="config")
    parser.add_argument("--vocoder", type=Path, default=CONF / "hifigan.yaml", help="config")
    parser.add_argument("--threads", type=int, help="of torch; all cores where it is left out")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Speak, train both models, put them together."""
    args = _arguments(argv)
    work = args.work.resolve()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    load_g2p(G2P)  # ESPnet's own then finds eSpeak NG where this one did
    if not (work / "tokens.txt").is_file():
        prepare(work, args.utterances, args.seed)
    model = assemble(work, acoustic.train(work, args.acoustic), vocoder.train(work, args.vocoder))
    print(f"{model}: espnet-onnx export {model} --vocoder {model / 'hifigan'} -o BUNDLE")


if __name__ == "__main__":
    main()
