"""Writes what the documents say of the program, from the program itself.

    python tools/generate_docs.py            rewrite what is out of date
    python tools/generate_docs.py --check    only name it, and exit 1

A text between `<!-- generated:NAME -->` and `<!-- /generated -->` is NAME's; docs/cut.svg is a
whole file. Sources: the plugins of this checkout, the command line, and benchmarks/results.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "core"), *map(str, sorted((ROOT / "plugins").iterdir()))]

from docs_cli import commands  # noqa: E402
from docs_results import results  # noqa: E402
from docs_speech import speech  # noqa: E402
from docs_support import counts, details  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SECTIONS: dict[str, Callable[[], str]] = {
    "cli": commands,
    "results": lambda: results(RESULTS, "end_to_end.librispeech_conformer10"),
    "results-all": lambda: results(RESULTS),
    "speech": lambda: speech(RESULTS),
    "support": counts,
    "support-details": details,
}
MARKED = re.compile(r"(<!-- generated:([\w-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def main() -> int:
    """Rewrite or check every document; 1 if the check found one out of date."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documents.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    check = parser.parse_args().check
    stale = [path for path, text in generated().items() if _read(path) != text]
    for path in stale:
        print("out of date:" if check else "wrote", path.relative_to(ROOT))
        if not check:
            path.write_text(generated()[path], "utf-8")
    return int(check and bool(stale))


def generated() -> dict[Path, str]:
    """Path -> what should be there."""
    found = _picture() if importlib.util.find_spec("torch") else {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = _read(path)
        if MARKED.search(text):
            found[path] = MARKED.sub(_section, text)
    return found


def _picture() -> dict[Path, str]:
    """The one document that takes a live model, so that its graphs can be named."""
    from docs_cut import picture

    return {ROOT / "docs" / "cut.svg": picture(ROOT / "core/espnet_onnx/data/demo/conformer")}


def _section(match: re.Match[str]) -> str:
    return f"{match[1]}{SECTIONS[match[2]]().strip()}\n{match[3]}"


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
