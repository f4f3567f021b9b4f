"""The stage ``features.glm``: models of spikes on injected current, as numbers of each point."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.features.glm.cell import NUMBERS, PARTS, SCORES, Cell
from hpcsim.stages.features.glm.record import NAME, Record
from hpcsim.stages.stage import stage

_PILLOW = "Pillow et al. (2008) Nature 454:995-999"
OPTIONS = (
    Parameter("of", "spike_times", description="times of the spikes, ms"),
    Parameter("current", "current", description="the injected current, pA, as a function of time"),
    Parameter("epochs", "epoch", description='number of the epoch of each sample of the current, 0 for none; "" for one record'),
    Parameter("voltage", "", description='the voltage, mV, which tells a depolarisation block; "" for none'),
    Parameter("name", "glm", description="first part of the names of the outputs"),
    Parameter("models", ("instantaneous", "current", "history"), description="which models, from the plainest on"),
    Parameter("bin", 1.0, "ms", (1e-3, None), description="width of a bin"),
    Parameter("window", 200.0, "ms", (0.0, None), description="length of the current filter", source=_PILLOW),
    Parameter("n_current", 10, bounds=(2, 100), description="raised cosines of the current filter"),
    Parameter("history", 100.0, "ms", (0.0, None), description="length of the spike-history filter", source=_PILLOW),
    Parameter("n_history", 8, bounds=(2, 100), description="raised cosines of the spike-history filter"),
    Parameter("ridge", (1e-4,), bounds=(0.0, None), description="on scaled coefficients; of several, cross-validation chooses"),
    Parameter("folds", 5, bounds=(2, 100), description="blocks of the cross-validation"),
    Parameter("test", (), description="numbers of the epochs that are held out; none: those with the stimulus of the last"),
    Parameter("train_share", 0.75, bounds=(0.05, 0.95), description="of a record without epochs"),
    Parameter("fewest_spikes", 10, bounds=(1, None), description="cells with fewer in the training epochs are silent"),
    Parameter("simulations", 20, bounds=(0, 10_000), description="runs of the fitted model for each held-out epoch"),
    Parameter("runaway", 5.0, bounds=(1.0, None), description="times the spikes of the cell from which a run is a runaway"),
    Parameter("smooth", 10.0, "ms", (1e-3, None), description="Gaussian that makes rates of spikes, for the noise ceiling"),
    Parameter("block_level", -40.0, "mV", description="at or above it, a membrane is depolarised"),
    Parameter("block_time", 100.0, "ms", (0.0, None), description="shortest depolarisation without a break that is a block"),
    Parameter("seed", 1, bounds=(0, None), description="of what is drawn in tests and simulations"),
)
_DESCRIPTIONS = {
    "log_likelihood": "per bin, natural units",
    "bits_per_spike": "gain over the mean rate of the training epochs",
    "mcfadden": "pseudo-R2 of log-likelihoods",
    "cohen": "pseudo-R2 of deviances",
    "ks_distance": "of rescaled interspike intervals from the exponential distribution, held-out epochs",
    "ks_p": "probability of a larger distance if the model were right",
    "ridge": "that was used",
    "iterations": "of Newton's method",
    "converged": "1 where the optimum was found",
    "separated": "1 where a predictor separates spikes from silence: without ridge there is no optimum",
    "rate_error": "of the simulated model in held-out epochs, relative to the cell",
    "runaways": "share of simulations",
    "correlation": "of the simulated model's rate with the mean response to the held-out stimulus",
}
_FLAGS = {"converged": "int8", "separated": "int8", "iterations": "int16"}


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Coefficients and filters of the last model, scores of all, and flags."""
    record, name = Record.of(options, layout), options["name"]
    model, part, term, lag, past = f"{name}_model", f"{name}_part", f"{name}_term", f"{name}_lag", f"{name}_history_lag"
    outputs = [
        Output(f"{name}_coef", (term,), description="offset (log of 1/s), and coefficients in 1/pA and of spikes"),
        Output(f"{name}_se", (term,), description="standard errors of the coefficients"),
        Output(f"{name}_current_filter", (lag,), "1/pA", description="gain of the log rate a bin of current"),
        Output(f"{name}_history_filter", (past,), description="gain of the log rate after a spike"),
        *(Output(f"{name}_{score}", (model, part), description=_DESCRIPTIONS[score]) for score in SCORES),
        *(Output(f"{name}_{of}", (model,), "", _FLAGS.get(of, "float64"), description=_DESCRIPTIONS[of]) for of in NUMBERS),
        Output(f"{name}_noise_ceiling", description="largest correlation with the mean response to the held-out stimulus"),
        Output(f"{name}_n_spikes", (part,), dtype="int32", description="spikes in usable bins"),
        Output(f"{name}_silent", dtype="int8", description="1 where there are too few spikes to fit"),
        Output(f"{name}_blocked", dtype="int8", description="1 where the membrane stays depolarised; -1 without a voltage"),
        Output(f"{name}_valid", dtype="int8", description="1 where every model was fitted and converged"),
    ]
    coordinates = {
        model: Coordinate(np.array(options["models"])),
        part: Coordinate(np.array(PARTS)),
        term: Coordinate(np.array(record.terms)),
        lag: Coordinate(record.bin * np.arange(record.current_basis.shape[1]), "ms"),
        past: Coordinate(record.bin * (1 + np.arange(record.history_basis.shape[1])), "ms"),
    }
    return Layout.of([output for output in outputs if output.name != f"{name}_history_filter" or record.has_history], coordinates)


