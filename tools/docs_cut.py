"""A picture of how a model is cut: each component, the part that claims it, and its graphs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from docs_support import manager

from espnet_onnx import components, loader, sources
from espnet_onnx.graphs import graphs_of
from espnet_onnx.resolver import Claim, resolve
from espnet_onnx.types import Graph

__all__ = ["picture"]

# Plain colours that stay apart in grey; one a plugin, in the order of the picture.
_FILLS = ("#dbe9f6", "#fde5c8", "#dff0d8", "#eadcf4", "#f8d9d9")
_LINE, _BOX, _INDENT = 54, 36, 34
_LEFT, _CLAIM, _GRAPHS, _WIDTH = 20, 320, 640, 900
_TOP = 74


def picture(model: Path) -> str:
    """SVG of the claims on a model folder's config.

    Args:
        model: an ESPnet model on disk.
    """
    loaded = loader.load_model(sources.find(model))
    root, _ = components.root(
        loaded.config, base=loaded.base, module=loaded.model, task=loaded.task
    )
    used = manager()
    claims = list(resolve(root, used).walk())
    graphs = [_graphs(graphs_of(claim, used)) for claim in claims]
    fills = dict(zip(dict.fromkeys(c.plugin for c in claims), _FILLS, strict=False))
    height = _TOP + _LINE * len(claims) + 4
    rows = [
        _row(i, claim, fills.get(claim.plugin, "#ffffff"), names)
        for i, (claim, names) in enumerate(zip(claims, graphs, strict=True))
    ]
    return "\n".join([_head(height), _heading(), _trunk(claims), *rows, "</svg>", ""])


def _graphs(graphs: Mapping[str, Graph]) -> str:
    """Names of a part's graphs; those that see hypotheses run once a step of the search."""
    return ", ".join(
        f"{name} (every token)" if any("beams" in axes for axes in graph.axes.values()) else name
        for name, graph in graphs.items()
    )


def _head(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="15">\n'
        "<title>How a model is cut: components, parts and graphs</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    )


def _heading() -> str:
    lines = [
        _text(_LEFT, 26, "components", bold=True),
        _text(_LEFT, 48, "named by ESPnet's config.yaml", colour="#555"),
        _text(_CLAIM, 26, "parts", bold=True),
        _text(_CLAIM, 48, "each claimed by one plugin", colour="#555"),
        _text(_GRAPHS, 26, "ONNX graphs", bold=True),
        _text(_GRAPHS, 48, "numpy runs the search", colour="#555"),
    ]
    return "\n".join(lines)


def _trunk(claims: list[Claim]) -> str:
    """Lines from every parent down to its children."""
    lines = []
    where = {id(claim): i for i, claim in enumerate(claims)}
    for claim in claims:
        for child in claim.children.values():
            x = _LEFT + _INDENT * _depth(claim) + _INDENT // 2
            start, end = where[id(claim)], where[id(child)]
            y, level = _y(start) + _BOX, _y(end) + _BOX // 2
            lines.append(f'<path d="M{x} {y} V{level} H{x + _INDENT // 2}" {_STROKE}/>')
    return "\n".join(lines)


_STROKE = 'fill="none" stroke="#555" stroke-width="1.5"'


def _row(index: int, claim: Claim, fill: str, graphs: str) -> str:
    x, y = _LEFT + _INDENT * _depth(claim), _y(index)
    width = 250 - _INDENT * _depth(claim)
    component = claim.component
    name = component.name or component.role
    kind = claim.part.kind if claim.part else ""
    middle = y + _BOX // 2
    return "\n".join(
        [
            _box(x, y, width, "#ffffff"),
            _text(x + 12, y + 24, name, bold=True, then=component.type),
            f'<path d="M{x + width} {middle} H{_CLAIM}" {_STROKE}/>',
            _box(_CLAIM, y, _GRAPHS - _CLAIM - _LEFT, fill),
            _text(_CLAIM + 12, y + 24, kind or "nobody"),
            _text(_GRAPHS, y + 24, graphs),
        ]
    )


def _box(x: int, y: int, width: int, fill: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{_BOX}" rx="5" '
        f'fill="{fill}" stroke="#555"/>'
    )


def _text(
    x: int, y: int, text: str, *, bold: bool = False, then: str = "", colour: str = "#111"
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    more = f'<tspan font-weight="normal" dx="10">{escape(then)}</tspan>' if then else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{escape(text)}{more}</text>'


def _depth(claim: Claim) -> int:
    return 0 if not claim.path else 1 + claim.path.count(".")


def _y(index: int) -> int:
    return _TOP + _LINE * index
