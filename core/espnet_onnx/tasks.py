"""Which ESPnet task loads a model: rules over the keys of its config, in one table.

A published config.yaml holds every argument of its task, so its keys alone decide. A training
config holds a few of them; what no key tells apart (an asr, slu or s2t recipe that names only
an encoder and a decoder) goes to asr, by far the most common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from .catalog import Catalog
from .errors import ModelError

__all__ = ["RULES", "Rule", "root_task"]

Config = Mapping[str, Any]


@attrs.frozen
class Rule:
    """The task of a config, if `matches`; `name` is what `inspect` says decided."""

    task: str
    name: str
    matches: Callable[[Config], bool] = attrs.field(repr=False)


def root_task(config: Config, *, task: str | None = None, live: Any = None) -> tuple[str, str]:
    """Name the ESPnet task that loads a model, and the rule that decided.

    Args:
        config: the model's config.yaml, full or partial.
        task: the user's word, which settles it.
        live: an ESPnet model, or an inference object that holds one (`Speech2Text`, ...).

    Raises:
        ModelError: nothing in the config tells.
    """
    if task is not None:
        return task, "task given"
    rule = next((r for r in RULES if r.matches(config)), None)
    model, tasks = _live_tasks(live)
    if tasks:
        name = rule.task if rule and rule.task in tasks else tasks[0]
        return name, f"live {model}"
    if rule is None:
        keys = ", ".join(sorted(map(str, config))[:8]) or "none"
        raise ModelError(
            f"config names no component of any ESPnet task (keys: {keys}); give the task's name"
        )
    return rule.task, rule.name


def has(*keys: str) -> Callable[[Config], bool]:
    """Any of the keys is there, whatever its value: a full config lists unused ones as null."""
    return lambda config: any(k in config for k in keys)


def names(key: str, *values: str) -> Callable[[Config], bool]:
    """The key's value is one of the names."""
    return lambda config: str(config.get(key)).lower() in values


def inside(key: str, *keys: str) -> Callable[[Config], bool]:
    """The mapping under the key has any of the keys."""

    def test(config: Config) -> bool:
        found = config.get(key)
        return isinstance(found, Mapping) and any(k in found for k in keys)

    return test


def both(*tests: Callable[[Config], bool]) -> Callable[[Config], bool]:
    """Every test holds."""
    return lambda config: all(test(config) for test in tests)


_GAN = has("generator_first", "optim2")
_LINEAR = names("decoder", "linear")

