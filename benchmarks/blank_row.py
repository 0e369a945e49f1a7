"""Makes a random transducer speak at a natural rate: a token every so many frames.

Shapes: S samples, T frames, J joint width, V tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from espnet_onnx.types import Array

__all__ = ["fit_blank"]

SCALE = 8.0
# By how much the blank is better than the best token, or worse where a token is due.
MARGIN = 5.0
# The fit expects so much noise in every value that the row multiplies, as much as int8 makes of
# tanh. Without, the row is four times as long and no better, and what int8 rounds decides the rate.
NOISE = 0.003
# How many tokens beside the greedy one are looked at in every frame, and how much less they weigh.
BESIDE, ON_PATH = 4, 10.0


@torch.no_grad()
def fit_blank(model: Any, recordings: Sequence[Array], every: int = 6) -> float:
    """Sharpen the joint network's output, and fit the row of its blank by least squares.

    The row is fitted to what the joint network hears of every frame of the recordings, along the
    tokens that greedy search then says, and beside them, so that a beam search ends as well: behind
    the token that is due, and behind others, there is a blank. Other rows stay random.

    Args:
        model: a live `ESPnetASRModel` with a joint network; changed in place.
        recordings: (S,) samples each, at the model's rate.
        every: a token is said in every frame of this number.

    Returns:
        The largest error along the greedy tokens, which must stay below `MARGIN`.
    """
    model.joint_network.lin_out.weight.mul_(SCALE)
    pairs = [pair for samples in recordings for pair in _pairs(model, samples, every)]
    rows = torch.stack([torch.cat([pair.row, pair.row.new_ones(1)]) for pair in pairs]).double()
    wanted = torch.tensor([pair.wanted for pair in pairs], dtype=torch.double)
    weights = torch.tensor([ON_PATH if pair.greedy else 1.0 for pair in pairs]).double()
    quiet = torch.eye(rows.shape[1])[:-1].double() * NOISE * weights.norm()
    system = torch.cat([rows * weights[:, None], quiet])
    aims = torch.cat([wanted * weights, quiet.new_zeros(len(quiet))])
    found = torch.linalg.lstsq(system, aims[:, None], driver="gelsd").solution[:, 0]
    output = model.joint_network.lin_out
    output.weight[0] = found[:-1].float()
    output.bias[0] = found[-1].float()
    return float((rows @ found - wanted).abs()[weights > 1].max())


@attrs.frozen
class _Pair:
    """(J,) of a frame and a prefix, and what the blank's output should be there."""

    row: Tensor
    wanted: float
    greedy: bool


def _pairs(model: Any, samples: Array, every: int) -> Iterator[_Pair]:
    decoder, joint = model.decoder, model.joint_network
    speech = torch.from_numpy(samples)[None]
    (frames,), _ = model.encode(speech, torch.tensor([len(samples)]))

    def pair(frame: Tensor, out: Tensor, above: float, greedy: bool) -> tuple[_Pair, Tensor]:
        row = joint.joint_activation(joint.lin_enc(frame) + joint.lin_dec(out))
        scores = joint.lin_out(row)[1:]
        return _Pair(row, float(scores.max()) + above, greedy), scores

    out, state = _read(decoder, decoder.blank_id, decoder.init_state(1))
    for t, frame in enumerate(frames):
        due = t % every == every - 1
        found, scores = pair(frame, out, -MARGIN if due else MARGIN, greedy=True)
        yield found
        tokens = [int(token) + 1 for token in scores.topk(BESIDE).indices]
        beside = [_read(decoder, token, state) for token in tokens]
        for other, _ in beside:
            yield pair(frame, other, MARGIN, greedy=False)[0]
        if due:
            out, state = beside[0]


def _read(decoder: Any, token: int, state: Any) -> tuple[Tensor, Any]:
    out, state = decoder.rnn_forward(decoder.embed(torch.tensor([[token]])), state)
    return out[0, 0], state
