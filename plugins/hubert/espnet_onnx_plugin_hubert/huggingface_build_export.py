"""Builds frontend `huggingface` without a download; random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from espnet_onnx.errors import ModelError, one_line

from .building import within
from .hf_upstream_export import hub_options
from .quick_init_graph import quick_init
from .upstreams import HUGGING_FACE

__all__ = ["untrained"]


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let `HuggingFaceFrontend` build its model from a config that is here or known.

    Args:
        module: espnet2.asr.frontend.huggingface.
    """
    with within(module.HuggingFaceFrontend, lambda: _stand_ins(module)):
        yield


@contextmanager
def _stand_ins(module: ModuleType) -> Iterator[None]:
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f'frontend huggingface needs transformers ({error}): pip install "transformers<5"'
        ) from error
    originals = {
        name: getattr(transformers, name).from_pretrained
        for name in ("AutoConfig", "AutoFeatureExtractor")
    }

    def config(name: str, cache_dir: str | None = None) -> Any:
        return _local(originals["AutoConfig"], _known_config, name, cache_dir)

    def processor(name: str, cache_dir: str | None = None) -> Any:
        return _local(originals["AutoFeatureExtractor"], _known_processor, name, cache_dir)

    def model(name: str, cache_dir: str | None = None) -> Any:
        return transformers.AutoModel.from_config(config(name, cache_dir))

    with ExitStack() as stack:
        for owner, name, ours in (
            (transformers.AutoConfig, "from_pretrained", config),
            (transformers.AutoFeatureExtractor, "from_pretrained", processor),
            (transformers.AutoModel, "from_pretrained", model),
            (transformers.PreTrainedModel, "init_weights", lambda _self: None),
            # `pretrained_params` is a second copy of the weights that only training reads.
            (module, "copy", SimpleNamespace(deepcopy=lambda _weights: {})),
        ):
            stack.enter_context(mock.patch.object(owner, name, ours))
        stack.enter_context(quick_init())
        yield


def _local(read: Any, known: Any, name: str, cache_dir: str | None) -> Any:
    """What transformers reads of a folder or of its cache; else what is known of a published one.

    Raises:
        ModelError: neither.
    """
    try:
        return read(name, cache_dir=cache_dir, local_files_only=True)
    # Of what is not there, each version says so in its own way.
    except Exception as error:
        if name in HUGGING_FACE:
            return known(name)
        raise ModelError(
            f"frontend huggingface: {name} is neither a folder with config.json and"
            " preprocessor_config.json, nor in the cache of transformers, nor known here"
            f" ({one_line(error, 90)}); put these two files into a folder and name it"
        ) from error


def _known_config(name: str) -> Any:
    import transformers

    cls = transformers.HubertConfig if "hubert" in name else transformers.Wav2Vec2Config
    return cls(**hub_options(HUGGING_FACE[name]))


def _known_processor(name: str) -> Any:
    """Facebook's models all hear normalised waveforms."""
    import transformers

    mask = HUGGING_FACE[name].layer_norm
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=mask)
