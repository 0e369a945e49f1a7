"""Tiny recognisers over s3prl's upstreams, whose checkpoints are made here as s3prl reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from espnet_onnx.testing import TinyModel

__all__ = ["ASR", "LARGE", "MODELS", "SIZES", "s3prl_asr", "write_checkpoint"]

# The feed-forward layers are wide enough to become int8.
SIZES: Mapping[str, Any] = {
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "encoder_layers": 2,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 512,
    "encoder_attention_heads": 4,
    "conv_pos": 16,
    "conv_pos_groups": 4,
}
LARGE = {"extractor_mode": "layer_norm", "layer_norm_first": True}
_TRAINED: Mapping[str, Mapping[str, Any]] = {
    "hubert": {"label_rate": 50.0, "final_dim": 8},
    "wav2vec2": {"quantize_targets": True, "latent_vars": 4, "final_dim": 8},
    "data2vec": {"conv_pos": 15, "pos_conv_depth": 3},
    "wavlm": {
        "relative_position_embedding": True,
        "num_buckets": 32,
        "max_distance": 40,
        "gru_rel_pos": True,
    },
}
ASR: Mapping[str, Any] = {
    "token_list": ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"],
    "token_type": "char",
    "frontend": "s3prl",
    "specaug": None,
    "normalize": None,
    "encoder": "transformer",
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "model_conf": {"ctc_weight": 1.0},
}
# Of the encoders only these read the lengths that ESPnet gives to tiled features.
_RNN = {
    "encoder": "rnn",
    "encoder_conf": {
        "num_layers": 1,
        "hidden_size": 16,
        "output_size": 16,
        "subsample": [1],
    },
}


def write_checkpoint(family: str, normalize: bool = False, **sizes: Any) -> Callable[[Path], None]:
    """Writes a random checkpoint in s3prl's own format.

    Args:
        family: hubert, wav2vec2, data2vec or wavlm.
        normalize: whether its waveforms are to be normalised.
        sizes: fields of the family's config, over `SIZES`.
    """
    config = {**SIZES, **_TRAINED[family], **sizes}

    def write(path: Path) -> None:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            torch.save(_checkpoint(family, config, normalize), path)

    return write


def _checkpoint(family: str, config: dict[str, Any], normalize: bool) -> dict[str, Any]:
    if family == "wavlm":
        from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

        config["normalize"] = normalize
        return {"cfg": config, "model": WavLM(WavLMConfig(config)).state_dict()}
    symbols = [["a", "b", "c"]]
    weights = _live(family, config, symbols).state_dict()
    if family == "data2vec":
        weights = {n: w for n, w in weights.items() if "final_proj" not in n} | {"_ema": {}}
    return {
        "task_cfg": {"normalize": normalize},
        "model_cfg": config,
        "model_weight": weights,
        "dictionaries_symbols": symbols,
    }


def _live(family: str, config: dict[str, Any], symbols: list[list[str]]) -> Any:
    from s3prl.upstream.data2vec.data2vec_model import Data2VecAudioConfig, Data2VecAudioModel
    from s3prl.upstream.hubert.hubert_model import (
        HubertConfig,
        HubertModel,
        HubertPretrainingConfig,
    )
    from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Config, Wav2Vec2Model

    if family == "hubert":
        return HubertModel(HubertConfig(**config), HubertPretrainingConfig(), symbols)
    if family == "wav2vec2":
        return Wav2Vec2Model(Wav2Vec2Config(**config))
    return Data2VecAudioModel(Data2VecAudioConfig(**config))


def s3prl_asr(
    name: str, family: str, upstream: Mapping[str, Any], conf: Mapping[str, Any], **config: Any
) -> TinyModel:
    """A recogniser over an upstream of a local checkpoint.

    Args:
        name: of the model.
        family: of the upstream.
        upstream: more of `frontend_conf.frontend_conf`; `sizes` are those of the checkpoint.
        conf: the rest of `frontend_conf`.
        config: what to change in `ASR`.
    """
    file = f"ssl/{name}.pt"
    sizes = upstream.get("sizes", {})
    given = {"upstream": f"{family}_local", "path_or_url": file, **upstream}
    given.pop("sizes", None)
    return TinyModel(
        name,
        {**ASR, "frontend_conf": {"frontend_conf": given, **conf}, **config},
        files={file: write_checkpoint(family, **sizes)},
        needs=("s3prl",),
    )


MODELS = (
    s3prl_asr(
        "hubert_base",
        "hubert",
        {},
        {"multilayer_feature": True},
        normalize="utterance_mvn",
        preencoder="linear",
        preencoder_conf={"input_size": 32, "output_size": 16},
    ),
    s3prl_asr(
        "wav2vec2_tiled",
        "wav2vec2",
        {"tile_factor": 2, "sizes": {**LARGE, "conv_bias": True, "normalize": True}},
        {},
        **_RNN,
    ),
    s3prl_asr("wavlm", "wavlm", {}, {"multilayer_feature": True}),
)
