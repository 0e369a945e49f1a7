"""Who speaks, in which language and how, mixed into an encoded text.

Mirrors what `Tacotron2.inference` and its namesakes do between encoder and decoder.
Shapes: B utterances, U tokens, D width, C speaker embedding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..types import Array, Feed, Graph
from .linear import Affine
from .style_encoder import StyleEncoder

__all__ = [
    "CONDITIONS",
    "Conditions",
    "condition_axes",
    "random_text",
    "spoken_text",
    "style_graph",
]

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


def random_text(live: Any, names: Sequence[str], lengths: Sequence[int]) -> Feed:
    """`tokens` (B, U) with <sos/eos> behind each, `tokens_lengths` (B,), and conditions by name.

    Args:
        live: an acoustic model.
        names: inputs of `Conditions`.
        lengths: tokens, <sos/eos> included.
    """
    rng = np.random.default_rng([len(lengths), *lengths])
    sizes = np.array(lengths, np.int64)
    tokens = rng.integers(1, live.idim, (len(lengths), max(lengths)))
    tokens[np.arange(len(lengths)), sizes - 1] = live.eos
    feed: dict[str, Array] = {"tokens": tokens, "tokens_lengths": sizes}
    tables = {"sids": live.spks, "lids": live.langs}
    for name in names:
        if name in tables:
            feed[name] = rng.integers(0, tables[name], len(lengths))
            continue
        width = live.spk_embed_dim if name == "spembs" else live.gst.stl.mha.linear_out.out_features
        feed[name] = rng.standard_normal((len(lengths), width), dtype=np.float32)
    return feed


@contextlib.contextmanager
def spoken_text(live: Any, feed: Feed) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """One utterance of `random_text` as a live model's `inference` takes it.

    Its style stands in for what the live model would make of a reference.

    Yields:
        The text (U-1,), behind which ESPnet puts <sos/eos> itself, and the other arguments.
    """
    given = {name: torch.from_numpy(feed[name]) for name in ("sids", "lids") if name in feed}
    with contextlib.ExitStack() as stack:
        if "spembs" in feed:
            given["spembs"] = torch.from_numpy(feed["spembs"])[0]
        if "style" in feed:
            style = torch.from_numpy(feed["style"])
            stack.enter_context(mock.patch.object(live.gst, "forward", return_value=style))
            given["feats"] = torch.zeros(1, 1)
        yield torch.from_numpy(feed["tokens"])[0, :-1], given


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
