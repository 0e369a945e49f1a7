"""What graphs are given while their bundle runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..manager import Manager
from ..runtime import OrtSession, load
from ..types import Feed

__all__ = ["check_request", "heard"]


def heard(
    bundle: Path,
    graphs: Sequence[str],
    samples: Sequence[Any],
    manager: Manager,
    threads: int | None = None,
) -> Mapping[str, Sequence[Feed]]:
    """Inputs of graphs, in the order in which they came.

    Args:
        bundle: a bundle that runs.
        graphs: path of a node and name of its graph, as `load` names sessions.
        samples: what the bundle's runtime is to run on. Without any, a runtime that has a method
            `rehearse` chooses by itself; other graphs hear nothing.
    """
    sessions: dict[str, OrtSession] = {}
    runtime = load(bundle, sessions=sessions, manager=manager, threads=threads, verify=False)
    lists: dict[str, list[Feed]] = {name: [] for name in graphs}
    for name, feeds in lists.items():
        sessions[name].heard = feeds
    if hasattr(runtime, "rehearse"):
        runtime.rehearse(samples)
    else:
        for sample in samples:
            runtime(sample)
    return lists


def check_request(
    precision: Sequence[str], role: str | None, static: bool, samples: Sequence[Any]
) -> None:
    """Refuse what cannot be calibrated before anything is loaded.

    Raises:
        InputError: static int8 without int8, or samples that nothing would run on.
    """
    if static and "int8" not in precision:
        raise InputError("static int8 without the precision int8: add int8 to the precisions")
    if samples and not static:
        raise InputError("only static int8 is calibrated: ask for it, or leave calibration out")
    if samples and role is not None:
        raise InputError(f"calibration: a {role} alone takes no texts or recordings: leave it out")
