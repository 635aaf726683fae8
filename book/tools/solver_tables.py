"""Write the tables that chapter 7 compares with, in one to fifteen minutes each.

    python book/tools/solver_tables.py paper_regime_i     the paper's solver, at its own settings
    python book/tools/solver_tables.py paper_seeds        the same with many seeds
    python book/tools/solver_tables.py damped_figure_3    its iteration with exact expectations
    python book/tools/solver_tables.py interpolation      equation (11) solved for random data

They go to `ptft/companion/results/` of this copy of the repository. Each table's first lines say
what made it: command, commit, versions, seeds, hardware, time.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import ptft
from ptft.sweeps import provenance
from ptft.theory.channel import half_lines, moments
from ptft.theory.monte_carlo import MonteCarloSettings, monte_carlo_curve

RESULTS = Path(__file__).resolve().parents[2] / "ptft" / "companion" / "results"
FIG_3 = np.linspace(0.01, 0.5, 11)[::2]  # of the sample sizes of the paper's simulations
DENSE = np.linspace(0.30, 0.50, 11)
NETWORK = {"c_pt": 1e-3, "lambda_pt": 0.0, "gamma_ft": 0.0}
REGIME_I = [{"lambda_pt": value, "gamma_ft": 1e-6} for value in (-0.999999, -1.0)]
SIMULATION = {"alpha": 0.36, "n_dims": (500, 1000, 2000), "n_draws": (400, 200, 100), "seed": 7}


def figure_3_curves():
    """Return the distinct (network, overlap, rho_ft) of Figure 3."""
    scales = [{"c_pt": c} for c in (1e-6, 1e-3, 1.0)] + [{"gamma_ft": g} for g in (1.0, 10.0)]
    balances = [{"lambda_pt": value} for value in (-0.99, 0.0, 0.99)]
    tasks = {
        "scales": [(0.0, 0.1), (1.0, 0.1), (0.0, 0.9)],
        "balances": [(0.0, 0.1), (0.5, 0.1), (1.0, 0.1), (1.0, 0.04), (1.0, 0.01)],
    }
    curves = [(NETWORK | one, *task) for one in scales for task in tasks["scales"]]
    curves += [(NETWORK | one, *task) for one in balances for task in tasks["balances"]]
    return [curve for i, curve in enumerate(curves) if curve not in curves[:i]]


def damped_figure_3():
    """Run the paper's iteration on Figure 3's curves, with exact expectations for samples."""
    table = pd.concat([_damp(*curve) for curve in figure_3_curves()])
    used = ("damping", "tolerance", "max_iterations", "ridge")
    return table, repr({name: getattr(MonteCarloSettings(), name) for name in used})


def _damp(network, overlap, rho_ft):
    groups = ptft.penalised_groups(ptft.Task(0.1, rho_ft, overlap), ptft.Initialization(**network))
    columns = network | {"overlap": overlap, "rho_ft": rho_ft, "alpha": FIG_3}
    fields = ("error", "residual", "iterations")
    for name, way in (("forward", 1), ("backward", -1)):
        rows = np.array(_continuation(groups, FIG_3[::way], MonteCarloSettings()))[::way]
        columns |= {f"{name}_{field}": row for field, row in zip(fields, rows.T, strict=True)}
    return pd.DataFrame(columns)


def _continuation(groups, alphas, settings):
    """Return (error, residual, iterations) at each alpha, each started from the one before."""
    lines, rows = half_lines(groups), []
    state = np.full(2, 1.0 / alphas[0])  # s^2 and theta, as in `ptft.theory.monte_carlo`
    for alpha in alphas:
        for iteration in range(1, settings.max_iterations + 1):
            m = moments(lines, state[:1], state[1:])
            update = np.array([m.error[0], settings.ridge + state[1] * m.slope[0]]) / alpha
            residual = np.abs(update - state).max()
            if residual < settings.tolerance or iteration == settings.max_iterations:
                break
            state = state + settings.damping * (update - state)
        rows.append((m.error[0], residual, iteration))
    return rows


def paper_regime_i():
    """Run the paper's solver densely around the transition of regime I."""
    return _tabulate([((NETWORK | one, 0.0, 0.1), DENSE, MonteCarloSettings()) for one in REGIME_I])


