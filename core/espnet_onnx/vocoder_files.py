"""A vocoder that the ParallelWaveGAN toolkit trained, and ESPnet's `Text2Speech` speaks with.

Its generators are those that ESPnet has copies of. Only `load` needs torch and ESPnet.

Shapes: T frames, D features, N samples.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from .configs import read_yaml
from .errors import ModelError, one_line
from .types import Array, Component
from .vocoder_tags import fetch_vocoder, is_vocoder_tag

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LiveVocoder", "VocoderFiles"]

# Generators by the toolkit's names -> their type here, and where ESPnet's copy is.
_GENERATORS = {
    "HiFiGANGenerator": ("hifigan", "espnet2.gan_tts.hifigan"),
    "MelGANGenerator": ("melgan", "espnet2.gan_tts.melgan"),
    "ParallelWaveGANGenerator": ("parallel_wavegan", "espnet2.gan_tts.parallel_wavegan"),
    "StyleMelGANGenerator": ("style_melgan", "espnet2.gan_tts.style_melgan"),
}
_FIRST = "ParallelWaveGANGenerator"  # the toolkit's default, and its first
_CONFIGS = ("config.yml", "config.yaml")
_STATS = ("mean", "scale")
# Up to version 0.4.2 the toolkit knew no `pqmf_params` (`parallel_wavegan.utils.load_model`).
_OLD_PQMF = {"taps": 62, "cutoff_ratio": 0.15, "beta": 9.0}
_OLD = (0, 4, 2)


@attrs.frozen
class VocoderFiles:
    """Where it is, and what its config says.

    Attributes:
        weights: the `*.pkl` checkpoint.
        config: its config.yml.
        stats: `stats.h5` or `stats.npy` beside the checkpoint, by which it normalises features.
    """

    weights: Path
    config: Mapping[str, Any] = attrs.field(repr=False)
    stats: Path | None = None

    @classmethod
    def find(cls, name: str | Path, cache: str | Path | None = None) -> VocoderFiles:
        """A checkpoint, a folder with exactly one, or a tag; config.yml stands beside it.

        Args:
            name: see above.
            cache: see `vocoder_tags.fetch_vocoder`.

        Raises:
            ModelError: there is no such thing.
        """
        path = Path(name).expanduser()
        if not path.exists() and is_vocoder_tag(str(name)):
            path = fetch_vocoder(str(name), cache)
        found = [path]
        if path.is_dir():
            found = sorted(path.glob("*.pkl")) or sorted(path.rglob("*.pkl"))
        if len(found) != 1 or not found[0].is_file():
            raise ModelError(
                f"{name}: is no vocoder: give a ParallelWaveGAN checkpoint (*.pkl) with config.yml"
                " beside it, a folder with one of each, or a tag (parallel_wavegan/NAME)"
            )
        config = next((p for p in map(found[0].with_name, _CONFIGS) if p.is_file()), None)
        if config is None:
            raise ModelError(f"{found[0]}: has no config.yml beside it: put its own there")
        ending = "h5" if read_yaml(config).get("format") == "hdf5" else "npy"
        stats = found[0].with_name(f"stats.{ending}")
        return cls(found[0], read_yaml(config), stats if stats.is_file() else None)

    def component(self, live: LiveVocoder | None = None) -> Component:
        """What anyone may claim: conf is the generator's constructor arguments."""
        name = str(self.config.get("generator_type", _FIRST))
        type = _GENERATORS[name][0] if name in _GENERATORS else name
        conf = self._params()
        given: dict[str, Any] = {"sample_rate": self.config.get("sampling_rate")}
        if (bands := self._bands()) is not None:
            conf["pqmf_params"] = bands
        if live is not None:
            given |= {"pqmf": live.pqmf, "mean": live.mean, "scale": live.scale}
        module = None if live is None else live.generator
        return Component("vocoder", "vocoder", type, conf, module, given)

    def load(self) -> LiveVocoder:
        """The live generator, as `parallel_wavegan.utils.load_model` makes it.

        Raises:
            ModelError: ESPnet has no such generator, or the weights do not fit it.
        """
        from .checkpoint import apply_state, load_state

        generator = self.build()
        state = load_state(self.weights)
        kept = {key: state.pop(key).numpy() for key in _STATS if key in state}
        apply_state(generator, state, name=str(self.weights))
        generator.remove_weight_norm()
        stats = kept or ({} if self.stats is None else _read_stats(self.stats))
        return LiveVocoder(self, generator.eval(), self._pqmf(), **stats)

    def build(self) -> Any:
        """ESPnet's generator with fresh weights.

        Raises:
            ModelError: ESPnet has no such generator.
        """
        name = str(self.config.get("generator_type", _FIRST))
        if name not in _GENERATORS:
            raise ModelError(f"{self.weights}: ESPnet has no {name}: give another vocoder")
        cls = getattr(importlib.import_module(_GENERATORS[name][1]), name)
        return cls(**self._accepted(cls))

    def _params(self) -> dict[str, Any]:
        # Constructors write into them.
        params = copy.deepcopy(self.config.get("generator_params") or {})
        # A slip of the toolkit's early configs.
        return {k.replace("upsample_kernal", "upsample_kernel"): v for k, v in params.items()}

    def _accepted(self, cls: Any) -> dict[str, Any]:
        """Arguments that ESPnet's copy has; those that it has not must be off."""
        known = inspect.signature(cls.__init__).parameters
        params = self._params()
        unknown = sorted(name for name, value in params.items() if name not in known and value)
        if unknown:
            raise ModelError(
                f"{self.weights}: ESPnet's {cls.__name__} has no {', '.join(unknown)}:"
                " give another vocoder"
            )
        return {name: value for name, value in params.items() if name in known}

    def _bands(self) -> dict[str, Any] | None:
        bands = int(self._params().get("out_channels", 1))
        if bands == 1:
            return None
        numbers = str(self.config.get("version", "0.1.0")).split(".")[:3]
        old = tuple(int(n) for n in numbers if n.isdigit()) <= _OLD
        return {"subbands": bands, **self.config.get("pqmf_params", _OLD_PQMF if old else {})}

    def _pqmf(self) -> Any:
        bands = self._bands()
        if bands is None:
            return None
        from espnet2.gan_tts.melgan.pqmf import PQMF

        return PQMF(**bands)


