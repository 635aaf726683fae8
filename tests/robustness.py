"""Random problems for the fixed point, wide and adversarial; run it to see the worst of 2,000.

python tests/robustness.py [n_points]
"""

import sys
import time
from typing import NamedTuple

import numpy as np

import ptft

SEED = 20260220


def log_uniform(rng, low, high):
    return 10.0 ** rng.uniform(np.log10(low), np.log10(high))


def random_task(rng):
    """Return a task: shares from 0.001 to 0.95, any overlap that they allow or its ends."""
    rho_pt, rho_ft = log_uniform(rng, 1e-3, 0.95), log_uniform(rng, 1e-3, 0.95)
    low, high = max(0.0, 1.0 - (1.0 - rho_pt) / rho_ft), min(1.0, rho_pt / rho_ft)
    overlap = low + (high - low) * rng.choice([0.0, 1.0, rng.random()])
    return ptft.Task(rho_pt, rho_ft, min(overlap, high), prior=rng.choice(["gaussian", "signs"]))


def random_initialization(rng):
    """Return a network: c from 1e-8 to 1e4, lambda from -1 + 1e-9 to 1, gamma up to 1e3 or 0."""
    relative = min(log_uniform(rng, 1e-9, 2.0) - 1.0, 1.0)
    readout = rng.choice([0.0, log_uniform(rng, 1e-8, 1e3)])
    return ptft.Initialization(log_uniform(rng, 1e-8, 1e4), relative, readout)


def fine_tuning(rng):
    """Return groups and alpha from 0.002 to 0.999."""
    groups = ptft.penalised_groups(random_task(rng), random_initialization(rng))
    alpha = [rng.uniform(0.002, 0.999), log_uniform(rng, 0.002, 0.999)]
    return groups, rng.choice([*alpha, 1.0 - log_uniform(rng, 1e-3, 0.9)])


def with_noise_and_ridge(rng):
    """Return also noise from 1e-8 to 10, or 0, and a ridge from 1e-6 to 10; alpha up to 3."""
    groups, _ = fine_tuning(rng)
    alpha = rng.choice([log_uniform(rng, 0.002, 3.0), rng.uniform(0.002, 3.0)])
    noise = rng.choice([0.0, log_uniform(rng, 1e-8, 10.0)])
    return groups, alpha, noise, log_uniform(rng, 1e-6, 10.0)


def random_weights(rng, size):
    weights = rng.dirichlet(np.ones(size))
    return weights / weights.sum()


def random_prior(rng):
    """Return a mixture of up to three signs and Gaussians, of variance 1e-12 to 1e12, or zeros."""
    size = rng.integers(1, 4)
    means = rng.choice([0.0, 1.0], size) * 10.0 ** rng.uniform(-6.0, 6.0, size)
    variances = rng.choice([0.0, 1.0], size) * 10.0 ** rng.uniform(-12.0, 12.0, size)
    return ptft.Prior(random_weights(rng, size), means, variances)


def adversarial(rng):
    """Return groups that share nothing, some rare, with sqrt(k) from 1e-30 to 1e30.

    Alpha goes from 1e-6 to 1 - 1e-9, and often is one of the two.
    """
    weights = random_weights(rng, rng.integers(1, 7))
    if len(weights) > 1 and rng.random() < 0.5:
        weights[0] = 1e-9
    weights /= weights.sum()
    groups = [
        ptft.Group(weight, 10.0 ** rng.uniform(-30.0, 30.0), random_prior(rng))
        for weight in weights
    ]
    if not any(group.prior.second_moment for group in groups):
        groups[0] = groups[0]._replace(prior=ptft.Prior.gaussian(1.0))
    alpha = [1e-6, 1.0 - 1e-9, log_uniform(rng, 1e-6, 1.0), rng.random()]
    return groups, rng.choice(alpha)


def adversarial_with_noise_and_ridge(rng):
    """Return also noise (or 0) and a ridge from 1e-12 to 1e12; alpha up to 3."""
    groups, alpha = adversarial(rng)
    alpha = rng.choice([alpha, log_uniform(rng, 1e-6, 3.0)])
    noise = rng.choice([0.0, log_uniform(rng, 1e-12, 1e12)])
    return groups, alpha, noise, log_uniform(rng, 1e-12, 1e12)


FAMILIES = {
    family.__name__: family
    for family in (
        fine_tuning,
        with_noise_and_ridge,
        adversarial,
        adversarial_with_noise_and_ridge,
    )
}


class Outcome(NamedTuple):
    """The worst of a family; `failures` are the numbers of the points that did not converge."""

    n_points: int
    failures: list
    residual: float
    expectation_error: float
    seconds: float


def problem(name, i):
    """Return the arguments of `fixed_point` for point i of a family, the same ones every time."""
    seed = [SEED, list(FAMILIES).index(name), i]
    return FAMILIES[name](np.random.default_rng(seed))


def solve(name, n_points):
    """Solve the first points of a family."""
    start, failures, worst = time.process_time(), [], np.zeros(2)
    for i in range(n_points):
        try:
            curve = ptft.fixed_point(*problem(name, i))
        except ptft.ConvergenceError:
            failures.append(i)
        else:
            worst = np.maximum(worst, (curve.residual, curve.expectation_error))
    return Outcome(n_points, failures, *worst, time.process_time() - start)


def main(n_points):
    for name in FAMILIES:
        outcome = solve(name, n_points)
        print(
            f"{name.replace('_', ' ')}: {n_points - len(outcome.failures)} of {n_points} converged"
            f", worst residual {outcome.residual:.1e}, worst expectation error "
            f"{outcome.expectation_error:.1e}, {outcome.seconds:.0f} s"
        )
        if outcome.failures:
            print(f"  failed: {outcome.failures}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
