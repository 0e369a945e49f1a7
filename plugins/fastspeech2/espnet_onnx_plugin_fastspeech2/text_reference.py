"""What ESPnet's own model hands to its length regulator, and how long it says that tokens last.

Shapes: B utterances, U tokens, D width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from espnet_onnx.layers.live_classes import TABLE
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

from .controls import PROSODY

__all__ = ["TextReference"]


class _Heard(Exception):
    """The length regulator has been reached."""


@attrs.frozen
class TextReference:
    """Lets the live model speak as far as its length regulator, and leaves it as it was.

    Attributes:
        live: a `FastSpeech`, `FastSpeech2` or `JETSGenerator`.
        needs: controls of `controls.sizes`.
        outputs: names to return.
        speak: calls ESPnet with the model, its whole text (1, U) and the controls by name.
    """

    live: Any
    needs: Sequence[str]
    outputs: Sequence[str]
    speak: Callable[..., Any]

    def __call__(self, feed: Feed) -> Feed:
        """One utterance of the text graph -> what its outputs should be."""
        given = {name: torch.from_numpy(array) for name, array in feed.items()}
        heard: dict[str, Tensor] = {}
        with torch.no_grad(), unchanged(self.live), self._listening(given, heard):
            fresh_positions(self.live, TABLE)
            controls = {name: given[name] for name in self.needs if name != "speech"}
            if "speech" in self.needs:
                # Any: its style is put in place of what would be made of it.
                controls["speech"] = torch.zeros(1, 1, 1)
            with contextlib.suppress(_Heard):
                self.speak(self.live, given["tokens"], controls)
        heard["durations"] = heard["log"].exp() - self.live.duration_predictor.offset
        return {name: heard[name].numpy() for name in self.outputs}

    @contextlib.contextmanager
    def _listening(self, given: dict[str, Tensor], heard: dict[str, Tensor]) -> Iterator[None]:
        """Forward hooks that take away, and change, what passes between ESPnet's modules."""

        def log(module: Any, inputs: Any, out: Tensor) -> None:
            heard["log"] = out[..., 0]

        def regulate(module: Any, inputs: tuple[Any, ...]) -> None:
            heard["states"] = inputs[0]
            raise _Heard

        def changed(name: str) -> Callable[..., Tensor]:
            def hook(module: Any, inputs: Any, out: Tensor) -> Tensor:
                value = out * given[f"{name}_scale"] + given[f"{name}_shift"]
                heard[name] = value
                return value

            return hook

        live = self.live
        with contextlib.ExitStack() as hooks:
            hooks.callback(live.duration_predictor.linear.register_forward_hook(log).remove)
            hooks.callback(live.length_regulator.register_forward_pre_hook(regulate).remove)
            for name in sorted({key.split("_")[0] for key in PROSODY} & {*self.outputs}):
                predictor = getattr(live, f"{name}_predictor")
                hooks.callback(predictor.register_forward_hook(changed(name)).remove)
            if "speech" in self.needs:
                hooks.enter_context(_answering(live.gst, given["style"]))
            yield


@contextlib.contextmanager
def _answering(module: Any, answer: Tensor) -> Iterator[None]:
    """A module that says this, whatever it hears."""
    vars(module)["forward"] = lambda *inputs: answer
    try:
        yield
    finally:
        del vars(module)["forward"]
