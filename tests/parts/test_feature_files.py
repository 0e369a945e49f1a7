"""Features on disk: numpy reads one form, Kaldi's readers the other; halves are never seen."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from espnet_onnx.parts.feature_files import Form, Record, write_features, write_text
from espnet_onnx.parts.utterances import Utterance
from espnet_onnx.types import Array

FEATS = [
    (Utterance(id, Path("x.wav"), 100 * n, 8000), np.random.default_rng(n).random((n, 3), "f4"))
    for id, n in (("a", 4), ("zwölf", 1))
]


def read_matrix(path: Path, offset: int) -> Array:
    """Kaldi's `Matrix<float>::Read`, binary."""
    data = path.read_bytes()[offset:]
    assert data[:5] == b"\0BFM "
    four, rows, also_four, columns = struct.unpack("<bibi", data[5:15])
    assert four == also_four == 4
    return np.frombuffer(data, "<f4", rows * columns, 15).reshape(rows, columns)


def test_npy(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/left.npy").touch()
    records = write_features(Form.npy, tmp_path, "1", FEATS)
    assert {p.name for p in (tmp_path / "1").iterdir()} == {"a.npy", "zwölf.npy"}
    for (utterance, feats), record in zip(FEATS, records, strict=True):
        path = Path(record.location(tmp_path))
        np.testing.assert_array_equal(np.load(path), feats)
        assert record == Record(
            utterance.id, utterance.samples, len(feats), 3, f"1/{path.name}", None, record.end
        )
        assert record.end == path.stat().st_size


def test_kaldi(tmp_path: Path) -> None:
    records = write_features(Form.kaldi, tmp_path, "1", FEATS)
    assert [p.name for p in tmp_path.iterdir()] == ["1.ark"]
    for (utterance, feats), record in zip(FEATS, records, strict=True):
        assert record.offset is not None
        path, _, offset = record.location(tmp_path).rpartition(":")
        np.testing.assert_array_equal(read_matrix(Path(path), int(offset)), feats)
        before = Path(path).read_bytes()[: record.offset]
        assert before.endswith(f"{utterance.id} ".encode())


@pytest.mark.parametrize("form", Form)
def test_a_record_knows_whether_its_features_are_there(form: Form, tmp_path: Path) -> None:
    records = write_features(form, tmp_path, "1", FEATS)
    assert [Record.of(str(record)) for record in records] == records
    assert all(record.is_in(tmp_path) for record in records)
    path = tmp_path / records[-1].file
    path.write_bytes(path.read_bytes()[:-1])
    assert [record.is_in(tmp_path) for record in records] == [True, False]
    path.unlink()
    assert not records[-1].is_in(tmp_path)


def test_what_fails_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    write_text(tmp_path / "list", "old\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "list", "\udc80")
    assert (tmp_path / "list").read_text() == "old\n"

    class Broken:
        shape = (1, 3)

        def astype(self, _: object) -> Array:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_features(Form.kaldi, tmp_path, "2", [FEATS[0], (FEATS[1][0], Broken())])  # type: ignore[list-item]
    assert not (tmp_path / "2.ark").exists()
