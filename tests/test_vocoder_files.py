"""ParallelWaveGAN's vocoders: found, read and refused. Shapes: T frames, D features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
pytest.importorskip("espnet2")

from espnet_onnx.companions import Companions
from espnet_onnx.errors import ModelError
from espnet_onnx.vocoder_files import LiveVocoder, VocoderFiles

HIFIGAN: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 1,
    "channels": 8,
    "kernel_size": 3,
    "upsample_scales": [2, 2],
    "upsample_kernel_sizes": [4, 4],
    "resblock_kernel_sizes": [3],
    "resblock_dilations": [[1]],
}
CONFIG: dict[str, Any] = {
    "version": "0.5.1",
    "generator_type": "HiFiGANGenerator",
    "generator_params": {**HIFIGAN, "use_causal_conv": False},
    "sampling_rate": 8000,
    "format": "npy",
}
TTS = {"tts": "tacotron2", "token_list": ["<unk>", "a"]}


def write(folder: Path, **config: Any) -> Path:
    """What the toolkit's trainer leaves: weights with weight norm, and config.yml."""
    from espnet2.gan_tts.hifigan import HiFiGANGenerator

    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    params = {**HIFIGAN, "out_channels": config.get("bands", 1)}
    state = HiFiGANGenerator(**params).state_dict()
    checkpoint = {"model": {"generator": state, "discriminator": {}}, "steps": 7}
    torch.save(checkpoint, folder / "checkpoint-7steps.pkl")
    (folder / "config.yml").write_text(yaml.safe_dump({**CONFIG, **config}))
    return folder / "checkpoint-7steps.pkl"


def feats(frames: int = 9) -> Any:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(frames, 4)).astype(np.float32))


def test_a_checkpoint_or_its_folder_gives_the_generator(tmp_path: Path) -> None:
    path = write(tmp_path)
    for name in (path, str(tmp_path)):
        found = Companions.of(vocoder=name)
        child = found.components(TTS)["vocoder"]
        assert (child.role, child.type, child.module) == ("vocoder", "hifigan", None)
        assert child.conf["upsample_scales"] == [2, 2] and child.given["sample_rate"] == 8000
        live = found.load()
        assert isinstance(live.vocoder, LiveVocoder)
        assert live.components(TTS)["vocoder"].module is live.vocoder.generator
    assert Companions.of(vocoder="none").vocoder is None


def test_it_speaks_as_the_toolkit_does(tmp_path: Path) -> None:
    live = VocoderFiles.find(write(tmp_path)).load()
    with torch.no_grad():
        want = live.generator.inference(feats()).reshape(-1)
    assert want.shape == (36,) and want.abs().max() > 1e-4
    torch.testing.assert_close(live(feats()), want)
    stats = np.stack([np.arange(4), np.arange(4) + 0.5]).astype(np.float32)
    np.save(tmp_path / "stats.npy", stats)
    normalizing = VocoderFiles.find(tmp_path)
    given = normalizing.component(normalizing.load()).given
    np.testing.assert_array_equal([given["mean"], given["scale"]], stats)
    scaled = feats() * torch.from_numpy(stats[1]) + torch.from_numpy(stats[0])
    torch.testing.assert_close(normalizing.load()(scaled), want, rtol=1e-4, atol=1e-6)


def test_bands_are_joined(tmp_path: Path) -> None:
    params = {**HIFIGAN, "out_channels": 4}
    path = write(tmp_path, bands=4, generator_params=params, version="0.4.2")
    files = VocoderFiles.find(path)
    assert files.component().conf["pqmf_params"] == {
        "subbands": 4,
        "taps": 62,
        "cutoff_ratio": 0.15,
        "beta": 9.0,
    }
    live = files.load()
    assert files.component(live).given["pqmf"] is live.pqmf
    assert live(feats()).shape == (9 * 4 * 4,)
    write(tmp_path, bands=4, generator_params=params)
    assert VocoderFiles.find(path).component().conf["pqmf_params"] == {"subbands": 4}


def test_what_is_no_vocoder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no vocoder: give a ParallelWaveGAN checkpoint"):
        VocoderFiles.find(tmp_path)
    path = write(tmp_path)
    (tmp_path / "config.yml").unlink()
    with pytest.raises(ModelError, match=r"has no config\.yml beside it"):
        VocoderFiles.find(path)
    write(tmp_path, generator_type="UHiFiGANGenerator")
    assert VocoderFiles.find(path).component().type == "UHiFiGANGenerator"
    with pytest.raises(ModelError, match="ESPnet has no UHiFiGANGenerator"):
        VocoderFiles.find(path).load()
    write(tmp_path, generator_params={**HIFIGAN, "use_causal_conv": True})
    with pytest.raises(ModelError, match="HiFiGANGenerator has no use_causal_conv"):
        VocoderFiles.find(path).load()
    path.write_bytes(b"no checkpoint")
    write_config = CONFIG | {"generator_params": HIFIGAN}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(write_config))
    with pytest.raises(ModelError, match="is damaged or not a checkpoint"):
        VocoderFiles.find(path).load()


def test_a_recogniser_has_no_use_for_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this model does not speak: leave the vocoder out"):
        Companions.of(vocoder=write(tmp_path)).components({"encoder": "conformer"})
