"""How far a long recording is done: a bar on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextlib.contextmanager
def progress(name: str, duration: float | None) -> Iterator[Callable[..., None]]:
    """A function to tell how many seconds of a recording are done and, once it is known, of all.

    Args:
        name: of the recording.
        duration: its seconds, None where they are unknown.
    """
    if not sys.stderr.isatty():
        yield lambda seconds, total=None: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # What is printed meanwhile goes above the bar, where both are on the terminal.
    bar = Progress(
        console=Console(file=sys.stderr), transient=True, redirect_stdout=sys.stdout.isatty()
    )
    with bar:
        task = bar.add_task(name, total=duration)
        yield lambda seconds, total=duration: bar.update(task, completed=seconds, total=total)
