"""Exports a small model of every architecture in a folder of training configs, and compares.

    python tools/zoo_parity.py CONFIG... --results zoo.jsonl      check what is not in there yet
    python tools/zoo_parity.py CONFIG... --results zoo.jsonl --report    only print the tables
    python tools/zoo_parity.py CONFIG... --results zoo.jsonl --docs docs/zoo.md

CONFIG: training configs, or folders of them. Those that are claimed as a whole are shrunk (see
zoo_shrink.py), given random weights, exported in fp32 and int8 with the parity of every graph as
the gate, loaded, checked again and asked about one recording, or to speak, as is ESPnet's own
inference. Configs that shrink to the same model are checked once. Needs the extras export and test.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "core"), *map(str, sorted((ROOT / "plugins").iterdir()))]

from zoo_model import write_model  # noqa: E402
from zoo_report import document, tables, voices  # noqa: E402
from zoo_shrink import BLOCKS, MELS, SPEAKING, WIDTH, Shrunken, shrink  # noqa: E402
from zoo_text import reading, text_table  # noqa: E402

from espnet_onnx import components, sources  # noqa: E402
from espnet_onnx.bundle import read_manifest  # noqa: E402
from espnet_onnx.catalog import Catalog  # noqa: E402
from espnet_onnx.errors import EspnetOnnxError, one_line  # noqa: E402
from espnet_onnx.manager import Manager  # noqa: E402
from espnet_onnx.resolver import resolve  # noqa: E402

TASKS = ("asr", "st", "slu", "mt", *SPEAKING)
AUDIO = ROOT / "core/espnet_onnx/data/demo/audio/nicolas-test-00150.flac"
TRANSCRIPT = "turn the lights off now"
TEXT = " ".join(f"t{i}" for i in (3, 14, 15, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 20, 11, 26))
SEARCH = {"beam_size": 3, "maxlenratio": -10}


@attrs.frozen
class Model:
    """A distinct small model, and the configs that shrink to it."""

    task: str
    shrunken: Shrunken
    names: list[str] = attrs.field(factory=list)


def main() -> int:
    """Check, write results as they come, print tables; 1 if a model fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, added to")
    parser.add_argument("--limit", type=int, help="check at most so many models")
    parser.add_argument("--only", default="", help="check models with this in a config's name")
    parser.add_argument("--report", action="store_true", help="check nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--docs", type=Path, help="write the tables to this document")
    args = parser.parse_args()
    manager = Manager.load()
    models = distinct(args.configs, manager)
    if not args.report and not args.docs:
        _stand_in()
        _check_all(models, args, manager)
    rows = _rows(models, args.results)
    if args.docs:
        text = document(rows, len(models), _espnet(), _texts(args.configs))
        args.docs.write_text(text, "utf-8")
    print(json.dumps(rows, indent=1) if args.json else tables(rows, len(models), _espnet()))
    return int(any(row["problem"] for row in rows))


def distinct(paths: list[Path], manager: Manager) -> dict[str, Model]:
    """Digest -> model, of the configs whose small models are claimed as a whole."""
    catalog = Catalog.load(_espnet())
    models: dict[str, Model] = {}
    for file in _files(paths):
        try:
            config = dict(sources.find(file).config)
            task = components.root(config)[0].type
            if task not in TASKS:
                continue
            small = shrink(config, task, catalog)
            root, _ = components.root(small.config, base=file.parent, task=task)
        except EspnetOnnxError:
            continue
        if not resolve(root, manager).problems:
            models.setdefault(small.digest, Model(task, small)).names.append(file.stem)
    return models


def _files(paths: list[Path]) -> list[Path]:
    return [f for p in paths for f in (sorted(p.rglob("*.yaml")) if p.is_dir() else [p])]


def _texts(paths: list[Path]) -> str:
    """How the models that speak read, supported or not."""
    found: Counter[Any] = Counter()
    for file in _files(paths):
        try:
            config = sources.find(file).config
            found[reading(file.stem, config)] += components.root(config)[0].type in SPEAKING
        except EspnetOnnxError:
            continue
    return text_table(+found)


def _espnet() -> str:
    import importlib_metadata

    return importlib_metadata.version("espnet")


def _stand_in() -> None:
    """What cannot be had, or not in small, takes another's place."""
    # ESPnet's Longformer imports a package that no registry has.
    if importlib.util.find_spec("longformer") is None:
        sys.path.append(str(ROOT))
        plain = importlib.import_module("tests.plugins.longformer.plain_longformer")
        plain.installed(pytest.MonkeyPatch())
    # A self-supervised model's sizes are not in its config. Small ones are as wide as features.
    from espnet_onnx_plugin_hubert.upstreams import CHECKPOINTS, HUGGING_FACE

    for table in (CHECKPOINTS, HUGGING_FACE):
        small = {"layers": BLOCKS, "width": MELS, "heads": 4, "hidden": 2 * WIDTH}
        table.update({name: attrs.evolve(sizes, **small) for name, sizes in table.items()})


