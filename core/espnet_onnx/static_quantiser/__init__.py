"""Static int8: the ranges of activations are calibrated once, at export.

`heard` are inputs that a graph gets while its bundle runs; on these `quantise` measures ranges and
writes the graph in QDQ form, and `Agreement` says how much of a signal is left.
"""

from .agreement import Agreement, snr, split
from .hearing import check_request, heard
from .writer import quantise

__all__ = ["Agreement", "check_request", "heard", "quantise", "snr", "split"]
