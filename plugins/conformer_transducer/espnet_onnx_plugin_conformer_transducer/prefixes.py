"""Token sequences as numbers: equal sequences have equal numbers, and share what is computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

__all__ = ["Prefixes"]


class Prefixes:
    """A tree of token sequences; number 0 is the one that every hypothesis begins with.

    `keep` forgets all that a stream does not need any more, but no token: where sequences differ
    long ago, their ends are kept, and what is skipped before them.

    Attributes:
        last: number -> its last token.
        parent: number -> the sequence without it.
        length: number -> tokens behind the first.
    """

    def __init__(self, blank: int) -> None:
        self.last, self.parent, self.length = [blank], [0], [0]
        self._numbers: dict[tuple[int, int], int] = {}
        self._said: list[int] = []  # tokens of number 0 behind the first
        # number -> tokens between its parent and its last, where there are such.
        self._skipped: dict[int, list[int]] = {}

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
        return (*self._said, *self._behind(prefix, 0))

    def needed(self, alive: Collection[int], before: int) -> list[int]:
        """What a stream goes on with, in their order.

        Args:
            alive: sequences that are to be extended.
            before: how many that a sequence extends are asked for with it.

        Returns:
            Those that are alive, those between two of which one extends the other, and so many
            before; the first is one that all begin with.
        """
        found: set[int] = set()
        for prefix in alive:
            chain = self._chain(prefix)
            first = max(i for i, number in enumerate(chain) if number in alive)
            found.update(chain[: first + before + 1])
        return sorted({self._common(found), *found})

    def keep(self, numbers: Sequence[int]) -> None:
        """Forget all but what is `needed`, which gets the numbers 0, 1, ... in that order."""
        new = {number: index for index, number in enumerate(numbers)}
        self._said += self._behind(numbers[0], 0)
        parents, skipped = [0], {}
        for number in numbers[1:]:
            parent = self.parent[number]
            while parent not in new:
                parent = self.parent[parent]
            parents.append(new[parent])
            between = self._behind(number, parent)[:-1]
            if between:
                skipped[new[number]] = between
        self.last = [self.last[number] for number in numbers]
        self.length = [self.length[number] for number in numbers]
        self.parent, self._skipped = parents, skipped
        ends = zip(self.parent, self.last, strict=True)
        self._numbers = {end: n for n, end in enumerate(ends) if n and n not in skipped}

    def _chain(self, prefix: int) -> list[int]:
        """A sequence, the one that it extends, and so on to number 0."""
        chain = [prefix]
        while prefix:
            prefix = self.parent[prefix]
            chain.append(prefix)
        return chain

    def _common(self, prefixes: Iterable[int]) -> int:
        """The longest sequence that all of these begin with."""
        ends = set(prefixes)
        # What extends a sequence has a higher number than it.
        while len(ends) > 1:
            last = max(ends)
            ends.remove(last)
            ends.add(self.parent[last])
        return ends.pop()

    def _behind(self, prefix: int, root: int) -> list[int]:
        """The tokens of a sequence behind another."""
        found = []
        while prefix != root:
            found.append(self.last[prefix])
            found += reversed(self._skipped.get(prefix, ()))
            prefix = self.parent[prefix]
        return found[::-1]
