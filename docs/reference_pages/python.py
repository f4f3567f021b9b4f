"""The Python API: what users and authors of plug-ins import, each with its docstring."""

from __future__ import annotations

from importlib import import_module
from inspect import isclass
from typing import NamedTuple

from reference_pages.markdown import page


class Group(NamedTuple):
    """Names that stand together on the page, and a sentence about them."""

    title: str
    about: str
    names: tuple[str, ...]


def _all(module: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in import_module(module).__all__)


def groups() -> list[Group]:
    """What the page shows, in its order."""
    study = ("hpcsim.Study", "hpcsim.open")
    errors = ("hpcsim.HpcsimError",)
    return [
        Group("Study", "A study, and the results of one.", study),
        Group("Results", "What `study.run()` and `hpcsim.open` give.", ("hpcsim.collector.results.Results",)),
        Group(
            "Models and stages of your own",
            "`import hpcsim` has all of them.",
            tuple(name for name in _all("hpcsim") if name not in {*study, *errors}),
        ),
        Group("A program as a model", "One that nobody may change.", ("hpcsim.models.program.run_program",)),
        Group(
            "Mechanisms and neurons of your own",
            "Mod files and NESTML, compiled once and kept; see [a NEURON script](../../how-to/neuron_script.md) and "
            "[NESTML](../../how-to/nestml.md).",
            (
                "hpcsim.models.neuron.nmodl.mechanisms.load",
                "hpcsim.models.neuron.nmodl.mechanisms.library",
                "hpcsim.models.neuron.nmodl.mechanisms.empty_session",
                "hpcsim.models.nest.nestml.load",
                "hpcsim.models.nest.nestml.library",
            ),
        ),
        Group("Figures", "`from hpcsim import plot`.", _all("hpcsim.plot")),
        Group(
            "Inference",
            "Posteriors and regressions that a study left, and what a method of your own is made of.",
            (
                "hpcsim.inference.npe.posterior.load_posterior",
                "hpcsim.inference.npe.posterior.Posterior",
                "hpcsim.inference.load_regression",
                "hpcsim.inference.method",
                "hpcsim.inference.Method",
                "hpcsim.inference.Finding",
            ),
        ),
        Group(
            "Samplers of your own",
            "A class with two methods.",
            (
                *("hpcsim.samplers.Sampler", "hpcsim.samplers.sampler", "hpcsim.samplers.SearchProblem"),
                *("hpcsim.samplers.Variable", "hpcsim.samplers.Suggestion", "hpcsim.samplers.Result"),
            ),
        ),
        Group(
            "Executors of your own",
            "A function that takes a job.",
            ("hpcsim.scheduler.executor.executor", "hpcsim.scheduler.executor.Job"),
        ),
        Group("Checks for authors", "What tells whether a plug-in keeps its contract.", _all("hpcsim.testing")),
        Group(
            "Cells of your own",
            "Neurons in NEURON to fit, and equations in Brian2.",
            (
                "hpcsim.models.neuron.l5pc.fitted.FittedCell",
                "hpcsim.models.neuron.morphology.cell.Cell",
                "hpcsim.models.brian2.own_cells.injected_cell",
                "hpcsim.models.brian2.own_equations.CellEquations",
                "hpcsim.evaluation.bluepyopt.read",
            ),
        ),
        Group(
            "Recordings and public data",
            "In and out.",
            ("hpcsim.recordings.export.formats.export", "hpcsim.recordings.glm_table.glm_table", "hpcsim.data.public.fetch"),
        ),
        Group("Errors", "The rest of the tree is on the page of [errors](errors.md).", errors),
    ]


def found(name: str) -> object:
    """What a dotted name leads to."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def python() -> str:
    """The page of the Python API."""
    parts = []
    for group in groups():
        parts.append(f"## {group.title}\n\n{group.about}")
        parts += [_directive(name) for name in group.names]
    return page("Python", "What is not on this page may change without a word.", *parts)


def _directive(name: str) -> str:
    what = found(name)
    kind = "autoclass" if isclass(what) else "autofunction"
    # members that a class inherits from Python's own are no part of it
    options = "\n   :members:" if isclass(what) else ""
    # names that `hpcsim` hands out are documented under the name that users write
    return f"```{{eval-rst}}\n.. {kind}:: {name}{options}\n```"
