"""Inputs for the graphs of a Tacotron2, and what ESPnet says to them.

Shapes: B utterances, U tokens, D width, S steps, L layers and P units of the prenet, R frames a
step, O features a frame.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import attrs
import numpy as np
import torch
from torch import Tensor

from espnet_onnx.layers.live_dropout import injected_dropout
from espnet_onnx.layers.live_encoder import unchanged
from espnet_onnx.layers.tts_conditions import random_text, spoken_text
from espnet_onnx.types import Array, Feed

__all__ = ["EncoderReference", "StepReference"]

# What a live attention keeps of its utterance.
_KEPT = ("h_length", "enc_h", "pre_compute_enc_h", "mask", "trans_agent_prob")
# Behind this threshold nothing stops before its time.
_NEVER = 2.0
_CONSTRAINT = {"use_att_constraint": True, "backward_window": 1, "forward_window": 3}


@attrs.frozen
class EncoderReference:
    """Lets a live model speak as far as its decoder.

    Attributes:
        live: a `Tacotron2`.
        names: conditions of the graph.
    """

    live: Any
    names: Sequence[str]

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random tokens with <sos/eos> behind every utterance, and random conditions."""
        return random_text(self.live, self.names, lengths)

    def __call__(self, feed: Feed) -> Feed:
        """One utterance: `Tacotron2.inference` up to what it hands to `Decoder.inference`."""
        decoder = self.live.dec
        heard = mock.patch.object(decoder, "inference", lambda memory, **_: (memory,) * 3)
        with torch.no_grad(), heard, spoken_text(self.live, feed) as (text, given):
            memory = self.live.inference(text, **given)["feat_gen"]
            key = decoder.att.mlp_enc(memory)
        return {"memory": memory[None].numpy(), "memory_key": key[None].numpy()}


@attrs.frozen
class StepReference:
    """The last of some steps of a live `Decoder`, and the state that it began with.

    Attributes:
        live: a `Decoder`.
        names: the past, by the names of the graph of a step.
        kept: L and P of the prenet, None where there is none.
    """

    live: Any
    names: Sequence[str]
    kept: tuple[int, int] | None

    def feed(self, lengths: Sequence[int]) -> Feed:
        """Random memory of these lengths, and the states that a live decoder came to."""
        rng = np.random.default_rng([len(lengths), *lengths])
        batch, steps = len(lengths), max(lengths) % 4 + 1
        shape = (batch, max(lengths), self.live.att.mlp_enc.in_features)
        layers, units = self.kept or (1, 1)
        drawn = 2 * rng.integers(0, 2, (batch, steps, layers, units)).astype(np.float32)
        feed: dict[str, Array] = {
            "memory": rng.standard_normal(shape, dtype=np.float32),
            "tokens_lengths": np.array(lengths, np.int64),
            "drawn": drawn,
            "kept": drawn[:, -1],
            "constrained": np.full(batch, batch > 1),
        }
        with torch.no_grad():
            feed["memory_key"] = self.live.att.mlp_enc(torch.from_numpy(feed["memory"])).numpy()
        before = [self._replay(feed, b, length)[0] for b, length in enumerate(lengths)]
        for name in before[0]:
            feed[name] = np.stack([_padded(name, state[name], max(lengths)) for state in before])
        return feed

    def __call__(self, feed: Feed) -> Feed:
        """One utterance: what the last step says."""
        after = self._replay(feed, 0, feed["memory"].shape[1])[1]
        return {name: array[None] for name, array in after.items()}

    def _replay(self, feed: Feed, row: int, tokens: int) -> tuple[Feed, Feed]:
        """`Decoder.inference` of one utterance: the last step's inputs and outputs, no axis B."""
        memory = torch.from_numpy(feed["memory"][row, :tokens])
        drawn = feed["drawn"][row]
        listener = _Listener(self.live, tokens)
        options = _CONSTRAINT if feed["constrained"][row] else {}
        most = (len(drawn) * self.live.reduction_factor + 0.5) / tokens
        with (
            torch.no_grad(),
            unchanged(self.live, *_KEPT),
            injected_dropout(drawn),
            listener.listening(),
        ):
            self.live.inference(memory, threshold=_NEVER, maxlenratio=most, **options)
        return listener.before(self.names, bool(options)), listener.after(self.names)


class _Listener:
    """Hears what passes between the modules of a live `Decoder`, step by step."""

    def __init__(self, live: Any, tokens: int) -> None:
        self._live, self._tokens = live, tokens
        self._heard: list[dict[str, Tensor]] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Forward hooks for as long as the decoder runs."""
        live = self._live
        hooks = [
            live.att.register_forward_pre_hook(self._begin, with_kwargs=True),
            live.att.register_forward_hook(self._looked),
            live.feat_out.register_forward_hook(self._said),
            live.prob_out.register_forward_hook(self._stopped),
        ]
        hooks += [cell.register_forward_hook(self._recurred(i)) for i, cell in enumerate(live.lstm)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def before(self, names: Sequence[str], constrained: bool) -> Feed:
        """Inputs of the last step."""
        last = self._heard[-1]
        zeros = torch.zeros(self._live.odim)
        state = {"past_frame": self._heard[-2]["frame"] if len(self._heard) > 1 else zeros}
        state |= {f"past_{name}": last[f"old_{name}"] for name in names if name != "frame"}
        window = torch.tensor([0, self._tokens])
        if constrained:
            looked = self._heard[-2]["weights"].argmax() if len(self._heard) > 1 else 0
            window = torch.tensor([looked - 1, looked + 3])
        state |= {"past_weights": last["old_weights"], "window": window}
        return {name: tensor.numpy() for name, tensor in state.items()}

    def after(self, names: Sequence[str]) -> Feed:
        """Outputs of the last step."""
        last = self._heard[-1]
        return {name: last[name].numpy() for name in ("frames", "stops", "weights", *names)}

    def _begin(self, module: Any, args: Any, named: Any) -> None:
        before = args[3]
        if before is None:
            uniform = type(module).__name__ == "AttLoc"
            before = torch.full((1, self._tokens), 1 / self._tokens)
            before = before if uniform else torch.eye(1, self._tokens)
        agent = torch.as_tensor(getattr(module, "trans_agent_prob", 0.0)).reshape(1)
        self._heard.append({"old_weights": before[0].clone(), "old_transition": agent})

    def _looked(self, module: Any, args: Any, out: Any) -> None:
        agent = torch.as_tensor(getattr(module, "trans_agent_prob", 0.0)).reshape(1)
        self._heard[-1] |= {"weights": out[1][0].clone(), "transition": agent}

    def _recurred(self, layer: int) -> Any:
        def hook(module: Any, args: Any, out: Any) -> None:
            for what, old, new in zip("zc", args[1], out, strict=True):
                self._heard[-1][f"old_{what}_{layer}"] = old[0].clone()
                self._heard[-1][f"{what}_{layer}"] = new[0].clone()

        return hook

    def _said(self, module: Any, args: Any, out: Tensor) -> None:
        frames = out.view(self._live.odim, -1).T.clone()
        activation = self._live.output_activation_fn
        last = frames[-1] if activation is None else activation(frames[-1])
        self._heard[-1] |= {"frames": frames, "frame": last}

    def _stopped(self, module: Any, args: Any, out: Tensor) -> None:
        self._heard[-1]["stops"] = torch.sigmoid(out)[0]


def _padded(name: str, array: Array, tokens: int) -> Array:
    return np.pad(array, (0, tokens - len(array))) if name == "past_weights" else array
