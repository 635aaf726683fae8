"""Write the tables that hold `ptft.tune` against the best of its candidates and against its peers.

    python book/tools/tuning_table.py simulated    random tasks, in about four minutes
    python book/tools/tuning_table.py diabetes     scikit-learn's data on 442 patients, in about one

They go to `ptft/companion/results/tuning_*.csv`, one row a draw. Peers are scikit-learn's lasso and
ridge regression, with their regularisation by cross-validation, and an adaptive lasso that gets the
same pretrained coefficients, its offset by cross-validation too.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, RidgeCV

import ptft
from ptft.sweeps import provenance
from ptft.training.tuning import Search

RESULTS = Path(__file__).resolve().parents[2] / "ptft" / "companion" / "results"
N_DIMS, N_DRAWS, SEED = 500, 6, 15
ALPHAS, OVERLAPS, NOISES = (0.1, 0.2, 0.3), (0.5, 0.9), (0.0, 0.2)
OFFSETS = (0.01, 0.1, 0.3, 1.0)  # of the adaptive lasso's weights
RIDGES = np.geomspace(1e-4, 1e4, 41)
N_FINE_TUNING, N_SPLITS = 40, 15


def lasso(X, y, intercept=False):
    """Return the coefficients of a cross-validated lasso, its constant and its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = LassoCV(fit_intercept=intercept, cv=5, max_iter=5000).fit(X, y)
    return fit.coef_, float(fit.intercept_), fit.mse_path_.mean(axis=-1).min()


def adaptive_lasso(X, y, beta_pt, intercept):
    """Return the coefficients of a lasso with weights 1 / (|beta_pt| + offset)."""
    size, fits = np.sqrt(np.mean(beta_pt[beta_pt != 0.0] ** 2)), []
    for offset in OFFSETS:
        factor = np.abs(beta_pt) / size + offset
        beta, constant, error = lasso(X * factor, y, intercept)
        fits.append((error, factor * beta, constant))
    return min(fits, key=lambda fit: fit[0])[1:]


def peers(X, y, beta_pt, intercept=False):
    """Return coefficients and constant of all peers."""
    ridge = RidgeCV(RIDGES, fit_intercept=intercept).fit(X, y)
    return {
        "lasso": lasso(X, y, intercept)[:2],
        "ridge": (ridge.coef_, float(ridge.intercept_)),
        "adaptive lasso": adaptive_lasso(X, y, beta_pt, intercept),
    }


def simulated(n_draws):
    """Compare errors on random tasks, with those of the best candidate of the grid."""
    rows = []
    cases = [(a, o, v) for a in ALPHAS for o in OVERLAPS for v in NOISES]
    for draw in range(n_draws):
        for i, case in enumerate(cases):
            rows.append(_simulated(np.random.default_rng([SEED, draw, i]), *case))
            print(rows[-1], flush=True)
    return pd.DataFrame(rows), f"D = {N_DIMS}, {n_draws} draws, seed {SEED}"


def _simulated(rng, alpha, overlap, noise):
    task = ptft.Task(0.1, 0.1, overlap)
    beta_pt, teacher = task.sample_teachers(N_DIMS, rng)
    X = ptft.sample_inputs(int(alpha * N_DIMS), N_DIMS, rng)
    y = ptft.noisy_labels(X, teacher, noise, rng)
    used = time.process_time()
    search = Search(X, y, beta_pt)  # `ptft.tune`, with all that it tries
    tuned = search.run(np.array([0.0] if noise == 0.0 else [0.0, 0.1, 0.5]))
    used = time.process_time() - used
    best = ptft.best_initialization(task, alpha, noise).init
    found = {name: beta for name, (beta, _) in peers(X, y, beta_pt).items()}
    found["tuned"] = tuned.beta
    found["default"] = _fine_tuned(X, y, beta_pt, ptft.Initialization(1e-3, 0.0, 0.0))
    found["theory"] = _fine_tuned(X, y, beta_pt, best)
    errors = {name: np.mean((beta - teacher) ** 2) for name, beta in found.items()}
    errors["oracle"] = min(np.mean((one.beta - teacher) ** 2) for one in search.found.values())
    row = {"alpha": alpha, "overlap": overlap, "noise": noise, "predicted": tuned.predicted_error}
    return row | errors | {"seconds": used}


def _fine_tuned(X, y, beta_pt, init):
    return ptft.implicit_bias(X, y, ptft.sqrt_k(beta_pt, init), tolerance=1e-8).beta


def diabetes(n_splits):
    """Compare squared errors for new patients: pretrained on one sex, fine-tuned on the other."""
    X, y, second = _patients()
    rows = []
    for split in range(n_splits):
        for sex in (False, True):
            rows.append({"fine_tuned_on": int(sex)} | _split(X, y, second == sex, split))
            print(rows[-1], flush=True)
    settings = f"{N_FINE_TUNING} patients to fine-tune on, {n_splits} splits"
    return pd.DataFrame(rows), settings


def _patients():
    """Return quadratic features, disease progression and who is of the second sex."""
    data = load_diabetes()
    second = data.data[:, 1] > 0.0
    linear = np.delete(data.data, 1, axis=1)
    linear = linear / linear.std(axis=0)
    pairs = np.triu_indices(linear.shape[1])
    features = np.concatenate([linear, linear[:, pairs[0]] * linear[:, pairs[1]]], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return features, (data.target - data.target.mean()) / data.target.std(), second


def _split(X, y, own, split):
    rng = np.random.default_rng([SEED, split])
    own, other = rng.permutation(np.flatnonzero(own)), np.flatnonzero(~own)
    train, test = own[:N_FINE_TUNING], own[N_FINE_TUNING:]
    beta_pt = lasso(X[other], y[other], intercept=True)[0]
    tuned = ptft.tune(
        X[train], y[train], beta_pt, ridge=10.0 ** np.arange(-1.0, 4.0), intercept=True
    )
    found = peers(X[train], y[train], beta_pt, intercept=True)
    found["tuned"] = tuned.beta, tuned.intercept
    for name, beta in (("pretrained", beta_pt), ("mean", np.zeros(X.shape[1]))):
        found[name] = beta, np.mean(y[train] - X[train] @ beta)
    errors = {n: np.mean((y[test] - c - X[test] @ beta) ** 2) for n, (beta, c) in found.items()}
    return {"predicted": tuned.predicted_error, "chosen ridge": tuned.ridge} | errors


def main():
    """Write one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["simulated", "diabetes"])
    parser.add_argument("--draws", type=int)
    given = parser.parse_args()
    start, facts = time.process_time(), provenance.facts("numpy", "scipy", "scikit-learn")
    if given.table == "simulated":
        table, settings = simulated(given.draws or N_DRAWS)
    else:
        table, settings = diabetes(given.draws or N_SPLITS)
    named = {"command": f"python book/tools/tuning_table.py {given.table}"}
    named |= facts | {"settings": settings}
    named["processor time"] = f"{time.process_time() - start:.0f} s"
    path = RESULTS / f"tuning_{given.table}.csv"
    provenance.write_table(table, path, named, float_format="%.6g")


if __name__ == "__main__":
    main()
