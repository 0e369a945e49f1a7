"""A training config becomes that of the same architecture, small enough to check in seconds.

Only sizes and counts change. Kernels, activations, position encodings, layer types, input layers
and every other option stay as they are. No torch, no ESPnet.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import attrs

from espnet_onnx.catalog import Catalog

__all__ = ["BERT", "SPEAKING", "STATS", "Shrunken", "shrink"]

Config = dict[str, Any]

# A square weight of this width is just large enough to become int8.
WIDTH = 128
BLOCKS = 2
MELS = 80
STATS = "feats_stats.npz"
BERT = "data/bert"
TOKENS = ["<blank>", "<unk>", *(f"t{i}" for i in range(27)), "<sos/eos>"]
# Option of any component -> the most it may be.
SIZES = {
    "output_size": WIDTH,
    "hidden_size": WIDTH,
    "adim": WIDTH,
    "embed_dim": WIDTH,
    "linear_units": 2 * WIDTH,
    "cgmlp_linear_units": 2 * WIDTH,
    "attention_heads": 4,
    "num_blocks": BLOCKS,
    "num_layers": BLOCKS,
    "n_layers": BLOCKS,
    "num_blocks_sd": 1,
}
# Of models that speak: some of these names say something else of those that listen.
SPOKEN = {
    **SIZES,
    "hidden_channels": WIDTH,
    "econv_chans": WIDTH,
    "eprenet_conv_chans": WIDTH,
    "postnet_chans": WIDTH // 2,
    "duration_predictor_chans": WIDTH // 2,
    "pitch_predictor_chans": WIDTH // 2,
    "energy_predictor_chans": WIDTH // 2,
    "prenet_units": WIDTH // 2,
    "dprenet_units": WIDTH // 2,
    # Halved by every layer of a vocoder, of which there may be five.
    "channels": WIDTH // 2,
    "decoder_channels": WIDTH // 2,
    "generator_channels": WIDTH // 2,
    "global_channels": WIDTH // 2,
    "eunits": WIDTH,
    "dunits": WIDTH,
    "spks": 8,
    "elayers": BLOCKS,
    "dlayers": BLOCKS,
    "econv_layers": BLOCKS,
    "eprenet_conv_layers": BLOCKS,
    "postnet_layers": BLOCKS,
    "pitch_predictor_layers": BLOCKS,
    "text_encoder_blocks": BLOCKS,
    "posterior_encoder_layers": 1,
    "flow_flows": BLOCKS,
    "flow_layers": BLOCKS,
    "stochastic_duration_predictor_flows": BLOCKS,
}
# A list with a value for every block.
PER_BLOCK = (
    "attention_windows",
    "attention_dilation",
    "stochastic_depth_rate",
    "layer_drop_rate",
    "cgmlp_weight",
    "attn_branch_drop_rate",
)
# Frontends whose width depends on others, which this check leaves out.
FOREIGN = ("fused",)
# Options that only training reads: models that differ in them alone are one model here.
TRAINING = (
    "drop",
    "freeze",
    "ignore_nan_grad",
    "length_normalized_loss",
    "lsm_weight",
    "extract_feats_in_collect_stats",
    "lang_token_id",
    "zero_infinity",
    "brctc",
    "gradient_checkpoint",
    "report_",
    "sym_",
    "stochastic_depth",
    "download_dir",
)
# Those of models that speak.
REHEARSED = (
    *TRAINING,
    "loss",
    "lambda",
    "discriminator",
    "init_",
    "guided_attn",
    "masking",
    "bce_pos_weight",
    "stop_gradient",
    "segment_size",
    "cache_generator_outputs",
    "posterior",
    "pred_mos",
    "mos_pred",
)
# Only a loss hears it.
DISCRIMINATOR = {
    "discriminator_type": "hifigan_period_discriminator",
    "discriminator_params": {"channels": 2, "max_downsample_channels": 4},
}
# What model_conf weighs the losses of its modules with.
WEIGHTS = ("asr_weight", "ctc_weight", "mt_weight", "mtlalpha", "st_mtlalpha", "interctc_weight")
TRAINED_WITH = (
    *("specaug", "preprocessor", "optim", "scheduler"),
    *("pitch_extract", "pitch_normalize", "energy_extract", "energy_normalize"),
)
SPEAKING = ("tts", "gan_tts")


@attrs.frozen
class Shrunken:
    """A small config of the same architecture.

    Attributes:
        config: what a model folder's config.yaml is made of.
        parts: each component with the options that its module computes with, as text.
        replaced: the frontend that gave way to `default`, or None.
    """

    config: Config = attrs.field(repr=False)
    parts: frozenset[str] = attrs.field(repr=False)
    replaced: str | None = None

    @property
    def digest(self) -> str:
        """Equal for configs whose models compute the same, whatever they were trained with."""
        return hashlib.sha256("\n".join(sorted(self.parts)).encode()).hexdigest()[:12]


def shrink(config: Mapping[str, Any], task: str, catalog: Catalog) -> Shrunken:
    """Make it small.

    Args:
        config: a training config; what it leaves out takes ESPnet's defaults, as in training.
        task: name of the ESPnet task.
        catalog: of the ESPnet that will build it.
    """
    small: Config = {**config, "init": None, "init_param": [], "version": catalog.version}
    replaced = small.get("frontend") if small.get("frontend") in FOREIGN else None
    if replaced:
        small |= {"frontend": "default", "frontend_conf": {}, "freeze_param": []}
    small |= _spoken_recipe(small, task) if task in SPEAKING else _recipe(small, task)
    full = catalog.fill(task, small)
    # ESPnet's parser makes None of `decoder: none`.
    small |= {name: None for name in catalog.choices(task) if name in small and full[name] is None}
    for name in catalog.choices(task):
        key = catalog.conf_key(task, name)
        if full.get(name) is not None and name not in TRAINED_WITH:
            sizes = SPOKEN if task in SPEAKING else SIZES
            small[key] = _conf(name, small.get(key) or {}, full[key], str(full[name]), sizes)
    return Shrunken(small, _parts(catalog.fill(task, small), catalog, task), replaced)


def _recipe(config: Config, task: str) -> Config:
    """What the recipes' shell scripts add: token lists, statistics, other models' files."""
    added: Config = {}
    for key in ("token", "src_token"):
        if key == "token" or task in ("st", "mt"):
            added |= {f"{key}_list": TOKENS, f"{key}_type": "word"}
            added["bpemodel" if key == "token" else "src_bpemodel"] = None
    if "normalize" not in config and task != "mt":
        added |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": STATS}}
    if config.get("postdecoder"):
        added["transcript_token_list"] = TOKENS
    return added


def _spoken_recipe(config: Config, task: str) -> Config:
    """Token ids are given, and what ESPnet's `tts.sh` is told of features beside the config."""
    added: Config = {"token_list": TOKENS, "token_type": "word"}
    added |= dict.fromkeys(("bpemodel", "cleaner", "g2p", "non_linguistic_symbols"))
    conf = {**config.get("tts_conf", {})}
    if task == "tts":
        added["normalize"] = config.get("normalize", "global_mvn")
    else:
        conf |= DISCRIMINATOR
        latent = config.get("tts", "vits") == "vits"
        added["feats_extract"] = "linear_spectrogram" if latent else "fbank"
        hop = math.prod(_upsampling(conf))
        added["feats_extract_conf"] = {"n_fft": 4 * hop, "hop_length": hop}
    if "plot_pred_mos" in conf:
        conf["plot_pred_mos"] = False  # it would be fetched
    for name in ("normalize", "pitch_normalize", "energy_normalize"):
        if {**config, **added}.get(name) == "global_mvn":
            added[f"{name}_conf"] = {"stats_file": STATS}
    return {**added, "tts_conf": conf}


