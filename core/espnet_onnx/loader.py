"""A Source, or an object alive in the caller's process, becomes a live ESPnet model."""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch

from .checkpoint import apply_state, load_state
from .configs import resolve_files
from .errors import ModelError, one_line
from .espnet_classes import task_class
from .inference import inference
from .isolation import undisturbed, without_downloads
from .sources import Source

__all__ = [
    "Loaded",
    "build_model",
    "complete_config",
    "from_live",
    "inference",
    "load_model",
    "task_class",
]

_QUANTISED = ("torch.ao.nn.quantized", "torch.nn.quantized", "torch.ao.nn.intrinsic.quantized")


@attrs.frozen
class Loaded:
    """A live ESPnet model.

    Attributes:
        model: ESPnet's own module, in eval mode, float32 on the CPU.
        config: the complete config it was built from: the task's defaults, then the model's own.
        task: name of the ESPnet task (`asr`, `gan_tts`).
        base: the folder in which relative file names of the config are resolved.
        dropped: names of weights that only training needs and that did not match.
    """

    model: torch.nn.Module = attrs.field(repr=False)
    config: Mapping[str, Any] = attrs.field(repr=False)
    task: str
    base: Path
    dropped: tuple[str, ...] = ()


def load_model(source: Source, task: str | None = None) -> Loaded:
    """Build a source's model and load all its weights.

    Args:
        source: what `sources.find` returned.
        task: name of the ESPnet task; None decides by the config.

    Raises:
        ModelError: there are no weights, ESPnet cannot build the config, or the two do not fit.
    """
    if source.weights is None:
        raise ModelError(
            f"{source.name}: has a config but no weights; give the folder or zip with the *.pth"
        )
    task = task or _root_task(source.config)
    model, config = build_model(source.config, task, base=source.folder)
    dropped = apply_state(model, load_state(source.weights), name=str(source.weights))
    return Loaded(model.float().eval(), config, task, source.folder, tuple(dropped))


