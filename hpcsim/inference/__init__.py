"""Inference: from results to model parameters, one file a method."""

from __future__ import annotations

from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, Simulate
from hpcsim.inference.method import Method, get_method, method, method_names
from hpcsim.inference.regression.fitted import Regression, load_regression

__all__ = [
    "Finding",
    "Method",
    "Options",
    "Regression",
    "ResultsLike",
    "Simulate",
    "get_method",
    "load_regression",
    "method",
    "method_names",
]
