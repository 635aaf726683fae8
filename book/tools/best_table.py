"""Write the table that holds `ptft.best_initialization` against brute force, in a few minutes.

    python book/tools/best_table.py

Random tasks; for each the least error on a grid of 100 x 100 pairs (sqrt(k_i), sqrt(k_a)), which no
infimum may exceed. It goes to `ptft/companion/results/best_initialization.csv`.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd

import ptft
from ptft.sweeps import provenance
from ptft.theory.surface import Surface

RESULTS = Path(__file__).resolve().parents[2] / "ptft" / "companion" / "results"
N_TASKS, SEED, SIZE = 20, 20, 100


def random_problem(rng):
    """Return a task, alpha and noise."""
    rho_pt, rho_ft = 10.0 ** rng.uniform(-2.0, -0.3, 2)
    low, high = max(0.0, 1.0 - (1.0 - rho_pt) / rho_ft), min(1.0, rho_pt / rho_ft)
    overlap = low + (high - low) * rng.choice([0.0, 1.0, rng.uniform()])
    prior = str(rng.choice(["gaussian", "signs"]))
    task = ptft.Task(rho_pt, rho_ft, overlap, 10.0 ** rng.uniform(-1.0, 1.0), prior)
    return task, 10.0 ** rng.uniform(-1.7, -0.05), float(rng.choice([0.0, rng.uniform()]))


def grid_least(task, alpha, noise, size=SIZE):
    """Return the least error on a grid: sqrt(k_i) and its distance to the bound in equal steps."""
    surface = Surface([task], alpha, noise)
    inactive = np.log(surface.scale) + np.linspace(-40.0, 12.0, size)
    height = np.logaddexp(0.0, np.log(4.0 * task.amplitude_pt) - inactive)
    below = np.expm1(np.linspace(0.0, 1.0, size)[:, None] * np.log1p(height))
    pairs = np.broadcast_arrays(inactive, inactive + height - below)
    return surface.interior(*(x.ravel() for x in pairs)).min()


def main():
    """Write the table."""
    rng, rows = np.random.default_rng(SEED), []
    start = time.perf_counter()
    for _ in range(N_TASKS):
        task, alpha, noise = random_problem(rng)
        used = time.process_time()
        best = ptft.best_initialization(task, alpha, noise)
        used = time.process_time() - used
        least = grid_least(task, alpha, noise)
        row = {
            n: getattr(task, n) for n in ("rho_pt", "rho_ft", "overlap", "amplitude_pt", "prior")
        }
        row |= {"alpha": alpha, "noise": noise, "error": best.error, "kind": best.kind}
        row |= {"certified": best.certified, "evaluations": best.evaluations, "seconds": used}
        rows.append(row | {"grid": least, "excess": best.error / least - 1.0})
        print(rows[-1], flush=True)
    facts = provenance.facts("numpy", "scipy")
    named = {
        "command": "python book/tools/best_table.py",
        "settings": f"seed {SEED}, a grid of {SIZE} x {SIZE}; seconds are of processor time",
        "time": f"{time.perf_counter() - start:.0f} s",
    }
    path = RESULTS / "best_initialization.csv"
    provenance.write_table(pd.DataFrame(rows), path, named | facts, float_format="%.8g")


if __name__ == "__main__":
    main()
