"""Recordings one after another: short ones in batches, long ones in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AudioError
from .progress import progress

if TYPE_CHECKING:
    from ..parts.long_audio import Cutting
    from ..parts.result import Recognition, Segment

__all__ = ["recognise"]


def recognise(
    asr: Any,
    recordings: Sequence[tuple[str, Any]],
    batch_size: int,
    cutting: Cutting,
    tell: Callable[[str, Segment], None],
) -> Iterator[tuple[str, Recognition | AudioError]]:
    """Every recording with its result, or with what is wrong with it, in the given order.

    Args:
        asr: the recogniser.
        recordings: names, and what the recogniser takes: paths, or pairs with a transcript.
        batch_size: recordings, or pieces of one, that are recognised together.
        cutting: which recordings are cut, and how.
        tell: hears of each segment of a long recording as soon as it is there.
    """
    from ..parts.long_audio import is_cut

    chunk: list[tuple[str, Any]] = []
    for name, source in recordings:
        if is_cut(asr, source, cutting):
            yield from _together(asr, chunk, batch_size)
            yield name, _long(asr, name, source, batch_size, cutting, tell)
            chunk = []
            continue
        chunk.append((name, source))
        if len(chunk) == batch_size:
            yield from _together(asr, chunk, batch_size)
            chunk = []
    yield from _together(asr, chunk, batch_size)


def _together(
    asr: Any, chunk: Sequence[tuple[str, Any]], batch_size: int
) -> Iterator[tuple[str, Recognition | AudioError]]:
    if not chunk:
        return
    try:
        results = asr.batch([source for _, source in chunk], batch_size=batch_size)
    except AudioError:
        results = [_alone(asr, source) for _, source in chunk]
    yield from zip((name for name, _ in chunk), results, strict=True)


def _alone(asr: Any, source: Any) -> Recognition | AudioError:
    try:
        result: Recognition = asr(source)
    except AudioError as error:
        return error
    return result


def _long(
    asr: Any,
    name: str,
    source: Any,
    batch_size: int,
    cutting: Cutting,
    tell: Callable[[str, Segment], None],
) -> Recognition | AudioError:
    from ..parts.long_audio import segments, whole

    try:
        found = segments(asr, source, cutting, batch_size=batch_size)
        parts = []
        with progress(Path(name).name, found.duration) as show:
            for segment in found:
                parts.append(segment)
                tell(name, segment)
                show(segment.end)
    except AudioError as error:
        return error
    return whole(found, parts)
