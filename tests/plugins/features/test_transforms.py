"""global_mvn, utterance_mvn and the linear preencoder against ESPnet's modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet2.asr.preencoder.linear import LinearProjection
from espnet2.layers.global_mvn import GlobalMVN
from espnet2.layers.utterance_mvn import UtteranceMVN

from espnet_onnx.parity import compare, expect

pytestmark = pytest.mark.export

MEANS_AND_VARS = [(True, True), (True, False), (False, True), (False, False)]


def statistics(folder: Path, kaldi: bool) -> Path:
    frames = np.random.default_rng(0).normal(-5, 3, (500, 23))
    total, square = frames.sum(0), (frames**2).sum(0)
    if kaldi:
        np.save(folder / "stats.npy", [[*total, 500.0], [*square, 0.0]])
        return folder / "stats.npy"
    np.savez(folder / "stats.npz", count=500, sum=total, sum_square=square)
    return folder / "stats.npz"


@pytest.mark.parametrize(("means", "variances"), MEANS_AND_VARS)
def test_global_mvn_options(
    live_component: Any, eager: Any, tmp_path: Path, means: bool, variances: bool
) -> None:
    conf = {"stats_file": statistics(tmp_path, kaldi=means)}
    conf.update(norm_means=means, norm_vars=variances)
    graph, run = eager(live_component("normalize", "global_mvn", GlobalMVN, **conf))
    assert compare(graph, run, expect(graph)).difference < 1e-6


def test_global_mvn_of_the_live_statistics(
    live_component: Any, exported: Any, through_runtime: Any, tmp_path: Path
) -> None:
    """A checkpoint's buffers win over the file that the module was built from."""
    component = live_component(
        "normalize", "global_mvn", GlobalMVN, stats_file=statistics(tmp_path, kaldi=False)
    )
    component.module.mean.fill_(2.0)
    component.module.std.fill_(4.0)
    graph, runtime = exported(component)
    assert compare(graph, through_runtime(graph, runtime), expect(graph)).difference < 1e-6
    feats, lengths = runtime(np.full((2, 3, 23), 10, np.float32), np.array([3, 1]))
    assert lengths.tolist() == [3, 1]
    np.testing.assert_array_equal(feats[0], np.full((3, 23), 2, np.float32))
    assert not feats[1, 1:].any()


@pytest.mark.parametrize(("means", "variances"), MEANS_AND_VARS)
def test_utterance_mvn_options(
    live_component: Any, eager: Any, means: bool, variances: bool
) -> None:
    conf = {"norm_means": means, "norm_vars": variances}
    graph, run = eager(live_component("normalize", "utterance_mvn", UtteranceMVN, **conf))
    assert compare(graph, run, expect(graph)).difference < 1e-5


def test_utterance_mvn(live_component: Any, exported: Any, through_runtime: Any) -> None:
    component = live_component("normalize", "utterance_mvn", UtteranceMVN, norm_vars=True)
    graph, runtime = exported(component)
    assert compare(graph, through_runtime(graph, runtime), expect(graph)).difference < 1e-5
    narrow = np.random.default_rng(0).normal(3, 2, (1, 8, 3)).astype(np.float32)
    feats, _ = runtime(narrow, np.array([8]))  # any width, not only the one traced
    np.testing.assert_allclose(feats.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(feats.std(1), 1, atol=1e-6)


def test_linear(live_component: Any, exported: Any, through_runtime: Any) -> None:
    torch.manual_seed(0)
    component = live_component(
        "preencoder", "linear", LinearProjection, input_size=32, output_size=7, dropout=0.5
    )
    graph, runtime = exported(component)
    assert compare(graph, through_runtime(graph, runtime), expect(graph)).difference < 1e-5
    feats, lengths = runtime(np.zeros((1, 5, 32), np.float32), np.array([4]))
    assert feats.shape == (1, 5, 7)
    assert lengths.tolist() == [4]
