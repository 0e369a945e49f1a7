"""Tables of what zoo_parity.py found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from zoo_shrink import SPEAKING

__all__ = ["document", "tables", "voices"]

Row = Mapping[str, Any]

HEAD = (
    "| task | encoder | decoder | configs | models | exported | fp32 difference | int8 cosine"
    " | tokens fp32 | tokens int8 |\n|---|---|---|---|---|---|---|---|---|---|"
)
SPOKEN_HEAD = (
    "| task | model | voice | configs | models | exported | fp32 difference | int8 cosine"
    " | wave | batch | stream | frames fp32 | frames int8 |"
    "\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
SPOKEN = """## Models that speak

Bundle and ESPnet's `Text2Speech` say 16 tokens with the same noise; vocoders are 64 wide. `wave`,
`batch` and `stream` are shares of the loudest sample: how far fp32 is from ESPnet, a ragged batch
from its texts alone, and a stream from the whole. Frames are the same where each token, if ESPnet
tells, and the whole last as long. Acoustic models without a vocoder of their own speak through the
bundle's Griffin-Lim on both sides. Voices: speaker ids (`sids`) or embeddings (`spembs`), or a
recording (`speech`) for global style tokens.
"""
TEXTS = """## How their texts are read

ESPnet's recipes name token type, cleaner and g2p in the name of a model; its full config says it
for all. What to install is what the bundle's own message asks for (see [text.md](text.md)); `g2pk`
and `g2p_en` need data of NLTK besides.
"""
REPLACED = """
Frontend replaced: these configs take features from several frontends (`fused`), which gave way to
`default` here.
"""
ABOUT = """# The public zoo, architecture by architecture

Every training config of a census of ESPnet's public models (speech recognition by attention, CTC
and transducers, translation, understanding, discrete tokens, speech synthesis) that is claimed as a
whole, as a small model with random weights: at most 2 blocks (decoders 1), 128 wide, 30 tokens, and
every other option of the config as it is. Each model is exported in fp32 and int8; every graph is
compared with ESPnet's module utterance by utterance in ragged batches; then bundle and ESPnet's own
inference search one recording with 3 hypotheses, or speak. Configs that differ only in sizes and in
what training reads are one model here. Self-supervised frontends (`s3prl`) are small models of the
same family. A config that names no normalisation takes the recipes' statistics (`global_mvn`). int8
tokens are for information: a random model decides by much less than a trained one. No tokens stand
where ESPnet's ordinary inference does not run the model: Mask-CTC has a program of its own, and a
Longformer in mode `tvm` needs a GPU there. Models with parts that no other has are checked first.

Written by `python tools/zoo_parity.py CONFIGS --results zoo.jsonl --docs docs/zoo.md`.

"""


def document(rows: Sequence[Row], models: int, espnet: str, texts: str) -> str:
    """The whole document; `texts` is the table of how models that speak read."""
    return f"{ABOUT}{tables(rows, models, espnet)}\n\n{TEXTS}\n{texts}\n"


def tables(rows: Sequence[Row], models: int, espnet: str) -> str:
    """One line a family, the sums, and what failed.

    Args:
        rows: the models that were checked.
        models: how many there are.
        espnet: the version that they were compared with.
    """
    spoken = [row for row in rows if row["task"] in SPEAKING]
    own = [row for row in rows if not row["replaced"] and row not in spoken]
    borrowed = [row for row in rows if row["replaced"]]
    parts = [HEAD, *_families(own)]
    if borrowed:
        parts += [
            REPLACED,
            HEAD,
            *_families(borrowed),
        ]
    if spoken:
        parts += ["", SPOKEN, SPOKEN_HEAD, *_families(spoken)]
    failed = [row for row in rows if row["problem"]]
    fail = f"{len(failed)} fail{':' if failed else '.'}"
    parts += [f"\nESPnet {espnet}: {len(rows)} of {models} models checked, {fail}"]
    parts += [f"- {row['configs'][0]}: {row['problem'][:400]}" for row in failed]
    return "\n".join(parts)


def _families(rows: Sequence[Row]) -> list[str]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["encoder"], row["decoder"]), []).append(row)
    lines = [_line([_code(name) for name in key], group) for key, group in sorted(groups.items())]
    return [*lines, _line(["**all**", "", ""], rows)]


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


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
        *_shares(rows),
        _answers(rows, "fp32"),
        _answers(rows, "int8"),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _shares(rows: Sequence[Row]) -> list[str]:
    """The worst of each; nothing for models that do not speak."""
    if rows[0]["task"] not in SPEAKING:
        return []
    found = [[row[name] for row in rows if name in row] for name in ("wave", "batch", "stream")]
    return [f"{max(values):.1e}" if values else "" for values in found]


def _answers(rows: Sequence[Row], precision: str) -> str:
    counts = Counter(row["answers"].get(precision) for row in rows)
    words = ("same", "tie", "different")
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])


def voices(config: Mapping[str, Any]) -> str:
    """What a model that speaks is told beside the text, by the names of ESPnet's `Text2Speech`."""
    conf = config.get("tts_conf", {})
    inner = [conf, *(conf.get(key) or {} for key in ("generator_params", "text2mel_params"))]
    needs = {
        "sids": any((c.get("spks") or 0) > 1 for c in inner),
        "lids": any((c.get("langs") or 0) > 1 for c in inner),
        "spembs": any((c.get("spk_embed_dim") or 0) > 0 for c in inner),
        "speech": any(c.get("use_gst") for c in inner),
    }
    return ", ".join(name for name, needed in needs.items() if needed)
