"""Live ESPnet models from folders and from the caller's own objects."""

from __future__ import annotations

import argparse
import copy
import logging
import random
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import yaml

from espnet_onnx.errors import ModelError
from espnet_onnx.sources import find

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx import isolation, loader

TOKENS = ["<blank>", "<unk>", "▁", "a", "b", "c", "<sos/eos>"]
CONFIG: dict[str, Any] = {
    "token_list": TOKENS,
    "token_type": "char",
    "init": "xavier_uniform",
    "frontend_conf": {"n_fft": 128, "hop_length": 64, "n_mels": 16},
    "normalize": "global_mvn",
    "normalize_conf": {"stats_file": "stats/feats_stats.npz"},
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 2,
        "cnn_module_kernel": 3,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3, "lsm_weight": 0.1},
}
TRANSDUCER = {
    **CONFIG,
    "decoder": "transducer",
    "decoder_conf": {"hidden_size": 8},
    "joint_net_conf": {"joint_space_size": 8},
    "model_conf": {"ctc_weight": 0.0},
}


def write_recipe(folder: Path, config: dict[str, Any]) -> Path:
    """`exp/m` in a recipe folder that also holds the statistics; random but fixed weights."""
    rng = np.random.default_rng(0)
    feats = rng.normal(-8, 3, (100, 16)).astype(np.float32)
    (folder / "stats").mkdir(parents=True)
    np.savez(
        folder / "stats/feats_stats.npz", count=100, sum=feats.sum(0), sum_square=(feats**2).sum(0)
    )
    model_folder = folder / "exp/m"
    model_folder.mkdir(parents=True)
    (model_folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, _ = loader.build_model(config, "asr", base=folder)
    torch.save(model.state_dict(), model_folder / "valid.acc.ave.pth")
    return model_folder


@pytest.fixture(scope="module")
def conformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("conformer"), CONFIG)


@pytest.fixture(scope="module")
def loaded(conformer: Path) -> loader.Loaded:
    return loader.load_model(find(conformer), "asr")


@pytest.fixture(scope="module")
def speech2text(loaded: loader.Loaded) -> Any:
    return loader.inference(loaded, beam_size=2, ctc_weight=0.3)


def source_with(folder: Path, **changes: Any) -> Any:
    source = find(folder)
    return attrs.evolve(source, config={**source.config, **changes})


def refused(call: Any, *words: str) -> None:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# --- from a source


def test_every_weight_is_the_checkpoint_s(conformer: Path, loaded: loader.Loaded) -> None:
    saved = torch.load(conformer / "valid.acc.ave.pth", weights_only=True)
    own = loaded.model.state_dict()
    assert own.keys() == saved.keys()
    # Statistics are float64 in the file.
    assert all(torch.equal(own[key], saved[key].to(own[key].dtype)) for key in saved)
    assert not any(module.training for module in loaded.model.modules())
    assert {t.dtype for t in loaded.model.parameters()} == {torch.float32}
    assert loaded.dropped == ()
    assert (loaded.task, loaded.base) == ("asr", conformer)


def test_statistics_come_from_the_recipe_s_folder(conformer: Path, loaded: loader.Loaded) -> None:
    stats = np.load(conformer.parents[1] / "stats/feats_stats.npz")
    mean = loaded.model.normalize.mean.numpy()
    np.testing.assert_allclose(mean, stats["sum"] / stats["count"], rtol=1e-5)


def test_config_is_complete(loaded: loader.Loaded) -> None:
    from espnet2.tasks.asr import ASRTask

    assert set(ASRTask.get_default_config()) <= set(loaded.config)
    assert loaded.config["encoder_conf"] == CONFIG["encoder_conf"]
    assert loaded.config["init"] is None
    assert loaded.config["preencoder"] is None


def test_defaults_of_another_choice_are_not_kept() -> None:
    config = loader.complete_config({"encoder": "conformer", "decoder": "transformer"}, "asr")
    assert config["encoder_conf"] == {}
    assert loader.complete_config({}, "asr")["encoder_conf"] != {}


def test_default_config_does_not_read_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["espnet-onnx", "--encoder", "conformer", "--help"]
    monkeypatch.setattr(sys, "argv", argv)
    assert loader.complete_config({}, "asr")["encoder"] == "rnn"
    assert sys.argv is argv


