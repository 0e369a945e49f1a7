"""One graph for every self-supervised transformer, beside s3prl's own upstreams.

Shapes: B utterances, T frames, D width.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("s3prl", reason="what is compared with")

from espnet_onnx.errors import ModelError
from espnet_onnx_plugin_hubert.s3prl_anatomy_export import anatomy
from espnet_onnx_plugin_hubert.s3prl_tiny import LARGE, write_checkpoint
from espnet_onnx_plugin_hubert.speech_model_graph import SpeechModel
from espnet_onnx_plugin_hubert.speech_positions_graph import bucket

pytestmark = pytest.mark.export

# At 9998 samples the first layer has frames behind the last of the model's own.
LENGTHS = (16000, 401, 7777, 9998)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "hubert base": ("hubert", {}),
    "hubert large": ("hubert", {**LARGE, "normalize": True}),
    "hubert with biases": ("hubert", {"conv_bias": True}),
    "wav2vec2 xlsr": ("wav2vec2", {**LARGE, "conv_bias": True, "normalize": True}),
    "data2vec": ("data2vec", {"normalize": True}),
    "wavlm base": ("wavlm", {}),
    "wavlm large": ("wavlm", {**LARGE, "normalize": True}),
    "wavlm without gates": ("wavlm", {"gru_rel_pos": False}),
}


def expert(family: str, folder: Path, **sizes: Any) -> Any:
    """A live s3prl upstream whose weights, biases and norms included, are random."""
    path = folder / f"{family}.pt"
    write_checkpoint(family, **sizes)(path)
    live = importlib.import_module(f"s3prl.upstream.{family}.expert").UpstreamExpert(str(path))
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in live.parameters():
            weight += torch.randn(weight.shape, generator=random) * (
                0.3 if weight.dim() == 1 else 0.05
            )
    return live.eval()


def waves() -> list[Any]:
    """Noise with an offset."""
    random = torch.Generator().manual_seed(2)
    return [torch.randn(n, generator=random) * 0.1 + 0.02 for n in LENGTHS]


def difference(a: Any, b: Any) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max() / b.abs().max().clamp(min=1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_s3prl(kind: str, tmp_path: Path) -> None:
    family, sizes = KINDS[kind]
    live = expert(family, tmp_path, **sizes)
    model = SpeechModel(anatomy(live)).eval()
    speech = torch.nn.utils.rnn.pad_sequence(waves(), batch_first=True, padding_value=3.0)
    with torch.no_grad():
        states, lengths = model(speech, torch.tensor(LENGTHS))
        for i, wave in enumerate(waves()):
            wanted = live([wave])["hidden_states"]
            alone, _ = model(wave[None], torch.tensor([len(wave)]))
            assert len(states) == len(alone) == len(wanted)
            for state, single, want in zip(states, alone, wanted, strict=True):
                assert difference(single, want) < 1e-5
                assert difference(state[i : i + 1, : lengths[i]], want) < 1e-5
                assert not state[i, lengths[i] :].any()
        kept, _ = SpeechModel(anatomy(live), 2).eval()(speech, torch.tensor(LENGTHS))
    assert len(kept) == 2
    assert all(torch.equal(a, b) for a, b in zip(kept, states, strict=False))


@pytest.mark.filterwarnings("ignore")
def test_a_quiet_channel_keeps_its_group_norm(tmp_path: Path) -> None:
    """A high-pass filter over a loud low tone: the variance that is left is a small difference."""
    live = expert("hubert", tmp_path)
    first = live.model.feature_extractor.conv_layers[0][0].weight
    tone = torch.sin(torch.arange(16000) * 0.001) + 1e-3 * waves()[0]
    with torch.no_grad():
        first[0, 0] = torch.tensor([0.0] * 4 + [1, -1.0] + [0.0] * 4)
        want = live.model.feature_extractor.conv_layers[0](tone[None, None])
        convs = SpeechModel(anatomy(live)).convs
        convs.rest, convs.steps = torch.nn.ModuleList(), convs.steps[:1]
        got = convs(tone[None], torch.tensor([len(tone)]))
    assert difference(got.transpose(1, 2), want) < 1e-3


@pytest.mark.filterwarnings("ignore")
def test_weights_stay_the_users(tmp_path: Path) -> None:
    live = expert("hubert", tmp_path)
    model = SpeechModel(anatomy(live))
    block, ours = live.model.encoder.layers[0], model.blocks[0]
    assert ours.feed_in.weight is block.fc1.weight
    assert ours.attention.query.weight is block.self_attn.q_proj.weight


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_graph_is_refused(tmp_path: Path) -> None:
    live = expert("hubert", tmp_path)
    live.feature_selection = "fairseq_layers"
    with pytest.raises(ModelError, match="fairseq_layers gives other states"):
        anatomy(live)
    with pytest.raises(ModelError, match="no transformer over convolutions"):
        anatomy(torch.nn.Linear(1, 1))


@pytest.mark.filterwarnings("ignore")
def test_any_other_activation_is_refused(tmp_path: Path) -> None:
    live = expert("hubert", tmp_path)
    live.model.encoder.layers[0].activation_fn = torch.nn.functional.silu
    with pytest.raises(ModelError, match="activation silu has no graph"):
        SpeechModel(anatomy(live))


def test_buckets_of_distances_are_wavlms() -> None:
    from s3prl.upstream.wavlm.modules import MultiheadAttention

    live = MultiheadAttention(
        8, 2, self_attention=True, has_relative_attention_bias=True, num_buckets=32, max_distance=40
    )
    distances = torch.arange(-100, 101)
    wanted = live._relative_positions_bucket(distances)
    assert torch.equal(bucket(distances, 32, 40), wanted)
    # All that lies beyond the largest distance falls into one bucket, so the table ends there.
    assert torch.equal(wanted[distances > 40].unique(), wanted[distances == 40])


@pytest.mark.filterwarnings("ignore")
def test_convolutions_that_int8_spoils_stay_in_fp32(tmp_path: Path) -> None:
    base, large = (SpeechModel(anatomy(expert("hubert", tmp_path, **s))) for s in ({}, LARGE))

    def kept(model: SpeechModel) -> list[int]:
        names = [f"model.convs.rest.{i}.affine/MatMul" for i in range(6)]
        found = [any(re.search(p, name) for p in model.quantise.exclude) for name in names]
        return [i for i, excluded in enumerate(found) if excluded]

    assert kept(base) == [0, 1, 2, 3, 4, 5]
    assert kept(large) == [3, 4, 5]
