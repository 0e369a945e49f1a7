"""Models in files of their own: a language model and an n-gram for a search, a vocoder for speech.

Only `load` needs torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import attrs

from . import components, sources
from .errors import ModelError
from .sources import Source
from .tasks import root_task
from .types import Component
from .vocoder_files import LiveVocoder, VocoderFiles

if TYPE_CHECKING:
    from .loader import Loaded

__all__ = ["Companions", "Language", "Vocoder"]

# What a caller may name as a language model; False leaves out the one that a pack brings.
Language: TypeAlias = "Loaded | Source | str | Path | Literal[False] | None"

# And as a vocoder; False is ESPnet's own way without one.
Vocoder: TypeAlias = "LiveVocoder | str | Path | Literal[False] | None"

_NONE = "none"
_LM = ("lm_train_config", "lm_file")
_NGRAM = "ngram_file"
# How files begin that kenlm reads: its binaries, and ARPA files packed by gzip, bzip2 and xz.
_KENLM = (b"mmap lm http://kheafield.com/code", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_ARPA = b"\\data\\"


@attrs.frozen
class Companions:
    """What decodes beside a model.

    Attributes:
        lm: the language model, on disk or live.
        ngram: an ARPA file or kenlm's own binary.
        vocoder: on disk or live.
        left: keys of a pack's files that are no such model.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("lm", "ngram", "vocoder")

    lm: Source | Loaded | None = None
    ngram: Path | None = None
    left: tuple[str, ...] = ()
    vocoder: VocoderFiles | LiveVocoder | None = None

    @classmethod
    def of(
        cls,
        lm: Language = None,
        ngram: str | Path | Literal[False] | None = None,
        extra: Mapping[str, Path] | None = None,
        vocoder: Vocoder = None,
    ) -> Companions:
        """The models that a user names; of what he does not name, those of the pack.

        Args:
            lm: a live model; a folder, zip or zoo tag; `CONFIG:FILE`, its config.yaml and weights;
                False or "none" for none at all.
            ngram: a file; False or "none" likewise.
            extra: what else the model's pack holds, by the keys of its meta.yaml.
            vocoder: a ParallelWaveGAN checkpoint, a folder with one, or a tag
                (`parallel_wavegan/NAME`); live; False or "none" likewise.

        Raises:
            ModelError: a file is missing, or holds something else.
        """
        packed = extra or {}
        if lm is None and all(key in packed for key in _LM):
            lm = f"{packed[_LM[0]]}:{packed[_LM[1]]}"
        if ngram is None:
            ngram = packed.get(_NGRAM)
        left = tuple(sorted(key for key in packed if key not in (*_LM, _NGRAM)))
        return cls(_language_model(lm), _file(ngram), left, _vocoder(vocoder))

    @classmethod
    def beside(
        cls,
        live: Any,
        lm: Language = None,
        ngram: str | Path | Literal[False] | None = None,
        vocoder: Vocoder = None,
    ) -> Companions:
        """The same for an object that decodes: its n-gram still knows its file.

        Raises:
            ModelError: a file is missing, or holds something else.
        """
        search = getattr(live, "beam_search", None)
        scorer = getattr(search, "scorers", {}).get("ngram")
        if scorer is not None and "ngram" in getattr(search, "part_scorers", {}):
            raise ModelError(
                f"{type(live).__name__}: ngram_scorer part, which no batched search of ESPnet's"
                " runs: make it with ngram_scorer full"
            )
        if scorer is not None and ngram is None:
            ngram = os.fsdecode(scorer.lm.path)
        return cls.of(lm, ngram, vocoder=vocoder)

    def load(self) -> Companions:
        """The same, with a live language model and vocoder.

        Raises:
            ModelError: their weights are missing or do not fit.
        """
        lm, vocoder = self.lm, self.vocoder
        if isinstance(vocoder, VocoderFiles):
            vocoder = vocoder.load()
        if isinstance(lm, Source):
            if lm.weights is None:
                path = lm.config_path
                raise ModelError(f"{path}: is a config without weights: give {path}:FILE")
            from . import loader

            lm = loader.load_model(lm, "lm")
        return attrs.evolve(self, lm=lm, vocoder=vocoder)

    @property
    def files(self) -> dict[str, Path]:
        """Where they are, by name: a language model's weights, or its config where it has none."""
        found = {}
        if isinstance(self.lm, Source):
            found["lm"] = self.lm.weights or self.lm.config_path
        return found if self.ngram is None else {**found, "ngram": self.ngram}

    @property
    def inference(self) -> dict[str, Any]:
        """What `loader.inference` takes of them."""
        lm = {"lm": self.lm} if self.lm is not None else {}
        return lm if self.ngram is None else {**lm, _NGRAM: str(self.ngram)}

    def components(self, config: Mapping[str, Any]) -> dict[str, Component]:
        """Components by companion's name, for the root whose config this is.

        Raises:
            ModelError: a companion has another vocabulary than the model, or is of no use to it.
        """
        found = {}
        tokens = _tokens(config)
        if self.lm is not None:
            found["lm"] = _component(self.lm, tokens)
        if self.ngram is not None:
            conf, given = {_NGRAM: str(self.ngram)}, {"token_list": tokens}
            found["ngram"] = Component("ngram", "ngram", "kenlm", conf, given=given)
        if self.vocoder is not None:
            if "tts" not in config:
                raise ModelError("vocoder: this model does not speak: leave the vocoder out")
            live = self.vocoder if isinstance(self.vocoder, LiveVocoder) else None
            files = self.vocoder if live is None else live.files
            assert isinstance(files, VocoderFiles)
            found["vocoder"] = files.component(live)
        return found