def test_token_list_in_a_file(conformer: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    config = {**find(conformer).config, "token_list": "tokens.txt"}
    model, complete = loader.build_model(config, "asr", base=tmp_path)
    assert model.token_list == TOKENS
    assert complete["token_list"] == TOKENS


def test_building_leaves_the_process_alone(conformer: Path) -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    root = logging.getLogger()
    before = (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        list(root.handlers),
        root.level,
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        Path.cwd(),
    )
    source = find(conformer)
    config = copy.deepcopy(dict(source.config))
    loader.load_model(source, "asr")
    after = (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        list(root.handlers),
        root.level,
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        Path.cwd(),
    )
    assert before == after
    assert source.config == config


def test_transducer_needs_no_loss_package(tmp_path: Path) -> None:
    installed = "warprnnt_pytorch" in sys.modules
    folder = write_recipe(tmp_path, TRANSDUCER)
    loaded = loader.load_model(find(folder), "asr")
    assert loaded.model.joint_network is not None
    assert ("warprnnt_pytorch" in sys.modules) == installed


def test_substitutes_are_entered_and_left() -> None:
    events = []

    class Replacement:
        def __enter__(self) -> None:
            events.append("in")

        def __exit__(self, *_error: object) -> None:
            events.append("out")

    isolation.substitute(Replacement)
    try:
        isolation.substitute(Replacement)
        with pytest.raises(KeyError), isolation.without_downloads():
            assert events == ["in"]
            assert "warprnnt_pytorch" in sys.modules
            raise KeyError
    finally:
        isolation._SUBSTITUTES.remove(Replacement)
    assert events == ["in", "out"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder": "mystery"}, ["config key encoder = 'mystery'", "conformer"]),
        ({"encoder_conf": {"width": 3}}, ["encoder_conf.width", "unexpected keyword"]),
        ({"encoder_conf": {"output_size": "wide"}}, ["encoder_conf.output_size = 'wide'"]),
        ({"normalize_conf": {"stats_file": "gone.npz"}}, ["normalize_conf.stats_file", "gone.npz"]),
        ({"token_list": "gone.txt"}, ["config key token_list = 'gone.txt'"]),
        ({"token_list": None}, ["token_list"]),
    ],
)
def test_what_espnet_cannot_build(conformer: Path, changes: Any, words: list[str]) -> None:
    source = source_with(conformer, **changes)
    refused(lambda: loader.load_model(source, "asr"), "ESPnet cannot build", *words)


def test_weights_of_another_config(conformer: Path) -> None:
    wider = source_with(conformer, decoder_conf={**CONFIG["decoder_conf"], "linear_units": 24})
    refused(lambda: loader.load_model(wider, "asr"), "valid.acc.ave.pth", "[16, 16]", "[24, 16]")
    deeper = source_with(conformer, decoder_conf={**CONFIG["decoder_conf"], "num_blocks": 2})
    refused(lambda: loader.load_model(deeper, "asr"), "lacks", "decoder.decoders.1")


def test_task_comes_from_the_config_or_the_object(conformer: Path, speech2text: Any) -> None:
    assert loader.load_model(find(conformer)).task == "asr"
    assert loader.from_live(speech2text).task == "asr"


def test_no_weights_and_unknown_task(conformer: Path) -> None:
    refused(lambda: loader.load_model(find(conformer / "config.yaml"), "asr"), "no weights")
    refused(lambda: loader.load_model(find(conformer), "speech"), "'speech' is unknown", "gan_tts")


@pytest.mark.parametrize(
    ("task", "name"),
    [("asr", "ASRTask"), ("enh_s2t", "EnhS2TTask"), ("slu", "SLUTask"), ("lm", "LMTask")],
)
def test_task_class(task: str, name: str) -> None:
    assert loader.task_class(task).__name__ == name


# --- ESPnet's inference around a loaded model


def test_inference_is_made_around_the_model(loaded: loader.Loaded, speech2text: Any) -> None:
    from espnet2.bin.asr_inference import Speech2Text
    from espnet2.tasks.abs_task import AbsTask

    assert isinstance(speech2text, Speech2Text)
    assert speech2text.asr_model is loaded.model
    assert speech2text.beam_search.beam_size == 2
    assert AbsTask.build_model_from_file.__module__ == "espnet2.tasks.abs_task"


