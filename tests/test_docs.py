"""README and docs say what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlib_metadata import entry_points


def test_generated_parts_are_up_to_date(root: Path) -> None:
    command = [sys.executable, "tools/generate_docs.py", "--check"]
    result = subprocess.run(
        command, check=False, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, (
        f"run tools/generate_docs.py\n{result.stdout}{result.stderr[-2000:]}"
    )


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(root: Path, name: str) -> None:
    text = (root / name).read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (root / link).exists()] == []


def test_folders_named_in_contributing_exist(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/]+)/` \|", text, re.MULTILINE)
    assert len(rows) > 5
    assert [row for row in rows if not (root / row.removesuffix("/NAME")).is_dir()] == []


def test_commands_in_readme_exist(root: Path) -> None:
    from espnet_onnx.cli import COMMANDS, app

    known = {c.name for c in app.registered_commands}
    known |= {command.name for command in entry_points(group=COMMANDS)}
    text = (root / "README.md").read_text("utf-8")
    used = set(re.findall(r"^espnet-onnx (\w+)", text, re.MULTILINE))
    assert used
    assert used <= known
