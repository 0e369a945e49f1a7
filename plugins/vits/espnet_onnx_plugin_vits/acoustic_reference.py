"""What ESPnet's own VITS says of one utterance, with the noise that the graphs were given.

Shapes: U tokens, T frames, C latent channels, D width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from espnet_onnx.layers.live_classes import TABLE
from espnet_onnx.layers.live_encoder import fresh_positions, unchanged
from espnet_onnx.types import Feed

__all__ = ["durations_reference", "flow_reference", "injected", "text_reference"]


class _Reached(Exception):
    """The inference came to where its state is read; nothing after it need run."""


def text_reference(generator: Any, needs: Sequence[str], feed: Feed) -> Feed:
    """What `VITSGenerator.inference` gives to its duration predictor."""
    seen: dict[str, Any] = {}

    def encoded(module: Any, inputs: Any, output: Any) -> None:
        seen["prior"] = torch.cat(output[1:3], 1)

    def reached(module: Any, inputs: Any, named: Any) -> None:
        seen.update(hidden=inputs[0], condition=named["g"])
        raise _Reached

    controls = {name: torch.from_numpy(feed[name]) for name in needs}
    if "spembs" in controls:
        # `VITS.inference` is given that of one utterance without a batch axis.
        controls["spembs"] = controls["spembs"][0]
    hooks = (
        generator.text_encoder.register_forward_hook(encoded),
        generator.duration_predictor.register_forward_pre_hook(reached, with_kwargs=True),
    )
    try:
        with torch.no_grad(), unchanged(generator), contextlib.suppress(_Reached):
            fresh_positions(generator, TABLE)
            tokens, lengths = (torch.from_numpy(feed[name]) for name in ("tokens", "lengths"))
            generator.inference(tokens, lengths, **controls)
    finally:
        for hook in hooks:
            hook.remove()
    out = {name: seen[name].transpose(1, 2).numpy() for name in ("hidden", "prior")}
    return out | ({"condition": seen["condition"][..., 0].numpy()} if needs else {})


def durations_reference(predictor: Any, feed: Feed) -> Feed:
    """`StochasticDurationPredictor.forward`, and the exp of `VITSGenerator.inference`."""
    hidden = torch.from_numpy(feed["hidden"]).transpose(1, 2)
    mask = torch.ones_like(hidden[:, :1])
    with torch.no_grad(), injected(feed["noise"]):
        log = predictor(hidden, mask, g=_condition(feed), inverse=True)
    return {"durations": (log.exp() * mask)[:, 0].numpy()}


def flow_reference(generator: Any, feed: Feed) -> Feed:
    """The expansion and the flow of `VITSGenerator.inference`, from durations on."""
    prior, durations, noise = (
        torch.from_numpy(feed[name]) for name in ("prior", "durations", "noise")
    )
    mask = torch.ones(1, 1, noise.shape[2])
    cells = torch.ones(1, 1, noise.shape[2], prior.shape[1])
    with torch.no_grad():
        path = generator._generate_path(durations[:, None], cells)  # noqa: SLF001 - no public way
        mean, log = (path[0] @ prior).transpose(1, 2).chunk(2, 1)
        z = generator.flow(mean + noise * log.exp(), mask, g=_condition(feed), inverse=True)
    return {"latent": (z * mask).transpose(1, 2).numpy()}


def _condition(feed: Feed) -> Tensor | None:
    return torch.from_numpy(feed["condition"])[..., None] if "condition" in feed else None


@contextlib.contextmanager
def injected(*noises: Any) -> Iterator[None]:
    """What `torch.randn` and `torch.randn_like` return while this lasts: these arrays, in turn."""
    left = [torch.from_numpy(noise) for noise in noises]

    def draw(*sizes: Any, **named: Any) -> Tensor:
        shape = tuple(sizes[0].shape if isinstance(sizes[0], Tensor) else sizes)
        assert left and shape == tuple(left[0].shape), f"noise of shape {shape} was not expected"
        return left.pop(0)

    with mock.patch.multiple(torch, randn=draw, randn_like=draw):
        yield
    assert not left, f"{len(left)} of {len(noises)} noises were never asked for"
