"""Makes a random transducer speak at a natural rate: a token every so many frames.

Shapes: S samples, T frames, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from espnet_onnx.types import Array

__all__ = ["fit_blank"]

SCALE = 8.0
# By how much the blank is better than the best token, or worse where a token is due.
MARGIN = 5.0


@torch.no_grad()
def fit_blank(model: Any, recordings: Sequence[Array], every: int = 6) -> float:
    """Sharpen the joint network's output, and fit the row of its blank by least squares.

    The row is fitted to what the joint network hears of every frame of the recordings, along the
    tokens that greedy search then says. Other rows stay random.

    Args:
        model: a live `ESPnetASRModel` with a joint network; changed in place.
        recordings: (S,) samples each, at the model's rate.
        every: a token is said in every frame of this number.

    Returns:
        The largest error of the fit, which must stay below the margin.
    """
    output = model.joint_network.lin_out
    output.weight.mul_(SCALE)
    rows = [pair for samples in recordings for pair in _heard(model, samples, every)]
    heard = torch.stack([torch.cat([row, row.new_ones(1)]) for row, _ in rows]).double()
    wanted = torch.tensor([value for _, value in rows], dtype=torch.double)
    found = torch.linalg.lstsq(heard, wanted[:, None], driver="gelsd").solution[:, 0]
    output.weight[0] = found[:-1].float()
    output.bias[0] = found[-1].float()
    return float((heard @ found - wanted).abs().max())


def _heard(model: Any, samples: Array, every: int) -> Iterator[tuple[Tensor, float]]:
    """(J,) of each frame, and what the blank's output should be there."""
    decoder, joint = model.decoder, model.joint_network
    speech = torch.from_numpy(samples)[None]
    (frames,), _ = model.encode(speech, torch.tensor([len(samples)]))
    out, state = _read(decoder, decoder.blank_id, decoder.init_state(1))
    for t, frame in enumerate(frames):
        row = joint.joint_activation(joint.lin_enc(frame) + joint.lin_dec(out))
        scores = joint.lin_out(row)[1:]
        token = int(scores.argmax()) + 1
        due = t % every == every - 1
        yield row, float(scores.max()) + (-MARGIN if due else MARGIN)
        if due:
            out, state = _read(decoder, token, state)


def _read(decoder: Any, token: int, state: Any) -> tuple[Tensor, Any]:
    out, state = decoder.rnn_forward(decoder.embed(torch.tensor([[token]])), state)
    return out[0, 0], state
