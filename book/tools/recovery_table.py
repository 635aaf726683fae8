"""Write the table of recovered teachers that the chapter "Beyond the paper" draws.

    python book/tools/recovery_table.py    about ten minutes on one core

Teachers with rho_PT = rho_FT = 0.1 and overlap 0.5 are sought from noiseless Gaussian data around
the theory's recovery thresholds: by the linear program of the weighted l1 norm, and by what
gradient flow finds at sqrt(k) = L^w, equation (11). Every group has its exact share of dimensions,
so that only inputs and coefficients are random. The table goes to
`ptft/companion/results/recovery.csv`; its first lines say what made it.
"""

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
SETTINGS = {
    "n_dims": (500, 1000),
    "programs": (60, 12),  # draws that are solved by linear programming
    "networks": (60, 0),  # and those of them that are solved as networks too
    "scale": 1e-60,  # L
    "seed": 12,
}


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
    return ptft.implicit_bias(inputs, labels, SETTINGS["scale"] ** weights).beta


def rows():
    """Yield one row a draw: relative errors of both solutions, the second one empty if not run."""
    sizes = zip(SETTINGS["n_dims"], SETTINGS["programs"], SETTINGS["networks"], strict=True)
    for n_dims, n_programs, n_networks in sizes:
        for name, (ratio, threshold) in thresholds().items():
            start = time.process_time()
            for offset in OFFSETS:
                n_samples = round((threshold + offset) * n_dims)
                seeds = np.random.SeedSequence((SETTINGS["seed"], n_dims, n_samples))
                for draw, seed in enumerate(seeds.spawn(n_programs)):
                    where = {"n_dims": n_dims, "n_samples": n_samples, "draw": draw}
                    found = solve(n_dims, n_samples, seed, ratio, draw < n_networks)
                    yield {"weights": name, **where, **found}
            seconds = time.process_time() - start
            print(f"D = {n_dims}, {name} weights: {seconds:.0f} s", file=sys.stderr)


def solve(n_dims, n_samples, seed, ratio, network):
    """Return the relative errors of the linear program, and of the network if wanted."""
    inputs, teacher, active = problem(n_dims, n_samples, seed)
    weights, labels = np.where(active, ratio, 1.0), inputs @ teacher
    methods = {"program": by_program} | ({"network": by_network} if network else {})
    size = np.linalg.norm(teacher)
    return {
        name: np.linalg.norm(method(inputs, labels, weights) - teacher) / size
        for name, method in methods.items()
    }


def main():
    """Write the table."""
    start, facts = time.process_time(), provenance.facts("numpy", "scipy")
    table = pd.DataFrame(rows())
    facts = {"command": "python book/tools/recovery_table.py"} | facts
    facts["hardware"] = f"one core of {provenance.processor()}"
    seconds = time.process_time() - start
    facts |= {"settings": repr(SETTINGS), "processor time": f"{seconds:.0f} s"}
    provenance.write_table(table, RESULTS / "recovery.csv", facts, "%.4g")


if __name__ == "__main__":
    main()
