"""From a fresh checkout to a demo or a test run: makes .venv, installs, runs. No dependencies.

    python3 tools/dev.py demo      install, then `espnet-onnx demo`
    python3 tools/dev.py test      install, then pytest
    python3 tools/dev.py check     install, then format, lint, types, import contracts
    python3 tools/dev.py install   install only

More arguments go to espnet-onnx demo, to pytest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))
PYTHONS = ((3, 11), (3, 13))
# Exporting is one thread's work; more processes than two would each hold torch and ESPnet.
PARALLEL = ("--numprocesses", "2", "--dist", "loadfile")


def main() -> int:
    """Install if needed, run what was asked, return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="default: .venv")
    parser.add_argument("what", choices=("demo", "test", "check", "install"))
    args, more = parser.parse_known_args()
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        parser.error("run this with Python 3.11, 3.12 or 3.13")
    scripts = install(args.venv.absolute())
    commands: dict[str, list[tuple[str, ...]]] = {
        "install": [],
        "demo": [("espnet-onnx", "demo", *more)],
        "test": [("pytest", *PARALLEL, *more)],
        "check": list(CHECKS),
    }
    statuses = [run(scripts / name, *rest) for name, *rest in commands[args.what]]
    return max(statuses, default=0)


def install(folder: Path) -> Path:
    """Make the environment unless it is there and made from this pyproject.toml.

    The environment keeps the pip that came with Python: pip 26.3 refuses espnet 202511, the newest
    for Python 3.11, because an extra of one of its dependencies names a git address.
    """
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    stamp = folder / "made-from"
    made_from = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == made_from:
        return scripts
    venv.create(folder, with_pip=True)
    pip = (scripts / "python", "-m", "pip", "install", "--progress-bar", "off")
    status = run(*pip, "-e", f"{ROOT}[export,test,dev]")
    if status:
        sys.exit(status)
    stamp.write_text(made_from)
    return scripts


def run(program: Path, *arguments: str) -> int:
    """Run a program in the checkout and return its exit status."""
    print("+", program.name, *arguments, flush=True)
    # Two test processes with torch's threads in each would wait for one another.
    env = {**os.environ, "OMP_NUM_THREADS": "1"} if program.name == "pytest" else None
    return subprocess.run([program, *arguments], cwd=ROOT, check=False, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
