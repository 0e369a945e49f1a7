"""Train ESPnet's HiFi-GAN alone, and save it as the ParallelWaveGAN toolkit would.

`exp/hifigan` of the work folder gets `checkpoint-N.pkl` with `config.yml` and `stats.npy` beside
it, which `--vocoder` takes. Training goes on from `state.pth` there.

Shapes: B utterances, T frames, D features, S samples.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import soundfile
import torch
from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator, HiFiGANMultiPeriodDiscriminator
from espnet2.gan_tts.hifigan.loss import (
    DiscriminatorAdversarialLoss,
    FeatureMatchLoss,
    GeneratorAdversarialLoss,
    MelSpectrogramLoss,
)
from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

from espnet_onnx.configs import read_yaml

__all__ = ["Corpus", "Trainer", "train"]

_MELS_PER_FFT = 12.8  # 80 of 1024
_STEEPEST = 10.0  # norm of a gradient


def features(config: Mapping[str, Any]) -> LogMelFbank:
    """What the acoustic model of the same terms hears."""
    return LogMelFbank(
        fs=config["sampling_rate"],
        n_fft=config["fft_size"],
        hop_length=config["hop_size"],
        win_length=config["win_length"],
        window=config["window"],
        n_mels=config["num_mels"],
        fmin=config["fmin"],
        fmax=config["fmax"],
    )


@attrs.frozen
class Corpus:
    """Waves with their features.

    Attributes:
        waves: (S,) samples of each utterance.
        mels: (T, D) features of each, normalised.
        stats: (2, D) mean and scale of the features.
    """

    waves: list[torch.Tensor] = attrs.field(repr=False)
    mels: list[torch.Tensor] = attrs.field(repr=False)
    stats: torch.Tensor = attrs.field(repr=False)

    @classmethod
    def read(cls, work: Path, config: Mapping[str, Any], split: str = "train") -> Corpus:
        """Utterances shorter than a segment are left out."""
        extract, least = features(config), int(config["batch_max_steps"]) + config["hop_size"]
        rows = (work / "data" / split / "wav.scp").read_text("utf-8").splitlines()
        read = [soundfile.read(work / row.split()[1], dtype="float32")[0] for row in rows]
        waves = [torch.from_numpy(wave) for wave in read if len(wave) > least]
        mels = [extract(wave[None])[0][0] for wave in waves]
        every = torch.cat(mels)
        stats = torch.stack([every.mean(0), every.std(0)])
        return cls(waves, [(mel - stats[0]) / stats[1] for mel in mels], stats)

    def batch(
        self, config: Mapping[str, Any], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, D, T) features and (B, 1, S) samples of random segments."""
        hop, count = int(config["hop_size"]), int(config["batch_max_steps"] // config["hop_size"])
        mels, waves = [], []
        for i in rng.integers(len(self.waves), size=config["batch_size"]):
            at = int(rng.integers(len(self.waves[i]) // hop - count + 1))
            mels.append(self.mels[i][at : at + count].T)
            waves.append(self.waves[i][None, at * hop : (at + count) * hop])
        return torch.stack(mels), torch.stack(waves)


class Trainer:
    """Generator, discriminator and their optimisers.

    Attributes:
        config: in the toolkit's terms.
        step: how many were taken.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        torch.manual_seed(0)
        self.config, self.step = config, 0
        self.generator = HiFiGANGenerator(**config["generator_params"])
        params = config["discriminator_params"]
        self.discriminator = HiFiGANMultiPeriodDiscriminator(**params)
        betas = tuple(config["betas"])
        self.optimisers = [
            torch.optim.AdamW(module.parameters(), lr=config[f"{name}_lr"], betas=betas)
            for name, module in self._modules().items()
        ]
        self.mel_losses = [
            MelSpectrogramLoss(
                fs=config["sampling_rate"],
                n_fft=size,
                hop_length=size // 4,
                n_mels=int(size // _MELS_PER_FFT),
            )
            for size in config["mel_loss_fft_sizes"]
        ]
        self.deceive, self.tell = GeneratorAdversarialLoss(), DiscriminatorAdversarialLoss()
        self.match = FeatureMatchLoss()

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def update(self, mels: torch.Tensor, waves: torch.Tensor) -> float:
        """One step of both; returns the loss of the mel-spectrograms."""
        share = self.step / self.config["train_max_steps"]
        for name, optimiser in zip(self._modules(), self.optimisers, strict=True):
            # From full to a tenth along a half cosine.
            rate = self.config[f"{name}_lr"] * (0.55 + 0.45 * math.cos(math.pi * min(share, 1)))
            optimiser.param_groups[0]["lr"] = rate
        fake = self.generator(mels)
        mel_loss = sum(loss(fake, waves) for loss in self.mel_losses) / len(self.mel_losses)
        loss = self.config["lambda_aux"] * mel_loss
        adversarial = self.step >= self.config["discriminator_train_start_steps"]
        if adversarial:
            heard = self.discriminator(fake)
            with torch.no_grad():
                real = self.discriminator(waves)
            loss = loss + self.config["lambda_adv"] * self.deceive(heard)
            loss = loss + self.config["lambda_feat_match"] * self.match(heard, real)
        self._descend(loss, "generator")
        if adversarial:
            real, heard = self.discriminator(waves), self.discriminator(fake.detach())
            self._descend(sum(self.tell(heard, real)), "discriminator")
        self.step += 1
        return float(mel_loss.detach())

    def _descend(self, loss: Any, name: str) -> None:
        optimiser = self.optimisers[list(self._modules()).index(name)]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._modules()[name].parameters(), _STEEPEST)
        optimiser.step()

    def save(self, path: Path) -> None:
        """All that a training needs to go on."""
        state = {name: module.state_dict() for name, module in self._modules().items()}
        optimisers = [optimiser.state_dict() for optimiser in self.optimisers]
        torch.save({**state, "optimisers": optimisers, "step": self.step}, path)

    def resume(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(path, weights_only=True)  # noqa: TID251  # with optimisers
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step = state["step"]


def train(work: Path, conf: Path) -> Path:
    """Train until the config's last step, and return the checkpoint.

    Args:
        work: folder that `prepare` wrote.
        conf: config, as conf/hifigan.yaml.
    """
    config, out = read_yaml(conf), work / "exp" / "hifigan"
    out.mkdir(parents=True, exist_ok=True)
    trainer, last = Trainer(config), int(config["train_max_steps"])
    if (out / "state.pth").is_file():
        trainer.resume(out / "state.pth")
    corpus = Corpus.read(work, config)
    began, losses = time.monotonic(), []
    while trainer.step < last:
        # A batch depends on the step alone, so that an interruption changes nothing.
        losses.append(trainer.update(*corpus.batch(config, np.random.default_rng(trainer.step))))
        if trainer.step % config["save_interval_steps"] == 0 or trainer.step == last:
            trainer.save(out / "state.pth")
            minutes = (time.monotonic() - began) / 60
            loss = np.mean(losses[-config["save_interval_steps"] :])
            print(
                f"vocoder: step {trainer.step}/{last}, mel {loss:.3f}, {minutes:.1f} min",
                flush=True,
            )
    shutil.copyfile(conf, out / "config.yml")
    np.save(out / "stats.npy", corpus.stats.numpy())
    checkpoint = out / f"checkpoint-{trainer.step}.pkl"
    torch.save({"model": {"generator": trainer.generator.state_dict()}}, checkpoint)
    return checkpoint
