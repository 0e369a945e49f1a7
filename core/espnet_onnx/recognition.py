"""What the root claims of recognisers share: their stages, tokens, tokenizer and search settings.

def split_modules(component):
    if (component.role, component.type) == ("model", "asr"):
        given = given_to_children(component)
        children = stages(component, ("frontend", "normalize", "encoder"), given)
        children |= ctc(component, given) | companions(component)
        return eo.Part(KIND, children, recognition_config(component), tokenizer_files(component))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .components import child
from .parts.decoding import Decoding
from .parts.tokenizer import TOKEN_TYPES
from .types import Component

__all__ = [
    "companions",
    "ctc",
    "ctc_weight",
    "given_to_children",
    "live",
    "no_tokenizer",
    "recognition_config",
    "special_tokens",
    "stages",
    "token_list",
    "tokenizer_files",
]


def live(component: Component, name: str) -> Any:
    """The live module that the component's holds under `name`; None while there is none."""
    return None if component.module is None else getattr(component.module, name, None)


def no_tokenizer(conf: Mapping[str, Any], prefix: str = "") -> str | None:
    """Why the texts of a config cannot be tokenised, or None; `prefix` is "src_" for inputs."""
    token_type = conf.get(f"{prefix}token_type")
    if token_type is None or token_type in TOKEN_TYPES:
        return None
    return f"token type {token_type} has no tokenizer here (there are {', '.join(TOKEN_TYPES)})"


def stages(
    component: Component, names: Sequence[str], given: Mapping[str, Any]
) -> dict[str, Component]:
    """Children that the config names, in this order; a `frontend` not where features come in.

    `ASRTask.build_model` and its like take an `input_size` for ready features.
    """
    found = {}
    for name in names:
        if name == "frontend" and component.conf.get("input_size") is not None:
            continue
        made = child(component, name, module=live(component, name), given=given)
        if made is not None:
            found[name] = made
    return found


def ctc(component: Component, given: Mapping[str, Any]) -> dict[str, Component]:
    """The child `ctc`, where `model_conf.ctc_weight` lets the model have one."""
    if ctc_weight(component) <= 0:
        return {}
    conf = component.conf.get("ctc_conf") or {}
    type = str(conf.get("ctc_type", "builtin"))
    module = live(component, "ctc")
    return {"ctc": Component("ctc", "ctc", type, conf, module, given, component.base)}


def companions(component: Component) -> dict[str, Component]:
    """The models that help a search and live in files of their own: `lm` and `ngram`."""
    return {
        name: component.companions[name] for name in ("lm", "ngram") if name in component.companions
    }


def ctc_weight(component: Component) -> float:
    """`model_conf.ctc_weight`, by default 0.5 as in `ESPnetASRModel`."""
    return float((component.conf.get("model_conf") or {}).get("ctc_weight", 0.5))


def given_to_children(component: Component) -> dict[str, Any]:
    """`input_size`, `token_list`, `vocab_size` and the live `ctc`, which only the model knows."""
    tokens = token_list(component)
    given: dict[str, Any] = {"input_size": _input_size(component)}
    if tokens is not None:
        given.update(token_list=tokens, vocab_size=len(tokens))
    given["ctc"] = live(component, "ctc")
    return given


def _input_size(component: Component) -> int | None:
    """Width of the features that the encoder sees; a live stage knows its own."""
    for stage in ("preencoder", "frontend"):
        module = live(component, stage)
        if module is not None:
            return int(module.output_size())
    size = component.conf.get("input_size")
    return None if size is None else int(size)


def token_list(component: Component, prefix: str = "") -> list[str] | None:
    """The config's own list of tokens; None while it is only the name of a file."""
    tokens = component.conf.get(f"{prefix}token_list")
    return [str(t) for t in tokens] if isinstance(tokens, list | tuple) else None


def recognition_config(component: Component, weight: float | None = None) -> dict[str, Any]:
    """Tokenizer, special tokens and search settings, as `parts.recognizer.Recognizer` reads them.

    Args:
        component: the root.
        weight: the default CTC weight of the search; None takes 0.5 for a hybrid model.
    """
    config: dict[str, Any] = {"token_type": component.conf.get("token_type")}
    tokens = token_list(component)
    if tokens is not None:
        config.update(token_list=tokens, **special_tokens(component, tokens))
    if weight is None:
        trained = ctc_weight(component)
        weight = 0.5 if 0 < trained < 1 else trained
    # Whole, so that a bundle decodes the same whatever later versions take for default.
    config["decoding"] = attrs.asdict(Decoding(ctc_weight=weight))
    return config


def special_tokens(component: Component, tokens: list[str]) -> dict[str, int]:
    """`ESPnetASRModel.__init__`: <sos/eos> by name, else last; CTC's blank is 0, whatever its name.

    ESPnet trains CTC (`torch.nn.CTCLoss`) and scores with it (`CTCPrefixScorer`) with blank 0 and
    heeds `sym_blank` only for transducers and error rates.
    """
    conf = component.conf.get("model_conf") or {}

    def index(key: str) -> int:
        symbol = conf.get(key, "<sos/eos>")
        return tokens.index(symbol) if symbol in tokens else len(tokens) - 1

    return {"blank": 0, "sos": index("sym_sos"), "eos": index("sym_eos")}


def tokenizer_files(component: Component, prefix: str = "") -> dict[str, Path]:
    """The files of the tokenizer that the config names; `prefix` is "src_" for inputs."""
    conf = component.conf
    if conf.get(f"{prefix}token_type") != "bpe" or not conf.get(f"{prefix}bpemodel"):
        return {}
    path = Path(conf[f"{prefix}bpemodel"])
    if component.base is not None and not path.is_absolute():
        path = component.base / path
    return {f"{prefix}bpemodel": path}
