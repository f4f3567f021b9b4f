"""What generalized linear models of spikes cost: `features.glm` against NeMoS and scikit-learn on the same predictors.

The spikes of every cell are drawn from a model with a current filter and a spike-history filter, under three sweeps of noise,
39 s in all; 10 + 8 predictors at 1 ms. NeMoS may live in an environment of its own. Run it as

    python benchmarks/glm.py [--cells 64] [--nemos PYTHON] [--rescaled 2000] [--study DIR [--scale ci]]
    python benchmarks/glm.py --reference FILE --nemos PYTHON                writes what the tests compare with
"""

from __future__ import annotations

import os

# one thread, as a task has; before numpy is imported
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

FIT, FIT_BEYOND = 6.0, 1.5
VALIDATION, VALIDATION_BEYOND = 120.0, 30.0
RIDGE, RIDGES = 1e-4, (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
SWEEP, SWEEPS = 13_000, 3
#: The least of so many: other work on the machine only adds to it.
ROUNDS = 3
#: Rejections of the KS test, %, and of how many cells they are wanted; and R2 on held-out cells: target and beyond.
LEVEL, SAMPLE = (3.0, 7.0), 200
RECOVERED, RECOVERED_BEYOND = {"gM": 0.8}, {"gM": 0.95, "gNa": 0.85}
#: What each of them is recovered from.
FEATURES = {"GLM alone": ["glm_coef"], "voltage alone": ["efel"], "GLM plus voltage": ["glm_coef", "efel"]}


def noise(seed: int, n: int) -> np.ndarray:
    """Noise with a time constant of 5 ms around a slow wave, pA."""
    white = np.random.default_rng(seed).normal(size=n + 50)
    wave = 60 * np.sin(2 * np.pi * np.arange(n) / 4000)
    return 100 + wave + 40 * np.convolve(white, np.exp(-np.arange(50) / 5), mode="same")[50:]


def drawn(current: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Spike counts of one cell, with this rate at the mean current."""
    from hpcsim.stages.features.glm.simulation import simulate

    random = np.random.default_rng(seed)
    stimulus = random.uniform(4e-4, 8e-4) * np.exp(-np.arange(200) / random.uniform(8, 25))
    history = -random.uniform(2, 5) * np.exp(-np.arange(100) / random.uniform(5, 30))
    drive = np.log(rate / 1000) + np.convolve(current - current.mean(), stimulus)[: len(current)]
    found = simulate(drive, history, np.empty(0, int), 10**9, random)
    return np.bincount(found.spikes, minlength=len(current)).astype(float)


def rescaling(cells: int, rates: tuple[float, ...] = (20.0, 40.0, 80.0)) -> None:
    """Rejections of the test on spikes that were drawn from the very model, beside the plain test."""
    from hpcsim.stages.features.glm.rescaling import ks_test, rescaled_intervals
    from hpcsim.stages.features.glm.simulation import simulate

    current = noise(1, SWEEP)
    stimulus = 6e-4 * np.exp(-np.arange(200) / 15)
    history = -4 * np.exp(-np.arange(100) / 8)
    shape = np.convolve(current - current.mean(), stimulus)[:SWEEP]
    for rate in rates:
        drive = shape + np.log(rate / 1000)
        # history lowers the rate: raise the drive until the wanted rate is there
        for _ in range(10):
            got = len(simulate(drive, history, np.empty(0, int), 10**9, np.random.default_rng(0)).spikes) * 1000 / SWEEP
            drive = drive + np.log(rate / got)
        rejected, plain, spikes = np.zeros(cells, bool), 0, 0
        for seed in range(cells):
            random = np.random.default_rng([seed, int(rate)])
            run = simulate(drive, history, np.empty(0, int), 10**9, random)
            counts = np.bincount(run.spikes, minlength=SWEEP)
            rejected[seed] = ks_test(rescaled_intervals([(counts, run.rates)], random))[1] < 0.05
            plain += ks_test(np.diff(np.cumsum(run.rates)[run.spikes]))[1] < 0.05
            spikes += len(run.spikes)
        share, error = 100 * rejected.mean(), 100 * rejected.std() / np.sqrt(cells)
        samples = rejected[: cells // SAMPLE * SAMPLE].reshape(-1, SAMPLE).sum(axis=1)
        within = sum(LEVEL[0] * SAMPLE <= 100 * sample <= LEVEL[1] * SAMPLE for sample in samples)
        verdict = "reached" if LEVEL[0] <= share <= LEVEL[1] else "missed"
        print(
            f"KS test at {spikes / cells / SWEEP * 1000:.0f} Hz: {share:.1f} +- {error:.1f} % of {cells} cells rejected, ", end=""
        )
        print(
            f"target {LEVEL[0]:g} to {LEVEL[1]:g} %: {verdict}; within it are {within} of {len(samples)} samples of {SAMPLE} ",
            end="",
        )
        print(f"cells; plain time rescaling {100 * plain / cells:.1f} %")


def recovery(folder: Path, scale: str) -> None:
    """R2 of conductances in cells held out, by ridge regression on what a cell gives."""
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import hpcsim

    with hpcsim.Study.load("glm_voltage", scale=scale).run("local", folder) as results:
        tables = {name: results.features(of) for name, of in FEATURES.items()}
        theta = results.theta(list(RECOVERED_BEYOND))
    whole = np.isfinite(tables["GLM plus voltage"].to_numpy(float)).all(axis=1)
    ids = tables["GLM plus voltage"].index[whole]
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
    for name, table in tables.items():
        predicted = cross_val_predict(
            model, table.loc[ids].to_numpy(float), theta.loc[ids], cv=KFold(10, shuffle=True, random_state=1)
        )
        r2 = dict(zip(theta.columns, r2_score(theta.loc[ids], predicted, multioutput="raw_values"), strict=True))
        print(
            f"{name}, {len(ids)} of {len(whole)} cells that fire, ten folds: R2 "
            + ", ".join(f"{k} {v:.2f}" for k, v in r2.items())
        )
    reached = all(r2[of] >= least for of, least in RECOVERED.items())
    beyond = all(r2[of] >= least for of, least in RECOVERED_BEYOND.items())
    print(f"target {RECOVERED}, beyond {RECOVERED_BEYOND}: {'beyond' if beyond else 'reached' if reached else 'missed'}")


def problem(cells: int) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Scaled predictors and counts of every cell, and CPU seconds to make the predictors, at least."""
    current = np.concatenate([noise(seed, SWEEP) for seed in range(SWEEPS + 1)])
    labels = np.repeat(np.arange(1, SWEEPS + 2), SWEEP)
    rates = np.random.default_rng(1).uniform(5, 40, cells)
    counts = [drawn(current, rate, seed) for seed, rate in enumerate(rates)]
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        predictors, seen = designed(current, labels, counts)
        spent.append(time.process_time() - began)
    return predictors, seen, min(spent)


def designed(current: np.ndarray, labels: np.ndarray, counts: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scaled predictors and counts of every cell in the training bins."""
    from hpcsim.stages.features.glm.basis import raised_cosines
    from hpcsim.stages.features.glm.design import Design, Stimulus
    from hpcsim.stages.features.glm.epochs import find_epochs, split

    stimulus = Stimulus("", current, split("", find_epochs("", labels), current, (SWEEPS + 1.0,), 200), raised_cosines(10, 200))
    basis = raised_cosines(8, 100)
    predictors = []
    for own in counts:
        predictors.append(Design([stimulus.filtered, stimulus.history(own, basis)]).select(stimulus.split.slices("train")))
    return predictors, [stimulus.split.select("train", own) for own in counts]


def sklearn_fits(predictors: list[np.ndarray], counts: list[np.ndarray]) -> float:
    from sklearn.linear_model import PoissonRegressor

    # imports and the first call are not counted
    PoissonRegressor(alpha=RIDGE, solver="newton-cholesky").fit(predictors[0][1:, :500].T, counts[0][:500])
    began = time.process_time()
    for x, y in zip(predictors, counts, strict=True):
        PoissonRegressor(alpha=RIDGE, solver="newton-cholesky", tol=1e-9).fit(x[1:].T, y)
    return time.process_time() - began


def nemos_fits(file: Path) -> None:
    """Fit everything in a file with NeMoS; prints JSON. Runs where NeMoS is installed."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import nemos

    stored = np.load(file, allow_pickle=False)
    found: dict[str, Any] = {"coef": [], "intercept": [], "cpu": [], "version": version("nemos")}
    for k in range(int(stored["n"])):
        x, y = stored[f"x{k}"], stored[f"y{k}"]
        began = time.process_time()
        model = nemos.glm.GLM(
            regularizer="Ridge",
            regularizer_strength=float(stored["ridge"]),
            solver_name="LBFGS",
            solver_kwargs={"tol": 1e-12, "maxiter": 1000},
        ).fit(x[1:].T, y)
        found["cpu"].append(time.process_time() - began)
        found["coef"].append(np.asarray(model.coef_).tolist())
        found["intercept"].append(float(np.asarray(model.intercept_)[0]))
        for kind in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
            found.setdefault(kind, []).append(float(model.score(x[1:].T, y, score_type=kind)))
    found["basis"] = np.asarray(nemos.basis.RaisedCosineLogEval(5).evaluate_on_grid(40)[1]).T.tolist()
    print(json.dumps(found))


def ask_nemos(python: str, predictors: list[np.ndarray], counts: list[np.ndarray], ridge: float) -> dict[str, Any]:
    """The same fits in the environment of NeMoS."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "problem.npz")
        arrays = {f"x{k}": x for k, x in enumerate(predictors)} | {f"y{k}": y for k, y in enumerate(counts)}
        np.savez(file, n=len(counts), ridge=ridge, **arrays)
        done = subprocess.run([python, __file__, "--fit", str(file)], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def objective(x: np.ndarray, y: np.ndarray, coef: np.ndarray, ridge: float) -> float:
    log_rate = coef @ x
    return float(np.mean(np.exp(log_rate) - y * log_rate) + ridge / 2 * np.sum(coef[1:] ** 2))


def reference(file: Path, python: str) -> None:
    """A small problem and what NeMoS makes of it."""
    from hpcsim.stages.features.glm.basis import raised_cosines
    from hpcsim.stages.features.glm.design import Design, filtered_spikes, scaled

    current = np.round(noise(1, 4000), 1)
    counts = drawn(current, 25.0, 5)
    train = [slice(60, 4000)]
    filtered = scaled(np.array([np.convolve(current, row)[:4000] for row in raised_cosines(6, 60)]), train)
    design = Design([filtered, scaled(filtered_spikes(counts, raised_cosines(5, 40)), train)])
    found = ask_nemos(python, [design.select(train)], [counts[60:]], 1e-3)
    stored = {"nemos": found["version"], "ridge": 1e-3, "current": current.tolist(), "spikes": np.flatnonzero(counts).tolist()}
    stored |= {"coef": [found["intercept"][0], *found["coef"][0]], "basis": found["basis"]}
    kinds = ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen")
    file.write_text(json.dumps(stored | {kind: found[kind][0] for kind in kinds}) + "\n")


def main(cells: int, python: str, peers: int, rescaled: int, folder: Path, scale: str) -> None:
    from hpcsim.stages.features.glm.epochs import Piece
    from hpcsim.stages.features.glm.newton import fit_poisson
    from hpcsim.stages.features.glm.validation import folds, validate

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    print(f"{processor}; Python {platform.python_version()}, numpy {version('numpy')}, scikit-learn {version('scikit-learn')}")
    predictors, counts, preparing = problem(cells)
    n = len(counts[0])
    print(f"{cells} cells, {n} bins, {len(predictors[0]) - 1} predictors, {min(c.sum() for c in counts):.0f} to ", end="")
    print(f"{max(c.sum() for c in counts):.0f} spikes")
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        fits = [fit_poisson(x, y, RIDGE) for x, y in zip(predictors, counts, strict=True)]
        spent.append(time.process_time() - began)
    own = preparing + min(spent)
    verdict = "beyond" if own <= FIT_BEYOND else "reached" if own <= FIT else "missed"
    print(
        f"hpcsim: {own:.2f} CPU-s, {preparing:.2f} of them for predictors; all converged: {all(fit.converged for fit in fits)}; ",
        end="",
    )
    print(f"target {FIT:g}, beyond {FIT_BEYOND:g}: {verdict}")
    other = min(sklearn_fits(predictors, counts) for _ in range(ROUNDS))
    print(f"scikit-learn, newton-cholesky: {other:.2f} CPU-s, {other / (own - preparing):.1f} times the fits of hpcsim")
    if python:
        found = ask_nemos(python, predictors[:peers], counts[:peers], RIDGE)
        least = [objective(x, y, fit.coef, RIDGE) for x, y, fit in zip(predictors, counts, fits, strict=True)]
        theirs = [np.array([a, *b]) for a, b in zip(found["intercept"], found["coef"], strict=True)]
        worst = max(abs(objective(x, y, b, RIDGE) - a) for x, y, a, b in zip(predictors, counts, least, theirs, strict=False))
        each = float(np.mean(found["cpu"]))
        print(f"NeMoS {found['version']}: {each:.2f} CPU-s a cell ({peers} fitted), {each * cells:.1f} for {cells}: ", end="")
        print(f"{each * cells / own:.0f} times; objectives differ by {worst:.1e} at most (target 1e-6)")
    else:
        print("NeMoS is not installed here; name the Python of its environment with --nemos")
    began = time.process_time()
    blocks = folds([Piece(k * n // SWEEPS, (k + 1) * n // SWEEPS, k * n // SWEEPS) for k in range(SWEEPS)], 5, 200)
    for x, y in zip(predictors, counts, strict=True):
        validate(x, y, RIDGES, blocks)
    spent = time.process_time() - began
    verdict = "beyond" if spent <= VALIDATION_BEYOND else "reached" if spent <= VALIDATION else "missed"
    print(f"5 blocks x {len(RIDGES)} ridges x {cells} cells: {spent:.1f} CPU-s; target {VALIDATION:g}, ", end="")
    print(f"beyond {VALIDATION_BEYOND:g}: {verdict}")
    if python:
        print(f"NeMoS for as many fits, from the same {peers} cells: {each * len(RIDGES) * 5 * cells / 60:.0f} CPU-min; ", end="")
        print("it has no test of goodness of fit")
    # an exact test misses the target in one of four samples of 200 cells: its level needs more of them
    rescaling(rescaled)
    recovery(folder, scale)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--nemos", default=sys.executable if find_spec("nemos") else "", help="Python of its environment")
    parser.add_argument("--peers", type=int, default=8, help="cells that NeMoS fits")
    parser.add_argument("--rescaled", type=int, default=2000, help="cells of the KS test, whose spikes are drawn from the model")
    parser.add_argument("--study", type=Path, default=Path("runs/glm_voltage"), help="where the study glm_voltage is, or goes")
    parser.add_argument("--scale", default="", help="of that study: ci takes minutes, the whole one a quarter of an hour of CPU")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fit:
        nemos_fits(given.fit)
    elif given.reference:
        reference(given.reference, given.nemos)
    else:
        main(given.cells, given.nemos, given.peers, given.rescaled, given.study, given.scale)
