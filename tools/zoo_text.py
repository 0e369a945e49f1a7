"""How the texts of models that speak become tokens, by what configs or the models' names say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from unittest import mock

import attrs

from espnet_onnx.errors import InputError
from espnet_onnx.parts.text import CLEANERS, G2P_CHOICES
from espnet_onnx.parts.text.cleaners import cleaner
from espnet_onnx.parts.text.g2p import load_g2p

__all__ = ["Reading", "needs", "reading", "text_table"]

# Behind the features' type ESPnet's `tts.sh` names token type, cleaner and g2p, those there are.
_NAMED = re.compile(r"_(phn|char)_(?:(none|null)_)?(.*)")
_EXTRA = re.compile(r"espnet-onnx\[([\w-]+)\]|pip install ([\w-]+)")
# Beyond ASCII, with a number: a text that asks for all packages there are.
SAMPLE = "é 5"
UNNAMED = "not in its name"


@attrs.frozen(order=True)
class Reading:
    """Token type, cleaner and g2p of one model, as text; `-` for none."""

    token_type: str
    cleaner: str = "-"
    g2p: str = "-"


def reading(name: str, config: Mapping[str, Any]) -> Reading:
    """How a model reads: what its full config says, else the name that ESPnet's recipe gave it."""
    if config.get("token_type"):
        chosen = (config["token_type"], config.get("cleaner"), config.get("g2p"))
        return Reading(*(str(part or "-") for part in chosen))
    found = _NAMED.search(name)
    if found is None:
        return Reading(UNNAMED)
    token_type, _, rest = found.groups()
    clean = _first(rest, CLEANERS)
    g2p = _first(rest.removeprefix(f"{clean}_"), filter(None, G2P_CHOICES))
    return Reading(token_type, clean, g2p if token_type == "phn" else "-")


def _first(text: str, names: Iterable[str]) -> str:
    """The longest of the names that a text begins with."""
    fitting = [name for name in names if f"{text}_".startswith(f"{name}_")]
    return max(fitting, key=len, default="-")


def needs(read: Reading) -> list[str]:
    """What must be installed, as the messages say where nothing is."""
    home = "espnet_onnx.parts.text.packages.import_module"
    with mock.patch(home, side_effect=ImportError("not here")):
        said = [_refused(lambda: _cleaner(read)(SAMPLE)), _refused(lambda: _g2p(read)(SAMPLE))]
    found = [_EXTRA.search(message) for message in said if message]
    return sorted({match[1] or match[2] for match in found if match})


def text_table(readings: Counter[Reading]) -> str:
    """One line a way of reading."""
    lines = ["| token type | cleaner | g2p | configs | install |\n|---|---|---|---|---|"]
    for read, count in sorted(readings.items(), key=lambda pair: (-pair[1], pair[0])):
        if read.token_type == UNNAMED:
            lines.append(f"| {UNNAMED} | | | {count} | |")
            continue
        cells = [f"`{part}`" if part != "-" else part for part in attrs.astuple(read)]
        install = ", ".join(f"`{name}`" for name in needs(read)) or "-"
        lines.append(f"| {' | '.join(cells)} | {count} | {install} |")
    return "\n".join(lines)


def _cleaner(read: Reading) -> Callable[[str], str]:
    return cleaner(None if read.cleaner == "-" else read.cleaner)


def _g2p(read: Reading) -> Callable[[str], list[str]]:
    if read.token_type != "phn":
        return list
    return load_g2p(None if read.g2p == "-" else read.g2p)


def _refused(ask: Callable[[], Any]) -> str | None:
    try:
        ask()
    except InputError as error:
        return str(error)
    return None
