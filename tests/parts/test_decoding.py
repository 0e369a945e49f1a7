"""The options of a search."""

from __future__ import annotations

import ast
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from espnet_onnx.errors import InputError
from espnet_onnx.parts.decoding import Decoding


def test_survives_json() -> None:
    decoding = Decoding(beam_size=3, maxlenratio=-4, normalize_length=True)
    assert Decoding(**json.loads(json.dumps(attrs.asdict(decoding)))) == decoding


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_size", 0),
        ("beam_size", 2.5),
        ("beam_size", True),
        ("nbest", -1),
        ("ctc_window_margin", -1),
        ("ctc_weight", 1.1),
        ("ctc_weight", "0.3"),
        ("lm_weight", math.nan),
        ("penalty", math.inf),
        ("maxlenratio", -0.5),
        ("normalize_length", 1),
        ("search", "sideways"),
    ],
)
def test_refuses_in_one_line(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"decoding option {name}=.*give") as caught:
        Decoding(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ratios", "bounds"),
    [((0.0, 0.0), (50, 0)), ((0.3, 0.1), (15, 5)), ((-7.0, -2.0), (7, 2)), ((0.001, 0.0), (1, 0))],
)
def test_length_bounds(ratios: tuple[float, float], bounds: tuple[int, int]) -> None:
    decoding = Decoding(maxlenratio=ratios[0], minlenratio=ratios[1])
    assert (decoding.longest(50), decoding.shortest(50)) == bounds


@pytest.mark.export
def test_defaults_are_espnets() -> None:
    """Read from the source, since importing it takes seconds."""
    pytest.importorskip("espnet2")
    found = importlib.util.find_spec("espnet2.bin.asr_inference")
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    arguments = next(
        node.args
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    names = [a.arg for a in arguments.args[-len(arguments.defaults) :]]
    theirs = dict(zip(names, arguments.defaults, strict=True))
    shared = [field for field in attrs.fields(Decoding) if field.name in theirs]
    assert len(shared) >= 9
    for field in shared:
        assert field.default == ast.literal_eval(theirs[field.name]), field.name
