"""Two models, the same numbers? The rules are those of `agreement`."""

from __future__ import annotations

from .agreement import TOLERANCE, Comparison, OutputComparison, Rule, compare_outputs
from .compare import check, compare, inputs_that_run, verify
from .inputs import TensorInfo, inputs_of, random_inputs

__all__ = [
    "TOLERANCE",
    "Comparison",
    "OutputComparison",
    "Rule",
    "TensorInfo",
    "check",
    "compare",
    "compare_outputs",
    "inputs_of",
    "inputs_that_run",
    "random_inputs",
    "verify",
]
