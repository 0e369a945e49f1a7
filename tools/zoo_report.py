"""Tables of what zoo_parity.py found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["document", "tables"]

Row = Mapping[str, Any]

HEAD = (
    "| task | encoder | decoder | configs | models | exported | fp32 difference | int8 cosine"
    " | tokens fp32 | tokens int8 |\n|---|---|---|---|---|---|---|---|---|---|"
)
REPLACED = """
Frontend replaced: these configs take features from several frontends (`fused`), which gave way to
`default` here.
"""
ABOUT = """# The public zoo, architecture by architecture

Every attention and CTC training config of a census of ESPnet's public models (speech recognition,
translation, understanding, discrete tokens) that is claimed as a whole, as a small model with
random weights: at most 2 blocks (decoders 1), 128 wide, 30 tokens, and every other option of the
config as it is. Each model is exported in fp32 and int8; every graph is compared with ESPnet's
module utterance by utterance in ragged batches; then bundle and ESPnet's own inference search one
recording with 3 hypotheses. Configs that differ only in sizes and in what training reads are one
model here. Self-supervised frontends (`s3prl`) are small models of the same family. A config that
names no normalisation takes the recipes' statistics (`global_mvn`). int8
tokens are for information: a random model decides by much less than a trained one. No tokens stand
where ESPnet's ordinary inference does not run the model: Mask-CTC has a program of its own, and a
Longformer in mode `tvm` needs a GPU there. Models with parts that no other has are checked first.

Written by `python tools/zoo_parity.py CONFIGS --results zoo.jsonl --docs docs/zoo.md`.

"""


def document(rows: Sequence[Row], models: int, espnet: str) -> str:
    """The whole document."""
    return f"{ABOUT}{tables(rows, models, espnet)}\n"


def tables(rows: Sequence[Row], models: int, espnet: str) -> str:
    """One line a family, the sums, and what failed.

    Args:
        rows: the models that were checked.
        models: how many there are.
        espnet: the version that they were compared with.
    """
    own = [row for row in rows if not row["replaced"]]
    borrowed = [row for row in rows if row["replaced"]]
    parts = [HEAD, *_families(own)]
    if borrowed:
        parts += [
            REPLACED,
            HEAD,
            *_families(borrowed),
        ]
    failed = [row for row in rows if row["problem"]]
    fail = f"{len(failed)} fail{':' if failed else '.'}"
    parts += [f"\nESPnet {espnet}: {len(rows)} of {models} models checked, {fail}"]
    parts += [f"- {row['configs'][0]}: {row['problem'][:400]}" for row in failed]
    return "\n".join(parts)


def _families(rows: Sequence[Row]) -> list[str]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["encoder"], row["decoder"]), []).append(row)
    lines = [_line([f"`{name}`" for name in key], group) for key, group in sorted(groups.items())]
    return [*lines, _line(["**all**", "", ""], rows)]


def _line(names: Sequence[str], rows: Sequence[Row]) -> str:
    fp32 = [row["fp32"] for row in rows if row["fp32"] is not None]
    int8 = [row["int8"] for row in rows if row["int8"] is not None]
    cells = [
        *names,
        sum(len(row["configs"]) for row in rows),
        len(rows),
        sum(row["exported"] for row in rows),
        f"{max(fp32):.1e}" if fp32 else "",
        f"{min(int8):.4f}" if int8 else "",
        _answers(rows, "fp32"),
        _answers(rows, "int8"),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _answers(rows: Sequence[Row], precision: str) -> str:
    counts = Counter(row["answers"].get(precision) for row in rows)
    words = ("same", "tie", "different")
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])