@attrs.frozen
class LiveVocoder:
    """A vocoder that ESPnet could speak with; see `ParallelWaveGANPretrainedVocoder`.

    Attributes:
        files: where it came from.
        generator: ESPnet's, without weight norm.
        pqmf: joins the bands of a generator that has several.
        mean: (D,) that it takes from the features, None where it hears them as they are.
        scale: (D,) that it then divides them by.
    """

    files: VocoderFiles
    generator: Any = attrs.field(repr=False)
    pqmf: Any = attrs.field(default=None, repr=False)
    mean: Array | None = attrs.field(default=None, repr=False)
    scale: Array | None = attrs.field(default=None, repr=False)

    def __call__(self, feats: Tensor) -> Tensor:
        """(T, D) features -> (N,) samples."""
        import torch

        with torch.no_grad():
            if self.mean is not None:
                feats = (feats - torch.from_numpy(self.mean)) / torch.from_numpy(self.scale)
            wave = self.generator.inference(feats)
            if self.pqmf is not None:
                wave = self.pqmf.synthesis(wave.transpose(0, 1)[None])
            joined: Tensor = wave.reshape(-1)
            return joined


def _read_stats(path: Path) -> dict[str, Array]:
    """`register_stats` of the toolkit's generators."""
    try:
        if path.suffix == ".npy":
            mean, scale = np.load(path, allow_pickle=False)
        else:
            with importlib.import_module("h5py").File(path, "r") as file:
                mean, scale = file["mean"][()], file["scale"][()]
    except Exception as error:
        raise ModelError(
            f"{path}: cannot be read ({one_line(error)}): put the vocoder's own there; hdf5 needs"
            " h5py installed"
        ) from error
    return {"mean": np.float32(mean).reshape(-1), "scale": np.float32(scale).reshape(-1)}
