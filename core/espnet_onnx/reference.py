"""ESPnet's own inference, as the thing to be equal to (needs torch and ESPnet)."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from .errors import InputError
from .espnet_classes import features_of, kept_settings
from .inference import inference
from .isolation import without_dropout
from .loader import Loaded
from .parts.batch import pad
from .types import Array, Component

__all__ = ["Answer", "Features", "Inputs", "Recogniser", "same_answer", "settings"]

# What an inference object is called with: one array, or several in the order of its arguments.
Inputs = Array | tuple[Array, ...]

# ANCHORS of the project: equal tokens, or a tie that ESPnet's own score cannot tell apart.
TIE = 1e-3


@attrs.frozen
class Answer:
    """ESPnet's best hypothesis of one recording, or of each of its speakers one after another.

    Attributes:
        text: with a line a speaker.
        score: the sum of theirs.
        speakers: how many hypotheses these are.
    """

    text: str | None
    ids: tuple[int, ...]
    score: float
    speakers: int = 1

    @classmethod
    def of(cls, results: Sequence[Any]) -> Answer:
        """The first of an n-best list, or of each of the lists that speakers have."""
        if not isinstance(results[0], list):
            text, _, ids, hypothesis = results[0]
            return cls(text, tuple(map(int, ids)), float(hypothesis.score))
        each = [cls.of(nbest) for nbest in results]
        texts = [answer.text for answer in each if answer.text is not None]
        return cls(
            "\n".join(texts) if len(texts) == len(each) else None,
            tuple(token for answer in each for token in answer.ids),
            sum(answer.score for answer in each),
            len(each),
        )


class _Handed(Exception):
    """Ends ESPnet's inference where its search would begin."""


