"""ESPnet's own inference, as the thing to be equal to (needs torch and ESPnet)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch

from .errors import InputError
from .inference import inference
from .loader import Loaded
from .types import Array

__all__ = ["Answer", "Recogniser", "same_answer", "settings"]

# ANCHORS of the project: equal tokens, or a tie that ESPnet's own score cannot tell apart.
TIE = 1e-3


@attrs.frozen
class Answer:
    """ESPnet's best hypothesis of one recording."""

    text: str | None
    ids: tuple[int, ...]
    score: float


class Recogniser:
    """ESPnet's `Speech2Text` around a loaded model.

    Args:
        loaded: the model.
        decoding: settings by the names of `parts.decoding.Decoding`; those that this ESPnet's
            `Speech2Text` does not know are left out.
    """

    def __init__(self, loaded: Loaded, **decoding: Any) -> None:
        self.speech2text = inference(loaded, **decoding)

    def __call__(self, samples: Array) -> Answer:
        """Recognise (S,) samples at the model's rate."""
        return self._answer(self._results(samples)[0])

    def batch(self, samples: Sequence[Array]) -> list[Answer]:
        """Recognise many in one search (`Speech2Text.batch_decode`, ESPnet 202611 and newer)."""
        return [self._answer(nbest[0]) for nbest in self.speech2text.batch_decode(list(samples))]

    def _results(self, samples: Array) -> Any:
        results = self.speech2text(samples)
        # Models with intermediate CTC answer (n-best, intermediate results).
        return results[0] if isinstance(results, tuple) else results

    @staticmethod
    def _answer(result: Any) -> Answer:
        text, _, ids, hypothesis = result
        return Answer(text, tuple(map(int, ids)), float(hypothesis.score))

    @torch.no_grad()
    def score(self, samples: Array, ids: Sequence[int]) -> float:
        """ESPnet's score of a given hypothesis, every scorer exact and without a beam.

        Mirrors what `BeamSearch.search` adds up along one hypothesis.
        """
        model, search = self.speech2text.asr_model, self.speech2text.beam_search
        speech = torch.as_tensor(samples)[None]
        encoded, _ = model.encode(speech, torch.tensor([speech.size(1)]))
        x = (encoded[0] if isinstance(encoded, tuple) else encoded)[0]
        states = {name: scorer.init_state(x) for name, scorer in search.scorers.items()}
        prefix = [search.sos]
        total = 0.0
        for token in [*ids, search.eos]:
            y = torch.tensor(prefix)
            for name, scorer in search.full_scorers.items():
                log_probs, states[name] = scorer.score(y, states[name], x)
                total += search.weights[name] * float(log_probs[token])
            for name, scorer in search.part_scorers.items():
                scores, state = scorer.score_partial(y, torch.tensor([token]), states[name], x)
                states[name] = scorer.select_state(state, 0)
                total += search.weights[name] * float(scores[0])
            prefix.append(token)
        return total


def same_answer(recogniser: Recogniser, samples: Array, ids: Sequence[int], want: Answer) -> str:
    """How our hypothesis compares with ESPnet's: "same", "tie" or "different"."""
    if tuple(ids) == want.ids:
        return "same"
    ours, theirs = recogniser.score(samples, ids), recogniser.score(samples, want.ids)
    return "tie" if abs(ours - theirs) <= TIE else "different"


def settings(live: Any) -> dict[str, Any]:
    """Search settings of a live `Speech2Text`, by the names of `parts.decoding.Decoding`.

    Empty for anything that has no beam search: a path, a bare model.

    Raises:
        InputError: it searches in a way that bundles do not.
    """
    search = getattr(live, "beam_search", None)
    if search is None:
        return {}
    # Searches other than the label-synchronous one have no weights; streaming's cuts it in blocks.
    if not hasattr(search, "weights") or hasattr(search, "set_streaming_config"):
        raise InputError(
            f"{type(live).__name__}: searches with {type(search).__name__}, which bundles do not:"
            " make it without time_sync, partial_ar and streaming"
        )
    weights = search.weights
    return {
        "beam_size": int(search.beam_size),
        "ctc_weight": float(weights["ctc"]),
        "lm_weight": float(weights["lm"]),
        "ngram_weight": float(weights["ngram"]),
        "penalty": float(weights["length_bonus"]),
        "normalize_length": bool(getattr(search, "normalize_length", False)),
        "maxlenratio": float(live.maxlenratio),
        "minlenratio": float(live.minlenratio),
        "nbest": int(live.nbest),
        "ctc_window_margin": int(getattr(search.part_scorers.get("ctc"), "window_margin", 0)),
    }
