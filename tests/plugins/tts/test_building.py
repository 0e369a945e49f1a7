"""A model with a pitch extractor is built where pyworld is not installed."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from espnet_onnx_plugin_tts.building import PITCH, untrained


def test_pyworld_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, PITCH, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with untrained():
        assert __import__(PITCH).__name__ == PITCH
    assert PITCH not in sys.modules


def test_a_pyworld_that_is_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = object()
    monkeypatch.setitem(sys.modules, PITCH, own)  # type: ignore[arg-type]
    with untrained():
        assert sys.modules[PITCH] is own
    assert sys.modules[PITCH] is own
