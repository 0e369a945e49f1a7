"""Checks of a whole bundle: it runs alone, answers as ESPnet does, and guards its files."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import attrs
import numpy as np
import soundfile

from .. import bundle as bundles
from ..errors import BundleError
from ..parts.noise import Gaussian
from ..runtime import load
from ..speaker import Speaker
from ..types import Array
from ..verify import verify
from .alone import QUICK, TOKENS, ask
from .specimen import Specimen
from .tiny import RECOGNISE, SPEAK

__all__ = [
    "check_answers_as_espnet",
    "check_damage_is_found",
    "check_manifest",
    "check_model_is_unchanged",
    "check_runs_alone",
    "check_speaks_as_espnet",
    "check_streams",
]

# ANCHORS of the project: waveforms, as a share of full scale.
FULL_SCALE = 1e-3
STREAMED = 1e-4
_FORCED = "use_teacher_forcing"


def check_runs_alone(specimen: Specimen) -> None:
    """Where torch, onnx and ESPnet cannot be imported, the bundle gives the same answer."""
    for precision in specimen.manifest.precisions:
        arguments = (str(specimen.bundle), precision, specimen.model.ask)
        alone = _answer(*arguments)
        here = ask(*arguments)
        assert _same(alone, here), f"{precision}: {alone} without torch, {here} beside it"


def check_answers_as_espnet(specimen: Specimen, folder: Path) -> None:
    """A recogniser hears in noise, or a model speaks, what ESPnet's own inference does."""
    if specimen.model.ask == SPEAK:
        check_speaks_as_espnet(specimen)
        check_streams(load(specimen.bundle, precision="fp32", threads=1, manager=specimen.manager))
    if specimen.model.ask != RECOGNISE:
        return
    children = specimen.manifest.tree.children
    # An encoder may hear the waveform itself.
    rate = (children.get("frontend") or children["encoder"]).config["sample_rate"]
    noise = np.random.default_rng(1).normal(0, 0.1, rate).astype(np.float32)
    path = folder / "noise.wav"
    soundfile.write(path, noise, rate, subtype="FLOAT")
    known = specimen.manifest.decoding
    quick: dict[str, Any] = {name: value for name, value in QUICK.items() if name in known}
    result = verify(
        specimen.bundle,
        specimen.folder,
        [path],
        task=specimen.model.task,
        manager=specimen.manager,
        threads=1,
        **quick,
    )
    fp32 = [r for r in result.recordings if r.precision == "fp32"]
    different = [(r.ids, r.espnet_ids) for r in fp32 if r.verdict == "different"]
    assert fp32 and not different, f"tokens of bundle and ESPnet: {different}"


def check_speaks_as_espnet(specimen: Specimen) -> None:
    """With the same noise it says with fp32 what ESPnet's `Text2Speech` says, sample by sample.

    So it does where it follows a recording, if it can.
    """
    runtime = load(specimen.bundle, precision="fp32", threads=1, manager=specimen.manager)
    voice = runtime.voices.any()
    _same_speech(specimen, runtime, voice)
    if _FORCED in runtime.settings.options:
        speech = np.random.default_rng(1).normal(0, 0.1, 6_000).astype(np.float32)
        _same_speech(specimen, runtime, {**voice, "speech": speech}, **{_FORCED: True})


def _same_speech(specimen: Specimen, runtime: Any, voice: dict[str, Any], **options: Any) -> None:
    drawn: list[tuple[str, Array]] = []
    gaussian = Gaussian(1)

    def noise(name: str, shape: Sequence[int]) -> Array:
        drawn.append((name, gaussian(name, shape)))
        return drawn[-1][1]

    ours = runtime(TOKENS, noise=noise, **voice, **options)
    espnet = Speaker(specimen.loaded, _vocoder_of(specimen, runtime, drawn))
    wave, durations = espnet(TOKENS, drawn, voice, {**runtime.settings.options, **options})
    frames = ours.details.get("duration", ours.durations)
    if frames is not None and durations is not None:
        assert np.array_equal(np.ravel(frames), durations), "durations of bundle and ESPnet differ"
    assert ours.wave.shape == wave.shape, f"samples: {ours.wave.shape}, ESPnet's {wave.shape}"
    apart = np.abs(ours.wave - wave).max()
    # Tiny models whisper or shout.
    loudest = float(np.abs(wave).max())
    assert apart <= FULL_SCALE * loudest, f"waves, up to {loudest}, differ by {apart} from ESPnet"


