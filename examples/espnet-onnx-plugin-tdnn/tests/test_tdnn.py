"""The conformance kit on this plugin, and what is the plugin's own business."""

from __future__ import annotations

from espnet_onnx.testing import Conformance


class TestConformance(Conformance):
    """Every check that espnet-onnx holds its own plugins to."""

    plugin = "tdnn"


def test_the_name_is_there_only_while_a_model_is_built() -> None:
    """ESPnet's own registry comes back as it was."""
    from espnet2.tasks.asr import encoder_choices
    from espnet_onnx_plugin_tdnn.choices import choices

    with choices():
        assert encoder_choices.get_class("tdnn").__name__ == "TDNNEncoder"
    assert "tdnn" not in encoder_choices.classes