def build_model(
    config: Mapping[str, Any], task: str, *, base: Path | None = None
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Build the model of a config with random weights through the task's own `build_model`.

    Nothing else in the process changes: neither random states, torch's defaults, logging nor
    `sys.modules` beyond what ESPnet imports.

    Args:
        config: the model's config; keys that it lacks take the task's defaults.
        task: name of the ESPnet task.
        base: folder for the file names in the config.

    Returns:
        The model in eval mode, and the complete config.

    Raises:
        ModelError: ESPnet cannot build it; names the config key where one can tell.
    """
    cls = task_class(task)
    with undisturbed(), without_downloads():
        args = argparse.Namespace(**complete_config(config, task, base=base))
        try:
            model = cls.build_model(args)
            _adapt(model, args)
        except ModelError:  # a plugin's substitute, which says what is missing
            raise
        # Constructors raise anything: asserts, KeyErrors, missing packages, typeguard's own.
        except Exception as error:
            where = _culprit(vars(args), error)
            raise ModelError(
                f"ESPnet cannot build this {task} model{where}: {one_line(error)};"
                " compare the config with the one it was trained with"
            ) from error
    return model.eval(), vars(args)


def complete_config(
    config: Mapping[str, Any], task: str, *, base: Path | None = None
) -> dict[str, Any]:
    """The task's `get_default_config()`, overwritten by `config`, with `init: null`.

    Raises:
        ModelError: unknown task.
    """
    cls = task_class(task)
    with undisturbed():
        complete: dict[str, Any] = cls.get_default_config()
    # The default options of a choice belong to the default choice only.
    chosen = {f"{key}_conf" for key in config if f"{key}_conf" in complete}
    complete.update({key: {} for key in chosen})
    complete.update(copy.deepcopy(dict(config)), init=None)
    return resolve_files(complete, [base]) if base else complete


def from_live(
    live: Any,
    *,
    config: Mapping[str, Any] | None = None,
    task: str | None = None,
    lm: Any = None,
    vocoder: Any = None,
) -> Loaded:
    """Take the model of a live inference object (`Speech2Text`, `Text2Speech`, ...) or a model.

    The object comes back unchanged: a model that is training, on a device or not float32 is copied.

    Args:
        live: an object with `asr_model` and `asr_train_args` (any prefix, or `model` and
            `train_args`), or a bare ESPnet model.
        config: a bare model's config.
        task: name of the ESPnet task; None decides by the object and its config.
        lm: the language model of a live object that has one, whose config the object lost; it
            stays where it is. False does without.
        vocoder: likewise its vocoder.

    Raises:
        ModelError: no model or config in it, quantised by torch, or a lost companion.
    """
    model, found = _live_model(live)
    if config is None and found is None:
        raise ModelError(
            f"{type(live).__name__}: is neither one of ESPnet's inference objects nor a model with"
            " its config; pass Speech2Text, or a model and config="
        )
    _refuse_quantised(model)
    _refuse_lost(live, lm, vocoder)
    given = dict(config if config is not None else found or {})
    given |= _given_tokenizer(live, given)
    task = task or _root_task(given, live)
    return Loaded(_plain(model), complete_config(given, task, base=Path.cwd()), task, Path.cwd())


def _live_model(live: Any) -> tuple[torch.nn.Module, Mapping[str, Any] | None]:
    """The model and the config of an object, by ESPnet's names for them."""
    attributes = dict(getattr(live, "__dict__", {}))
    for name, args in attributes.items():
        prefix = name.removesuffix("train_args")
        model = attributes.get(f"{prefix}model")
        if name.endswith("train_args") and isinstance(model, torch.nn.Module):
            return model, dict(vars(args))
    if isinstance(live, torch.nn.Module):
        return live, None
    raise ModelError(
        f"{type(live).__name__}: holds no ESPnet model with its train_args; pass ESPnet's"
        " Speech2Text or Text2Speech, or a model and config="
    )


def _given_tokenizer(live: Any, config: Mapping[str, Any]) -> dict[str, str]:
    """The sentencepiece model of an inference object, which may not be the one its config names."""
    model = getattr(getattr(live, "tokenizer", None), "model", None)
    if config.get("token_type") not in (None, "bpe") or not isinstance(model, str):
        return {}
    return {"token_type": "bpe", "bpemodel": model}


def _refuse_quantised(model: torch.nn.Module) -> None:
    if any(type(module).__module__.startswith(_QUANTISED) for module in model.modules()):
        raise ModelError(
            f"{type(model).__name__}: is quantised by torch, and its original weights are gone;"
            " load it without quantize_asr_model (or quantize_lm)"
        )


def _refuse_lost(live: Any, lm: Any, vocoder: Any) -> None:
    search = getattr(live, "beam_search", None) or getattr(live, "beam_search_transducer", None)
    scorers = getattr(search, "scorers", None) or {}
    if lm is None and (scorers.get("lm") is not None or getattr(search, "lm", None) is not None):
        raise ModelError(
            f"{type(live).__name__}: has a language model but no longer its config;"
            " pass lm=CONFIG:FILE (or lm=False to do without)"
        )
    if vocoder is None and isinstance(getattr(live, "vocoder", None), torch.nn.Module):
        raise ModelError(
            f"{type(live).__name__}: has a vocoder but no longer its config; pass vocoder="
        )


def _plain(model: torch.nn.Module) -> torch.nn.Module:
    tensors = [*model.parameters(), *model.buffers()]
    on_cpu = all(tensor.device.type == "cpu" for tensor in tensors)
    exact = all(t.dtype == torch.float32 for t in tensors if t.is_floating_point())
    if on_cpu and exact and not any(module.training for module in model.modules()):
        return model
    return copy.deepcopy(model).cpu().float().eval()


def _adapt(model: torch.nn.Module, args: argparse.Namespace) -> None:
    """`AbsTask.build_model_from_file` adds the adapter of a fine-tuned model after building."""
    if getattr(args, "use_adapter", False):
        from espnet2.layers.create_adapter import create_adapter

        create_adapter(model, args.adapter, args.adapter_conf)


def _root_task(config: Mapping[str, Any], live: Any = None) -> str:
    from .tasks import root_task

    task, _rule = root_task(config, live=live)
    return str(task)


def _culprit(config: Mapping[str, Any], error: Exception) -> str:
    """The config keys that an exception of ESPnet's is about, in brackets, if one can tell."""
    text = str(error)
    words = re.findall(r"--(\w+) must be one of|argument '(\w+)'|argument \"(\w+)\"", text)
    names = {word for groups in words for word in groups if word}
    file = getattr(error, "filename", None)
    leaves = {key: value for key, value in config.items() if not isinstance(value, Mapping)}
    for key, value in config.items():
        if isinstance(value, Mapping):
            leaves |= {f"{key}.{k}": v for k, v in value.items()}
    found = [
        f"{key} = {value!r}"
        for key, value in leaves.items()
        if key.rpartition(".")[2] in names or (file is not None and value == file)
    ]
    return f" (config key {', '.join(found[:3])})" if found else ""