class Recogniser:
    """ESPnet's own inference around a loaded model: `Speech2Text`, `Text2Text` and their like.

    It is what the model's task decodes with, so what it holds and takes is its own affair: here it
    is called with inputs as the bundle's runtime reads them. `score` needs its `beam_search`.

    Args:
        loaded: the model.
        decoding: settings by the names of `parts.decoding.Decoding`; those that this ESPnet's
            inference does not know are left out.
    """

    def __init__(self, loaded: Loaded, **decoding: Any) -> None:
        self.speech2text = inference(loaded, **decoding)

    def __call__(self, inputs: Inputs) -> Answer:
        """Recognise one example: (S,) samples at the model's rate, (L,) ids of a text, ..."""
        return Answer.of(self._results(inputs))

    def batch(self, samples: Sequence[Array]) -> list[Answer]:
        """Recognise many in one search (`Speech2Text.batch_decode`, ESPnet 202611 and newer)."""
        with without_dropout():
            nbests = self.speech2text.batch_decode(list(samples))
        return [Answer.of(nbest) for nbest in nbests]

    def _results(self, inputs: Inputs) -> Any:
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        with without_dropout():
            results = self.speech2text(*map(torch.as_tensor, given))
        # The standalone transducers' answers hypotheses, which it decodes when asked to.
        if results and hasattr(results[0], "yseq"):
            return self.speech2text.hypotheses_to_results(results)
        # Some answer (n-best, what they heard on the way).
        return results[0] if isinstance(results, tuple) else results

    @torch.no_grad()
    def score(self, inputs: Inputs, ids: Sequence[int]) -> float:
        """ESPnet's score of a given hypothesis, every scorer exact and without a beam.

        Mirrors what `BeamSearch.search` adds up along one hypothesis; where the search reads two
        sources, CTC scores the first of them, as in `BatchBeamSearch.score_partial`.
        """
        search = self.speech2text.beam_search
        x, pre_x = self._handed(inputs)
        heard = x if pre_x is None else pre_x
        second = () if pre_x is None else (pre_x,)
        states = {name: scorer.init_state(heard) for name, scorer in search.scorers.items()}
        prefix = [search.sos]
        total = 0.0
        for token in [*ids, search.eos]:
            y = torch.tensor(prefix)
            for name, scorer in search.full_scorers.items():
                sources = (x, *second) if "decoder" in name else (x,)
                log_probs, states[name] = _scored(scorer, y, states[name], sources)
                total += search.weights[name] * float(log_probs[token])
            for name, scorer in search.part_scorers.items():
                scores, state = scorer.score_partial(y, torch.tensor([token]), states[name], heard)
                states[name] = scorer.select_state(state, 0)
                total += search.weights[name] * float(scores[0])
            prefix.append(token)
        return total

    def _handed(self, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        """What inference hands to its search: (T, D), and a second source where it has two."""
        search = self.speech2text.beam_search
        seen: dict[str, Any] = {}

        def stop(_search: Any, args: Any, named: Any) -> None:
            seen.update(inspect.signature(search.forward).bind(*args, **named).arguments)
            raise _Handed

        hook = search.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with contextlib.suppress(_Handed):
                self._results(inputs)
        finally:
            hook.remove()
        return seen["x"], seen.get("pre_x")


class Features:
    """A live frontend by itself, or a live model that ESPnet takes features from.

    Args:
        component: with its live module.

    Raises:
        InputError: ESPnet's own model has no features to give.
    """

    def __init__(self, component: Component) -> None:
        self._features = component.module
        if component.role != "frontend":
            name = features_of(component.type)
            if name is None:
                raise InputError(
                    f"ESPnet takes no features from a model of the task {component.type}: compare"
                    " its graphs alone, without recordings"
                )
            self._features = getattr(component.module, name)

    def __call__(self, samples: Array) -> Array:
        """(S,) samples at the model's rate -> (T, D)."""
        return self.batch([samples])[0]

    @torch.no_grad()
    def batch(self, samples: Sequence[Array]) -> list[Array]:
        """Of many in one padded batch, as ESPnet trains."""
        speech, lengths = map(torch.from_numpy, pad(samples))
        with without_dropout():
            feats, *_, frames = self._features(speech, lengths)
        return [row[:n].numpy() for row, n in zip(feats, frames.tolist(), strict=True)]


def _scored(scorer: Any, y: Tensor, state: Any, sources: tuple[Tensor, ...]) -> Any:
    """One step of a scorer; some decoders only have the batched one."""
    try:
        return scorer.score(y, state, *sources)
    except NotImplementedError:
        log_probs, states = scorer.batch_score(y[None], [state], *(x[None] for x in sources))
        return log_probs[0], states[0]


def same_answer(recogniser: Recogniser, inputs: Inputs, ids: Sequence[int], want: Answer) -> str:
    """How our hypothesis compares with ESPnet's: "same", "tie" or "different".

    A tie takes ESPnet's score of one hypothesis of ours, so there is none between the answers of
    a decoder without a beam search, nor of several speakers, whose tokens follow each other.
    """
    if tuple(ids) == want.ids:
        return "same"
    search = getattr(recogniser.speech2text, "beam_search", None)
    if want.speakers > 1 or not hasattr(search, "scorers"):
        return "different"
    ours, theirs = recogniser.score(inputs, ids), recogniser.score(inputs, want.ids)
    return "tie" if abs(ours - theirs) <= TIE else "different"


def settings(live: Any) -> dict[str, Any]:
    """Search settings of a live inference object, by the names of `parts.decoding.Decoding`.

    Those of a search before the last one (`asr_beam_search`) carry its prefix (`asr_beam_size`).
    Without a beam search they are those that `espnet_classes` knows of; empty for anything that
    has no settings: a path, a bare model.

    Raises:
        InputError: it searches in a way that bundles do not.
    """
    kept = kept_settings(live)
    found = {**kept, **getattr(live, "decode_conf", {})}
    for name, search in getattr(live, "__dict__", {}).items():
        prefix = name.removesuffix("beam_search")
        # A search that keeps its settings its own way is no `BeamSearch`.
        if prefix != name and search is not None and (hasattr(search, "weights") or not kept):
            found |= {f"{prefix}{k}": v for k, v in _settings(live, search, prefix).items()}
    return found


def _settings(live: Any, search: Any, prefix: str) -> dict[str, Any]:
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
        "maxlenratio": float(getattr(live, f"{prefix}maxlenratio")),
        "minlenratio": float(getattr(live, f"{prefix}minlenratio")),
        "nbest": int(getattr(live, f"{prefix}nbest")),
        "ctc_window_margin": int(getattr(search.part_scorers.get("ctc"), "window_margin", 0)),
    }
