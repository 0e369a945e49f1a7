"""Train an acoustic model with ESPnet's own trainer on what `prepare` wrote.

`stats` of the work folder gets statistics, and pitch and energy where the config extracts them,
`exp/acoustic` what the trainer writes; an interrupted training goes on.
"""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path

from espnet2.tasks.tts import TTSTask
from prepare import G2P

from espnet_onnx.configs import read_yaml
from espnet_onnx.errors import InputError

__all__ = ["OUT", "STATS", "collect_command", "train", "train_command"]

STATS = Path("stats")
OUT = Path("exp/acoustic")
_SPLITS = ("train", "valid")
_FILES = ("wav.scp,speech,sound", "text,text,text", "durations,durations,text_int")


def _data(split: str, *files: str) -> list[str]:
    return [f"--{split}_data_path_and_name_and_type={file}" for file in files]


def _common(config: Path) -> list[str]:
    data = [
        option
        for split in _SPLITS
        for option in _data(split, *(f"data/{split}/{file}" for file in _FILES))
    ]
    text = ["--token_type=phn", f"--g2p={G2P}", "--cleaner=none", "--token_list=tokens.txt"]
    return [f"--config={config}", "--use_preprocessor=true", "--ngpu=0", *text, *data]


def _extracted(config: Path) -> list[str]:
    """What is measured of each token."""
    return [name for name in ("pitch", "energy") if read_yaml(config).get(f"{name}_extract")]


def collect_command(config: Path) -> list[str]:
    """What tts.sh's stage 6 asks of `espnet2.bin.tts_train`; keeps what is measured, too."""
    keys = [f"--{split}_shape_file=data/{split}/wav.scp" for split in _SPLITS]
    plain = ["--normalize=none", *(f"--{name}_normalize=none" for name in _extracted(config))]
    kept = ["--write_collected_feats=true", "--collect_stats=true", f"--output_dir={STATS}"]
    return [*_common(config), *keys, *plain, *kept]


def train_command(config: Path) -> list[str]:
    """What tts.sh's stage 7 asks of `espnet2.bin.tts_train`."""
    names = _extracted(config)
    lengths, measured = [], []
    for split in _SPLITS:
        folder = STATS / split
        lengths += [f"--{split}_shape_file={folder}/{name}_shape" for name in ("text", "speech")]
        files = [f"{folder}/collect_feats/{name}.scp,{name},npy" for name in names]
        measured += _data(split, *files)
    statistics = [
        f"--{prefix}normalize_conf=stats_file={STATS}/train/{name}_stats.npz"
        for prefix, name in [("", "feats"), *((f"{name}_", name) for name in names)]
    ]
    end = ["--resume=true", f"--output_dir={OUT}"]
    return [*_common(config), *lengths, *measured, *statistics, *end]


def train(work: Path, conf: Path) -> Path:
    """Train all epochs; returns the average of the best.

    Args:
        work: folder that `prepare` wrote.
        conf: config, as conf/fastspeech2.yaml.

    Raises:
        InputError: the config extracts pitch, for which ESPnet needs pyworld, and there is none.
    """
    config = conf.resolve()
    if read_yaml(config).get("pitch_extract") == "dio" and find_spec("pyworld") is None:
        raise InputError("pyworld is missing, by which ESPnet measures pitch: pip install pyworld")
    with contextlib.chdir(work):
        if not (STATS / "train" / "feats_stats.npz").is_file():
            TTSTask.main(cmd=collect_command(config))
        TTSTask.main(cmd=train_command(config))
        return (OUT / "valid.loss.ave.pth").resolve()
