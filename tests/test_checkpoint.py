"""Checkpoints: nothing runs, nothing is missing, nothing is left over."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from espnet_onnx.errors import ModelError

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

from espnet_onnx.checkpoint import apply_state, load_state


def make_model(width: int = 3) -> Any:
    return torch.nn.Sequential(
        OrderedDict(encoder=torch.nn.Linear(4, width), ctc=torch.nn.Linear(4, 2))
    )


def make_state(**extra: Any) -> dict[str, Any]:
    torch.manual_seed(1)
    return {**{k: torch.randn_like(v) for k, v in make_model().state_dict().items()}, **extra}


class Harmful:
    """A pickle that makes a folder when it is read the old way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_state(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


@pytest.mark.parametrize("wrapper", [None, "model", "module", "state_dict"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_reads_what_espnet_writes(tmp_path: Path, wrapper: str | None, as_zip: bool) -> None:
    state = make_state()
    content: Any = {wrapper: state, "epoch": 3} if wrapper else state
    torch.save(content, tmp_path / "m.pth", _use_new_zipfile_serialization=as_zip)
    read = load_state(tmp_path / "m.pth")
    assert list(read) == list(state)
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    harm = Harmful(tmp_path / "harm")
    torch.save({"a": harm}, tmp_path / "zip.pth")
    torch.save({"a": harm}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(harm))
    refused(tmp_path / "zip.pth", "would run code", "mkdir", "refused")
    refused(tmp_path / "old.pth", "would run code", "mkdir")
    refused(tmp_path / "bare.pth")
    assert not harm.target.exists()


def test_whole_model_is_refused(tmp_path: Path) -> None:
    torch.save(make_model(), tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "would run code", "Sequential", "state_dict()")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    refused(path, "no such checkpoint")
    path.write_bytes(b"")
    refused(path, "is empty")
    path.write_bytes(b"speech" * 100)
    refused(path, "is damaged or not a checkpoint")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(path, "git-lfs pointer")
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("meta.yaml", "a: 1")
    refused(path, "is damaged or not a checkpoint")
    refused(tmp_path)


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, as_zip: bool, kept: float) -> None:
    path = tmp_path / "m.pth"
    torch.save(make_state(), path, _use_new_zipfile_serialization=as_zip)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    refused(path, "is damaged or not a checkpoint")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, ["holds nothing"]),
        ([1, 2], ["a list"]),
        (torch.zeros(2), ["a Tensor"]),
        ({"epoch": 1, "a": torch.zeros(1)}, ["epoch", "no tensors"]),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, words: list[str]) -> None:
    torch.save(content, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", *words)


def test_apply_copies_every_weight() -> None:
    model, state = make_model(), make_state()
    half = {key: value.half() for key, value in state.items()}
    assert apply_state(model, half) == []
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, half[key].float())


def mismatch(model: Any, state: dict[str, Any]) -> str:
    with pytest.raises(ModelError) as caught:
        apply_state(model, state, name="m.pth")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("m.pth does not fit its config")
    return message


def test_missing_and_surplus_keys_are_named() -> None:
    state = make_state(**{f"decoder.{i}": torch.zeros(1) for i in range(6)})
    del state["ctc.weight"]
    message = mismatch(make_model(), state)
    assert "lacks 1 key (ctc.weight)" in message
    assert "has unknown 6 keys (decoder.0, decoder.1, decoder.2, decoder.3, ...)" in message


def test_shapes_are_named() -> None:
    message = mismatch(make_model(5), make_state())
    assert "encoder.weight has shape [3, 4], the config makes [5, 4]" in message
    assert "encoder.bias has shape [3], the config makes [5]" in message
    assert "ctc" not in message


@pytest.mark.parametrize(
    "key",
    [
        "criterion_att.weight",
        "tts.mel_loss.wav_to_mel.melmat",
        "loss.weight",
        "losses.0.fc.bias",
        "encoder.encoders.0.adapter.weight",
        "encoder.lora_A",
    ],
)
def test_training_only_keys_are_dropped_and_listed(key: str) -> None:
    assert apply_state(make_model(), make_state(**{key: torch.zeros(1)})) == [key]


@pytest.mark.parametrize("key", ["lossy.weight", "closs.weight", "adaption.weight", "lora.A"])
def test_similar_names_are_not_dropped(key: str) -> None:
    assert key in mismatch(make_model(), make_state(**{key: torch.zeros(1)}))


def test_missing_loss_is_listed_but_missing_adapter_is_an_error() -> None:
    model = make_model()
    model.criterion = torch.nn.Linear(1, 1, bias=False)
    assert apply_state(model, make_state()) == ["criterion.weight"]
    model.adapter = torch.nn.Linear(1, 1, bias=False)
    assert "lacks 1 key (adapter.weight)" in mismatch(model, make_state())


def test_weights_of_a_decoder_that_the_config_leaves_out_are_dropped_and_listed() -> None:
    model = make_model()
    model.decoder, model.normalize = None, None
    assert apply_state(model, make_state(**{"decoder.embed": torch.zeros(1)})) == ["decoder.embed"]
    for key in ("decoders.embed", "normalize.mean", "encoder.decoder.embed"):
        assert key in mismatch(model, make_state(**{key: torch.zeros(1)}))