def test_inference_decodes_as_from_the_file(conformer: Path, speech2text: Any) -> None:
    from espnet2.bin.asr_inference import Speech2Text

    recipe = conformer.parents[1]
    config = {**CONFIG, "normalize_conf": {"stats_file": str(recipe / "stats/feats_stats.npz")}}
    (recipe / "full.yaml").write_text(
        yaml.safe_dump({**loader.complete_config(config, "asr")}), encoding="utf-8"
    )
    with isolation.undisturbed():
        theirs = Speech2Text(
            recipe / "full.yaml", conformer / "valid.acc.ave.pth", beam_size=2, ctc_weight=0.3
        )
    speech = np.random.default_rng(2).normal(0, 0.1, 4000).astype(np.float32)
    ours, want = speech2text(speech)[0], theirs(speech)[0]
    assert ours[2] == want[2]
    assert float(ours[3].score) == pytest.approx(float(want[3].score), abs=1e-6)


def test_inference_passes_only_what_this_version_has(loaded: loader.Loaded) -> None:
    made = loader.inference(loaded, ctc_window_margin=0, not_an_option=1, nbest=2)
    assert made.nbest == 2


def test_inference_refusals(loaded: loader.Loaded) -> None:
    refused(lambda: loader.inference(loaded, beam_size="ten"), "Speech2Text", "beam_size")
    silent = attrs.evolve(loaded, task="ssl")
    refused(lambda: loader.inference(silent), "no inference class")


# --- from live objects


def test_from_live_takes_the_model_itself(loaded: loader.Loaded, speech2text: Any) -> None:
    before = dict(vars(speech2text))
    live = loader.from_live(speech2text, task="asr")
    assert live.model is loaded.model
    assert live.config == loaded.config
    assert vars(speech2text) == before


def test_from_live_copies_what_it_would_have_to_change(loaded: loader.Loaded) -> None:
    training = copy.deepcopy(loaded.model).double().train()
    live = loader.from_live(training, config=loaded.config, task="asr")
    assert live.model is not training
    assert all(module.training for module in training.modules())
    assert {p.dtype for p in training.parameters()} == {torch.float64}
    assert not any(module.training for module in live.model.modules())
    assert {p.dtype for p in live.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("prefix", ["st_", "s2t_", "classification_", ""])
def test_from_live_by_espnet_s_names(loaded: loader.Loaded, prefix: str) -> None:
    live = argparse.Namespace(
        **{f"{prefix}model": loaded.model, f"{prefix}train_args": argparse.Namespace(**CONFIG)}
    )
    found = loader.from_live(live, task="asr")
    assert found.model is loaded.model
    assert found.config["encoder"] == "conformer"


@pytest.mark.parametrize("token_type", ["bpe", None])
def test_from_live_takes_the_tokenizer_that_the_object_was_given(
    loaded: loader.Loaded, token_type: str | None
) -> None:
    args = argparse.Namespace(**{**CONFIG, "token_type": token_type, "bpemodel": "/old.model"})
    tokenizer = argparse.Namespace(model="/new.model")
    live = argparse.Namespace(model=loaded.model, train_args=args, tokenizer=tokenizer)
    config = loader.from_live(live, task="asr").config
    assert (config["token_type"], config["bpemodel"]) == ("bpe", "/new.model")
    args.token_type = "hugging_face"
    assert loader.from_live(live, task="asr").config["bpemodel"] == "/old.model"
    assert args.bpemodel == "/old.model"


def test_from_live_refuses_a_quantised_model(loaded: loader.Loaded) -> None:
    made = loader.inference(
        attrs.evolve(loaded, model=copy.deepcopy(loaded.model)), quantize_asr_model=True
    )
    refused(lambda: loader.from_live(made, task="asr"), "quantised", "without quantize_asr_model")


def test_from_live_asks_for_what_the_object_lost(loaded: loader.Loaded) -> None:
    settings = {"token_list": TOKENS, "lm": "transformer", "lm_conf": {"unit": 8, "layer": 1}}
    settings["lm_conf"].update(embed_unit=4, att_unit=8, head=2)
    model, config = loader.build_model(settings, "lm")
    lm = loader.Loaded(model, config, "lm", Path.cwd())
    made = loader.inference(loaded, lm=lm, beam_size=2)
    assert made.beam_search.scorers["lm"] is model.lm
    refused(lambda: loader.from_live(made, task="asr"), "language model", "lm=CONFIG:FILE")
    assert loader.from_live(made, task="asr", lm=lm).model is loaded.model
    speaking = argparse.Namespace(
        model=loaded.model, train_args=argparse.Namespace(**CONFIG), vocoder=torch.nn.Identity()
    )
    refused(lambda: loader.from_live(speaking, task="asr"), "vocoder=")


def test_from_live_refuses_other_objects(loaded: loader.Loaded) -> None:
    refused(lambda: loader.from_live(object()), "object", "pass ESPnet's")
    refused(lambda: loader.from_live(loaded.model), "config=")
