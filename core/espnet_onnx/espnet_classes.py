"""Which class of ESPnet trains a task, and which decodes with it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
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
        nested: arguments that are mappings, and by our names what belongs in them.
        holder: the attribute in which its objects keep settings; for those whose search is not
            `BeamSearch`. They keep none there where it is missing or None.
        kept: where the holder has them, by our names.
        words: by our name of a setting, what stands there for each of its values.
    """

    path: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    renamed: Mapping[str, str] = attrs.field(factory=dict)
    nested: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    holder: str = ""
    kept: Mapping[str, str] = attrs.field(factory=dict)
    words: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)

    def arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings by our names -> arguments of the class; a nested one also by its own name."""
        found = {self.renamed.get(name, name): value for name, value in settings.items()}
        for argument, names in self.nested.items():
            inner = {n: settings[ours] for ours, n in names.items() if ours in settings}
            if inner:
                found[argument] = inner
        return found

    def settings(self, live: Any) -> dict[str, Any]:
        """What an object of the class keeps, by our names; what it has no use for is missing."""
        holder = getattr(live, self.holder, None) if self.holder else None
        found = {}
        for name, where in self.kept.items() if holder is not None else ():
            with suppress(AttributeError):
                value = attrgetter(where)(holder)
                found[name] = self.words[name][value] if name in self.words else value
        return found


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
    holder="s2t",
    kept={
        "n_iterations": "n_iterations",
        "threshold_probability": "threshold_probability",
    },
)
_FRAME_BY_FRAME = (
    "nbest",
    "max_sym_exp",
    "u_max",
    "nstep",
    "prefix_alpha",
    "expansion_gamma",
    "score_norm",
    "score_norm_during",
)
_SEARCHING: dict[str, Any] = {
    "nested": {
        "transducer_conf": {
            "search": "search_type",
            **{name: name for name in ("expansion_beta", *_FRAME_BY_FRAME)},
        }
    },
    "holder": "beam_search_transducer",
    "kept": {
        "search": "search_algorithm.__name__",
        **{name: name for name in ("beam_size", "lm_weight", *_FRAME_BY_FRAME)},
    },
    "words": {
        "search": {
            "greedy_search": "default",
            "default_beam_search": "default",
            "time_sync_decoding": "tsd",
            "align_length_sync_decoding": "alsd",
            "nsc_beam_search": "nsc",
            "modified_adaptive_expansion_search": "maes",
            "multi_blank_greedy_search": "mbg",
        }
    },
}
# The standalone task's search, which has settings of its own.
_STANDALONE = (
    "max_sym_exp",
    "u_max",
    "nstep",
    "expansion_gamma",
    "score_norm",
)
_SEARCHING_STANDALONE: dict[str, Any] = {
    "nested": {
        "beam_search_config": {
            "search": "search_type",
            **{name: name for name in ("expansion_beta", *_STANDALONE)},
        }
    },
    "holder": "beam_search",
    "kept": {
        "search": "search_algorithm.__name__",
        **{name: name for name in ("beam_size", "lm_weight", "nbest", *_STANDALONE)},
    },
    "words": _SEARCHING["words"],
}
_SEVERAL = Decoder("asr_inference:Speech2Text", {"multi_asr": True})
_ENHANCED = Decoder("asr_inference:Speech2Text", {"enh_s2t_task": True})

_ENTRIES = {
    "aqa": _Entry("AqaTask", "aqa_inference:AqaInference"),
    "asr": _Entry(
        "ASRTask",
        Decoder("asr_inference:Speech2Text", **_SEARCHING),
        {"maskctc": _MASKED, "pit_espnet": _SEVERAL},
    ),
    "asr_transducer": _Entry(
        "ASRTransducerTask",
        Decoder("asr_transducer_inference:Speech2Text", **_SEARCHING_STANDALONE),
    ),
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
    "slu": _Entry("SLUTask", Decoder("slu_inference:Speech2Understand", **_SEARCHING)),
    "spk": _Entry("SpeakerTask", "spk_inference:Speech2Embedding"),
    "ssl": _Entry("SSLTask", features="inference_encode"),
    "st": _Entry("STTask", Decoder("st_inference:Speech2Text", **_SEARCHING)),
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
    """Settings that an inference object keeps outside a `BeamSearch`; empty for any other."""
    path = f"{type(live).__module__}:{type(live).__name__}"
    found: dict[str, Any] = {}
    for entry in _ENTRIES.values():
        for decoder in (entry.decoder, *entry.models.values()):
            if decoder is not None and path == f"espnet2.bin.{decoder.path}":
                found |= decoder.settings(live)
    return found


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
