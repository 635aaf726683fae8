"""Write the tables of recovered teachers that the chapter "Beyond the paper" draws.

    python book/tools/recovery_table.py 200     a quarter of a minute on one core
    python book/tools/recovery_table.py 500     two minutes
    python book/tools/recovery_table.py 1000    six minutes
    python book/tools/recovery_table.py 2000    six minutes; networks alone

Teachers with rho_PT = rho_FT = 0.1 and overlap 0.5 in so many dimensions are sought from noiseless
Gaussian data around the theory's recovery thresholds: by the linear program of the weighted l1
norm, and by what gradient flow finds at sqrt(k) = L^w, equation (11). Every group has its exact
share of dimensions, so that only inputs and coefficients are random. A table goes to
`ptft/companion/results/recovery_d200.csv`; its first lines say what made it.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linprog

import ptft
from ptft.sweeps import provenance
from ptft.theory import limits

RESULTS = Path(__file__).resolve().parents[2] / "ptft" / "companion" / "results"
TASK = ptft.Task(rho_pt=0.1, rho_ft=0.1, overlap=0.5)
OFFSETS = (-0.05, -0.03, -0.015, 0.0, 0.015, 0.03, 0.05)
SCALE, SEED = 1e-60, 12  # L, and of the draws
DRAWS = {
    200: (60, 60),
    500: (60, 60),
    1000: (12, 0),
    2000: (0, 12),
}  # linear programs, and networks


def thresholds():
    """Return the ratio of weights and the threshold of the best weights and of equal ones."""
    value = limits.pretraining_value(TASK)
    return {"best": (value.weight_ratio, value.best), "equal": (1.0, value.scratch)}


def problem(n_dims, n_samples, seed):
    """Return inputs, teacher and the dimensions that pretraining used."""
    rng = np.random.default_rng(seed)
    counts = {group.name: round(group.probability * n_dims) for group in TASK.groups()}
    active_ft = np.repeat([name in ("shared", "new") for name in counts], list(counts.values()))
    active_pt = np.repeat([name.startswith(("sh", "pre")) for name in counts], [*counts.values()])
    teacher = active_ft * TASK.active_prior().sample(n_dims, rng)
    return ptft.sample_inputs(n_samples, n_dims, rng), teacher, active_pt


def by_program(inputs, labels, weights):
    """Return the minimiser of the weighted l1 norm among the interpolators."""
    costs, pairs = np.tile(weights, 2), np.hstack([inputs, -inputs])
    found = linprog(costs, A_eq=pairs, b_eq=labels, method="highs-ds")
    positive, negative = np.split(found.x, 2)
    return positive - negative


def by_network(inputs, labels, weights):
    """Return where gradient flow ends with penalties L^w."""
    return ptft.implicit_bias(inputs, labels, SCALE**weights).beta


METHODS = {"program": by_program, "network": by_network}


def rows(n_dims):
    """Yield one row a draw: relative errors of both solutions, empty if not run."""
    for name, (ratio, threshold) in thresholds().items():
        start = time.process_time()
        for offset in OFFSETS:
            n_samples = round((threshold + offset) * n_dims)
            seeds = np.random.SeedSequence((SEED, n_dims, n_samples))
            for draw, seed in enumerate(seeds.spawn(max(DRAWS[n_dims]))):
                where = {"n_dims": n_dims, "n_samples": n_samples, "draw": draw}
                wanted = [m for m, n in zip(METHODS, DRAWS[n_dims], strict=True) if draw < n]
                found = solve(n_dims, n_samples, seed, ratio, wanted)
                yield {"weights": name, **where, **found}
        print(f"{name} weights: {time.process_time() - start:.0f} s", file=sys.stderr)


def solve(n_dims, n_samples, seed, ratio, methods):
    """Return the relative errors of some of `METHODS`."""
    inputs, teacher, active = problem(n_dims, n_samples, seed)
    weights, labels = np.where(active, ratio, 1.0), inputs @ teacher
    size = np.linalg.norm(teacher)
    return {
        method: np.linalg.norm(METHODS[method](inputs, labels, weights) - teacher) / size
        for method in methods
    }


def main():
    """Write one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("n_dims", type=int, choices=DRAWS)
    n_dims = parser.parse_args().n_dims
    start, facts = time.process_time(), provenance.facts("numpy", "scipy")
    table = pd.DataFrame(rows(n_dims))
    facts = {"command": f"python book/tools/recovery_table.py {n_dims}"} | facts
    facts["hardware"] = f"one core of {provenance.processor()}"
    facts["settings"] = repr({"draws": DRAWS[n_dims], "scale": SCALE, "seed": SEED})
    facts["processor time"] = f"{time.process_time() - start:.0f} s"
    table = table.reindex(columns=["weights", "n_dims", "n_samples", "draw", "program", "network"])
    provenance.write_table(table, RESULTS / f"recovery_d{n_dims}.csv", facts, "%.4g")


if __name__ == "__main__":
    main()
