"""What the voice reads: strings of digits, and sentences of common words in varied patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from espnet_onnx.configs import read_yaml

__all__ = ["DIGITS", "HELD_OUT", "Writer"]

_FILE = read_yaml(Path(__file__).resolve().parent / "conf" / "words.yaml")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HELD_OUT: Sequence[str] = _FILE["held_out"]
WORDS: dict[str, list[str]] = {k: v.split() for k, v in _FILE.items() if isinstance(v, str)}


class Writer:
    """Texts from one random stream.

    Attributes:
        rng: decides everything.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def digits(self) -> str:
        """One to eight digits, in a manner of writing that changes."""
        text = self._joined(1, 8, str(self.rng.choice([" ", " ", " ", ", "])))
        return text + str(self.rng.choice(["", ".", "."]))

    def dictated(self) -> str:
        """Three to seven digits with a pause after each."""
        return self._joined(3, 7, ", ") + "."

    def _joined(self, least: int, most: int, joint: str) -> str:
        count = int(self.rng.integers(least, most + 1))
        return joint.join(DIGITS[i] for i in self.rng.integers(len(DIGITS), size=count))

    def sentence(self) -> str:
        """A statement or a question, with capital and full stop."""
        patterns: list[Callable[[], str]] = [
            self._clause,
            self._clause,
            lambda: f"{self._clause()}, {self._word('joins')} {self._clause()}",
            lambda: f"{self._clause()} {self._word('ends')}",
            lambda: f"{self._word('ends')}, {self._clause()}",
            self._words,
            self._words,
        ]
        if self.rng.random() < 0.15:
            text, ending = f"{self._any(_FILE['asks'])} {self._clause()}", "?"
        else:
            text = patterns[int(self.rng.integers(len(patterns)))]()
            ending = "!" if self.rng.random() < 0.1 else "."
        return text[0].upper() + text[1:] + ending

    def _clause(self) -> str:
        text = f"{self._thing()} {self._word('verbs')} {self._thing()}"
        return f"{text} {self._word('places')} {self._thing()}" if self.rng.random() < 0.4 else text

    def _thing(self) -> str:
        name = self._word("nouns")
        if self.rng.random() < 0.5:
            name = f"{self._word('adjectives')} {name}"
        if self.rng.random() < 0.15:
            name += "'s " + self._word("nouns")
        return f"{self._word('starts')} {name}"

    def _words(self) -> str:
        """Any words in any order, which brings sounds together that sentences do not."""
        every = [*WORDS.values(), DIGITS]
        kinds = self.rng.integers(len(every), size=self.rng.integers(3, 9))
        return " ".join(self._any(every[kind]) for kind in kinds)

    def _word(self, kind: str) -> str:
        return self._any(WORDS[kind])

    def _any(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]
