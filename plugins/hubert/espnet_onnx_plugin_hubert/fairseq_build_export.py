"""Builds ESPnet's encoders `hubert` and `wav2vec2` without fairseq, its downloads and its pickles.

fairseq 0.12 does not install on the Pythons that ESPnet runs on now. s3prl carries the code of its
models, whose weights have the same names.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from espnet_onnx.errors import ModelError

from .fit_graph import fit
from .quick_init_graph import quick_init
from .s3prl_upstream_export import build_upstream

__all__ = ["untrained"]

# ESPnet's class -> where it keeps fairseq's model, and the s3prl upstream that is this model.
_ENCODERS = {
    "FairseqHubertEncoder": ("encoders", "hubert_url"),
    "FairseqHubertPretrainEncoder": ("encoder", "hubert_url"),
    "FairSeqWav2Vec2Encoder": ("encoders", "wav2vec2_url"),
}


@contextmanager
def untrained(module: ModuleType) -> Iterator[None]:
    """Let the encoders of a module build fairseq's models from known sizes.

    The sizes are those of a published checkpoint, by its name, or of a local file that s3prl wrote.

    Args:
        module: espnet2.asr.encoder.hubert_encoder or .wav2vec2_encoder.
    """
    with ExitStack() as stack:
        for name, (place, upstream) in _ENCODERS.items():
            if hasattr(module, name):
                cls = getattr(module, name)
                ours = _init(cls.__init__, module, place, upstream)
                stack.enter_context(mock.patch.object(cls, "__init__", ours))
        yield


def _init(original: Any, module: ModuleType, place: str, upstream: str) -> Any:
    @functools.wraps(original)
    def build(self: Any, *args: Any, **named: Any) -> None:
        with _stand_ins(module, upstream):
            original(self, *args, **named)
        getattr(self, place).remove_pretraining_modules()
        self.register_load_state_dict_pre_hook(functools.partial(fit, where=place))

    return build


@contextmanager
def _stand_ins(module: ModuleType, upstream: str) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(sys.modules, _fairseq(upstream)))
        for name in ("download_hubert", "download_w2v"):
            if hasattr(module, name):
                stack.enter_context(mock.patch.object(module, name, _local))
        pretraining = getattr(module, "FairseqHubertPretrainEncoder", None)
        if pretraining is not None:
            stack.enter_context(mock.patch.object(pretraining, "_build_dictionary", _no_dictionary))
        stack.enter_context(quick_init())
        yield


def _no_dictionary(self: Any, _dictionary: Any, _path: str) -> None:
    """A vocabulary of None makes no embeddings of its labels, which only pretraining reads."""
    self.dictionaries = [None]


def _local(url: str, folder: str) -> str:
    """Where `download_hubert` and `download_w2v` put a file, or its name if it is not there."""
    places = (Path(url), Path(folder) / PurePosixPath(url).name)
    return next((str(place) for place in places if place.is_file()), url)


def _fairseq(upstream: str) -> Mapping[str, ModuleType]:
    """What ESPnet imports of fairseq, over s3prl's copies."""
    try:
        from s3prl.upstream.hubert.hubert_model import (
            HubertConfig,
            HubertModel,
            HubertPretrainingConfig,
        )
        from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Model
    except ImportError as error:
        raise ModelError(
            f"encoders of fairseq need the package espnet-s3prl ({error}), which has its models:"
            " pip install espnet-s3prl"
        ) from error
    load = functools.partial(_load, upstream)
    contents: Mapping[str, Mapping[str, Any]] = {
        "": {"checkpoint_utils": SimpleNamespace(load_model_ensemble_and_task=load)},
        ".data": {},
        ".data.dictionary": {"Dictionary": SimpleNamespace},
        ".models": {},
        ".models.hubert": {},
        ".models.hubert.hubert": {
            "HubertConfig": functools.partial(HubertConfig, label_rate=50.0),
            "HubertModel": HubertModel,
            "HubertPretrainingConfig": HubertPretrainingConfig,
        },
        ".models.wav2vec": {},
        ".models.wav2vec.wav2vec2": {"Wav2Vec2Model": Wav2Vec2Model},
    }
    return {f"fairseq{name}": _module(f"fairseq{name}", held) for name, held in contents.items()}


def _module(name: str, held: Mapping[str, Any]) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(held)
    return made


def _load(upstream: str, paths: Sequence[str], **_options: Any) -> tuple[list[Any], Any, None]:
    """`fairseq.checkpoint_utils.load_model_ensemble_and_task`, with random weights."""
    expert, _, width = build_upstream(upstream, paths[0])
    return [expert.model], SimpleNamespace(model=SimpleNamespace(encoder_embed_dim=width)), None
