"""vocoders: frames to waveform, from ESPnet's configs and ParallelWaveGAN's."""

from __future__ import annotations

import espnet_onnx as eo

ESPNET_ONNX_API = 1

_CLAIMS = {
    ("vocoder", "griffin_lim"): ".griffin_lim_claim",
    ("vocoder", "hifigan"): ".hifigan_claim",
    ("vocoder", "melgan"): ".melgan_claim",
    ("vocoder", "parallel_wavegan"): ".parallel_wavegan_claim",
    ("vocoder", "style_melgan"): ".style_melgan_claim",
}
_HOMES = {
    "vocoders.griffin_lim": (".griffin_lim_claim", ".griffin_lim_runtime"),
    "vocoders.hifigan": (".hifigan_export", ".vocoder_runtime"),
    "vocoders.melgan": (".melgan_export", ".vocoder_runtime"),
    "vocoders.parallel_wavegan": (".parallel_wavegan_export", ".vocoder_runtime"),
    "vocoders.style_melgan": (".style_melgan_export", ".vocoder_runtime"),
}
KINDS = tuple(_HOMES)
split_modules, export_module, build_runtime = eo.hooks(__name__, _CLAIMS, _HOMES)
