"""Token sequences as numbers: equal sequences have equal numbers, and share what is computed."""

from __future__ import annotations

__all__ = ["Prefixes"]


class Prefixes:
    """A tree of token sequences; number 0 is the one that every hypothesis begins with.

    Attributes:
        last: number -> its last token.
        parent: number -> the sequence without it.
        length: number -> tokens behind the first.
    """

    def __init__(self, blank: int) -> None:
        self.last, self.parent, self.length = [blank], [0], [0]
        self._numbers: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.last)

    def extended(self, prefix: int, token: int) -> int:
        """The number of a sequence with one more token."""
        key = (prefix, token)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.last)
            self.last.append(token)
            self.parent.append(prefix)
            self.length.append(self.length[prefix] + 1)
        return number

    def tokens(self, prefix: int) -> tuple[int, ...]:
        """The tokens behind the first."""
        found = []
        while prefix:
            found.append(self.last[prefix])
            prefix = self.parent[prefix]
        return tuple(reversed(found))
