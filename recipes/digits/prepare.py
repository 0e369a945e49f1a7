"""Make connected digits out of the Free Spoken Digit Dataset, and sentencepiece tokens.

    python recipes/digits/prepare.py FSDD WORK

FSDD holds `{digit}_{speaker}_{index}.wav`. In WORK appear Kaldi-style `data/{train,valid,test}`,
`bpe.model` and `tokens.txt`, all with names relative to WORK.

Shapes: S samples.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import sentencepiece
import soundfile
import soxr

from espnet_onnx.errors import InputError
from espnet_onnx.types import Array

__all__ = ["SPLITS", "Mixer", "main", "recordings"]

RATE = 16000
WORDS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
# Indices of the recordings; the first two are the dataset's own held-out ones.
SPLITS = {"test": range(5), "valid": range(5, 10), "train": range(10, 50)}
LONGEST = 7  # digits an utterance
PAUSE = (0.02, 0.25)  # seconds before, between and after digits
GAIN = (0.6, 1.0)  # of a digit within its utterance
PEAK = (0.3, 0.5)  # of an utterance
NOISE = (-4.0, -2.5)  # standard deviation, power of ten
PIECES = 30
_NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")


def recordings(folder: Path, indices: Sequence[int]) -> dict[str, dict[int, list[Path]]]:
    """Files by speaker and digit, those of the given indices.

    Raises:
        InputError: a speaker lacks a digit, or there is no recording at all.
    """
    found: dict[str, dict[int, list[Path]]] = {}
    for path in sorted(folder.glob("*.wav")):
        name = _NAME.fullmatch(path.name)
        if name and int(name[3]) in indices:
            found.setdefault(name[2], {}).setdefault(int(name[1]), []).append(path)
    lacking = [speaker for speaker, digits in found.items() if len(digits) < len(WORDS)]
    if lacking or not found:
        who = f"{lacking[0]} did not say every digit" if lacking else "there is none"
        raise InputError(
            f"{folder}: of recordings {indices[0]} to {indices[-1]} {who}: "
            "give the dataset's folder `recordings`"
        )
    return found


@attrs.define
class Mixer:
    """Utterances of one split, from one random stream.

    Attributes:
        files: what `recordings` found.
        rng: decides everything.
    """

    files: Mapping[str, Mapping[int, Sequence[Path]]]
    rng: np.random.Generator
    _read: dict[Path, Array] = attrs.field(factory=dict, init=False)

    def __call__(self) -> tuple[str, str, Array]:
        """Speaker, transcript and (S,) samples of a new utterance."""
        speaker = str(self.rng.choice(list(self.files)))
        digits = self.rng.integers(len(WORDS), size=self.rng.integers(1, LONGEST + 1))
        pieces = [self._pause()]
        for digit in digits:
            choices = self.files[speaker][int(digit)]
            spoken = self._recording(choices[int(self.rng.integers(len(choices)))])
            pieces += [spoken * self.rng.uniform(*GAIN), self._pause()]
        wave = np.concatenate(pieces)
        wave *= self.rng.uniform(*PEAK) / max(float(np.abs(wave).max()), 1e-5)
        wave += self.rng.normal(0, 10 ** self.rng.uniform(*NOISE), len(wave))
        return speaker, " ".join(WORDS[digit] for digit in digits), wave

    def _pause(self) -> Array:
        return np.zeros(int(RATE * self.rng.uniform(*PAUSE)))

    def _recording(self, path: Path) -> Array:
        if path not in self._read:
            samples, rate = soundfile.read(path)
            self._read[path] = soxr.resample(samples, rate, RATE, quality="HQ")
        return self._read[path]


def _write_split(mixer: Mixer, split: str, count: int, work: Path) -> list[str]:
    """Write `data/SPLIT`; returns the transcripts."""
    audio = work / "data" / split / "wav"
    audio.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        speaker, text, wave = mixer()
        name = f"{speaker}-{split}-{i:05d}"
        soundfile.write(audio / f"{name}.wav", wave, RATE, subtype="PCM_16")
        rows.append((name, text, speaker))
    rows.sort()
    _table(audio.parent / "wav.scp", [(n, f"data/{split}/wav/{n}.wav") for n, _, _ in rows])
    _table(audio.parent / "text", [(n, text) for n, text, _ in rows])
    _table(audio.parent / "utt2spk", [(n, speaker) for n, _, speaker in rows])
    return [text for _, text, _ in rows]


def _table(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    path.write_text("".join(f"{key} {value}\n" for key, value in rows), "utf-8")


def _write_tokens(texts: Sequence[str], work: Path) -> None:
    """A unigram model of whole words and letters; the token list as ESPnet's asr.sh orders it."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*texts, *WORDS]),
        model_prefix=str(work / "bpe"),
        model_type="unigram",
        vocab_size=PIECES,
        character_coverage=1.0,
        hard_vocab_limit=False,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    (work / "bpe.vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(work / "bpe.model"))
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    tokens = ["<blank>", "<unk>", *(p for p in pieces if p != "<unk>"), "<sos/eos>"]
    (work / "tokens.txt").write_text("\n".join(tokens) + "\n", "utf-8")


def _arguments(argv: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fsdd", type=Path, help="folder of the dataset's recordings")
    parser.add_argument("work", type=Path, help="folder to write to")
    parser.add_argument("--train", type=int, default=3000, help="training utterances")
    parser.add_argument("--valid", type=int, default=200, help="validation utterances")
    parser.add_argument("--test", type=int, default=300, help="test utterances")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Write all three splits and the tokens."""
    args = _arguments(argv)
    for number, (split, indices) in enumerate(SPLITS.items()):
        files = recordings(args.fsdd, indices)
        mixer = Mixer(files, np.random.default_rng([args.seed, number]))
        texts = _write_split(mixer, split, getattr(args, split), args.work)
    _write_tokens(texts, args.work)
    print(
        f"{args.work}: {args.train} training, {args.valid} validation, {args.test} test utterances"
    )


if __name__ == "__main__":
    main()
