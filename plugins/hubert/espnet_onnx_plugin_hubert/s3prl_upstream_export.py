"""s3prl's upstreams from known sizes, or from the config in a local checkpoint; random weights."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from espnet_onnx.errors import ModelError, one_line

from .hf_upstream_export import build_hugging_face
from .upstreams import Sizes, family_of, known_sizes

__all__ = ["build_upstream"]

Config = dict[str, Any]
# s3prl hands this text to `eval`: nothing but lists, tuples and numbers may be in it.
_CONVOLUTIONS = re.compile(r"[\d\s\[\](),*+]+")
_WAVLM = {
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
}
_DATA2VEC = {"conv_pos": 95, "pos_conv_depth": 5}


def build_upstream(name: str, path_or_url: str | None) -> tuple[Any, int, int]:
    """An s3prl `UpstreamExpert` with random weights.

    What only training needs is left out (final projections, codebooks).

    Args:
        name: of the upstream (`wavlm_large`, `hubert_local`, ...).
        path_or_url: its checkpoint, whose name says the sizes if published, else its content.

    Returns:
        The expert, how many states it gives, and their width.

    Raises:
        ModelError: unknown upstream or sizes, or a checkpoint that only code can read.
    """
    family = family_of(name)
    if family is None:
        raise ModelError(f"upstream {name} of s3prl: espnet-onnx cannot build it")
    if family.startswith("hf_"):
        return build_hugging_face(family, str(path_or_url))
    config, task = _configs(family, name, path_or_url)
    convolutions = str(config.get("conv_feature_layers", "0"))
    if not _CONVOLUTIONS.fullmatch(convolutions):
        raise ModelError(f"upstream {name}: conv_feature_layers holds code ({convolutions[:40]!r})")
    _refuse(name, config)
    expert = _BUILDERS[family](config, task)
    expert.model.feature_grad_mult = 0.0
    encoder = expert.model.encoder
    return expert, len(encoder.layers) + 1, int(encoder.embedding_dim)


def _configs(family: str, name: str, path_or_url: str | None) -> tuple[Config, Config]:
    sizes = known_sizes(name, path_or_url)
    if sizes is not None:
        return _config_of(family, sizes), {"normalize": sizes.normalize}
    path = Path(str(path_or_url))
    if not path.is_file():
        raise ModelError(
            f"upstream {name}: {path_or_url} is neither a published checkpoint that is known here"
            " nor a file; put s3prl's checkpoint there, of which only the sizes are read"
        )
    return _read(path)


def _config_of(family: str, sizes: Sizes) -> Config:
    config: Config = {
        "extractor_mode": "layer_norm" if sizes.layer_norm else "default",
        "encoder_layers": sizes.layers,
        "encoder_embed_dim": sizes.width,
        "encoder_ffn_embed_dim": sizes.hidden,
        "encoder_attention_heads": sizes.heads,
        "layer_norm_first": sizes.norm_first,
        "conv_bias": sizes.conv_bias,
        "normalize": sizes.normalize,
    }
    return config | {"wavlm": _WAVLM, "data2vec": _DATA2VEC}.get(family, {})


def _read(path: Path) -> tuple[Config, Config]:
    """`load_converted_model` of s3prl, for its configs alone; nothing in the file is executed."""
    try:
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    # On bytes that are no checkpoint, torch.load raises whatever its readers happen to.
    except Exception as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"would run code when read ({code[1]})" if code else f"cannot be read ({_why(error)})"
        raise ModelError(
            f"{path}: {why}; convert it with s3prl's load_and_convert_fairseq_ckpt"
        ) from error
    found = state if isinstance(state, Mapping) else {}
    config = found.get("model_cfg") or found.get("cfg")
    if not isinstance(config, dict):
        raise ModelError(f"{path}: has no model_cfg, so it is no checkpoint as s3prl writes them")
    return dict(config), dict(found.get("task_cfg") or {"normalize": False})


def _why(error: Exception) -> str:
    return one_line(error, 90)


def _refuse(name: str, config: Config) -> None:
    for key, plain in (
        ("layer_type", "transformer"),
        ("quantize_input", False),
        ("crop_seq_to_multiple", 1),
    ):
        if config.get(key, plain) != plain:
            raise ModelError(f"upstream {name}: {key} {config[key]!r} has no ONNX graph")


def _hubert(config: Config, task: Config) -> Any:
    from s3prl.upstream.hubert.hubert_model import (
        HubertConfig,
        HubertModel,
        HubertPretrainingConfig,
    )
    from s3prl.upstream.utils import merge_with_parent

    task_cfg = merge_with_parent(HubertPretrainingConfig, task)
    cfg = merge_with_parent(HubertConfig, {"label_rate": 50.0, **config})
    # A vocabulary of None makes no embeddings of its labels.
    return _expert("hubert", HubertModel(cfg, task_cfg, [None]), task_cfg)


def _wav2vec2(config: Config, task: Config) -> Any:
    from s3prl.upstream.utils import merge_with_parent
    from s3prl.upstream.wav2vec2.wav2vec2_model import (
        AudioPretrainingConfig,
        Wav2Vec2Config,
        Wav2Vec2Model,
    )

    task_cfg = merge_with_parent(AudioPretrainingConfig, task)
    cfg = merge_with_parent(Wav2Vec2Config, {**config, "quantize_targets": False})
    return _expert("wav2vec2", Wav2Vec2Model(cfg), task_cfg)


def _data2vec(config: Config, task: Config) -> Any:
    from s3prl.upstream.data2vec.data2vec_model import Data2VecAudioConfig, Data2VecAudioModel
    from s3prl.upstream.utils import merge_with_parent
    from s3prl.upstream.wav2vec2.wav2vec2_model import AudioPretrainingConfig

    task_cfg = merge_with_parent(AudioPretrainingConfig, task)
    cfg = merge_with_parent(Data2VecAudioConfig, config)
    return _expert("data2vec", Data2VecAudioModel(cfg), task_cfg)


def _expert(family: str, model: Any, task_cfg: Any) -> Any:
    """s3prl's expert around a model that is built already."""
    model.remove_pretraining_modules()
    home = import_module(f"s3prl.upstream.{family}.expert")
    with mock.patch.object(home, "load_converted_model", return_value=(model, task_cfg)):
        return home.UpstreamExpert("")


def _wavlm(config: Config, task: Config) -> Any:
    from s3prl.upstream.wavlm import WavLM as Home
    from s3prl.upstream.wavlm import expert

    checkpoint = {"cfg": config, "model": {}}
    with (
        mock.patch.object(expert, "torch", SimpleNamespace(load=lambda _path: checkpoint)),
        mock.patch.object(expert.WavLM, "load_state_dict"),
        # It draws every weight once more.
        mock.patch.object(Home, "init_bert_params"),
    ):
        return expert.UpstreamExpert("")


_BUILDERS: Mapping[str, Callable[[Config, Config], Any]] = {
    "data2vec": _data2vec,
    "hubert": _hubert,
    "wav2vec2": _wav2vec2,
    "wavlm": _wavlm,
}
