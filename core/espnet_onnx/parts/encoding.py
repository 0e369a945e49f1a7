"""A batch through the encoder a few utterances at a time.

What an encoder makes of sixteen utterances leaves every cache of a processor and is paged in anew
with each call: two to four of 10 s at a time take two thirds of the time. The fewer, the less
memory: a Conformer of 116 million int8 weights adds 440 MB at 45 s of audio, 260 MB at 20 s.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..roles import Encoded
from ..types import Array

__all__ = ["AT_ONCE", "joined", "portions"]

# Seconds of audio that go through at once, unless a single recording is longer. Of a long recording
# it is one longest piece (`parts.cutting`), so that an hour takes no more memory than a minute.
AT_ONCE = 20.0


def portions(lengths: Sequence[int], most: int) -> list[slice]:
    """Runs of utterances whose padded lengths add up to at most `most`; a longer one goes alone."""
    runs: list[slice] = []
    start = longest = 0
    for i, length in enumerate(lengths):
        longest = max(longest, length)
        if i > start and longest * (i + 1 - start) > most:
            runs.append(slice(start, i))
            start, longest = i, length
    return [*runs, slice(start, len(lengths))]


def joined(parts: Sequence[Encoded]) -> Encoded:
    """The encoder output of all utterances as of one batch."""
    if len(parts) == 1:
        return parts[0]
    blocks = parts[0].inter
    return Encoded(
        _stacked([part.out for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        {block: _stacked([part.inter[block] for part in parts]) for block in blocks},
    )


def _stacked(arrays: Sequence[Array]) -> Array:
    """(B, T, D) arrays one after the other, zeros behind the shorter ones."""
    rows, frames = sum(len(a) for a in arrays), max(a.shape[1] for a in arrays)
    stacked = np.zeros((rows, frames, *arrays[0].shape[2:]), arrays[0].dtype)
    row = 0
    for array in arrays:
        stacked[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return stacked
