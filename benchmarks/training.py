"""One epoch of recipes/digits with a frozen HuBERT: ESPnet's own frontend beside onnxruntime's.

    python benchmarks/training.py WORK

WORK is a folder that recipes/digits/prepare.py wrote, with the checkpoint that the config names
(recipes/digits/random_hubert.py makes one). Every side trains a model of its own from the same
weights with ESPnet's optimizer on the batches of ESPnet's first epoch; steps of the sides
alternate. It fails where the first loss on onnxruntime is not ESPnet's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from espnet2.tasks.asr import ASRTask
from espnet2.train.distributed_utils import DistributedOption
from report import ROOT, Check, Report, Table

from espnet_onnx_plugin_hubert.training import attach
from espnet_onnx_plugin_hubert.training.attaching import evaluating
from espnet_onnx_plugin_hubert.training.task import ensure_bundle

__all__ = ["Side", "main"]

RECIPE = ROOT / "recipes" / "digits"
# Of the first utterance's loss, in fp32 and without dropout in the frontend.
TOLERANCE = 1e-3
Batch = Mapping[str, Any]


@attrs.define
class Side:
    """A model that trains, and where its time went.

    Attributes:
        seconds: of all its steps.
        frontend: what its frontend took of them.
        losses: of every step.
    """

    name: str
    model: Any
    optimizer: Any
    clip: float
    seconds: float = 0.0
    frontend: float = 0.0
    losses: list[float] = attrs.field(factory=list)
    _since: float = 0.0

    def __attrs_post_init__(self) -> None:
        """Time the frontend's forward."""
        self.model.frontend.register_forward_pre_hook(lambda *_: self._enter())
        self.model.frontend.register_forward_hook(lambda *_: self._leave())

    def _enter(self) -> None:
        self._since = time.perf_counter()

    def _leave(self) -> None:
        self.frontend += time.perf_counter() - self._since

    def step(self, batch: Batch) -> None:
        """What `Trainer.train_one_epoch` does with a batch."""
        self.model.train()
        start = time.perf_counter()
        loss, _, _ = self.model(**batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds += time.perf_counter() - start
        self.losses.append(float(loss.detach()))

    def loss(self, batch: Batch) -> float:
        """Of a batch in training mode, with random numbers of its own and a frontend in eval."""
        self.model.train()
        with torch.random.fork_rng(), torch.no_grad(), evaluating(self.model.frontend):
            torch.manual_seed(0)
            return float(self.model(**batch)[0])

    def rewind(self) -> None:
        """Forget the time of steps that were not of the epoch."""
        self.seconds = self.frontend = 0.0
        self.losses.clear()


def main(argv: Sequence[str] | None = None) -> int:
    """Train an epoch of every side, write the result."""
    options = _arguments(argv)
    report = Report.start("training", options.name, options.threads, argv)
    torch.set_num_threads(options.threads)
    recipe = _recipe()
    config = shutil.copyfile(options.config, options.work / options.config.name).name
    with contextlib.chdir(options.work), contextlib.ExitStack() as stack:
        if not recipe.STATS.exists():
            ASRTask.main(cmd=recipe.collect_command(config))
        args = ASRTask.get_parser().parse_args([*recipe.train_command(config), "--num_workers=0"])
        batches = [batch for _, batch in _epoch(args)]
        sides = [_espnet(args), *(_onnx(args, p, options.threads, stack) for p in options.sides)]
        alone = _first_utterance(batches[0])
        first = {side.name: side.loss(alone) for side in sides}
        _train(sides, batches)
    figures = _figures(sides, first, batches)
    off = abs(first["fp32"] - first["ESPnet"]) if "fp32" in first else 0.0
    checks = [Check("first loss, fp32", round(off, 6), f"within {TOLERANCE}", off <= TOLERANCE)]
    title = f"One epoch of training on digits with a frozen HuBERT, {options.name}"
    return report.save(options.results, title, figures, _table(figures), checks, _NOTE)


_NOTE = (
    "Seconds of forward, backward and optimizer; steps of the sides alternate. The random HuBERT "
    "has the size of HuBERT base. First loss: one utterance, no dropout in the frontend; ESPnet's "
    "own training leaves it on there."
)


def _recipe() -> Any:
    spec = importlib.util.spec_from_file_location("digits_train", RECIPE / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _epoch(args: argparse.Namespace) -> Iterator[tuple[Any, Batch]]:
    """The batches of the trainer's first epoch."""
    args.distributed = False
    factory = ASRTask.build_iter_factory(args, DistributedOption(), "train")
    return iter(factory.build_iter(1))


def _espnet(args: argparse.Namespace) -> Side:
    return _side("ESPnet", args, lambda _model: None)


def _onnx(
    args: argparse.Namespace, precision: str, threads: int, stack: contextlib.ExitStack
) -> Side:
    """A model whose frontend a bundle replaces until `stack` is left."""
    bundle = Path(f"hubert.{precision}.bundle")

    def prepare(model: Any) -> None:
        ensure_bundle(bundle, model, args, precision)
        stack.enter_context(attach(model, bundle, precision=precision, threads=threads))

    return _side(precision, args, prepare)


def _side(name: str, args: argparse.Namespace, prepare: Callable[[Any], None]) -> Side:
    torch.manual_seed(args.seed)
    model = ASRTask.build_model(args)
    # A second copy of the weights, which three models would hold three times.
    model.frontend.pretrained_params = {}
    for parameter in model.frontend.upstream.parameters():
        parameter.requires_grad = False
    prepare(model)
    (optimizer,) = ASRTask.build_optimizers(args, model)
    return Side(name, model, optimizer, args.grad_clip)


def _first_utterance(batch: Batch) -> Batch:
    """The longest utterance of a batch, without the others."""
    i = int(batch["speech_lengths"].argmax())
    return {name: value[i : i + 1] for name, value in batch.items() if name != "utt_id"}


def _train(sides: Sequence[Side], batches: Sequence[Batch]) -> None:
    for side in sides:
        side.loss(batches[0])  # warm up
        side.rewind()
    for number, batch in enumerate(batches):
        for i in range(len(sides)):
            sides[(i + number) % len(sides)].step(dict(batch))
        print(f"step {number + 1} of {len(batches)}", file=sys.stderr, flush=True)


def _figures(
    sides: Sequence[Side], first: Mapping[str, float], batches: Sequence[Batch]
) -> dict[str, Any]:
    espnet = sides[0]
    samples = sum(int(batch["speech_lengths"].sum()) for batch in batches)
    return {
        "batches": len(batches),
        "utterances": sum(len(batch["speech"]) for batch in batches),
        "audio_s": round(samples / 16000, 1),
        "sides": {
            side.name: {
                "epoch_s": round(side.seconds, 2),
                "frontend_s": round(side.frontend, 2),
                "rest_s": round(side.seconds - side.frontend, 2),
                "times_faster": round(espnet.seconds / side.seconds, 2),
                "frontend_times_faster": round(espnet.frontend / side.frontend, 2),
                "first_loss": round(first[side.name], 4),
                "mean_loss": round(sum(side.losses) / len(side.losses), 4),
            }
            for side in sides
        },
    }


def _table(figures: Mapping[str, Any]) -> Table:
    names = {
        "epoch_s": "epoch, s",
        "frontend_s": "frontend, s",
        "rest_s": "rest, s",
        "times_faster": "times faster",
        "frontend_times_faster": "frontend alone",
        "first_loss": "first loss",
        "mean_loss": "mean loss",
    }
    rows = [[name, *(side[key] for key in names)] for name, side in figures["sides"].items()]
    return Table(["frontend on", *names.values()], rows)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that recipes/digits/prepare.py wrote")
    parser.add_argument("--config", type=Path, default=RECIPE / "conf" / "hubert.yaml")
    parser.add_argument("--sides", nargs="+", default=["fp32", "int8"], choices=("fp32", "int8"))
    parser.add_argument("--threads", type=int, default=2, help="threads of every side")
    parser.add_argument("--name", default="digits_hubert", help="of the result")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    found = parser.parse_args(argv)
    found.results, found.work = found.results.resolve(), found.work.resolve()
    return found


if __name__ == "__main__":
    sys.exit(main())
