"""Cleaners, against ESPnet's `TextCleaner` where their packages are installed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from espnet_onnx.errors import BundleError, InputError
from espnet_onnx.parts.text import CLEANERS
from espnet_onnx.parts.text.cleaners import cleaner

from .awkward import TEXTS, requires

PACKAGES = {
    "tacotron": ("tacotron_cleaner", "inflect", "unidecode"),
    "jaconv": ("jaconv",),
    "vietnamese": ("vietnamese_cleaner", "underthesea"),
    "korean_cleaner": (),
}


def espnet_cleaner(name: str) -> Any:
    pytest.importorskip("torch")
    return import_module("espnet2.text.cleaner").TextCleaner(name)


@pytest.mark.export
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=requires(*PACKAGES[name])) for name in CLEANERS]
)
def test_as_espnet(name: str) -> None:
    theirs, ours = espnet_cleaner(name), cleaner(name)
    changed = 0
    for text in TEXTS:
        assert ours(text) == theirs(text)
        changed += ours(text) != text
    assert changed > 3


def numbers() -> Iterator[str]:
    draw = random.Random(1)
    forms = ["{}", "${}", "{}th", "{}.{}", "${}.{}", "{},{}", "${},{}.{}", "{}st.", "-{}", "{}."]
    for _ in range(500):
        form = draw.choice(forms)
        values = [draw.randrange(10 ** draw.randrange(1, 7)) for _ in range(form.count("{}"))]
        yield form.format(*values)
    yield from map(str, range(997, 3005, 3))


@pytest.mark.export
@requires(*PACKAGES["tacotron"])
def test_numbers_as_espnet() -> None:
    theirs, ours = espnet_cleaner("tacotron"), cleaner("tacotron")
    text = " ; ".join(numbers())
    assert ours(text) == theirs(text)
    assert "NINETEEN NINETY NINE" in ours(text)


def test_tacotron_needs_no_package_for_plain_english() -> None:
    said = cleaner("tacotron")("(Hello-World);   &  jr. & dr.")
    assert said == "HELLO WORLD, AND JUNIOR AND DOCTOR"


def test_an_expansion_hides_the_next_abbreviation() -> None:
    assert cleaner("tacotron")("co.st. st.co.") == "COMPANYSAINT SAINTCO."


def test_korean_cleaner() -> None:
    assert cleaner("korean_cleaner")(" a3 Bz ") == "에이삼 비지"


def test_cleaners_run_in_order() -> None:
    both = cleaner(["tacotron", "korean_cleaner"])
    assert both("a-b") == "에이 비"
    assert cleaner(None)("a-b") == "a-b"


def test_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("unidecode", "jaconv", "vietnamese_cleaner.vietnamese_cleaners"):
        monkeypatch.setitem(sys.modules, module, None)
    for name, extra in [("tacotron", "text-en"), ("jaconv", "text-ja"), ("vietnamese", "text-vi")]:
        with pytest.raises(InputError, match=rf"cleaner {name} needs .*espnet-onnx\[{extra}\]"):
            cleaner(name)("é")


def test_unknown_cleaner() -> None:
    with pytest.raises(BundleError, match="'whisper_en' is unknown; there are tacotron"):
        cleaner(["tacotron", "whisper_en"])
