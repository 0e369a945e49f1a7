"""A bundle in the place of a frozen frontend, while ESPnet's own model trains."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("s3prl")

from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.tasks.asr import ASRTask

from espnet_onnx.errors import AudioError, InputError
from espnet_onnx.export import export
from espnet_onnx.loader import complete_config
from espnet_onnx_plugin_hubert.training import OnnxASRTask, OnnxFrontend, attach
from espnet_onnx_plugin_hubert.training.task import ensure_bundle

pytestmark = pytest.mark.export

RECIPE = Path(__file__).resolve().parents[3] / "recipes" / "digits"
HUBERT = {
    "encoder_layers": 2,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 64,
    "encoder_attention_heads": 4,
    "conv_feature_layers": "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16, 2, 2)] * 2",
    "conv_pos": 16,
    "conv_pos_groups": 4,
}
BLOCK = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}
ASR = {
    "token_list": ["<blank>", "<unk>", "A", "B", "<sos/eos>"],
    "token_type": "char",
    "init": None,
    "specaug": None,
    "normalize": "utterance_mvn",
    "normalize_conf": {},
    "encoder": "transformer",
    "encoder_conf": BLOCK,
    "decoder": "transformer",
    "decoder_conf": {k: v for k, v in BLOCK.items() if k != "output_size"},
    "model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
}
Build = Callable[[], tuple[Any, argparse.Namespace]]


def write_hubert(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("random_hubert", RECIPE / "random_hubert.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write(path, HUBERT)


def live(frontend: dict[str, Any]) -> tuple[Any, argparse.Namespace]:
    """A model as ESPnet builds it, and what it was built from."""
    args = argparse.Namespace(**complete_config({**ASR, **frontend}, "asr"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return ASRTask.build_model(args), args


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a model with a frozen HuBERT as ESPnet and s3prl do, from a checkpoint of s3prl's."""
    checkpoint = tmp_path_factory.mktemp("hubert") / "tiny.pt"
    write_hubert(checkpoint)
    upstream = {"upstream": "hubert_local", "path_or_url": str(checkpoint)}

    def new() -> tuple[Any, argparse.Namespace]:
        model, args = live(
            {
                "frontend": "s3prl",
                "frontend_conf": {"frontend_conf": upstream, "multilayer_feature": True},
                "preencoder": "linear",
                "preencoder_conf": {"input_size": 32, "output_size": 20},
            }
        )
        for parameter in model.frontend.upstream.parameters():
            parameter.requires_grad = False
        return model, args

    return new


