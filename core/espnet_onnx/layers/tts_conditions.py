"""Who speaks, in which language and how, mixed into an encoded text.

Mirrors what `Tacotron2.inference` and its namesakes do between encoder and decoder.
Shapes: B utterances, U tokens, D width, C speaker embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..types import Array, Feed, Graph
from .linear import Affine
from .style_encoder import StyleEncoder

__all__ = ["CONDITIONS", "Conditions", "condition_axes", "random_conditions", "style_graph"]

# A control of `roles.Acoustic` -> the input that carries it: of a reference recording, its style.
CONDITIONS = {"speech": "style", "sids": "sids", "lids": "lids", "spembs": "spembs"}


class Conditions(nn.Module):
    """Style, speaker and language are added; a speaker's embedding is added or put beside."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, given: Mapping[str, Tensor]) -> Tensor:
            """`nn.Module` itself promises Any."""

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.style = bool(live.use_gst)
        self.speakers = live.sid_emb.weight if live.spks is not None else None
        self.languages = live.lid_emb.weight if live.langs is not None else None
        self.embedded = live.spk_embed_dim is not None
        self.added = self.embedded and live.spk_embed_integration_type == "add"
        # Tacotron2 has none where it puts the embedding beside.
        projection = getattr(live, "projection", None)
        self.projection = None if projection is None else Affine.of(projection)

    def forward(self, x: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        """(B, U, D) and what `CONDITIONS` names -> (B, U, D')."""
        if self.style:
            x = x + given["style"][:, None]
        if self.speakers is not None:
            x = x + F.embedding(given["sids"], self.speakers)[:, None]
        if self.languages is not None:
            x = x + F.embedding(given["lids"], self.languages)[:, None]
        return self._speaker(x, given["spembs"]) if self.embedded else x

    def _speaker(self, x: Tensor, spembs: Tensor) -> Tensor:
        """`_integrate_with_spk_embed`: (B, U, D) and (B, C) -> (B, U, D')."""
        speaker = F.normalize(spembs)[:, None]
        if self.added:
            assert self.projection is not None
            return x + self.projection(speaker)
        beside = torch.cat((x, speaker.expand(-1, x.shape[1], -1)), -1)
        return beside if self.projection is None else self.projection(beside)


def condition_axes(names: Sequence[str]) -> dict[str, Sequence[str | None]]:
    """Axes of inputs by name."""
    axes: dict[str, Sequence[str | None]] = dict.fromkeys(("sids", "lids"), ("batch",))
    axes |= dict.fromkeys(("spembs", "style"), ("batch", None))
    return {name: axes[name] for name in names}


def random_conditions(
    live: Any, names: Sequence[str], batch: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Inputs of `Conditions` by name, for the feeds of graphs."""
    tables = {"sids": live.spks, "lids": live.langs}
    feed: dict[str, Array] = {}
    for name in names:
        if name in tables:
            feed[name] = rng.integers(0, tables[name], batch)
            continue
        width = live.spk_embed_dim if name == "spembs" else live.gst.stl.mha.linear_out.out_features
        feed[name] = rng.standard_normal((batch, width), dtype=np.float32)
    return feed


def style_graph(live: Any, width: int) -> Graph:
    """The graph of a live `StyleEncoder` over features of `width`."""

    def feed(lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        shape = (len(lengths), max(lengths), width)
        speech = rng.standard_normal(shape, dtype=np.float32)
        return {"speech": speech, "lengths": np.array(lengths, np.int64)}

    def reference(given: Feed) -> Feed:
        with torch.no_grad():
            return {"style": live(torch.from_numpy(given["speech"])).numpy()}

    return Graph(
        StyleEncoder(live).eval(),
        outputs=("style",),
        axes={"speech": ("batch", "frames", None), "lengths": ("batch",), "style": ("batch", None)},
        lengths={"frames": "lengths"},
        feed=feed,
        reference=reference,
        trials=((70, 33, 129), (40,)),
    )
