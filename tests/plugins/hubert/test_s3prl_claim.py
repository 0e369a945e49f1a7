"""Which frontends `s3prl` are claimed, from a config alone."""

from __future__ import annotations

from typing import Any

import pytest

import espnet_onnx as eo
from espnet_onnx_plugin_hubert import split_modules
from espnet_onnx_plugin_hubert.upstreams import (
    CHECKPOINTS,
    FAMILIES,
    UPSTREAMS,
    family_of,
    known_sizes,
)

XLSR = "https://huggingface.co/s3prl/converted_ckpts/resolve/main/xlsr2_300m.pt"


def claim(upstream: Any, more: dict[str, Any] | None = None, **conf: Any) -> Any:
    given = {"frontend_conf": {"upstream": upstream, **(more or {})}, **conf}
    return split_modules(eo.Component("frontend", "frontend", "s3prl", given))


# Of the public models that have such a frontend.
PUBLISHED = [
    ("wavlm_large", {}, {"multilayer_feature": True}),
    ("wavlm_large", {}, {"multilayer_feature": False, "layer": 21}),
    ("hubert_large_ll60k", {}, {"multilayer_feature": True}),
    ("hubert_base", {}, {"multilayer_feature": True, "fs": "16k"}),
    ("xlsr_53", {}, {"multilayer_feature": True}),
    ("xls_r_300m", {}, {"multilayer_feature": True}),
    ("wav2vec2_large_960", {}, {"multilayer_feature": True}),
    ("wav2vec2_large_ll60k", {}, {"multilayer_feature": True}),
    ("wav2vec2_url", {"path_or_url": XLSR}, {"multilayer_feature": True}),
    ("hf_wav2vec2_custom", {"path_or_url": "facebook/mms-1b"}, {"multilayer_feature": True}),
]


@pytest.mark.parametrize(("upstream", "more", "conf"), PUBLISHED)
def test_published_models_are_claimed(upstream: str, more: Any, conf: Any) -> None:
    part = claim(upstream, more, download_dir="./hub", **conf)
    assert part == eo.Part(
        "hubert.frontend",
        config={
            "sample_rate": 16000,
            "hop_length": 320,
            "tile_factor": 1,
            "shortest": 1,
            "upstream": upstream,
        },
    )
    assert known_sizes(upstream, more.get("path_or_url")) is not None


def test_every_name_has_sizes_and_a_claim() -> None:
    for name, (family, checkpoint) in UPSTREAMS.items():
        assert family in FAMILIES
        assert checkpoint in CHECKPOINTS
        assert isinstance(claim(name), eo.Part)


def test_sizes_by_name_and_by_file() -> None:
    large = known_sizes("wav2vec2_url", XLSR)
    assert large == known_sizes("xls_r_300m", None) == known_sizes("wav2vec2_local", "a/xlsr2_300m")
    assert (large.layers, large.width, large.norm_first) == (24, 1024, True)
    base = known_sizes("hubert", None)
    assert (base.layers, base.width, base.norm_first, base.normalize) == (12, 768, False, False)
    assert known_sizes("hubert_local", "mine.pt") is None
    assert known_sizes("hf_wav2vec2_custom", "xlsr2_300m.pt") is None
    assert family_of("hubert_custom") == "hubert"
    assert family_of("hf_hubert_custom") == "hf_hubert"
    assert family_of("hubertish") is None


def test_files_of_ones_own_are_claimed_unseen() -> None:
    for family in FAMILIES:
        part = claim(f"{family}_custom", {"path_or_url": "not/there.pt"})
        assert isinstance(part, eo.Part)


@pytest.mark.parametrize(("layer", "tile", "hop"), [(-1, 2, 160), (3, 2, 320), (-1, 1, 320)])
def test_tiles(layer: int, tile: int, hop: int) -> None:
    """A single layer comes back before ESPnet tiles it."""
    part = claim("wavlm", {"tile_factor": tile}, layer=layer)
    assert part.config["hop_length"] == hop
    assert part.config["tile_factor"] == 320 // hop


@pytest.mark.parametrize(
    ("upstream", "more", "conf", "reason"),
    [
        ("apc", {}, {}, "upstream apc of s3prl is none of hubert, hubert_base,"),
        (None, {}, {}, "upstream None"),
        ("wav2vec2_conformer_rope", {}, {}, "is none of"),
        ("wav2vec2_url", {"path_or_url": "https://x/LL_rope_PT_no_FT.pt"}, {}, "conformer blocks"),
        ("hubert_local", {}, {}, "needs path_or_url"),
        ("wavlm", {}, {"layer": 3, "multilayer_feature": True}, "which ESPnet refuses"),
        ("wavlm", {"tile_factor": 3}, {}, "tile_factor 3"),
        ("wavlm", {"tile_factor": 0}, {}, "tile_factor 0"),
        ("wavlm", {}, {"fs": "fast"}, "fs 'fast'"),
        (
            "wav2vec2",
            {"extra_conf": {"refresh": True, "feature_selection": "fairseq_layers"}},
            {},
            "extra_conf.feature_selection",
        ),
    ],
)
def test_declined(upstream: Any, more: Any, conf: Any, reason: str) -> None:
    declined = claim(upstream, more, **conf)
    assert isinstance(declined, eo.Declined)
    assert reason in declined.reason
    assert "\n" not in declined.reason


def test_how_a_checkpoint_comes_here_does_not_matter() -> None:
    more = {"extra_conf": {"refresh": True, "legacy": False, "fairseq": True}}
    assert isinstance(claim("hubert", more), eo.Part)
