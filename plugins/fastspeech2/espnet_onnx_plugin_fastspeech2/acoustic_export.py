"""Graphs of FastSpeech and FastSpeech2: what stands before, and behind, the length regulator.

Shapes: B utterances, U tokens, T decoder frames, D width, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

import espnet_onnx as eo
from espnet_onnx.layers.live_classes import TABLE
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

from .durations import spread
from .frames_graph import FramesModule
from .text_export import text_graphs

__all__ = ["frame_rate", "graphs", "random_frames"]


def graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """`text`, `frames`, and `style` of a model with global style tokens.

    Args:
        component: with a live `FastSpeech` or `FastSpeech2`, and in `given`, where they are known,
            `sample_rate` and `n_shift`.
        part: of `acoustic_claim.claim`.
    """
    live = component.module
    frames = eo.Graph(
        FramesModule(live).eval(),
        outputs=("feats", "feats_lengths"),
        axes={
            "states": ("batch", "tokens", None),
            "index": ("batch", "frames"),
            "frame_lengths": ("batch",),
            "feats": ("batch", "feats_frames", None),
            "feats_lengths": ("batch",),
        },
        lengths={"frames": "frame_lengths", "feats_frames": "feats_lengths"},
        feed=_FramesFeeds(live),
        reference=_FramesReference(live),
        trials=((17, 8, 31), (1,)),
        rate=frame_rate(component),
    )
    return {**text_graphs(live, list(part.config["needs"]), _speak), "frames": frames}


def frame_rate(component: eo.Component) -> float | None:
    """Frames a second, of what the vocoder hears; None where nobody knows."""
    rate, shift = (component.given.get(name) for name in ("sample_rate", "n_shift"))
    return rate / shift if rate and shift else None


def _speak(live: Any, text: Tensor, controls: Mapping[str, Tensor]) -> None:
    """`inference`, which puts <sos/eos> behind its text."""
    given = dict(controls)
    if "speech" in given:
        given["feats"] = given.pop("speech")[0]
    if "spembs" in given:
        given["spembs"] = given["spembs"][0]
    live.inference(text[0, :-1], **given)


def random_frames(lengths: Sequence[int], width: int) -> tuple[Feed, np.random.Generator]:
    """Random states for so many frames.

    Returns:
        `states` (B, U, D), `lengths` (B,) tokens and `durations` (B, U), 0 on padding; and the
        generator to go on with.
    """
    rng = np.random.default_rng([len(lengths), *lengths])
    tokens = [length // 3 + 1 for length in lengths]
    durations = np.zeros((len(lengths), max(tokens)), np.int64)
    for row, length, count in zip(durations, lengths, tokens, strict=True):
        row[:count] = _parts(length, count, rng)
    states = rng.standard_normal((*durations.shape, width), dtype=np.float32)
    return {"states": states, "lengths": np.array(tokens, np.int64), "durations": durations}, rng


def _parts(total: int, count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """`count` counts from 0 on that sum up to `total`."""
    cuts = np.sort(rng.integers(0, total + 1, count - 1))
    return np.diff(cuts, prepend=0, append=total)


class _FramesFeeds:
    """Random states, the token of each frame random too behind an utterance's end."""

    def __init__(self, live: Any) -> None:
        self.width = int(live.feat_out.in_features)

    def __call__(self, lengths: Sequence[int]) -> Feed:
        feed, rng = random_frames(lengths, self.width)
        index, frame_lengths = spread(feed["durations"])
        padding = np.arange(index.shape[1]) >= frame_lengths[:, None]
        index[padding] = rng.integers(0, feed["states"].shape[1], int(padding.sum()))
        return {"states": feed["states"], "index": index, "frame_lengths": frame_lengths}


@attrs.frozen
class _FramesReference:
    """The modules behind the length regulator, as `_forward` calls them for one utterance."""

    live: Any

    def __call__(self, feed: Feed) -> Feed:
        live = self.live
        states, index = (torch.from_numpy(feed[name]) for name in ("states", "index"))
        with torch.no_grad(), unchanged(live):
            fresh_positions(live, TABLE)
            out, _ = live.decoder(states[:, index[0]], None)
            feats = live.feat_out(out).reshape(1, -1, live.odim)
            if live.postnet is not None:
                feats = feats + live.postnet(feats.transpose(1, 2)).transpose(1, 2)
        lengths = np.array([feats.shape[1]], np.int64)
        return {"feats": feats.numpy(), "feats_lengths": lengths}
