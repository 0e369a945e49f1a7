"""One step of Tacotron2's decoder.

Mirrors the loop of `espnet...tacotron2.decoder.Decoder.inference`.
Shapes: B utterances, U tokens, D width of the memory, Z units, K attention width, L layers and P
units of the prenet, R frames a step, O features a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.recurrent_cell import LSTMStep
from espnet_onnx.layers.tts_prenet import FramePrenet

from .attention_graph import TokenAttention, seen_tokens

__all__ = ["DecoderStep"]


class DecoderStep(nn.Module):
    """Attention, prenet, LSTMs with zoneout, output layers.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`; those of the past have one
            output each behind the first three.
        output_names: `frames`, `stops`, `weights`, then what becomes of the past.
    """

    def __init__(self, live: Any) -> None:
        super().__init__()
        self.width, self.factor = int(live.odim), int(live.reduction_factor)
        self.attention = TokenAttention(live.att)
        self.prenet = None if live.prenet is None else FramePrenet(live.prenet)
        cells = [(getattr(layer, "cell", layer)) for layer in live.lstm]
        self.cells = nn.ModuleList(LSTMStep(cell) for cell in cells)
        # `ZoneOutCell` mixes the old states in, by its rate.
        self.zoneouts = [float(getattr(layer, "zoneout_rate", 0.0)) for layer in live.lstm]
        self.feat_out, self.prob_out = Affine.of(live.feat_out), Affine.of(live.prob_out)
        self.activation, self.beside = live.output_activation_fn, bool(live.use_concate)
        past = ["frame", *(f"{what}_{i}" for i in range(len(cells)) for what in "zc")]
        past += ["transition"] if self.attention.agent is not None else []
        self.input_names = ["memory", "memory_key", "tokens_lengths", "window", "past_weights"]
        self.input_names += ["kept"] if self.prenet is not None else []
        self.input_names += [f"past_{name}" for name in past]
        self.output_names = ["frames", "stops", "weights", *past]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            tensors: memory (B, U, D), memory_key (B, U, K), tokens_lengths (B,), window (B, 2),
                past_weights (B, U), kept (B, L, P), past_frame (B, O), states (B, Z), and
                past_transition (B, 1).

        Returns:
            frames (B, R, O), stops (B, R), weights (B, U), frame (B, O), states (B, Z), and
            transition (B, 1).
        """
        given = dict(zip(self.input_names, tensors, strict=True))
        frame, query = given["past_frame"][:, None], given["past_z_0"][:, None]
        weights = self._look(given, query)
        context = weights[:, None] @ given["memory"]
        x = frame if self.prenet is None else self.prenet(frame, given["kept"])
        x, states = self._recur(torch.cat((context, x), -1), given)
        if self.beside:
            x = torch.cat((x, context), -1)
        # ESPnet's layer has the frames of a step innermost.
        frames = self.feat_out(x)[:, 0].unflatten(1, (self.width, self.factor)).transpose(1, 2)
        last = frames[:, -1] if self.activation is None else self.activation(frames[:, -1])
        out = [frames, torch.sigmoid(self.prob_out(x))[:, 0], weights, last.clone(), *states]
        if self.attention.agent is not None:
            out.append(self.attention.transition(context, frame, query))
        return tuple(out)

    def _look(self, given: dict[str, Tensor], query: Tensor) -> Tensor:
        key, before = given["memory_key"], given["past_weights"]
        seen, valid = seen_tokens(given["window"], given["tokens_lengths"], key.shape[1])
        weights = self.attention(query, key, before, seen, valid)
        if not self.attention.forward_only:
            return weights
        return self.attention.moved(weights, before, valid, given.get("past_transition"))

    def _recur(self, x: Tensor, given: dict[str, Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """(B, 1, D + P) -> (B, 1, Z) and the states after, (B, Z) each."""
        states: list[Tensor] = []
        for i, (cell, rate) in enumerate(zip(self.cells, self.zoneouts, strict=True)):
            old = [given[f"past_{what}_{i}"][:, None] for what in "zc"]
            new = cell(x, old)
            if rate:
                new = [rate * o + (1 - rate) * n for o, n in zip(old, new, strict=True)]
            x = new[0]
            states += [tensor[:, 0] for tensor in new]
        return x, states
