"""The graph from token ids to embeddings with positions (needs torch).

Shapes: B texts, L tokens, T frames, P tokens a frame, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.layers.masks import frame_mask
from espnet_onnx.layers.norm import Norm
from espnet_onnx.layers.positions import AbsolutePositions
from espnet_onnx.types import Feed

__all__ = ["TokenFrames", "frontend_graphs"]

TRIALS = ((2, 41, 7), (1,), (97,))


class TokenFrames(nn.Module):
    """`Embedding.forward`, and `PatchEmbedding.forward` where P is more than 1.

    Args:
        live: the frontend.
        patch: P.
    """

    def __init__(self, live: Any, patch: int) -> None:
        super().__init__()
        patched = hasattr(live, "emb")
        self.embed, positions = (live.emb, live.pos) if patched else live.embed
        alpha = getattr(positions, "alpha", None)
        self.positions = AbsolutePositions(self.embed.embedding_dim, alpha)
        self.norm = Norm(live.ln) if patched else nn.Identity()
        self.patch = patch

    def forward(self, tokens: Tensor, tokens_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, P) int64 and (B,) frames -> (B, T, D), (B,)."""
        x = self.embed(tokens).mean(2) if self.patch > 1 else self.embed(tokens[:, :, 0])
        x, _ = self.positions(x, frame_mask(tokens_lengths, tokens.shape[1]))
        # An output must not be an input of the same graph.
        return self.norm(x), tokens_lengths.clone()


def frontend_graphs(component: eo.Component, part: eo.Part) -> Mapping[str, eo.Graph]:
    """The graph `frontend` of a live `Embedding` or `PatchEmbedding`."""
    live, patch = component.module, int(part.config["patch"])
    module = TokenFrames(live, patch).eval()
    size = module.embed.num_embeddings

    def feed(lengths: Sequence[int]) -> Feed:
        shape = (len(lengths), max(lengths), patch)
        tokens = np.random.default_rng(sum(lengths)).integers(0, size, shape)
        return {"tokens": tokens, "tokens_lengths": np.array(lengths, np.int64)}

    def reference(feed: Feed) -> Feed:
        tokens = torch.from_numpy(feed["tokens"]).flatten(1)
        with torch.no_grad():
            feats, lengths = live(tokens, torch.from_numpy(feed["tokens_lengths"]) * patch)
        return {"feats": feats.numpy(), "feats_lengths": lengths.numpy()}

    graph = eo.Graph(
        module,
        outputs=("feats", "feats_lengths"),
        axes={
            "tokens": ("batch", "frames", None),
            "tokens_lengths": ("batch",),
            "feats": ("batch", "frames", None),
            "feats_lengths": ("batch",),
        },
        feed=feed,
        reference=reference,
        trials=TRIALS,
        lengths={"frames": "tokens_lengths"},
        quantise=None,
    )
    return {"frontend": graph}
