"""ESPnet's own inference object around a model that is already live."""

from __future__ import annotations

import argparse
import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import ModelError, one_line
from .espnet_classes import inference_class
from .isolation import undisturbed

if TYPE_CHECKING:
    from .loader import Loaded

__all__ = ["inference"]


def inference(loaded: Loaded, *, lm: Loaded | None = None, **decoding: Any) -> Any:
    """Make ESPnet's inference object (`Speech2Text`, ...) around a live model, not from its file.

    Args:
        loaded: the model, which the object shares.
        lm: a language model to decode with.
        decoding: options of ESPnet's class (`beam_size`, `ctc_weight`, ...), or settings of ours
            that it calls otherwise. Those that the installed version does not have are left out:
            202511 has no `ctc_window_margin`.

    Raises:
        ModelError: the task has no such class, or the class does not accept the model.
    """
    cls, wanted = inference_class(loaded.task, loaded.config.get("model"))
    accepted = inspect.signature(cls.__init__).parameters
    arguments = wanted.arguments(decoding)
    given = {name: value for name, value in arguments.items() if name in accepted}
    if lm is not None:
        given["lm_train_config"] = "config.yaml"
    with undisturbed(), _already_built(loaded, lm):
        try:
            return cls(**{**wanted.options, **given})
        # Asserts, KeyErrors and missing packages alike.
        except Exception as error:
            raise ModelError(
                f"ESPnet's {cls.__name__} does not accept this model and its settings"
                f" ({one_line(error)}); change the decoding options"
            ) from error


@contextmanager
def _already_built(loaded: Loaded, lm: Loaded | None) -> Iterator[None]:
    """`AbsTask.build_model_from_file`, the same for every task, returns models that are there."""
    from espnet2.tasks.abs_task import AbsTask

    def build_model_from_file(cls: Any, *_files: Any, **_named: Any) -> Any:
        chosen = lm if lm is not None and cls.__name__ == "LMTask" else loaded
        return chosen.model, argparse.Namespace(**copy.deepcopy(dict(chosen.config)))

    original = AbsTask.__dict__["build_model_from_file"]
    AbsTask.build_model_from_file = classmethod(build_model_from_file)
    try:
        yield
    finally:
        AbsTask.build_model_from_file = original