RULES = (
    # Keys that one task alone has, tasks built out of other tasks first.
    Rule("gan_tok", "quantizer, reconstruction_loss", has("quantizer", "reconstruction_loss")),
    Rule("enh_s2t", "enh_separator, subtask_series", has("enh_separator", "subtask_series")),
    Rule("enh_tse", "extractor", has("extractor")),
    Rule("enh", "separator, diffusion_model", has("separator", "diffusion_model")),
    Rule("gan_codec", "codec", has("codec")),
    Rule("tts2", "discrete_feats_extract", has("discrete_feats_extract")),
    Rule("gan_tts", "tts with generator_first, optim2", both(has("tts"), _GAN)),
    Rule("gan_tts", "tts is a GAN", names("tts", "vits", "jets", "joint_text2wav")),
    Rule("tts", "tts", has("tts")),
    Rule("gan_svs", "svs with generator_first, optim2", both(has("svs"), _GAN)),
    Rule("svs", "svs", has("svs")),
    Rule("lm", "lm", has("lm")),
    Rule("uasr", "discriminator, segmenter", has("discriminator", "segmenter")),
    Rule("s2st", "synthesizer, s2st_type", has("synthesizer", "s2st_type")),
    Rule("aqa", "universa", has("universa")),
    Rule("ps2st", "model: qwen2_audio", names("model", "qwen2_audio")),
    Rule("rst_vocoder", "vocoder_type, segment_duration", has("vocoder_type", "segment_duration")),
    Rule("rst", "ssl_encoder", has("ssl_encoder")),
    Rule("lid", "preprocessor: lid", names("preprocessor", "lid")),
    Rule("lid", "lang2utt, encoder_condition", has("lang2utt", "encoder_condition")),
    Rule("spk", "pooling, projector", has("pooling", "projector")),
    Rule("beats_tokenizer", "beats_teacher_ckpt_path", has("beats_teacher_ckpt_path")),
    Rule("beats_tokenizer", "model: beats_tokenizer", names("model", "beats_tokenizer")),
    Rule("beats", "model: beats", names("model", "beats")),
    Rule("ssl", "util", has("util")),
    # A speaker model's loss is one name.
    Rule("ssl", "loss is a list", lambda config: isinstance(config.get("loss"), list)),
    Rule("hubert", "num_classes, collate_fn_conf", has("num_classes", "collate_fn_conf")),
    Rule("hubert", "model_conf.pred_masked_weight", inside("model_conf", "pred_masked_weight")),
    Rule("hubert", "model: fairseq, torchaudio", names("model", "fairseq", "torchaudio")),
    Rule("diar", "label_aggregator, attractor", has("label_aggregator", "attractor")),
    Rule("asvspoof", "losses with decoder: linear", both(has("losses"), _LINEAR)),
    # Speech and text to text: a distinctive key or name, else asr.
    Rule("asr_transducer", "joint_network_conf", has("joint_network_conf")),
    Rule("asr_transducer", "encoder_conf.body_conf", inside("encoder_conf", "body_conf")),
    Rule("s2t_ctc", "promptencoder", has("promptencoder")),
    Rule("s2t", "preprocessor: s2t", names("preprocessor", "s2t")),
    Rule("slu", "deliberationencoder, postdecoder", has("deliberationencoder", "postdecoder")),
    Rule("slu", "transcript_token_list, two_pass", has("transcript_token_list", "two_pass")),
    Rule("slu", "model_conf.superb_setup", inside("model_conf", "superb_setup")),
    Rule("st", "extra decoders", has("extra_asr_decoder", "extra_mt_decoder", "st_joint_net_conf")),
    Rule("st", "md_encoder, hier_encoder", has("md_encoder", "hier_encoder")),
    Rule("mt", "model: mt, discrete_asr", names("model", "mt", "discrete_asr")),
    Rule("mt", "frontend: embed, patch", names("frontend", "embed", "patch")),
    Rule("mt", "src_token_type", has("src_token_type")),
    Rule("cls", "classification_type", inside("model_conf", "classification_type")),
    Rule("cls", "decoder: linear with token_type", both(_LINEAR, has("token_type"))),
    Rule("diar", "decoder: linear", _LINEAR),
    Rule("asr", "encoder, decoder", has("encoder", "decoder", "ctc_conf", "frontend")),
)


# What an inference class may load through another task's class: Text2Speech always uses TTSTask.
_LOADS_TOO = {"tts": ("gan_tts",)}


def _live_tasks(live: Any) -> tuple[str, tuple[str, ...]]:
    """Name of the ESPnet model class that `live` is or holds, and the tasks that build it."""
    for value in (live, *getattr(live, "__dict__", {}).values()):
        for cls in type(value).__mro__:
            if found := _builders().get(cls.__name__):
                return cls.__name__, found
    return "", ()


@cache
def _builders() -> dict[str, tuple[str, ...]]:
    """Model class name -> tasks that build it, from every catalog."""
    found: dict[str, dict[str, None]] = {}
    for name, task in _models():
        tasks = found.setdefault(name, {})
        tasks |= dict.fromkeys((task, *_LOADS_TOO.get(task, ())))
    return {name: tuple(tasks) for name, tasks in found.items()}


def _models() -> Iterator[tuple[str, str]]:
    for catalog in map(Catalog.load, Catalog.versions()):
        for task in catalog.tasks():
            yield from ((name, task) for name in catalog.models(task))
