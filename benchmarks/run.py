"""Take every figure of the documents, one after another, on a machine that does nothing else.

    python benchmarks/run.py WORK --speech *.flac --digits TEST_SET [--trained MODEL] [--lm LM]
                             [--speaks MODEL...]

Models and bundles are kept in WORK and made where they are missing: give a fresh folder after a
change of the exporter. Then `python tools/generate_docs.py` brings the tables up to date.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from report import ROOT

__all__ = ["commands", "main"]

HERE = Path(__file__).resolve().parent
# What the plan asks.
FASTER = ["--fp32-faster", "7", "--int8-faster", "10"]
CONFORMER = [*FASTER, "--memory-share", "0.4"]
LIMITS = {"librispeech_conformer10": CONFORMER, "librispeech_transformer18": FASTER}
LM = "librispeech_lm"
# With it the beam is that of ESPnet's recipe.
WITH_LM = ["--name", "librispeech_conformer10_lm", "--beam-size", "20", "--int8-faster", "6"]
BATCH = ["--batch", "16", "--seconds", "10", "--no-quantised-espnet", "--warm-up", "1"]
IN_BATCHES = ["--name", "librispeech_conformer10_batch", *BATCH, "--int8-faster", "4"]
SPEAKS = ["--fp32-faster", "1", "--int8-faster", "1.5", "--memory-share", "0.4", "--sooner", "5"]
DEMO = ROOT / "core" / "espnet_onnx" / "data" / "demo" / "conformer"


def commands(
    work: Path,
    speech: Sequence[str],
    digits: Path | None,
    trained: Path,
    lm: Path | None = None,
    speaks: Sequence[Path] = (),
) -> list[list[str]]:
    """The command lines, without those for models that WORK has already."""
    found = []
    for name, limits in LIMITS.items():
        model, bundle = str(work / name), str(work / f"{name}.bundle")
        if not (work / name / "model.pth").is_file():
            found.append(["random_model", str(HERE / "conf" / f"{name}.yaml"), model])
        found.append(["end_to_end", model, bundle, *speech, *limits])
        found.append(["int8_quality", model, bundle, *speech])
        # Modules are timed on longer audio than the recordings may have.
        found.append(["modules", model, bundle, *speech, *speech])
    found += _with_lm(work, speech)
    name = next(iter(LIMITS))
    model, bundle = str(work / name), str(work / f"{name}.bundle")
    found.append(["end_to_end", model, bundle, *speech, *IN_BATCHES])
    found += [_speaks(work, model) for model in speaks]
    return found if digits is None else [*found, *_trained(work, trained, digits, lm)]


def _speaks(work: Path, model: Path) -> list[str]:
    """A model that speaks; a vocoder in its folder `vocoder` speaks on both sides."""
    vocoder = model / "vocoder"
    given = ["--vocoder", str(vocoder)] if vocoder.is_dir() else []
    return ["speech", str(model), str(work / f"{model.name}.bundle"), *given, *SPEAKS]


def _trained(work: Path, trained: Path, digits: Path, lm: Path | None) -> list[list[str]]:
    """The trained Conformer on its test set, and with the recipe's language model."""
    name = ["--name", "digits_conformer"]
    given = [str(trained), str(work / "digits.bundle"), str(digits), *name]
    found = [["digits", *given], ["long_audio", *given]]
    if lm is not None:
        given = [str(trained), str(work / "digits_lm.bundle"), str(digits)]
        search = ["--name", "digits_conformer_lm", "--beams", "10"]
        found.append(["digits", *given, "--lm", str(lm), *search])
    return found


def _with_lm(work: Path, speech: Sequence[str]) -> list[list[str]]:
    """The Conformer once more, with a language model."""
    name = next(iter(LIMITS))
    found, bundle = [], str(work / f"{name}_lm.bundle")
    if not (work / LM / "model.pth").is_file():
        found.append(["random_model", str(HERE / "conf" / f"{LM}.yaml"), str(work / LM)])
    race = ["end_to_end", str(work / name), bundle, *speech, "--lm", str(work / LM), *WITH_LM]
    return [*found, race]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all; 1 if a check failed anywhere."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for models and bundles")
    parser.add_argument("--speech", nargs="+", required=True, help="10 s of recordings or more")
    parser.add_argument("--digits", type=Path, help="test set of the trained model")
    parser.add_argument("--trained", type=Path, default=DEMO, help="default: the shipped model")
    parser.add_argument("--lm", type=Path, help="language model that recipes/digits trained")
    parser.add_argument("--speaks", nargs="+", type=Path, default=[], help="models that speak")
    args = parser.parse_args(argv)
    failed = []
    given = (args.work, args.speech, args.digits, args.trained, args.lm, args.speaks)
    for script, *arguments in commands(*given):
        print("==", script, *arguments, flush=True)
        command = [sys.executable, str(HERE / f"{script}.py"), *arguments]
        if subprocess.run(command, check=False).returncode:
            failed.append(f"{script} {Path(arguments[0]).name}")
    print("failed:", ", ".join(failed) or "nothing")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
