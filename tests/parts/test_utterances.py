"""Recordings and their ids, from files, folders and lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.parts.utterances import Utterance, find_utterances


def sound(path: Path, samples: int = 80, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((samples, 2), np.int16), rate)
    return path


def ids(*sources: str | Path) -> list[str]:
    return [u.id for u in find_utterances(sources)]


def test_files_by_name_and_in_the_order_of_ids(tmp_path: Path) -> None:
    b, a = sound(tmp_path / "b.flac", 160, 16000), sound(tmp_path / "a.b.wav")
    found = find_utterances([b, str(a)])
    assert found == [Utterance("a.b", a, 80, 8000), Utterance("b", b, 160, 16000)]
    assert [u.duration for u in found] == [0.01, 0.01]


def test_a_folder_is_searched_unless_it_has_a_list(tmp_path: Path) -> None:
    for name in ("z.wav", "deep/er/y.FLAC"):
        sound(tmp_path / name)
    (tmp_path / "deep/notes.txt").write_text("no sound")
    assert ids(tmp_path) == ["y", "z"]
    (tmp_path / "wav.scp").write_text(f"spk-1\t{tmp_path / 'z.wav'}\n")
    assert ids(tmp_path) == ["spk-1"]
    assert ids(tmp_path / "deep", tmp_path / "wav.scp") == ["spk-1", "y"]


def test_paths_in_a_list_may_have_spaces(tmp_path: Path) -> None:
    path = sound(tmp_path / "two words.wav")
    (tmp_path / "all.scp").write_text(f"one  {path} \n")
    (found,) = find_utterances([tmp_path / "all.scp"])
    assert (found.id, found.path) == ("one", path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("alone", "line 2 is not ID PATH"),
        ("", "line 2 is not ID PATH"),
        ("id sph2pipe a.sph |", "line 2 is a command to run"),
        ("good {}", r"utterance id good is that of .*good\.wav and of .*good\.wav: rename one"),
        ("a/b {}", "utterance id a/b: is no name for a file"),
        (".. {}", r"utterance id \.\.: is no name for a file"),
        ("gone gone.wav", r"gone\.wav: no such file"),
    ],
)
def test_lists_that_are_wrong(line: str, why: str, tmp_path: Path) -> None:
    good = sound(tmp_path / "good.wav")
    (tmp_path / "wav.scp").write_text(f"good {good}\n{line.format(good)}\n")
    with pytest.raises(InputError, match=why):
        find_utterances([tmp_path])


def test_what_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no sound files and no wav\.scp"):
        find_utterances([tmp_path / "empty"])
    with pytest.raises(InputError, match="there are no recordings"):
        find_utterances([])
    with pytest.raises(InputError, match=r"gone\.scp: cannot be read as a list \(No such file"):
        find_utterances([tmp_path / "gone.scp"])
    (tmp_path / "latin.scp").write_bytes(b"\xe9t\xe9 a.wav\n")
    with pytest.raises(InputError, match=r"latin\.scp: cannot be read as a list \(not UTF-8\)"):
        find_utterances([tmp_path / "latin.scp"])
    with pytest.raises(InputError, match=r"two words\.wav: its name makes no utterance id"):
        find_utterances([sound(tmp_path / "two words.wav")])
    with pytest.raises(AudioError, match=r"none\.wav: holds zero samples"):
        find_utterances([sound(tmp_path / "none.wav", 0)])
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"text\.wav: cannot be read as audio"):
        find_utterances([tmp_path / "text.wav"])
