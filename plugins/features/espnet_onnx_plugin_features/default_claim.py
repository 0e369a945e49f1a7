"""The claim on frontend `default`, ESPnet's `DefaultFrontend`: log mel energies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import espnet_onnx as eo
from espnet_onnx.parts.sample_rate import parse_rate

__all__ = ["claim_default"]


def claim_default(component: eo.Component) -> eo.Part | eo.Declined:
    """Sizes come from the conf alone, so that a config and a live model agree."""
    conf = component.conf
    rate = parse_rate(conf["fs"])
    reason = _unsupported(conf) or (None if rate else f"fs {conf['fs']!r} is no sample rate")
    if reason is not None:
        return eo.Declined(reason)
    n_fft = int(conf["n_fft"])
    config = {
        "sample_rate": rate,
        "hop_length": int(conf["hop_length"]),
        "win_length": int(conf["win_length"] or n_fft),
        "n_mels": int(conf["n_mels"]),
        # `torch.stft` reflects n_fft // 2 samples, so it needs one more; else one whole frame.
        "shortest": n_fft // 2 + 1 if conf["center"] else n_fft,
    }
    return eo.Part("features.default", config=config)


def _unsupported(conf: Mapping[str, Any]) -> str | None:
    # ESPnet builds its speech enhancement frontend by default, inert unless one of these is on.
    enhancement = conf.get("frontend_conf") or {}
    for switch in ("use_wpe", "use_beamformer"):
        if enhancement.get(switch):
            return f"{switch}: multichannel enhancement in the frontend has no ONNX graph yet"
    if not conf["apply_stft"]:
        return "apply_stft false: it takes spectra instead of a waveform"
    if not conf["onesided"]:
        return "onesided false: ESPnet's own mel filters do not fit two-sided spectra"
    return None
