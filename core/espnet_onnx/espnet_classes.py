"""Which class of ESPnet trains a task, and which decodes with it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import attrs

from .errors import ModelError, one_line

__all__ = ["Decoder", "features_of", "inference_class", "kept_settings", "task_class"]


@attrs.frozen
class Decoder:
    """A class of `espnet2.bin`, and what it wants of those who decode with it.

    Attributes:
        path: `module:Class`.
        options: what it needs besides the settings of a search.
        renamed: its own names of settings, by those of ours that it calls otherwise.
        kept: where its objects keep settings, by our names; for those without a beam search.
    """

    path: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    renamed: Mapping[str, str] = attrs.field(factory=dict)
    kept: Mapping[str, str] = attrs.field(factory=dict)


def _decoder(given: Decoder | str | None) -> Decoder | None:
    return Decoder(given) if isinstance(given, str) else given


@attrs.frozen
class _Entry:
    """`task` in `espnet2.tasks.<name>`, and what decodes; `models` by the config's `model`.

    `features` is the model's method from waveforms and lengths to features, something, lengths.
    """

    task: str
    decoder: Decoder | None = attrs.field(default=None, converter=_decoder)
    models: Mapping[str, Decoder] = attrs.field(factory=dict)
    features: str | None = None


_MASKED = Decoder(
    "asr_inference_maskctc:Speech2Text",
    # An argument that it insists on; the model is there already.
    {"asr_train_config": "config.yaml"},
    renamed={
        "n_iterations": "maskctc_n_iterations",
        "threshold_probability": "maskctc_threshold_probability",
    },
    kept={
        "n_iterations": "s2t.n_iterations",
        "threshold_probability": "s2t.threshold_probability",
    },
)
_SEVERAL = Decoder("asr_inference:Speech2Text", {"multi_asr": True})
_ENHANCED = Decoder("asr_inference:Speech2Text", {"enh_s2t_task": True})

_ENTRIES = {
    "aqa": _Entry("AqaTask", "aqa_inference:AqaInference"),
    "asr": _Entry(
        "ASRTask", "asr_inference:Speech2Text", {"maskctc": _MASKED, "pit_espnet": _SEVERAL}
    ),
    "asr_transducer": _Entry("ASRTransducerTask", "asr_transducer_inference:Speech2Text"),
    "asvspoof": _Entry("ASVSpoofTask", "asvspoof_inference:SpeechAntiSpoof"),
    "beats": _Entry("BeatsTask"),
    "cls": _Entry("CLSTask", "cls_inference:Classification"),
    "diar": _Entry("DiarizationTask", "diar_inference:DiarizeSpeech"),
    "enh": _Entry("EnhancementTask", "enh_inference:SeparateSpeech"),
    "enh_s2t": _Entry("EnhS2TTask", _ENHANCED),
    "enh_tse": _Entry("TargetSpeakerExtractionTask", "enh_tse_inference:SeparateSpeech"),
    "gan_codec": _Entry("GANCodecTask", "gan_codec_inference:AudioCoding"),
    "gan_svs": _Entry("GANSVSTask", "svs_inference:SingingGenerate"),
    "gan_tok": _Entry("GANSpeechTokenizerTask"),
    "gan_tts": _Entry("GANTTSTask", "tts_inference:Text2Speech"),
    "hubert": _Entry("HubertTask"),
    "lid": _Entry("LIDTask"),
    "lm": _Entry("LMTask", "lm_inference:GenerateText"),
    "mt": _Entry("MTTask", "mt_inference:Text2Text"),
    "ps2st": _Entry("PS2STTask"),
    "rst": _Entry("RestorationTask"),
    "rst_vocoder": _Entry("RestorationVocoderTask"),
    "s2st": _Entry("S2STTask", "s2st_inference:Speech2Speech"),
    "s2t": _Entry("S2TTask", "s2t_inference:Speech2Text"),
    "s2t_ctc": _Entry("S2TTask", "s2t_inference_ctc:Speech2TextGreedySearch"),
    "slu": _Entry("SLUTask", "slu_inference:Speech2Understand"),
    "spk": _Entry("SpeakerTask", "spk_inference:Speech2Embedding"),
    "ssl": _Entry("SSLTask", features="inference_encode"),
    "st": _Entry("STTask", "st_inference:Speech2Text"),
    "svs": _Entry("SVSTask", "svs_inference:SingingGenerate"),
    "tts": _Entry("TTSTask", "tts_inference:Text2Speech"),
    "tts2": _Entry("TTS2Task", "tts2_inference:Text2Speech"),
    "uasr": _Entry("UASRTask", "uasr_inference:Speech2Text"),
}


def task_class(name: str) -> Any:
    """The `espnet2.tasks` class of a task name (`gan_tts` -> `GANTTSTask`).

    Raises:
        ModelError: no such task, or the installed ESPnet lacks it or something it imports.
    """
    return _imported(f"espnet2.tasks.{name}", _entry(name).task, name)


def inference_class(name: str, model: str | None = None) -> tuple[Any, Decoder]:
    """The `espnet2.bin` class that decodes for a task, and what it wants.

    Args:
        name: the task.
        model: the config's `model`, which some tasks decode otherwise than the rest.

    Raises:
        ModelError: no such task, or nothing in the installed ESPnet decodes for it.
    """
    entry = _entry(name)
    decoder = entry.models.get(model or "", entry.decoder)
    if decoder is None:
        raise ModelError(f"task {name}: ESPnet has no inference class to compare with")
    module, _, attribute = decoder.path.partition(":")
    return _imported(f"espnet2.bin.{module}", attribute, name), decoder


def features_of(name: str) -> str | None:
    """The method of a task's model that gives features of waveforms; None where there is none."""
    return _entry(name).features


def kept_settings(live: Any) -> dict[str, Any]:
    """Settings that an inference object keeps outside a beam search; empty for any other."""
    path = f"{type(live).__module__}:{type(live).__name__}"
    decoders = (decoder for entry in _ENTRIES.values() for decoder in entry.models.values())
    for decoder in decoders:
        if path == f"espnet2.bin.{decoder.path}":
            return {name: attrgetter(where)(live) for name, where in decoder.kept.items()}
    return {}


def _entry(name: str) -> _Entry:
    if name not in _ENTRIES:
        raise ModelError(f"task {name!r} is unknown; --task takes one of {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def _imported(module: str, attribute: str, task: str) -> Any:
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"task {task}: the installed ESPnet does not offer {module}.{attribute}"
            f" ({one_line(error)}); install espnet-onnx[export] or another ESPnet version"
        ) from error