def paper_seeds():
    """Run it on the baseline network with many seeds, and fewer samples."""
    settings = [replace(MonteCarloSettings(), n_samples=10_000, seed=seed) for seed in range(1, 25)]
    return _tabulate([((NETWORK, 1.0, 0.1), FIG_3, one) for one in settings])


def _tabulate(runs):
    return pd.concat([_solve(*run) for run in runs]), repr(runs[0][-1])


def _solve(curve, alpha, settings):
    network, overlap, rho_ft = curve
    start = time.process_time()
    task, init = ptft.Task(0.1, rho_ft, overlap), ptft.Initialization(**network)
    curve = monte_carlo_curve(task, init, alpha, settings=settings)
    columns = network | {"overlap": overlap, "rho_ft": rho_ft}
    columns |= {"n_samples": settings.n_samples, "seed": settings.seed, "alpha": curve.alpha}
    for name in ("forward", "backward"):
        branch = getattr(curve, name)
        for field in ("error", "standard_error", "residual", "iterations"):
            columns[f"{name}_{field}"] = getattr(branch, field)
    columns["seconds"] = time.process_time() - start
    print(f"{columns['seconds']:.0f} s: {task}, {init}", file=sys.stderr)
    return pd.DataFrame(columns)


def interpolation():
    """Solve (11) for random data in regime I at one sample size.

    A teacher of 2000 dimensions is a small sample of the task, so the theory's error for each
    drawn teacher (its own coefficients in place of their distribution) is written beside it.
    """
    alpha = SIMULATION["alpha"]
    rows = [
        network
        | {"alpha": alpha, "n_dims": n_dims, "draw": draw}
        | _simulate(network, n_dims, seed)
        for network in (NETWORK | one for one in REGIME_I)
        for n_dims, n_draws in zip(SIMULATION["n_dims"], SIMULATION["n_draws"], strict=True)
        for draw, seed in enumerate(np.random.SeedSequence(SIMULATION["seed"]).spawn(n_draws))
    ]
    return pd.DataFrame(rows), repr(SIMULATION)


def _simulate(network, n_dims, seed):
    rng = np.random.default_rng(seed)
    beta_pt, beta_ft = ptft.Task(0.1, 0.1, 0.0).sample_teachers(n_dims, rng)
    inputs = ptft.sample_inputs(round(SIMULATION["alpha"] * n_dims), n_dims, rng)
    scale = ptft.sqrt_k(beta_pt, ptft.Initialization(**network))
    found = ptft.implicit_bias(inputs, inputs @ beta_ft, scale)
    theory = ptft.fixed_point(_drawn_groups(scale, beta_ft), SIMULATION["alpha"])
    return {
        "error": np.mean((found.beta - beta_ft) ** 2),
        "theory": theory.error,
        "residual": found.residual,
    }


def _drawn_groups(scale, beta_ft):
    """Return the drawn coefficients as groups: point masses, one group for each penalty."""
    groups = []
    for sqrt_k in np.unique(scale):
        drawn = np.abs(beta_ft[scale == sqrt_k])
        sizes, counts = np.unique(drawn, return_counts=True)
        prior = ptft.Prior(counts / counts.sum(), sizes, np.zeros_like(sizes))
        groups.append(ptft.Group(drawn.size / beta_ft.size, sqrt_k, prior))
    return groups


def main():
    """Write one table."""
    makers = (damped_figure_3, paper_regime_i, paper_seeds, interpolation)
    tables = {maker.__name__: maker for maker in makers}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", choices=tables)
    name = parser.parse_args().table
    start, facts = time.process_time(), provenance.facts("numpy", "scipy")
    table, settings = tables[name]()
    facts = {"command": f"python book/tools/solver_tables.py {name}"} | facts
    facts["hardware"] = f"one core of {provenance.processor()}"
    facts |= {"settings": settings, "processor time": f"{time.process_time() - start:.0f} s"}
    provenance.write_table(table, RESULTS / f"{name}.csv", facts, "%.7g")


if __name__ == "__main__":
    main()
