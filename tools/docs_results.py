"""Tables of figures, from the JSON files that the scripts in benchmarks/ write.

A file that holds `table` ({"columns": [...], "rows": [[...], ...]}) becomes a table under its
`title`, with its `note`, and with where and how it was taken (`machine`, `commit`, `command`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["results"]

_NONE = "No results have been committed yet."


def results(folder: Path, names: str = "*") -> str:
    """The tables of the files that `names` matches, by file name."""
    files = sorted(folder.glob(f"{names}.json")) if folder.is_dir() else []
    sections = [_section(path) for path in files]
    return "\n\n".join(section for section in sections if section) or _NONE


def _section(path: Path) -> str:
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    table = data.get("table")
    if not table:
        return ""
    lines = [f"**{data.get('title', path.stem)}**", "", _row(table["columns"])]
    lines.append(_row(["---"] * len(table["columns"])))
    lines += [_row(row) for row in table["rows"]]
    if data.get("note"):
        lines += ["", str(data["note"])]
    return "\n".join([*lines, "", _origin(path, data)])


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |"


def _origin(path: Path, data: dict[str, Any]) -> str:
    machine = data.get("machine") or {}
    cpu = machine.get("cpu", machine) if isinstance(machine, dict) else machine
    said = [f"`{path.name}`", str(cpu or ""), f"commit {str(data.get('commit', ''))[:10]}"]
    if data.get("command"):
        said.append(f"`{data['command']}`")
    return "(" + ", ".join(s for s in said if s.strip() not in ("", "commit")) + ")"
