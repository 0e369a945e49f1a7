"""The options of a search that transcribes before it translates."""

from __future__ import annotations

import attrs

from espnet_onnx.parts.decoding import Decoding

__all__ = ["MultiDecoding"]


@attrs.frozen(kw_only=True)
class MultiDecoding(Decoding):
    """`Decoding` of the translation, and of the transcript before it.

    Names and defaults of espnet2.bin.st_inference.Speech2Text.

    Attributes:
        asr_beam_size: `beam_size` of the transcript's search.
        asr_ctc_weight: its `ctc_weight`.
        asr_penalty: its `penalty`.
        asr_maxlenratio: its `maxlenratio`.
        asr_minlenratio: its `minlenratio`.
        asr_nbest: transcripts to return; the best is translated.

    Raises:
        InputError: a value is out of range.
    """

    asr_beam_size: int = 20
    asr_ctc_weight: float = 0.3
    asr_penalty: float = 0.0
    asr_maxlenratio: float = 0.0
    asr_minlenratio: float = 0.0
    asr_nbest: int = 1

    def __attrs_post_init__(self) -> None:
        """Look at all values now, as `Decoding` does."""
        _ = self.asr

    @property
    def asr(self) -> Decoding:
        """The options of the transcript's search."""
        return Decoding(
            beam_size=self.asr_beam_size,
            ctc_weight=self.asr_ctc_weight,
            penalty=self.asr_penalty,
            maxlenratio=self.asr_maxlenratio,
            minlenratio=self.asr_minlenratio,
            nbest=self.asr_nbest,
            ctc_window_margin=0,
        )
