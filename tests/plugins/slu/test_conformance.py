"""The conformance kit on plugin slu."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

from espnet_onnx.testing import Conformance


class TestConformance(Conformance):
    plugin = "slu"