def check_streams(runtime: Any) -> None:
    """What a synthesizer says in parts of few frames is what it says at once."""
    voice = runtime.voices.any()
    whole = runtime(TOKENS, **voice).wave
    hop, context = runtime.vocoder.hop, runtime.vocoder.context
    short = attrs.evolve(runtime, stretch=2 * hop / runtime.sample_rate)
    parts = list(short(TOKENS, stream=True, **voice))
    several = context is not None and len(whole) > hop
    assert (len(parts) > 1) == several, f"a stream of {len(parts)} parts of {len(whole)} samples"
    apart, loudest = np.abs(np.concatenate(parts) - whole).max(), np.abs(whole).max()
    assert apart <= STREAMED * loudest, f"a stream differs by {apart}, waves up to {loudest}"


def _vocoder_of(specimen: Specimen, runtime: Any, drawn: Sequence[tuple[str, Array]]) -> Any:
    """What ESPnet is to speak with; None for its model's own."""
    if runtime.vocoder is runtime.acoustic.vocoder:
        return None
    return specimen.companions.vocoder or _heard_through(runtime.vocoder, drawn)


def _heard_through(vocoder: Any, drawn: Sequence[tuple[str, Array]]) -> Any:
    """The bundle's vocoder for ESPnet's features: Griffin-Lim's noise is no torch's to inject."""

    def noise(name: str, shape: Sequence[int]) -> Array:
        return next(array for known, array in drawn if known == name)

    def speak(feats: Any) -> Array:
        heard, lengths = feats.numpy()[None], np.array([len(feats)], np.int64)
        wave: Array = vocoder(heard, lengths, {}, noise)[0]
        return wave

    return speak


def check_model_is_unchanged(specimen: Specimen) -> None:
    """The user's live model is after the export what it was before."""
    assert not specimen.changed, "the export changed " + ", ".join(specimen.changed[:5])


def check_manifest(specimen: Specimen) -> None:
    """The manifest lists exactly the files that there are, and holds relative names only."""
    manifest = bundles.read_manifest(specimen.bundle)
    bundles.verify_files(specimen.bundle, manifest)
    there = {
        p.relative_to(specimen.bundle).as_posix()
        for p in specimen.bundle.rglob("*")
        if p.is_file() and p.name != bundles.MANIFEST
    }
    assert there == set(manifest.files), f"listed or there: {there ^ set(manifest.files)}"
    data = json.loads((specimen.bundle / bundles.MANIFEST).read_text("utf-8"))
    absolute = [text for text in _strings(data) if _absolute(text)]
    assert not absolute, f"absolute paths in the manifest: {absolute}"


def check_damage_is_found(specimen: Specimen, folder: Path) -> None:
    """One flipped byte in any file, or a missing end, is found."""
    copy = folder / "damaged"
    shutil.copytree(specimen.bundle, copy)
    manifest = bundles.read_manifest(copy)
    bundles.verify_files(copy, manifest)
    for name in manifest.files:
        path = copy / name
        whole = path.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        for damaged in (flipped, whole[:-1]):
            path.write_bytes(damaged)
            assert _refused(copy, manifest, name), f"damage of {name} goes unseen"
        path.write_bytes(whole)


def _answer(bundle: str, precision: str, question: str) -> Any:
    command = [sys.executable, "-m", "espnet_onnx.testing.alone", bundle, precision, question]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ESPNET_ONNX_RAISE": ""},
    )
    assert result.returncode == 0, result.stderr.strip()
    return json.loads(result.stdout)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6)
    return bool(a == b)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (*_strings(key), *_strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _absolute(text: str) -> bool:
    # A token may be a lone slash.
    names = [part for part in text.replace("\\", "/").split("/") if part]
    roots = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return len(names) > 1 and roots


def _refused(folder: Path, manifest: bundles.Manifest, name: str) -> bool:
    try:
        bundles.verify_files(folder, manifest)
    except BundleError as error:
        return name in str(error)
    return False
