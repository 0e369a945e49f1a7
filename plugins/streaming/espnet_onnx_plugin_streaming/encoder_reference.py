"""What ESPnet's own contextual block encoder says of one utterance.

Shapes: T frames, D width, L layers, R rows of a block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
import torch
from torch import Tensor

from espnet_onnx.types import Feed

__all__ = ["BlocksReference", "SubsampleReference"]


@attrs.frozen
class SubsampleReference:
    """The live `embed`, in streaming called without a mask."""

    embed: Any

    def __call__(self, feed: Feed) -> Feed:
        """`feats` of one utterance -> `frames` and their number."""
        feats = torch.from_numpy(feed["feats"])
        with torch.no_grad():
            if isinstance(self.embed, torch.nn.Sequential):
                frames = self.embed(feats)
            else:
                frames, _ = self.embed(feats, None)
        lengths = torch.tensor([frames.shape[1]])
        return {"frames": frames.numpy(), "frames_lengths": lengths.numpy()}


@attrs.frozen
class BlocksReference:
    """`forward_infer` of the live encoder, its last call, over frames that are subsampled already.

    It returns only frames that no earlier call returned; those before them are read off its blocks,
    and the context off its layers, by hooks.
    """

    encoder: Any

    def __call__(self, feed: Feed) -> Feed:
        """The feed of one utterance -> `encoder_out` and `context_out`."""
        frames = torch.from_numpy(feed["frames"])
        seen: dict[str, Any] = {}
        with torch.no_grad(), self._subsampled(), self._watched(seen):
            out, _, _ = self.encoder(
                frames,
                torch.tensor([frames.shape[1]]),
                self._states(feed),
                is_final=True,
                infer_mode=True,
            )
            missing = frames.shape[1] - out.shape[1]
            earlier = seen["rows"][:, 0, 1 : 1 + missing]
            if self.encoder.normalize_before:
                earlier = self.encoder.after_norm(earlier)
        out = torch.cat((earlier, out), 1)
        return {"encoder_out": out.numpy(), "context_out": self._context(seen).numpy()}

    def _states(self, feed: Feed) -> dict[str, Any] | None:
        first = int(feed["first"][0])
        if first == 0:
            return None
        context = torch.from_numpy(feed["context"])
        return {
            "prev_addin": context[:, :1],
            "buffer_before_downsampling": torch.zeros(1, 0, context.shape[2]),
            "ilens_buffer": torch.tensor([0]),
            "buffer_after_downsampling": None,
            "n_processed_blocks": first,
            # What the last layer hands on, nobody reads.
            "past_encoder_ctx": torch.cat((context[:, 1:], context[:, :1]), 1),
        }

    def _context(self, seen: dict[str, Any]) -> Tensor:
        """(1, L, D): what the last block hands on to every layer's input; 0 without context."""
        handed = seen["handed"]
        if handed is None:
            layers = len(self.encoder.encoders)
            return torch.zeros(1, layers, self.encoder.output_size())
        return torch.cat((seen["addin"], handed[:, :-1]), 1)

    @contextlib.contextmanager
    def _subsampled(self) -> Iterator[None]:
        """The encoder without its input layer and with its table of positions as it was."""
        embed, subsample, table = (
            self.encoder.embed,
            self.encoder.subsample,
            self.encoder.pos_enc.pe,
        )
        self.encoder.embed, self.encoder.subsample = None, 1
        try:
            yield
        finally:
            self.encoder.embed, self.encoder.subsample = embed, subsample
            self.encoder.pos_enc.pe = table

    @contextlib.contextmanager
    def _watched(self, seen: dict[str, Any]) -> Iterator[None]:
        """Note the blocks that enter and leave the layers; attention keeps no weights."""
        attentions = [layer.self_attn for layer in self.encoder.encoders]
        kept = [attention.attn for attention in attentions]

        def enter(_module: Any, arguments: tuple[Any, ...]) -> None:
            seen["addin"] = arguments[0][:, -1:, -1].clone()

        def leave(_module: Any, _arguments: Any, output: tuple[Any, ...]) -> None:
            seen["rows"], seen["handed"] = output[0], output[4]

        hooks = [
            self.encoder.encoders.register_forward_pre_hook(enter),
            self.encoder.encoders.register_forward_hook(leave),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for attention, attn in zip(attentions, kept, strict=True):
                attention.attn = attn
