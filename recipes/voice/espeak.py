"""eSpeak NG through its C library (package espeakng-loader): samples, and what sounds when.

Shapes: S samples.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any, ClassVar

import attrs
import numpy as np

from espnet_onnx.errors import InputError
from espnet_onnx.types import Array

__all__ = ["Espeak", "Phone", "Spoken"]

# speak_lib.h
_RETRIEVAL_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA = 1, 2
_UTF8 = 1
_END, _WORD, _PHONEME = 0, 1, 7
_RATE_PARAMETER = 1


class _Id(ctypes.Union):
    _fields_: ClassVar = [("number", ctypes.c_int), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@attrs.frozen
class Phone:
    """What starts to sound.

    Attributes:
        ipa: with stress marks before it; empty is a pause, a space the end of the word before.
        start: in samples.
    """

    ipa: str
    start: int


@attrs.frozen
class Spoken:
    """What eSpeak says for a text.

    Attributes:
        wave: (S,) samples, full scale 1.
        phones: in order.
    """

    wave: Array = attrs.field(repr=False)
    phones: tuple[Phone, ...]


@attrs.define
class Espeak:
    """A voice of eSpeak NG.

    Attributes:
        library: the loaded library, which has one state for all.
        rate: of its samples, in Hz.
    """

    library: Any = attrs.field(repr=False)
    rate: int

    @classmethod
    def start(cls, voice: str = "en-us", words_per_minute: int = 150) -> Espeak:
        """Raises InputError where the package is missing or has no such voice."""
        try:
            package = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise InputError(
                "eSpeak NG is missing: pip install 'espnet-onnx[text-espeak]'"
            ) from error
        library = ctypes.CDLL(package.get_library_path())
        data = str(package.get_data_path()).encode()
        events = _PHONEME_EVENTS | _PHONEME_IPA
        rate = library.espeak_Initialize(_RETRIEVAL_SYNCHRONOUS, 0, data, events)
        if rate <= 0 or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"eSpeak NG has no voice {voice!r}: see `espeak-ng --voices`")
        library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        return cls(library, rate)

    def __call__(self, text: str) -> Spoken:
        """Speak a text."""
        blocks: list[Array] = []
        phones: list[Phone] = []

        def hear(samples: Any, count: int, events: Any) -> int:
            if samples and count > 0:
                blocks.append(np.ctypeslib.as_array(samples, (count,)) / np.float32(32768))
            position = 0
            while (event := events[position]).type != _END:
                if event.type == _PHONEME:
                    phones.append(Phone(event.id.string.decode("utf-8", "ignore"), event.sample))
                elif event.type == _WORD:
                    phones.append(Phone(" ", event.sample))
                position += 1
            return 0

        callback = _CALLBACK(hear)
        self.library.espeak_SetSynthCallback(callback)
        said = text.encode() + b"\0"
        self.library.espeak_Synth(said, len(said), 0, 1, 0, _UTF8, None, None)
        return Spoken(np.concatenate([np.zeros(0, np.float32), *blocks]), tuple(phones))
