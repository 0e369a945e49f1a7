"""The words of the contract: Component, Part, Declined, Graph, Node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy.typing as npt

__all__ = ["Array", "Component", "Declined", "Feed", "Graph", "Node", "Part", "Quantise"]

Array = npt.NDArray[Any]
Feed = Mapping[str, Array]


@attrs.frozen
class Component:
    """One node of an ESPnet model, before anybody has claimed it.

    Attributes:
        name: unique among its siblings (`frontend_0`, `extra_asr_decoder`); the root's is "".
        role: what it does for its parent (`encoder`, `frontend`, ...).
        type: the name that ESPnet's config.yaml uses (`conformer`, `s3prl`, ...).
        conf: its `*_conf` mapping with ESPnet's defaults filled in; on the root, the whole config.
        module: the live `nn.Module`, None while only a config is known.
        given: what only the parent knows (`input_size`, `vocab_size`, `token_list`, ...).
        base: the folder in which file names of `conf` are resolved.
        companions: on the root, models that live in files of their own (`lm`, `vocoder`, ...).
    """

    name: str
    role: str
    type: str
    conf: Mapping[str, Any] = attrs.field(factory=dict)
    module: Any = attrs.field(default=None, repr=False)
    given: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    base: Path | None = None
    companions: Mapping[str, Component] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class Part:
    """A plugin's claim on a component.

    Attributes:
        kind: permanent name of the claim (`features.default`); written into bundles.
        children: name -> component that anyone may claim. Roles may repeat.
        config: JSON values that the runtime needs. May lack sizes while no module is live. Two
            keys move to the manifest: `decoding`, on the root, the default of every search
            setting that `load` then accepts and gives back in the node's config; and `limits`,
            name -> what the part cannot take (longest input, ...).
        files: name inside the bundle -> file to copy (tokenizer models, ...).
    """

    kind: str
    children: Mapping[str, Component] = attrs.field(factory=dict)
    config: Mapping[str, Any] = attrs.field(factory=dict)
    files: Mapping[str, Path] = attrs.field(factory=dict)


@attrs.frozen
class Declined:
    """A plugin's word that a component is its own, but this variant is not supported."""

    reason: str


@attrs.frozen
class Quantise:
    """Which nodes of a graph may become int8, and how.

    Attributes:
        op_types: node types that may become int8.
        exclude: regular expressions; a node whose name matches one stays in fp32.
        tolerance: largest accepted parity difference of the int8 graph, None for cosine only.
        cosine: smallest accepted cosine between int8 and reference outputs; of a calibrated graph
            on what its bundle gives it.
        calibrate: fix the ranges of activations at export, by what the graph hears when its bundle
            runs, where they are otherwise measured at every run. What is fixed may not fit other
            inputs, so this is done only where an export asks for it (`static_int8`).
    """

    op_types: Sequence[str] = ("MatMul",)
    exclude: Sequence[str] = ()
    tolerance: float | None = None
    cosine: float = 0.99
    calibrate: bool = False


@attrs.frozen
class Graph:
    """One ONNX file to be.

    Attributes:
        module: export-friendly `nn.Module` over the live weights, in eval mode. The names of its
            `forward` parameters are the input names of the graph (of a `forward(self, *tensors)`
            the module's own `input_names`); it returns a tensor or a tuple.
        outputs: names of what `forward` returns, in order.
        axes: for every input and output, and what else of a feed is cut to one utterance, the
            names of its axes; None is a fixed size. The axis `batch` counts utterances.
        lengths: axis name -> the input or output, shape (batch,), that holds its valid sizes.
        feed: makes inputs for the given lengths, one per utterance (its unit is the graph's own:
            samples, frames, ...). Names that are not inputs of `module` reach only `reference`.
        reference: the same inputs, cut to one utterance (batch 1, no padding), through the
            untouched live ESPnet module; returns `outputs` by name, batch 1.
        trials: the lengths to export and check with; two or more of different batch and length.
        rate: how many units of length make a second of audio; None where there is no such thing.
        tolerance: largest accepted max|a-b| / max(1, max|b|) in fp32.
        quantise: how int8 is made; None keeps the graph in fp32.
    """

    module: Any = attrs.field(repr=False)
    outputs: Sequence[str]
    axes: Mapping[str, Sequence[str | None]]
    feed: Callable[[Sequence[int]], Feed]
    reference: Callable[[Feed], Feed]
    trials: Sequence[Sequence[int]]
    lengths: Mapping[str, str] = attrs.field(factory=dict)
    rate: float | None = None
    tolerance: float = 1e-4
    quantise: Quantise | None = attrs.field(factory=Quantise)

    @property
    def feeds(self) -> list[Feed]:
        """Inputs for every trial, in order."""
        return [self.feed(lengths) for lengths in self.trials]


@attrs.frozen
class Node:
    """A part as the bundle remembers it: JSON values and relative paths only.

    Attributes:
        path: dotted names from the root ("" for the root, "encoder", "frontend.upstream").
        kind: the claim's permanent name.
        plugin: entry-point name of the plugin that made the claim.
        config: the part's config, now complete.
        graphs: names of the ONNX graphs that `open_session` accepts.
        files: name -> absolute path of a file that travelled with the part.
        children: name -> node.
    """

    path: str
    kind: str
    plugin: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    graphs: Sequence[str] = ()
    files: Mapping[str, Path] = attrs.field(factory=dict)
    children: Mapping[str, Node] = attrs.field(factory=dict)
