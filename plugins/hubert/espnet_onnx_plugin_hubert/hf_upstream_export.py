"""s3prl's `hf_*` upstreams, which are models of transformers; random weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from espnet_onnx.errors import ModelError, one_line

from .upstreams import HUGGING_FACE, Sizes

__all__ = ["build_hugging_face", "hub_options"]

_CLASSES = {"hf_hubert": "HubertModel", "hf_wav2vec2": "Wav2Vec2Model"}


def build_hugging_face(family: str, model: str) -> tuple[Any, int, int]:
    """The expert, how many states it gives, and their width.

    Args:
        family: hf_hubert or hf_wav2vec2.
        model: a repository of the hub that is known here or cached, or a folder with config.json.

    Raises:
        ModelError: transformers is missing, or the model's config is neither known nor here.
    """
    try:
        home = import_module(f"s3prl.upstream.{family}.expert")
    except ImportError as error:
        raise ModelError(
            f"upstream {family}_custom needs the package transformers ({error}):"
            ' pip install "transformers<5"'
        ) from error
    cls: Any = getattr(home, _CLASSES[family])
    config, extractor = _config(cls, home.Wav2Vec2FeatureExtractor, model)
    prepared = SimpleNamespace(from_pretrained=lambda _name: extractor)
    with (
        # It draws every weight once more.
        mock.patch.object(cls, "init_weights"),
        mock.patch.object(cls, "from_pretrained", side_effect=lambda _name: cls(config)),
        mock.patch.object(home, "Wav2Vec2FeatureExtractor", prepared),
    ):
        expert = home.UpstreamExpert(model)
    if "masked_spec_embed" in dict(expert.model.named_parameters(recurse=False)):
        del expert.model.masked_spec_embed
    return expert, config.num_hidden_layers + 1, config.hidden_size


def _config(cls: Any, extractor_class: Any, model: str) -> tuple[Any, Any]:
    sizes = HUGGING_FACE.get(model)
    if sizes is not None:
        return cls.config_class(**hub_options(sizes)), extractor_class(return_attention_mask=True)
    try:
        config = cls.config_class.from_pretrained(model, local_files_only=True)
        extractor = extractor_class.from_pretrained(model, local_files_only=True)
    except Exception as error:
        kind = "folder" if Path(model).is_dir() else "model"
        raise ModelError(
            f"{model}: transformers cannot read this {kind} without a download"
            f" ({one_line(error, 90)}); give the folder of its config.json and"
            " preprocessor_config.json as path_or_url"
        ) from error
    return config, extractor


def hub_options(sizes: Sizes) -> dict[str, Any]:
    """The sizes as fields of transformers' config classes."""
    return {
        "num_hidden_layers": sizes.layers,
        "hidden_size": sizes.width,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.hidden,
        "feat_extract_norm": "layer" if sizes.layer_norm else "group",
        "conv_bias": sizes.conv_bias,
        "do_stable_layer_norm": sizes.norm_first,
    }
