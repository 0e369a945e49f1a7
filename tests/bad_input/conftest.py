"""How bad input is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .inputs import Run


@pytest.fixture
def refused(run: Run, tmp_path: Path) -> Callable[..., str]:
    """Run a command line that must be refused; the line on stderr."""

    def refused(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return refused
