"""Builds what `S3prlFrontend` holds, without s3prl's downloads and pickles."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch

from espnet_onnx.errors import ModelError

from .building import within
from .fit_graph import fit, rename
from .quick_init_graph import quick_init
from .s3prl_claim import STRIDE

__all__ = ["untrained"]


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let `S3prlFrontend` build its upstream from sizes that are known beforehand.

    s3prl is imported only if one is really built. It keeps no second copy of the weights
    (`pretrained_params`, which only training reads), and `download_dir` is neither made nor set.

    Args:
        module: espnet2.asr.frontend.s3prl.
    """
    with within(module.S3prlFrontend, lambda: _stand_ins(module)):
        yield


@contextmanager
def _stand_ins(module: ModuleType) -> Iterator[None]:
    try:
        import s3prl.nn
        import s3prl.util.download
    except ImportError as error:
        raise ModelError(
            f"frontend s3prl needs the package espnet-s3prl ({error}): pip install espnet-s3prl"
        ) from error
    upstream = s3prl.nn.S3PRLUpstream
    without_copy = SimpleNamespace(copy=copy.copy, deepcopy=lambda _weights: {})
    with ExitStack() as stack:
        for owner, name, ours in (
            (upstream, "__init__", _init_upstream),
            (s3prl.util.download, "set_dir", lambda _folder: None),
            (module, "copy", without_copy),
        ):
            stack.enter_context(mock.patch.object(owner, name, ours))
        # A weight-norm product made without gradients can be copied, as ESPnet's own can.
        stack.enter_context(torch.no_grad())
        stack.enter_context(quick_init())
        yield


def _init_upstream(
    self: Any,
    name: str,
    path_or_url: str | None = None,
    refresh: bool = False,
    normalize: bool = False,
    extra_conf: dict[str, Any] | None = None,
    randomize: bool = False,
) -> None:
    """`S3PRLUpstream.__init__` without a checkpoint and without the forward that counts states."""
    from .s3prl_upstream_export import build_upstream

    torch.nn.Module.__init__(self)
    self.upstream, states, width = build_upstream(name, path_or_url)
    self.upstream.train()
    self.normalize = normalize
    self._num_layers = states
    self._hidden_sizes = [width] * states
    self._downsample_rates = [STRIDE] * states
    self.register_load_state_dict_pre_hook(rename)
    self.register_load_state_dict_pre_hook(fit)
