"""The claim on a whole model that speaks: ESPnet's tasks `tts` and `gan_tts`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import espnet_onnx as eo
from espnet_onnx.components import child
from espnet_onnx.parts.sample_rate import parse_rate
from espnet_onnx.recognition import live, token_list, tokenizer_files

__all__ = ["KIND", "claim"]

KIND = "tts.root"
# What `ESPnetTTSModel` speaks with and what ESPnet's own vocoder of last resort is called.
GRIFFIN_LIM = "griffin_lim"
# Acoustic models that make the waveform themselves, whichever task loads them: ESPnet's
# `Text2Speech` loads those of gan_tts with `TTSTask`.
_END_TO_END = ("vits", "jets", "joint_text2wav")
_STOPPING = {"threshold": 0.5, "minlenratio": 0.0, "maxlenratio": 10.0}
_ATTENDING = {"use_att_constraint": False, "backward_window": 1, "forward_window": 3}
# `Text2Speech.__init__`: which of its options it hands to which model, and their defaults.
_OPTIONS: dict[str, dict[str, float]] = {
    "fastspeech": {"alpha": 1.0},
    "fastspeech2": {"alpha": 1.0},
    "tacotron2": {**_STOPPING, **_ATTENDING},
    # Its last one is ours.
    "transformer": {**_STOPPING, "redraw_past": False},
    "vits": {"alpha": 1.0, "noise_scale": 0.667, "noise_scale_dur": 0.8},
}
# Those that take durations of their tokens -> how many they see beside those of the text.
_STEERED = {"fastspeech": 1, "fastspeech2": 1, "jets": 0, "vits": 0}
# Those that can follow the features of a recording (`use_teacher_forcing`).
_FOLLOWING = ("tacotron2", "transformer")
_SYMBOLS = "non_linguistic_symbols"
_SEED = 777  # that of `Text2Speech`
# Where acoustic models keep the constructor arguments of what tells voices apart.
_INNER = ("generator_params", "text2mel_params")


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Claims the model; its children are the acoustic model `tts` and, beside it, a `vocoder`.

    The vocoder is the companion, else Griffin-Lim where features tell enough for it, as in
    `TTSTask.build_vocoder_from_file`; none beside a model that makes the waveform itself.
    """
    features = _features(component)
    tts = child(
        component,
        "tts",
        role="acoustic",
        module=live(component, "tts"),
        given=_given(component, features),
    )
    if tts is None:
        return eo.Declined("its config names no model under tts")
    styled = any(conf.get("use_gst") for conf in _confs(tts.conf))
    hears = bool(features) and component.conf.get("feats_extract") == "fbank"
    if styled and not hears:
        return eo.Declined("use_gst hears a recording by feats_extract fbank alone")
    children = {"tts": tts}
    if component.type == "tts" and tts.type not in _END_TO_END:
        vocoder = component.companions.get("vocoder") or _griffin_lim(component, features)
        if vocoder is None:
            return eo.Declined(
                "its features are not enough for Griffin-Lim: give a vocoder (--vocoder)"
            )
        children["vocoder"] = vocoder
    config = _config(component, children, features)
    listens = hears and (styled or _family(tts) in _FOLLOWING)
    config["reference"] = _reference(features) if listens else None
    return eo.Part(KIND, children, config, {**tokenizer_files(component), **_symbols(component)})


def _features(component: eo.Component) -> Mapping[str, Any]:
    """Options of the feature extractor, ESPnet's defaults filled in; empty for ready features."""
    if component.conf.get("odim") is not None:
        return {}
    found = child(component, "feats_extract")
    return {} if found is None else found.conf


def _given(component: eo.Component, features: Mapping[str, Any]) -> dict[str, Any]:
    """What only the model knows: `idim`, `odim`, tokens, and how features come from sound."""
    odim = component.conf.get("odim") or features.get("n_mels")
    if odim is None and features.get("n_fft"):
        odim = features["n_fft"] // 2 + 1
    given: dict[str, Any] = {"odim": odim, "n_shift": features.get("hop_length")}
    given["sample_rate"] = parse_rate(features["fs"]) if "fs" in features else None
    tokens = token_list(component)
    if tokens is not None:
        given |= {"token_list": tokens, "vocab_size": len(tokens), "idim": len(tokens)}
    return given


def _griffin_lim(component: eo.Component, features: Mapping[str, Any]) -> eo.Component | None:
    """`Spectrogram2Waveform` of what `feats_extract.get_parameters` returns."""
    if "fs" not in features:
        return None
    conf = {k: features.get(k) for k in ("n_fft", "window", "n_mels", "win_length", "fmin", "fmax")}
    conf |= {"fs": parse_rate(features["fs"]), "n_shift": features["hop_length"]}
    return eo.Component("vocoder", "vocoder", GRIFFIN_LIM, conf, base=component.base)


def _config(
    component: eo.Component, children: Mapping[str, eo.Component], features: Mapping[str, Any]
) -> dict[str, Any]:
    conf, tts = component.conf, children["tts"]
    rate = tts.conf.get("sampling_rate", features.get("fs"))
    text = {k: conf.get(k) for k in ("token_type", "cleaner", "g2p")}
    if isinstance(conf.get(_SYMBOLS), list | tuple):
        text[_SYMBOLS] = list(conf[_SYMBOLS])
    config: dict[str, Any] = {
        "text": text,
        "sample_rate": None if rate is None else parse_rate(rate),
        "voices": _voices(tts.conf),
        "steered": _STEERED.get(_family(tts)),
        "denormalize": "vocoder" in children and _is_normalized(component),
        "decoding": {"seed": _SEED, **_OPTIONS.get(tts.type, {})},
    }
    if config["denormalize"]:
        config["decoding"]["prefer_normalized_feats"] = False
    tokens = token_list(component)
    if tokens is not None:
        text["token_list"] = tokens
    return config


def _family(tts: eo.Component) -> str:
    """The type of what makes features of tokens: of a joint_text2wav, that of its first half."""
    return str(tts.conf.get("text2mel_type", tts.type))


def _symbols(component: eo.Component) -> dict[str, Path]:
    """The file of symbols that stay whole; one that is gone is ignored, as ESPnet ignores it."""
    name = component.conf.get(_SYMBOLS)
    if not isinstance(name, str | Path):
        return {}
    path = (component.base or Path()) / name
    return {_SYMBOLS: path} if path.is_file() else {}


def _is_normalized(component: eo.Component) -> bool:
    """Whether there is something to undo (`GlobalMVN`, the only choice there is)."""
    found = child(component, "normalize") if component.conf.get("normalize") else None
    return found is not None and bool(found.conf["norm_means"] or found.conf["norm_vars"])


def _voices(conf: Mapping[str, Any]) -> dict[str, int]:
    """How many speakers and languages there are, and the width of a speaker's embedding."""
    names = {"speakers": "spks", "languages": "langs", "width": "spk_embed_dim"}
    inner = _confs(conf)
    found = {name: next((c[key] for c in inner if c.get(key)), 0) for name, key in names.items()}
    return {name: int(size) for name, size in found.items() if size}


def _confs(conf: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The acoustic model's, and that of the generator inside."""
    return [conf, *(conf[key] for key in _INNER if isinstance(conf.get(key), Mapping))]


def _reference(features: Mapping[str, Any]) -> dict[str, int | None]:
    """How a recording is read; a window is reflected at its ends, so it cannot be shorter."""
    return {
        "sample_rate": parse_rate(features["fs"]),
        "shortest": int(features["n_fft"]) // 2 + 1,
        "hop_length": int(features["hop_length"]),
    }
