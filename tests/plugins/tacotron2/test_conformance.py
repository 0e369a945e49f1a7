"""The conformance kit on plugin tacotron2."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.export
pytest.importorskip("torch")

from espnet_onnx.testing import Conformance


class TestConformance(Conformance):
    plugin = "tacotron2"
