"""Token sequences as numbers: equal sequences have equal numbers, and share what is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Prefixes"]


class Prefixes:
    """A tree of token sequences; number 0 is the one that every hypothesis begins with.

    A stream moves the root on: `keep` forgets what no hypothesis needs any more.

    Attributes:
        last: number -> its last token.
        parent: number -> the sequence without it.
        length: number -> tokens behind the first.
    """

    def __init__(self, blank: int) -> None:
        self.last, self.parent, self.length = [blank], [0], [0]
        self._numbers: dict[tuple[int, int], int] = {}
        self._said: list[int] = []  # tokens of number 0 behind the first

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
        return (*self._said, *self._behind(prefix))

    def common(self, prefixes: Iterable[int]) -> int:
        """The longest sequence that all of these begin with."""
        ends = set(prefixes)
        # What extends a sequence has a higher number than it.
        while len(ends) > 1:
            last = max(ends)
            ends.remove(last)
            ends.add(self.parent[last])
        return ends.pop()

    def between(self, root: int, prefixes: Iterable[int]) -> list[int]:
        """A sequence and all that lead from it to others, those that they extend before them."""
        found = {root}
        for prefix in prefixes:
            at = prefix
            while at not in found:
                found.add(at)
                at = self.parent[at]
        return sorted(found)

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget all but some of `between`, which become 0, 1, ... in their order."""
        new = {number: index for index, number in enumerate(numbers)}
        self._said += self._behind(numbers[0])
        self.last = [self.last[number] for number in numbers]
        self.parent = [new.get(self.parent[number], 0) for number in numbers]
        self.length = [self.length[number] for number in numbers]
        ends = list(zip(self.parent, self.last, strict=True))
        self._numbers = {end: number for number, end in enumerate(ends) if number}

    def _behind(self, prefix: int) -> list[int]:
        """Tokens behind number 0."""
        found = []
        while prefix:
            found.append(self.last[prefix])
            prefix = self.parent[prefix]
        return found[::-1]
