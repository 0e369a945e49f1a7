"""ESPnet's ASR task whose trainer runs the frozen frontend on onnxruntime."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
from espnet2.tasks.asr import ASRTask
from espnet2.train.trainer import Trainer

from espnet_onnx.export import export

from .attaching import attach, evaluating, gives_states
from .states import states_manager

__all__ = ["OnnxASRTask", "OnnxTrainer", "Wanted", "ensure_bundle", "main"]

_log = logging.getLogger(__name__)


@attrs.frozen
class Wanted:
    """What the command line says of the frontend; `train_args` is the whole of it."""

    bundle: Path
    precision: str
    threads: int | None
    train_args: argparse.Namespace


class OnnxTrainer(Trainer):  # type: ignore[misc]  # ESPnet has no types
    """Trains with the frontend of a bundle; what it saves is a plain ESPnet model."""

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> Any:
        """ESPnet's options, and with them ours."""
        options = super().build_options(args)
        bundle = Path(args.frontend_bundle or Path(args.output_dir) / "frontend.bundle")
        options.frontend = Wanted(bundle, args.frontend_precision, args.frontend_threads, args)
        return options

    @classmethod
    def run(cls, *, model: Any, trainer_options: Any, **rest: Any) -> None:
        """`Trainer.run` while the bundle stands in for the frontend."""
        wanted = trainer_options.frontend
        ensure_bundle(wanted.bundle, model, wanted.train_args, wanted.precision)
        with attach(model, wanted.bundle, precision=wanted.precision, threads=wanted.threads):
            super().run(model=model, trainer_options=trainer_options, **rest)


class OnnxASRTask(ASRTask):  # type: ignore[misc]  # ESPnet has no types
    """`ASRTask` with three options more. A `config.yaml` that it writes opens in plain ESPnet."""

    trainer = OnnxTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """ESPnet's arguments, and where the frontend's bundle is."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Frontend on onnxruntime")
        group.add_argument(
            "--frontend_bundle",
            help="bundle of the frontend, made where there is none; OUTPUT_DIR/frontend.bundle",
        )
        group.add_argument("--frontend_precision", default="fp32", choices=("fp32", "int8"))
        group.add_argument("--frontend_threads", type=int, help="by default one for every core")


def ensure_bundle(bundle: Path, model: Any, args: argparse.Namespace, precision: str) -> None:
    """Export a live model's frontend where there is no bundle yet.

    Args:
        bundle: the folder.
        model: a live ESPnet model.
        args: what it was built from.
        precision: "fp32" or "int8", kept even where it is slower than fp32.
    """
    if bundle.exists():
        return
    live = SimpleNamespace(asr_model=model, asr_train_args=args)
    manager = states_manager() if gives_states(model.frontend) else None
    _log.info("The frontend is exported to %s", bundle)
    with evaluating(model), _quiet():
        export(
            live,
            bundle,
            role="frontend",
            precision=(precision,),
            keep_slower=True,
            manager=manager,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """ESPnet's trainer shows every INFO, of which an exporter has thousands."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def main(cmd: Sequence[str] | None = None) -> None:
    """`espnet2.bin.asr_train` with the frontend on onnxruntime."""
    OnnxASRTask.main(cmd=cmd)
