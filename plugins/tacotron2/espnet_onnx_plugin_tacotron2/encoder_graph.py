"""Tacotron2's encoder: from tokens and conditions to what its attention reads.

Mirrors `Encoder.inference` of `espnet...tacotron2.encoder` and what `Tacotron2.inference` adds.
Shapes: B utterances, U tokens, D width, K attention width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from espnet_onnx.layers.linear import Affine
from espnet_onnx.layers.masks import valid_frames
from espnet_onnx.layers.recurrent import Recurrent
from espnet_onnx.layers.tts_conditions import CONDITIONS, Conditions
from espnet_onnx.layers.tts_prenet import TextPrenet

__all__ = ["EncoderModule"]


class EncoderModule(nn.Module):
    """Convolutions, a bidirectional LSTM, conditions, and the keys of the attention.

    Args:
        live: a `Tacotron2`.
        needs: controls that it cannot speak without.

    Attributes:
        input_names: the graph's inputs, in the order of `forward`.
    """

    def __init__(self, live: Any, needs: Sequence[str]) -> None:
        super().__init__()
        self.prenet = TextPrenet(live.enc)
        self.recurrent = Recurrent(live.enc.blstm)
        self.conditions = Conditions(live)
        self.key = Affine.of(live.dec.att.mlp_enc)
        self.input_names = ["tokens", "tokens_lengths", *(CONDITIONS[name] for name in needs)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Tensors in the order of `input_names` -> (B, U, D) and (B, U, K)."""
        given = dict(zip(self.input_names, tensors, strict=True))
        tokens, lengths = given["tokens"], given["tokens_lengths"]
        x = self.prenet(tokens, valid_frames(lengths, tokens.shape[1])[..., None].float())
        memory = self.conditions(self.recurrent(x, lengths), given)
        return memory, self.key(memory)
