"""Inference: from results to model parameters, one file a method."""

from __future__ import annotations

from hpcsim.inference.fitted import Regression, load_regression
from hpcsim.inference.method import Finding, Method, Options, ResultsLike, Simulate, get_method, method, method_names

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
