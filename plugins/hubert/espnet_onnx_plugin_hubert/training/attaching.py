"""Puts a bundle in the place of a live model's frozen frontend, and takes it out again.

Shapes: B utterances, N samples, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet_onnx.errors import InputError

from .frontend import OnnxFrontend
from .upstream import OnnxUpstream

__all__ = ["attach", "evaluating", "gives_states"]

_WEIGHTS = "featurizer.weights"
# Largest difference from the live frontend's features, or smallest cosine, by precision.
_FP32_TOLERANCE, _INT8_COSINE = 1e-3, 0.95
_NOISE = 8000  # samples that are compared


@contextmanager
def attach(
    model: Any, bundle: str | Path, *, precision: str = "fp32", threads: int | None = None
) -> Iterator[nn.Module]:
    """Let a bundle compute the features of a live ESPnet model while the block lasts.

    Parameters, their names and the model's state stay as they are: a checkpoint that is saved
    inside opens in plain ESPnet. Where the layers' weights of `S3prlFrontend` are trained
    (`multilayer_feature`, freeze_param frontend.upstream, as in ESPnet's recipes), the bundle
    gives the states of all layers and ESPnet's featurizer weighs them; else it gives the features.
    The features have no dropout; ESPnet leaves the dropout of a frozen upstream on in training.

    Args:
        model: holds `frontend`, on any device.
        bundle: exported from this frontend with `--role frontend`.
        precision: "fp32" or "int8".
        threads: of onnxruntime on the CPU.

    Raises:
        InputError: the model has no frontend, a part of it is trained that the bundle would
            replace, or the bundle's features are not this frontend's.
    """
    frontend = model.frontend
    if frontend is None:
        raise InputError(
            "the model has no frontend: it reads features already, and needs no bundle"
        )
    device = next(model.parameters()).device
    states = gives_states(frontend)
    replaced: nn.Module = frontend.upstream if states else frontend
    stand_in = (OnnxUpstream if states else OnnxFrontend)(
        bundle, precision=precision, threads=threads, device=device
    )
    with evaluating(frontend):
        before = _features(frontend, device)
    with _forwarding(replaced, stand_in):
        _require_same(_features(frontend, device), before, Path(bundle), precision)
        yield stand_in


def gives_states(frontend: nn.Module) -> bool:
    """Whether a bundle must give the states of all layers, since their weights are trained.

    Raises:
        InputError: something else of the frontend is trained.
    """
    trained = {name for name, p in frontend.named_parameters() if p.requires_grad}
    others = trained - {_WEIGHTS}
    if others:
        raise InputError(
            f"frontend.{min(others)} is trained, and a bundle's weights do not change:"
            " freeze it (freeze_param: frontend, or frontend.upstream for s3prl)"
        )
    # Without `multilayer_feature` ESPnet has the weights, and uses none.
    return bool(trained) and bool(getattr(frontend, "multilayer_feature", False))


@contextmanager
def _forwarding(module: nn.Module, stand_in: nn.Module) -> Iterator[None]:
    """Call `stand_in` instead of the module's own `forward`; nothing else of it changes."""
    forward: Callable[..., Any] = stand_in.forward
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        del module.__dict__["forward"]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Every part of the module in eval mode, and back in its own."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@torch.no_grad()
def _features(frontend: nn.Module, device: torch.device) -> Tensor:
    """(1, T, D) of noise that is always the same."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, _NOISE, generator=generator)
    feats: Tensor = frontend(noise.to(device), torch.tensor([_NOISE], device=device))[0]
    return feats.cpu()


def _require_same(found: Tensor, wanted: Tensor, bundle: Path, precision: str) -> None:
    if found.shape == wanted.shape:
        if precision == "int8":
            same = torch.cosine_similarity(found.flatten(), wanted.flatten(), dim=0) > _INT8_COSINE
        else:
            limit = _FP32_TOLERANCE * max(1.0, float(wanted.abs().max()))
            same = (found - wanted).abs().max() < limit
        if same:
            return
    raise InputError(
        f"{bundle}: its features are not those of the model's frontend:"
        " export the frontend that you train with (remove the bundle, and it is exported again)"
    )