def _upsampling(conf: Config) -> list[int]:
    """The factors by which an end-to-end model's vocoder makes samples of frames."""
    inner = {**(conf.get("generator_params") or {}), **(conf.get("vocoder_params") or {})}
    found = (value for name, value in inner.items() if name.endswith("upsample_scales"))
    return next(found, [8, 8, 2, 2])


def _conf(
    choice: str,
    given: Mapping[str, Any],
    full: Mapping[str, Any],
    type_: str,
    sizes: Mapping[str, int],
) -> Config:
    conf = {**given}
    for name, value in {**full, **given}.items():
        small = _small(name, value, sizes)
        # The graph of a decoder's step takes longest, and all its blocks are alike.
        if "decoder" in choice and name in ("num_blocks", "n_layers"):
            small = 1
        if small != value:
            conf[name] = small
    if choice == "preencoder" and type_ == "linear":
        # Its output is the height of the encoder's picture of speech: that stays.
        conf |= {"input_size": MELS, "output_size": given.get("output_size", MELS)}
    if choice == "postdecoder":
        conf["model_name_or_path"] = BERT
    return conf


def _small(name: str, value: Any, sizes: Mapping[str, int]) -> Any:
    if name in sizes and isinstance(value, int):
        return min(value, sizes[name])
    if name in PER_BLOCK and isinstance(value, list):
        return [value[0], value[-1]]
    if name == "interctc_layer_idx":
        return [1] if value else value
    if name == "layer":
        return _layer(value)
    if isinstance(value, Mapping):
        return {key: _small(key, inner, sizes) for key, inner in value.items()}
    return value


def _layer(value: Any) -> Any:
    """Which of a self-supervised model's layers, or what each of the S4 decoder's is."""
    if isinstance(value, list):
        return [_layer(layer) for layer in value]
    if isinstance(value, Mapping):
        return {**value, "n_head": min(value["n_head"], 4)} if "n_head" in value else {**value}
    return min(value, BLOCKS - 1) if isinstance(value, int) else value


def _parts(full: Mapping[str, Any], catalog: Catalog, task: str) -> frozenset[str]:
    chosen = [
        name
        for name in catalog.choices(task)
        if name not in TRAINED_WITH and full.get(name) is not None
    ]
    training = REHEARSED if task in SPEAKING else TRAINING
    parts: list[tuple[str, Any, Any]] = [("task", task, None)]
    confs = {n: full.get(catalog.conf_key(task, n)) for n in chosen}
    parts += [(n, full[n], _computed(conf, training)) for n, conf in confs.items()]
    if task not in SPEAKING:
        model = full.get("model_conf") or {}
        # Only the ends of a weight's range say which modules there are.
        weights = {n: model[n] if model[n] in (0, 1) else "both" for n in WEIGHTS if n in model}
        parts.append(("weights", weights, _computed(full["ctc_conf"], training)))
    return frozenset(json.dumps(part, sort_keys=True, default=str) for part in parts)


def _computed(value: Any, training: tuple[str, ...]) -> Any:
    if not isinstance(value, Mapping):
        return value
    kept = {k: v for k, v in value.items() if not any(word in k for word in training)}
    return {k: _computed(v, training) for k, v in kept.items() if k not in WEIGHTS}
