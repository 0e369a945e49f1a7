"""Speech of eSpeak NG with its texts, and how long each token of them sounds.

In WORK appear Kaldi-style `data/{train,valid,digits,sentences}`, the last two held out, with
`durations` in frames beside `text`, and `tokens.txt`; all names are relative to WORK. What trains
has durations: other utterances are left out.

Shapes: S samples, L tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import soundfile
import soxr
from espeak import Espeak, Phone
from texts import HELD_OUT, Writer

from espnet_onnx.parts.text.g2p import load_g2p
from espnet_onnx.types import Array

__all__ = ["G2P", "HOP", "RATE", "frames", "marks", "prepare"]

RATE = 16000
HOP = 256
G2P = "espeak_ng_english_us_vits"
SPACE = "<space>"
SILENT = frozenset({SPACE, *",.!?"})
STRESS = frozenset("ˈˌ")
HELD_OUT_SPLITS = ("digits", "sentences")  # which need no durations


def marks(tokens: Sequence[str], phones: Sequence[Phone], end: int) -> list[int] | None:
    """Where each of (L,) tokens starts, in samples, or None where eSpeak said other sounds.

    The characters of a phone share it evenly, stress marks take none of it, and silence belongs to
    the last space or mark before the next sound.
    """
    sounds = [phone for phone in phones if phone.ipa.strip()]
    if "".join(p.ipa for p in sounds) != "".join(t for t in tokens if t not in SILENT):
        return None
    starts: list[int] = []
    last = 0  # where the sound before ends
    remaining = iter(_sounding(phones, end))
    due: list[int] = []
    for token in tokens:
        if token in SILENT:
            starts.append(last)
        else:
            if not due:
                due, last = next(remaining)
            starts.append(due.pop(0))
    return [0, *starts[1:]]


def _sounding(phones: Sequence[Phone], end: int) -> Iterator[tuple[list[int], int]]:
    """Of each phone that sounds, where its characters start and where it ends."""
    for i, phone in enumerate(phones):
        if not phone.ipa.strip():
            continue
        # The event of a word's end can come with the start of its last phone.
        later = [p.start for p in phones[i + 1 :] if p.start > phone.start or p.ipa.strip()]
        stop = later[0] if later else end
        parts = sum(c not in STRESS for c in phone.ipa)
        before = [sum(c not in STRESS for c in phone.ipa[:k]) for k in range(len(phone.ipa))]
        yield [phone.start + (stop - phone.start) * n // parts for n in before], stop


def frames(starts: Sequence[int], rate: int, samples: int) -> list[int]:
    """How many frames each of (L,) tokens and the end of sentence have.

    Args:
        starts: of the tokens, in samples of `rate`.
        rate: that they were counted at, in Hz.
        samples: of the utterance at `RATE`.
    """
    count = samples // HOP + 1  # of `LogMelFbank`, which centres them
    bounds = [min(count, round(start * RATE / rate / HOP)) for start in starts]
    return [b - a for a, b in pairwise([*bounds, count])] + [0]


@attrs.frozen
class _Utterance:
    text: str
    tokens: tuple[str, ...]
    durations: tuple[int, ...]
    wave: Array


class _Reader:
    """Texts to utterances.

    phonemizer speaks what stands between two commas by itself, eSpeak NG the whole: now and then
    ("one,") they stress a word differently, and then there are no durations.
    """

    def __init__(self) -> None:
        self.espeak = Espeak.start()
        self.tokens = load_g2p(G2P)

    def __call__(self, text: str) -> _Utterance:
        tokens, spoken = tuple(self.tokens(text)), self.espeak(text)
        starts = marks(tokens, spoken.phones, len(spoken.wave))
        wave = soxr.resample(spoken.wave, self.espeak.rate, RATE, quality="HQ")
        durations = [] if starts is None else frames(starts, self.espeak.rate, len(wave))
        return _Utterance(text, tokens, tuple(durations), wave)


def _write_split(split: str, said: Sequence[_Utterance], work: Path) -> None:
    audio = work / "data" / split / "wav"
    audio.mkdir(parents=True, exist_ok=True)
    names = [f"{split}-{i:05d}" for i in range(len(said))]
    for name, utterance in zip(names, said, strict=True):
        soundfile.write(audio / f"{name}.wav", utterance.wave, RATE, subtype="PCM_16")
    columns = {
        "wav.scp": [f"data/{split}/wav/{name}.wav" for name in names],
        "text": [utterance.text for utterance in said],
        "durations": [" ".join(map(str, utterance.durations)) for utterance in said],
    }
    for file, values in columns.items():
        rows = zip(names, values, strict=True)
        (audio.parent / file).write_text("".join(f"{k} {v}\n" for k, v in rows), "utf-8")


def _texts(writer: Writer, digits: int, sentences: int) -> list[str]:
    return [writer.digits() for _ in range(digits)] + [writer.sentence() for _ in range(sentences)]


def prepare(work: Path, count: int = 2400, seed: int = 0) -> None:
    """Write every split and the tokens.

    Args:
        work: folder to write to.
        count: of training utterances, a quarter of them digits.
        seed: decides what is said.

    Raises:
        InputError: `text-espeak` is not installed.
    """
    read, writer = _Reader(), Writer(np.random.default_rng(seed))
    texts = {
        "train": _texts(writer, count // 4, count - count // 4),
        "valid": _texts(writer, 8, 24),
        "digits": [writer.dictated() for _ in range(60)],
        "sentences": list(HELD_OUT),
    }
    tokens: set[str] = set()
    for split, said in texts.items():
        utterances = [u for u in map(read, said) if u.durations or split in HELD_OUT_SPLITS]
        tokens |= {token for u in utterances for token in u.tokens}
        _write_split(split, utterances, work)
        print(f"{split}: {len(utterances)} of {len(said)} utterances")
    listed = ["<blank>", "<unk>", *sorted(tokens), "<sos/eos>"]
    (work / "tokens.txt").write_text("\n".join(listed) + "\n", "utf-8")
