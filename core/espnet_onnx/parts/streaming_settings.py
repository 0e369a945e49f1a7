"""The options of streaming recognition."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import optional

from .option_checks import WIDEST, refused, switch, whole

__all__ = ["Streaming"]


_KIND = "streaming"


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise refused(attribute.name, value, "seconds above 0", _KIND)


@attrs.frozen(kw_only=True)
class Streaming:
    """How a stream is decoded. Names and meanings of the first nine are those of ESPnet's
    `BatchBeamSearchOnline`, `Speech2TextStreaming` and, for chunks, the `Speech2Text` of the task
    asr_transducer, defaults included.

    Attributes:
        block_size: encoder frames of the search's first block; the next are each longer by
            `hop_size`. ESPnet takes 40, 16 and 16 whatever the encoder's own sizes are.
        hop_size: encoder frames that a block adds.
        look_ahead: encoder frames that the search stays behind.
        disable_repetition_detection: do not wait for more audio where a hypothesis repeats a token.
        encoded_feat_length_limit: most encoder frames that the decoder sees; 0 is all of them. CTC
            then hears nothing new once there are more, as in ESPnet: for decoders alone.
        decoder_text_length_limit: most tokens that the decoder sees; 0 is all of them.
        incremental_decode: go on from every block with the best hypothesis alone.
        decoding_window: of encoders that take chunks, milliseconds of one. None is the encoder's
            own, ESPnet's 640. Counted at 16 kHz whatever the model's sample rate, as in ESPnet.
        left_context: of encoders that take chunks, encoder frames before one that it sees. None is
            the encoder's own, ESPnet's 32.
        segment: seconds from which on a stream is cut in the next pause. What is shorter is decoded
            as one utterance, as ESPnet does.
        longest_segment: seconds after which it is cut without a pause. This is what bounds memory.
        pause: seconds without speech that make a pause.
        keep_segments: `finish` gives the result of all. Without, segments are forgotten once `push`
            has handed them out, and memory does not even grow by the transcript.

    Raises:
        InputError: a value is out of range.
    """

    block_size: int = attrs.field(default=40, validator=whole(1, _KIND))
    hop_size: int = attrs.field(default=16, validator=whole(1, _KIND))
    look_ahead: int = attrs.field(default=16, validator=whole(0, _KIND))
    disable_repetition_detection: bool = attrs.field(default=False, validator=switch(_KIND))
    encoded_feat_length_limit: int = attrs.field(default=0, validator=whole(0, _KIND))
    decoder_text_length_limit: int = attrs.field(default=0, validator=whole(0, _KIND))
    incremental_decode: bool = attrs.field(default=False, validator=switch(_KIND))
    decoding_window: int | None = attrs.field(default=None, validator=optional(whole(1, _KIND)))
    left_context: int | None = attrs.field(
        default=None, validator=optional(whole(0, _KIND, WIDEST))
    )
    segment: float = attrs.field(default=20.0, validator=_seconds)
    longest_segment: float = attrs.field(default=30.0, validator=_seconds)
    pause: float = attrs.field(default=0.3, validator=_seconds)
    keep_segments: bool = attrs.field(default=True, validator=switch(_KIND))

    def __attrs_post_init__(self) -> None:
        if self.look_ahead >= self.block_size:
            wanted = f"less than block_size={self.block_size}"
            raise refused("look_ahead", self.look_ahead, wanted, _KIND)
        if self.longest_segment < self.segment:
            wanted = f"at least segment={self.segment:g}"
            raise refused("longest_segment", self.longest_segment, wanted, _KIND)

    def block_end(self, block: int) -> int:
        """Encoder frames that the search sees in a block, counted from 0."""
        return self.block_size - self.look_ahead + self.hop_size * block