@pytest.fixture(scope="module")
def bundle(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The states of the HuBERT's layers."""
    model, args = build()
    folder = tmp_path_factory.mktemp("states") / "bundle"
    model.train()
    ensure_bundle(folder, model, args, "fp32")
    assert all(part.training for part in model.modules())
    ensure_bundle(folder, model, args, "fp32")  # there is one now
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model with frontend `default`, in which nothing is trained, and its bundle."""
    model, args = live({"frontend_conf": {"fs": "16k", "n_fft": 128, "n_mels": 20}})
    folder = tmp_path_factory.mktemp("default") / "bundle"
    ensure_bundle(folder, model, args, "fp32")
    return model, folder


def batch(*samples: int) -> dict[str, Any]:
    """Utterances of so many samples, with transcripts."""
    generator = torch.Generator().manual_seed(3)
    speech = 0.1 * torch.randn(len(samples), max(samples), generator=generator)
    text = torch.tensor([[2, 3, 2]] * len(samples))
    lengths = {"speech_lengths": torch.tensor(samples), "text_lengths": torch.full((len(text),), 3)}
    return {"speech": speech, "text": text, **lengths}


def step(model: Any, *samples: int) -> tuple[float, dict[str, Any]]:
    """Loss and gradients in training mode, the frontend without dropout."""
    model.train()
    model.frontend.eval()
    model.zero_grad()
    torch.manual_seed(0)
    loss, _, _ = model(**batch(*samples))
    loss.backward()
    return float(loss.detach()), {
        n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
    }


def test_a_step_is_espnets_own_and_the_weights_of_layers_are_trained(
    build: Build, bundle: Path
) -> None:
    model, _ = build()
    want, want_grads = step(model, 16001)
    state, modes = model.state_dict(), [part.training for part in model.modules()]
    with attach(model, bundle, threads=1):
        assert [part.training for part in model.modules()] == modes
        assert list(model.state_dict()) == list(state)
        found, grads = step(model, 16001)
    assert abs(found - want) < 1e-4
    assert grads.keys() == want_grads.keys() and "frontend.featurizer.weights" in grads
    for name, grad in grads.items():
        assert torch.allclose(grad, want_grads[name], atol=1e-4), name
    assert grads["frontend.featurizer.weights"].abs().max() > 1e-4


def test_a_batch_is_its_utterances_one_by_one_and_has_no_dropout(
    build: Build, bundle: Path
) -> None:
    model, _ = build()
    model.train()
    lengths = (16000, 9001, 500)
    speech = batch(*lengths)["speech"]
    with attach(model, bundle, threads=1), torch.no_grad():
        feats, frames = model.frontend(speech, torch.tensor(lengths))
        again, _ = model.frontend(speech, torch.tensor(lengths))
    assert torch.equal(feats, again)
    model.eval()
    for i, samples in enumerate(lengths):
        want, count = model.frontend(speech[i : i + 1, :samples], torch.tensor([samples]))
        assert frames[i] == count[0]
        assert torch.allclose(feats[i, : frames[i]], want[0], atol=1e-4)


def test_what_was_trained_is_a_plain_espnet_model(build: Build, bundle: Path) -> None:
    model, _ = build()
    frontend = model.frontend
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=1.0)
    with attach(model, bundle, threads=1):
        for _ in range(2):
            step(model, 9001, 12000)
            optimizer.step()
        model.eval()
        inside, _ = model.encode(batch(9001)["speech"], torch.tensor([9001]))
    assert model.frontend is frontend and "forward" not in vars(frontend.upstream)
    fresh, _ = build()
    fresh.load_state_dict(model.state_dict(), strict=True)
    after, _ = fresh.eval().encode(batch(9001)["speech"], torch.tensor([9001]))
    assert torch.allclose(after, inside, atol=1e-4)
    changed = {name for name, value in fresh.state_dict().items() if not value.equal(before[name])}
    assert "frontend.featurizer.weights" in changed
    assert not any(name.startswith("frontend.upstream.") for name in changed)


def test_what_is_trained_cannot_be_replaced(build: Build, bundle: Path) -> None:
    model, _ = build()
    parameter = next(iter(model.frontend.upstream.parameters()))
    parameter.requires_grad = True
    with (
        pytest.raises(InputError, match=r"frontend\.upstream\..* is trained"),
        attach(model, bundle),
    ):
        pass


def test_a_bundle_of_other_weights_is_refused(build: Build, bundle: Path) -> None:
    model, _ = build()
    with torch.no_grad():
        for weight in (p for p in model.frontend.upstream.parameters() if p.dim() == 2):
            weight.copy_(weight.flip(0))
    forward = model.frontend.upstream.forward
    with (
        pytest.raises(InputError, match="not those of the model's frontend"),
        attach(model, bundle),
    ):
        pass
    assert model.frontend.upstream.forward == forward


def test_a_weighted_sum_cannot_train_its_weights(build: Build, plain: tuple[Any, Path]) -> None:
    model, _ = build()
    with pytest.raises(InputError, match="gives the weighted sum"), attach(model, plain[1]):
        pass


def test_a_frontend_without_parameters_is_replaced_whole(plain: tuple[Any, Path]) -> None:
    model, bundle = plain
    want, want_grads = step(model, 16001)
    with attach(model, bundle, threads=1):
        found, grads = step(model, 16001)
    assert abs(found - want) < 1e-4 and grads.keys() == want_grads.keys()


def test_a_bundle_is_a_frontend_of_espnets(plain: tuple[Any, Path]) -> None:
    model, bundle = plain
    frontend = OnnxFrontend(bundle, threads=1)
    assert isinstance(frontend, AbsFrontend)
    assert frontend.output_size() == model.frontend.output_size() == 20
    assert frontend.hop_length == model.frontend.hop_length and not list(frontend.parameters())
    speech, lengths = batch(16001, 9001)["speech"], torch.tensor([16001, 9001])
    feats, frames = frontend(speech, lengths)
    for i, samples in enumerate(lengths):
        want, found = model.frontend(speech[i : i + 1, :samples], samples[None])
        assert found[0] == frames[i]
        assert torch.allclose(feats[i, : frames[i]], want[0], atol=1e-4)
    frontend._sessions *= 2  # as of a frontend of several graphs
    several, _ = frontend(speech, lengths)
    assert torch.equal(several, feats)
    with pytest.raises(AudioError, match="too short"):
        frontend(speech[:, :5], torch.tensor([5, 5]))


def test_what_gives_no_features_is_refused(
    plain: tuple[Any, Path], bundle: Path, tmp_path: Path
) -> None:
    model, _ = plain
    args = live({"frontend_conf": {"fs": "16k", "n_fft": 128, "n_mels": 20}})[1]
    export(SimpleNamespace(asr_model=model.eval(), asr_train_args=args), tmp_path / "b", role="ctc")
    for folder in (tmp_path / "b", bundle):
        with pytest.raises(InputError, match="gives no features"):
            OnnxFrontend(folder)
    without = SimpleNamespace(frontend=None)
    with pytest.raises(InputError, match="no frontend"), attach(without, bundle):
        pass


def test_the_task_takes_what_espnets_takes() -> None:
    parser = OnnxASRTask.get_parser()
    args = parser.parse_args(["--frontend_bundle=b", "--frontend_precision=int8"])
    assert (args.frontend_bundle, args.frontend_precision, args.frontend_threads) == (
        "b",
        "int8",
        None,
    )
    ours = set(vars(args)) - set(vars(ASRTask.get_parser().parse_args([])))
    assert ours == {"frontend_bundle", "frontend_precision", "frontend_threads"}


@pytest.mark.gpu
def test_features_stay_on_the_gpu(build: Build, bundle: Path) -> None:
    import onnxruntime as ort

    if (
        not torch.cuda.is_available()
        or "CUDAExecutionProvider" not in ort.get_available_providers()
    ):
        pytest.skip("needs a GPU and onnxruntime-gpu")
    model, _ = build()
    want, _ = step(model, 16001)
    model.cuda()
    with attach(model, bundle) as stand_in:
        on_gpu = {name: value.cuda() for name, value in batch(16001).items()}
        torch.manual_seed(0)
        loss, _, _ = model(**on_gpu)
        states, _ = stand_in(on_gpu["speech"], on_gpu["speech_lengths"])
    assert abs(float(loss) - want) < 0.1 and all(state.is_cuda for state in states)