def _language_model(lm: Language) -> Source | Loaded | None:
    if lm is None or lm is False or lm == _NONE:
        return None
    if not isinstance(lm, str | Path):
        _check_task(lm.config, "language model", getattr(lm, "task", None))
        return lm
    pair = next(_pairs(str(lm)), None)
    source = sources.find(lm) if pair is None else _named(*pair)
    _check_task(source.config, source.name)
    return source


def _pairs(text: str) -> Iterator[tuple[Path, Path]]:
    """CONFIG:FILE cut at a colon behind which a file begins; Windows paths have colons too."""
    for i, letter in enumerate(text):
        config = Path(text[:i]).expanduser()
        if letter == ":" and config.suffix in {".yaml", ".yml"} and text[i + 1 :]:
            yield config, Path(text[i + 1 :]).expanduser()


def _named(config: Path, weights: Path) -> Source:
    for path in (config, weights):
        if not path.is_file():
            raise ModelError(
                f"{path}: no such file, which the language model needs: check the name"
            )
    return attrs.evolve(sources.find(config), weights=weights)


def _check_task(config: Mapping[str, Any], name: str, task: str | None = None) -> None:
    task = task or root_task(config)[0]
    if task != "lm":
        raise ModelError(f"{name}: is a model of the task {task}, not a language model: give one")


def _file(path: str | Path | Literal[False] | None) -> Path | None:
    if path is None or path is False or path == _NONE:
        return None
    found = Path(path).expanduser()
    if not found.is_file():
        raise ModelError(f"{found}: no such file: give the n-gram's ARPA file or kenlm binary")
    with found.open("rb") as file:
        head = file.read(4096)
    if not head.startswith(_KENLM) and _ARPA not in head:
        raise ModelError(f"{found}: is no n-gram: give an ARPA file or a kenlm binary")
    return found.resolve()


def _vocoder(vocoder: Vocoder) -> VocoderFiles | LiveVocoder | None:
    if vocoder is None or vocoder is False or vocoder == _NONE:
        return None
    return VocoderFiles.find(vocoder) if isinstance(vocoder, str | Path) else vocoder


def _component(lm: Source | Loaded, tokens: list[str] | None) -> Component:
    base, model = (lm.folder, None) if isinstance(lm, Source) else (lm.base, lm.model)
    _check_tokens(_tokens(lm.config), tokens)
    root, _ = components.root(lm.config, base=base, module=model, task="lm")
    given = {} if tokens is None else {"token_list": tokens, "vocab_size": len(tokens)}
    found = components.child(root, "lm", module=getattr(model, "lm", None), given=given)
    assert found is not None
    return found


def _check_tokens(theirs: list[str] | None, ours: list[str] | None) -> None:
    if theirs is None or ours is None or theirs == ours:
        return
    if len(theirs) != len(ours):
        what = f"has {len(theirs)} tokens, the model {len(ours)}"
    else:
        i = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
        what = f"calls token {i} {theirs[i]!r}, the model {ours[i]!r}"
    raise ModelError(
        f"language model: {what}: give one of the model's own vocabulary, or none (--lm none)"
    )


def _tokens(config: Mapping[str, Any]) -> list[str] | None:
    """A config's tokens; None while they are only the name of a file that is not there."""
    tokens = config.get("token_list")
    if isinstance(tokens, list | tuple):
        return [str(token) for token in tokens]
    if isinstance(tokens, str | Path) and Path(tokens).is_file():
        # `LMTask.build_model` and its like read it so.
        return [line.rstrip() for line in Path(tokens).read_text("utf-8").splitlines()]
    return None