def _check_all(models: dict[str, Model], args: argparse.Namespace, manager: Manager) -> None:
    passed = {row["digest"] for row in _read(args.results) if not row["problem"]}
    todo = [d for d, m in models.items() if any(args.only in name for name in m.names)]
    seen = {part for d in passed & set(models) for part in models[d].shrunken.parts}
    todo = _mixed({d: models[d] for d in todo if d not in passed}, seen)[: args.limit]
    for i, digest in enumerate(todo):
        start = time.perf_counter()
        row = {"digest": digest, **check(models[digest], manager)}
        with args.results.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        name, took = models[digest].names[0], time.perf_counter() - start
        state = row["problem"] or row["answers"]
        print(f"{i + 1}/{len(todo)} {took:.0f} s {name}: {state}", file=sys.stderr, flush=True)


def _mixed(models: dict[str, Model], seen: set[str]) -> list[str]:
    """Digests, each next the one with most parts that were not seen before it."""
    left = dict(models)
    order: list[str] = []
    while left:
        new = {digest: len(m.shrunken.parts - seen) for digest, m in left.items()}
        first = max(left, key=lambda d: (new[d] > 0, not left[d].shrunken.replaced, new[d]))
        order.append(first)
        seen |= left.pop(first).shrunken.parts
    return order


def check(model: Model, manager: Manager) -> dict[str, Any]:
    """Figures of one model, with `problem`, the reason in one line, where there is one."""
    row: dict[str, Any] = {"problem": None, "exported": False, "fp32": None, "int8": None}
    row |= {"worst": None, "answers": {}}
    with tempfile.TemporaryDirectory() as folder:
        try:
            _check(model, Path(folder), manager, row)
        # Whatever is wrong with one model, the others are still to be checked.
        except Exception as error:
            row["problem"] = one_line(error)
    return row


def _check(model: Model, folder: Path, manager: Manager, row: dict[str, Any]) -> None:
    from zoo_speech import speak

    from espnet_onnx.export import export
    from espnet_onnx.verify import verify

    source = write_model(model.shrunken.config, model.task, folder / "model")
    bundle = folder / "bundle"
    export(
        source,
        bundle,
        task=model.task,
        precision=("fp32", "int8"),
        keep_slower=True,
        threads=1,
        manager=manager,
    )
    row["exported"] = True
    given = [_heard(model)] if _comparable(model) else []
    known = read_manifest(bundle).decoding if given else {}
    search = {name: value for name, value in SEARCH.items() if name in known}
    result = verify(bundle, source, given, task=model.task, manager=manager, threads=1, **search)
    fp32 = max((g for g in result.graphs if g.precision == "fp32"), key=lambda g: g.difference)
    row |= {"fp32": fp32.difference, "worst": fp32.graph}
    row["int8"] = min(g.cosine for g in result.graphs if g.precision == "int8")
    row["answers"] = {r.precision: r.verdict for r in result.recordings}
    row["ids"] = [len(r.ids) for r in result.recordings]
    if model.task in SPEAKING:
        row |= speak(bundle, source, model.task, manager)
    if not result.passed:
        bad = [f"{g.graph} {g.precision}" for g in result.graphs if not g.passed]
        ours = [(list(r.ids), list(r.espnet_ids)) for r in result.recordings]
        row["problem"] = f"verify: {', '.join(bad) or ours}"


def _comparable(model: Model) -> bool:
    """Whether ESPnet's ordinary inference runs the model here.

    It decodes Mask-CTC with a program of its own, and Longformer's tvm kernels are a GPU's: the
    plugins' tests compare the answers of these.
    """
    config = model.shrunken.config
    encoder = config.get("encoder_conf", {})
    recognises = model.task not in SPEAKING and config.get("model") != "maskctc"
    return recognises and encoder.get("attention_mode") != "tvm"


def _heard(model: Model) -> Any:
    if model.task == "mt":
        return TEXT
    reads_text = model.shrunken.config.get("postdecoder")
    return (str(AUDIO), TRANSCRIPT) if reads_text else str(AUDIO)


def _read(results: Path) -> Iterator[dict[str, Any]]:
    if results.is_file():
        yield from map(json.loads, results.read_text("utf-8").splitlines())


def _rows(models: dict[str, Model], results: Path) -> list[dict[str, Any]]:
    """The newest figures of every model that is still one, with what it is."""
    newest = {row["digest"]: row for row in _read(results)}
    return [
        {
            **newest[digest],
            "task": model.task,
            **_names(model),
            "replaced": model.shrunken.replaced,
            "configs": model.names,
        }
        for digest, model in models.items()
        if digest in newest
    ]


def _names(model: Model) -> dict[str, str]:
    config = model.shrunken.config
    if model.task not in SPEAKING:
        return {
            "encoder": str(config.get("encoder")),
            "decoder": str(config.get("decoder") or "CTC"),
        }
    conf = config["tts_conf"]
    inner = conf.get("text2mel_params") or conf.get("generator_params") or conf
    blocks = f", {inner['encoder_type']}" if inner.get("encoder_type") == "conformer" else ""
    return {"encoder": f"{config['tts']}{blocks}", "decoder": voices(config)}


if __name__ == "__main__":
    sys.exit(main())
