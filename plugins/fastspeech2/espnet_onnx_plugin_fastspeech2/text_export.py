"""The graphs in front of the length regulator: text, and the style of a reference recording.

Shapes: B utterances, U tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import espnet_onnx as eo
from espnet_onnx.layers.tts_conditions import CONDITIONS, condition_axes, style_graph
from espnet_onnx.types import Array, Feed

from .controls import PROSODY
from .text_graph import TextModule
from .text_reference import TextReference

__all__ = ["text_graphs"]


def text_graphs(
    live: Any, needs: Sequence[str], speak: Callable[..., Any]
) -> Mapping[str, eo.Graph]:
    """`text`, and `style` where a reference recording is heard.

    Args:
        live: a `FastSpeech`, `FastSpeech2` or `JETSGenerator`.
        needs: controls of `controls.sizes`.
        speak: the ESPnet function that speaks one utterance, see `TextReference`.
    """
    module = TextModule(live, needs).eval()
    conditions = [CONDITIONS[name] for name in needs]
    prosody = [name for name in PROSODY if name in module.input_names]
    axes: dict[str, Sequence[str | None]] = {
        **dict.fromkeys(("tokens", "durations"), ("batch", "tokens")),
        **dict.fromkeys(module.output_names[2:], ("batch", "tokens", None)),
        **dict.fromkeys(("lengths", *prosody), ("batch",)),
        **condition_axes(conditions),
        "states": ("batch", "tokens", None),
    }
    text = eo.Graph(
        module,
        outputs=module.output_names,
        axes=axes,
        lengths={"tokens": "lengths"},
        feed=_TextFeeds(live, conditions, prosody),
        reference=TextReference(live, needs, module.output_names, speak),
        trials=((9, 4, 13), (1,)),
        # Durations decide what is said when, in int8 too; and tokens are few beside frames.
        quantise=None,
    )
    if "speech" not in needs:
        return {"text": text}
    return {"text": text, "style": style_graph(live.gst, live.odim)}


class _TextFeeds:
    """Random tokens and conditions; what stands behind an utterance's end is as random."""

    def __init__(self, live: Any, conditions: Sequence[str], prosody: Sequence[str]) -> None:
        self.live, self.conditions, self.prosody = live, conditions, prosody

    def __call__(self, lengths: Sequence[int]) -> Feed:
        rng = np.random.default_rng([len(lengths), *lengths])
        batch = len(lengths)
        feed: dict[str, Array] = {
            "tokens": rng.integers(1, self.live.idim, (batch, max(lengths))),
            "lengths": np.array(lengths, np.int64),
            **{name: self._condition(name, batch, rng) for name in self.conditions},
        }
        # Some models put <sos/eos> there themselves.
        feed["tokens"][np.arange(batch), feed["lengths"] - 1] = self.live.idim - 1
        for name in self.prosody:
            feed[name] = rng.uniform(0.5, 1.5, batch).astype(np.float32)
        return feed

    def _condition(self, name: str, batch: int, rng: np.random.Generator) -> Array:
        sizes = {"sids": self.live.spks, "lids": self.live.langs}
        if name in sizes:
            return rng.integers(0, sizes[name], batch)
        # The encoder is as wide as its input layer: styles are added to what it says.
        width = self.live.encoder.embed[0].embedding_dim
        width = width if name == "style" else self.live.spk_embed_dim
        return rng.standard_normal((batch, width), dtype=np.float32)
