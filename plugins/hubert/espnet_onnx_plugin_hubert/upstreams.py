"""The published self-supervised models by s3prl's names for them, with their sizes.

A checkpoint of ESPnet holds the weights and not the sizes, which s3prl reads from the file that it
downloads; with this table nothing is downloaded. Sources: the configs of fairseq's and UniLM's
releases, compared with torchaudio's (`torchaudio.pipelines`).
"""

from __future__ import annotations

from pathlib import PurePosixPath

import attrs

__all__ = [
    "CHECKPOINTS",
    "FAMILIES",
    "HUGGING_FACE",
    "UPSTREAMS",
    "Sizes",
    "family_of",
    "known_sizes",
]

FAMILIES = ("hubert", "wav2vec2", "wavlm", "data2vec", "hf_hubert", "hf_wav2vec2")
_FROM_FILE = ("_local", "_url", "_custom")


@attrs.frozen
class Sizes:
    """What sets one published model apart from the others of its family.

    Attributes:
        layer_norm: every convolution has a layer norm; else the first has a group norm.
        conv_bias: the convolutions have biases. (A checkpoint that says otherwise is right.)
        norm_first: blocks normalise what they read.
        normalize: waveforms are made zero mean, unit variance.
    """

    layers: int = 12
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    layer_norm: bool = False
    conv_bias: bool = False
    norm_first: bool = False
    normalize: bool = False


_BASE = Sizes()
_LARGE = Sizes(24, 1024, 16, 4096, layer_norm=True, norm_first=True, normalize=True)
_BIASED = attrs.evolve(_LARGE, conv_bias=True)
_1B = attrs.evolve(_BIASED, layers=48, width=1280, hidden=5120)
_2B = attrs.evolve(_BIASED, layers=48, width=1920, hidden=7680)
# data2vec normalises its waveforms and its convolutions, but its blocks' output.
_DATA2VEC = attrs.evolve(_BASE, layer_norm=True, normalize=True)

# Stem of the checkpoint's file name -> its sizes.
CHECKPOINTS = {
    "hubert_base_ls960": _BASE,
    "hubert_large_ll60k": _LARGE,
    "hubert_xtralarge_ll60k": attrs.evolve(_LARGE, layers=48, width=1280, hidden=5120),
    "HuBERT_base_robust_mgr_best_loss_2.7821": _BASE,
    "mhubert_base_vp_en_es_fr_it3": _BASE,
    "contentvec_km100": _BASE,
    "contentvec_km500": _BASE,
    "wav2vec_small": _BASE,
    "libri960_big": Sizes(24, 1024, 16, 4096),
    "wav2vec_vox_new": _BIASED,
    "w2v_large_lv_fsh_swbd_cv": _BIASED,
    "xlsr_53_56k": _BIASED,
    "xlsr2_300m": _BIASED,
    "xlsr2_960m_1000k": _1B,
    "xlsr2_2B_1000k": _2B,
    "wavlm_base": _BASE,
    "wavlm_base_plus": _BASE,
    "wavlm_large": _LARGE,
    "audio_base_ls": _DATA2VEC,
    "vox_pretrained": attrs.evolve(_DATA2VEC, layers=24, width=1024, heads=16, hidden=4096),
}

# s3prl's name -> family and checkpoint.
UPSTREAMS = {
    "hubert": ("hubert", "hubert_base_ls960"),
    "hubert_base": ("hubert", "hubert_base_ls960"),
    "hubert_large_ll60k": ("hubert", "hubert_large_ll60k"),
    "hubert_base_robust_mgr": ("hubert", "HuBERT_base_robust_mgr_best_loss_2.7821"),
    "mhubert_base_vp_en_es_fr_it3": ("hubert", "mhubert_base_vp_en_es_fr_it3"),
    "contentvec": ("hubert", "contentvec_km100"),
    "contentvec_km100": ("hubert", "contentvec_km100"),
    "contentvec_km500": ("hubert", "contentvec_km500"),
    "wav2vec2": ("wav2vec2", "wav2vec_small"),
    "wav2vec2_base_960": ("wav2vec2", "wav2vec_small"),
    "wav2vec2_large_960": ("wav2vec2", "libri960_big"),
    "wav2vec2_large_ll60k": ("wav2vec2", "wav2vec_vox_new"),
    "wav2vec2_large_lv60_cv_swbd_fsh": ("wav2vec2", "w2v_large_lv_fsh_swbd_cv"),
    "xlsr_53": ("wav2vec2", "xlsr_53_56k"),
    "xls_r_300m": ("wav2vec2", "xlsr2_300m"),
    "xls_r_1b": ("wav2vec2", "xlsr2_960m_1000k"),
    "xls_r_2b": ("wav2vec2", "xlsr2_2B_1000k"),
    "wavlm": ("wavlm", "wavlm_base_plus"),
    "wavlm_base": ("wavlm", "wavlm_base"),
    "wavlm_base_plus": ("wavlm", "wavlm_base_plus"),
    "wavlm_large": ("wavlm", "wavlm_large"),
    "data2vec": ("data2vec", "audio_base_ls"),
    "data2vec_base_960": ("data2vec", "audio_base_ls"),
    "data2vec_large_ll60k": ("data2vec", "vox_pretrained"),
}

# Repository of the Hugging Face hub -> its sizes.
HUGGING_FACE = {
    "facebook/hubert-base-ls960": _BASE,
    "facebook/hubert-large-ll60k": _BIASED,
    "facebook/hubert-xlarge-ll60k": _1B,
    "facebook/mms-300m": _BIASED,
    "facebook/mms-1b": _1B,
    "facebook/wav2vec2-base": _BASE,
    "facebook/wav2vec2-large-lv60": _BIASED,
    "facebook/wav2vec2-large-xlsr-53": _BIASED,
    "facebook/wav2vec2-xls-r-300m": _BIASED,
    "facebook/wav2vec2-xls-r-1b": _1B,
    "facebook/wav2vec2-xls-r-2b": _2B,
}


def family_of(upstream: str) -> str | None:
    """The family of an s3prl upstream, or None: `xls_r_300m` and `wav2vec2_url` are wav2vec2."""
    if upstream in UPSTREAMS:
        return UPSTREAMS[upstream][0]
    found = (name for name in FAMILIES for end in _FROM_FILE if upstream == name + end)
    return next(found, None)


def known_sizes(upstream: str, path_or_url: str | None) -> Sizes | None:
    """The sizes of a published model; None for one that only its own checkpoint knows."""
    if upstream in UPSTREAMS:
        return CHECKPOINTS[UPSTREAMS[upstream][1]]
    if path_or_url is None:
        return None
    if upstream.startswith("hf_"):
        return HUGGING_FACE.get(path_or_url)
    return CHECKPOINTS.get(PurePosixPath(path_or_url).name.removesuffix(".pt"))