@stage(NAME, options=OPTIONS, declare=_declare, source=f"{_PILLOW}; Haslinger et al. (2010) Neural Comput 22:2477-2506")
def glm(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Generalized linear models of spikes on the injected current and on earlier spikes.

    The log of the expected count in a bin is an offset plus, in the model ``instantaneous``, the current of the bin; in
    ``current``, the current through a filter of raised cosines on a logarithmic axis; in ``history``, earlier spikes through
    such a filter as well. The last of option ``models`` gives coefficients and filters. Epochs are held out as a whole, and the
    first bins of every epoch, as many as the longest filter has, are neither fitted nor scored.

    Parameters
    ----------
    data : mapping
        Ragged spike times, ms, on the clock of the current; the current, shape (n_points, n_time), pA; epochs of the same
        shape; and the voltage, mV, if option ``voltage`` names it.
    options : mapping
        As declared.
    context : Context
        Its layout tells the times.

    Returns
    -------
    dict of str to ndarray
        As declared; each begins with option ``name``. NaN where a cell is silent. A held-out epoch without spikes has no bits per
        spike and no pseudo-R2.

    Raises
    ------
    ResultsError
        If a current is not finite or constant, spikes are outside of the record, or epochs leave nothing to train or test.
    """
    record, name = Record.of(options, context.layout), options["name"]
    n = len(data[options["of"]])
    declared = _declare(options, context.layout)
    found: dict[str, Any] = {output: declared.blank(output, n) for output in declared.outputs}
    told = time.monotonic()
    stimuli: dict[bytes, Any] = {}
    for i in range(n):
        cell = record.cell(data, i, stimuli)
        for output, value in _values(record, cell, options).items():
            found[f"{name}_{output}"][i] = value
        found[f"{name}_blocked"][i] = record.blocked(data, i)
        if time.monotonic() - told > 1.0:
            context.progress(i / n)
            told = time.monotonic()
    return found


def _values(record: Record, cell: Cell, options: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of one cell."""
    values: dict[str, Any] = {"n_spikes": cell.spikes, "silent": cell.silent, "noise_ceiling": cell.ceiling()}
    if cell.silent:
        return values
    fitted = [cell.fit(model) for model in options["models"]]
    values |= dict(zip(SCORES, np.stack([model.scores() for model in fitted], axis=1), strict=True))
    numbers = [model.numbers() for model in fitted]
    values |= {of: [each[of] for each in numbers] for of in NUMBERS}
    last = fitted[-1]
    per_second = np.zeros(len(last.coef))
    per_second[0] = np.log(record.bin / 1000)
    values |= {"coef": last.coef - per_second, "se": last.errors, "valid": all(model.fit.converged for model in fitted)}
    basis = record.current_basis if last.model != "instantaneous" else np.ones((1, 1))
    values["current_filter"] = last.coef[1 : 1 + len(basis)] @ basis
    if record.has_history:
        values["history_filter"] = last.coef[1 + len(basis) :] @ record.history_basis
    return values
