"""ESPnet's own preprocessor, and a small stand-in for NLTK's data, which no package brings."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# What nltk.corpus.cmudict reads: word, number of the reading, phonemes.
CMUDICT = """\
A 1 AH0
A 2 EY1
HELLO 1 HH AH0 L OW1
IT'S 1 IH1 T S
POCKET 1 P AA1 K AH0 T
THE 1 DH AH0
TO 1 T UW1
WORLD 1 W ER1 L D
"""
TAGGER = {
    "weights": {"i-1 word to": {"VB": 1.0}, "i-1 word the": {"NN": 1.0}},
    "tagdict": {"world": "NN", "hello": "VB"},
    "classes": ["NN", "VB"],
}


@pytest.fixture(scope="session")
def nltk_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where NLTK finds a dictionary and a tagger that are enough to run."""
    if not find_spec("nltk"):
        pytest.skip("needs nltk")
    import nltk

    folder = tmp_path_factory.mktemp("nltk_data")
    tagger = "averaged_perceptron_tagger_eng"
    with _archive(folder / "corpora" / "cmudict.zip") as archive:
        archive.writestr("cmudict/", "")
        archive.writestr("cmudict/cmudict", CMUDICT)
    with _archive(folder / "taggers" / f"{tagger}.zip") as archive:
        archive.writestr(f"{tagger}/", "")
        for name, content in TAGGER.items():
            archive.writestr(f"{tagger}/{tagger}.{name}.json", json.dumps(content))
    nltk.data.path.insert(0, str(folder))
    yield folder
    nltk.data.path.remove(str(folder))


def _archive(path: Path) -> zipfile.ZipFile:
    path.parent.mkdir()
    return zipfile.ZipFile(path, "w")


@pytest.fixture(scope="session")
def preprocessor() -> Callable[..., Any]:
    """`TTSTask.build_preprocess_fn` of a config, not in training."""
    pytest.importorskip("torch")
    from espnet2.train.preprocessor import CommonPreprocessor

    def build(config: dict[str, Any], **files: Path | None) -> Any:
        return CommonPreprocessor(
            train=False,
            token_type=config["token_type"],
            token_list=config["token_list"],
            bpemodel=files.get("bpemodel"),
            non_linguistic_symbols=config.get("non_linguistic_symbols"),
            text_cleaner=config.get("cleaner"),
            g2p_type=config.get("g2p"),
        )

    return build


@pytest.fixture(scope="session")
def same_tokens(preprocessor: Callable[..., Any]) -> Callable[[str | None, Sequence[str]], None]:
    """Whether a g2p gives ESPnet's tokens, and whether they are many."""
    from espnet_onnx.parts.text import TextToTokens

    def check(g2p: str | None, texts: Sequence[str], cleaner: str | None = None) -> None:
        config = {
            "token_type": "phn",
            "token_list": ["<unk>"],
            "g2p": g2p,
            "cleaner": cleaner,
        }
        theirs = preprocessor(config)
        ours = TextToTokens.of(config, {})
        kinds = set()
        for text in texts:
            expected = theirs.tokenizer.text2tokens(theirs.text_cleaner(text))
            assert ours.tokens(text) == expected, text
            kinds.update(expected)
        assert len(kinds) > 12

    return check
