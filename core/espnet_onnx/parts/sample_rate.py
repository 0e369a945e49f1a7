"""Sample rates as ESPnet's configs write them."""

from __future__ import annotations

import re

__all__ = ["parse_rate"]

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmM]?)(?:[hH][zZ])?\s*")
_UNITS = {"": 1, "k": 1000, "m": 1000_000}


def parse_rate(fs: int | str) -> int | None:
    """Sample rate in Hz of 16000, "16000", "16k", "22.05k", "16 kHz"; None where it is none.

    Mirrors `humanfriendly.parse_size`, which ESPnet's frontends read `fs` with.
    """
    match = _RATE.fullmatch(str(fs))
    return int(float(match[1]) * _UNITS[match[2].lower()]) if match else None
