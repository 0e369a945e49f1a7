"""What the graphs of all generators have in common.

Shapes: B utterances, T frames, D features, K bands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import espnet_onnx as eo
from espnet_onnx.types import Feed

__all__ = ["Normalise", "filter_bank", "generator_graph", "random_feats"]

# What joins the bands is the output itself. Sums stay in fp32: faster in 8 bits, but 8 dB worse.
INT8 = eo.Quantise(op_types=("Conv",), exclude=("^join",), calibrate=True)

Speak = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


class Normalise(nn.Module):
    """(feats - mean) / scale, where the features come unnormalised and the vocoder minds.

    Mirrors `normalize_before` of ParallelWaveGAN's generators.
    """

    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, mean: Any = None, scale: Any = None) -> None:
        """Both (D,), or both None."""
        super().__init__()
        self.register_buffer("mean", _vector(mean), persistent=False)
        self.register_buffer("scale", _vector(scale), persistent=False)

    @classmethod
    def of(cls, component: eo.Component) -> Normalise:
        """By the `mean` and `scale` that the parent gives, if it gives any."""
        return cls(component.given.get("mean"), component.given.get("scale"))

    def forward(self, feats: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        if self.mean is None or self.scale is None:
            return feats
        return (feats - self.mean) / self.scale


def _vector(values: Any) -> Tensor | None:
    if values is None:
        return None
    return torch.as_tensor(np.asarray(values, np.float32).reshape(-1))


def filter_bank(component: eo.Component) -> Any:
    """The `PQMF` that joins a generator's bands: the parent's, or one of the conf; else None."""
    live = component.given.get("pqmf")
    params = component.conf.get("pqmf_params")
    if live is not None or params is None:
        return live
    from espnet2.gan_tts.melgan.pqmf import PQMF

    return PQMF(**params)


def random_feats(width: int) -> Callable[[Sequence[int]], dict[str, Any]]:
    """`feats` (B, T, `width`), as loud behind an utterance's end, and `feats_lengths` (B,)."""

    def feed(lengths: Sequence[int]) -> dict[str, Any]:
        rng = np.random.default_rng([len(lengths), *lengths])
        feats = rng.normal(size=(len(lengths), max(lengths), width)).astype(np.float32)
        return {"feats": feats, "feats_lengths": np.array(lengths, np.int64)}

    return feed


def generator_graph(
    component: eo.Component,
    part: eo.Part,
    module: nn.Module,
    speak: Speak,
    *,
    width: int,
    inputs: Mapping[str, Sequence[str | None]] | None = None,
    lengths: Mapping[str, str] | None = None,
    more: Callable[[Sequence[int]], Feed] | None = None,
    ragged: bool = True,
) -> Mapping[str, eo.Graph]:
    """One graph, `vocoder`: frames to waveform.

    Args:
        component: the generator, alive.
        part: the claim on it.
        module: its export-friendly form.
        speak: the live generator's answer (T', K) to normalised frames (T, D) of one utterance,
            and to its other inputs by name, batch 1.
        width: D.
        inputs: axes of those.
        lengths: see `Graph.lengths`; of those.
        more: makes them for the lengths of a trial.
        ragged: utterances may end before their row does; else all are as long as the longest.
    """
    hop, shortest = part.config["hop"], part.config["shortest"]
    feats, normalise, bank = (
        random_feats(width),
        Normalise.of(component),
        filter_bank(component),
    )

    valid = {"frames": "feats_lengths"} if ragged else {}

    def feed(sizes: Sequence[int]) -> Feed:
        extra = {} if more is None else more(sizes)
        ends = sizes if ragged else [max(sizes)] * len(sizes)
        samples = np.array(ends, np.int64) * hop
        return {**feats(sizes), **extra, "wave_lengths": samples}

    def reference(given: Feed) -> Feed:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in given.items()}
        with torch.no_grad():
            wave = speak(normalise(tensors["feats"])[0], tensors)
            if bank is not None:
                wave = bank.synthesis(wave.T[None])[0].T
        return {"wave": wave.reshape(1, -1).numpy()}

    graph = eo.Graph(
        module.eval(),
        outputs=("wave",),
        axes={
            "feats": ("batch", "frames", None),
            **({"feats_lengths": ("batch",)} if ragged else {}),
            "wave": ("batch", "samples"),
            **(inputs or {}),
        },
        lengths={**valid, "samples": "wave_lengths", **(lengths or {})},
        feed=feed,
        reference=reference,
        trials=([shortest + 1], [shortest, shortest + 22, shortest + 4], [shortest + 56]),
        rate=None if part.config["sample_rate"] is None else part.config["sample_rate"] / hop,
        quantise=INT8,
    )
    return {"vocoder": graph}
