"""ESPnet's Longformer encoder needs a package that no registry has: a plain one stands in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _longformer() -> Iterator[None]:
    pytest.importorskip("torch")
    from .plain_longformer import installed

    with pytest.MonkeyPatch.context() as monkeypatch:
        installed(monkeypatch)
        yield
