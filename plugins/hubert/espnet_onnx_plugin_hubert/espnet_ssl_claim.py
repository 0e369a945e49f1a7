"""The claim on frontend `espnet_ssl`: a model of ESPnet's own `ssl` task inside another model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

import espnet_onnx as eo
from espnet_onnx.components import root
from espnet_onnx.configs import read_yaml
from espnet_onnx.parts.sample_rate import parse_rate
from espnet_onnx.recognition import live

__all__ = ["KIND", "claim", "model_config", "not_here"]

KIND = "hubert.espnet_ssl"


def claim(component: eo.Component) -> eo.Part | eo.Declined:
    """Mirrors `ESPnetSSLFrontend`: a child `upstream`, which is a whole `ssl` model.

    What the upstream is made of stands in the config.yaml beside its checkpoint, which
    `frontend_conf.path_or_url` names. Where that is not here, the upstream stays unknown and
    cannot be exported.

    `use_final_output` is not looked at, as `ESPnetSSLModel.inference_encode` does not.
    """
    conf = component.conf
    rate = parse_rate(conf.get("fs", 16000))
    if rate is None:
        return eo.Declined(f"fs {conf['fs']!r} is no sample rate")
    sizes = {"sample_rate": rate, "multilayer": bool(conf.get("multilayer_feature"))}
    path = _checkpoint(component)
    config = None if path is None else model_config(path)
    if path is None or config is None:
        return eo.Part(KIND, config=sizes)
    upstream, _ = root(config, base=path.parent, module=live(component, "upstream"), task="ssl")
    numbers = list(range(1, int(upstream.conf["encoder_conf"]["num_blocks"]) + 1))
    layer = int(conf.get("layer", -1))
    if not sizes["multilayer"] and not -len(numbers) <= layer < len(numbers):
        return eo.Declined(f"layer {layer}: its upstream has {len(numbers)}")
    states = numbers if sizes["multilayer"] else [numbers[layer]]
    child = attrs.evolve(upstream, name="upstream", given={"hidden_states": states})
    return eo.Part(KIND, {"upstream": child}, {**sizes, "states": states})


def model_config(checkpoint: Path) -> dict[str, Any] | None:
    """The config.yaml beside a checkpoint, as `SSLTask.build_model_from_file` reads it, or None."""
    path = checkpoint.parent / "config.yaml"
    if checkpoint.suffix not in (".pt", ".pth") or not path.is_file():
        return None
    return read_yaml(path)


def not_here(name: object) -> str:
    """What to do about an upstream whose config cannot be read."""
    return (
        f"the SSL model {name} is not here: let frontend_conf.path_or_url name its .pth, "
        "with its config.yaml beside it"
    )


def _checkpoint(component: eo.Component) -> Path | None:
    nested: Mapping[str, Any] = component.conf.get("frontend_conf") or {}
    name = nested.get("path_or_url")
    if not isinstance(name, str):
        return None
    path = Path(name)
    return path if path.is_absolute() or component.base is None else component.base / path
