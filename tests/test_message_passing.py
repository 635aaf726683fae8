"""Approximate message passing: its limit, and state evolution against samples and replicas."""

import numpy as np
import pytest

from ptft import (
    REGIMES,
    ConvergenceError,
    Group,
    Prior,
    Task,
    approximate_message_passing,
    fixed_point,
    implicit_bias,
    noisy_labels,
    penalised_groups,
    penalty_gradient,
    sample_inputs,
    sqrt_k,
    state_evolution,
)
from ptft.theory.state_evolution import solve_theta

TASK = Task(rho_pt=0.1, rho_ft=0.1, overlap=0.5)


def sample(numeral, alpha, n_dims, rng, noise=0.0):
    beta_pt, beta_ft = TASK.sample_teachers(n_dims, rng)
    X = sample_inputs(int(alpha * n_dims), n_dims, rng)
    scale = sqrt_k(beta_pt, REGIMES[numeral].init)
    return X, noisy_labels(X, beta_ft, noise, rng), scale, beta_ft


@pytest.mark.parametrize("numeral", ["II", "III", "IV"])
def test_ends_at_the_implicit_bias(numeral):
    X, y, scale, teacher = sample(numeral, 0.25, 2000, np.random.default_rng(1))
    run = approximate_message_passing(X, y, scale, teacher=teacher, tolerance=1e-11)
    exact = implicit_bias(X, y, scale, method="newton")
    assert np.linalg.norm(run.beta - exact.beta) < 1e-8 * np.linalg.norm(exact.beta)
    assert np.abs(X.T @ run.nu - penalty_gradient(run.beta, scale)).max() < 1e-8
    assert run.error[-1] == pytest.approx(np.mean((exact.beta - teacher) ** 2), rel=1e-7)
    assert len(run.s2) == len(run.theta) == len(run.residual) == len(run.error)
    assert run.residual[-1] <= 1e-11 < run.residual[-2]


def test_with_ridge_it_minimises_the_regularised_loss():
    """The gradient of (15) vanishes, whatever the scale of X."""
    X, y, scale, _ = sample("II", 1.3, 600, np.random.default_rng(2), noise=0.1)
    for factor in (1.0, 7.0):
        run = approximate_message_passing(factor * X, factor * y, scale, ridge=0.05 * factor**2)
        gradient = penalty_gradient(run.beta, scale) - X.T @ (y - X @ run.beta) / 0.05
        assert np.abs(gradient).max() < 1e-6
        assert run.error is None


@pytest.mark.parametrize("numeral", REGIMES)
@pytest.mark.parametrize(("alpha", "noise", "ridge"), [(0.2, 0.0, 0.0), (0.5, 0.1, 0.02)])
def test_state_evolution_ends_at_the_replica_fixed_point(numeral, alpha, noise, ridge):
    groups = penalised_groups(TASK, REGIMES[numeral].init)
    replica = fixed_point(groups, alpha, noise, ridge)
    path = state_evolution(groups, alpha, noise, ridge, n_iterations=400)
    for name in ("s2", "theta", "error"):
        assert getattr(path, name)[-1] == pytest.approx(getattr(replica, name), rel=1e-10)


def test_state_evolution_in_closed_form():
    """One large k: slope = alpha, so the error obeys E' = (1 - alpha)^2 + alpha E."""
    path = state_evolution([Group(1.0, 1e9, Prior.gaussian(1.0))], 0.3, n_iterations=12)
    error = [1.0]
    for _ in range(12):
        error.append(0.7**2 + 0.3 * error[-1])
    np.testing.assert_allclose(path.error, error[1:], rtol=1e-12)
    np.testing.assert_allclose(path.s2, np.array(error[:-1]) / 0.3, rtol=1e-12)
    np.testing.assert_allclose(path.theta, 1e9 * 0.7 / 0.3, rtol=1e-9)


@pytest.mark.parametrize(("numeral", "noise"), [("II", 0.0), ("IV", 0.1), ("III", 0.1)])
def test_iterates_follow_state_evolution(numeral, noise):
    """Mean over seeds of s^2, theta and error, in standard errors from the prediction."""
    n_iterations, runs = 8, []
    for seed in np.random.SeedSequence(3).spawn(24):
        X, y, scale, teacher = sample(numeral, 0.3, 1500, np.random.default_rng(seed), noise)
        with pytest.raises(ConvergenceError) as caught:
            approximate_message_passing(
                X, y, scale, teacher=teacher, max_iterations=n_iterations, tolerance=1e-15
            )
        run = caught.value.partial
        runs.append([run.s2, run.theta, run.error])
    groups = penalised_groups(TASK, REGIMES[numeral].init)
    path = state_evolution(groups, 0.3, noise, n_iterations=n_iterations)
    expected = np.array([path.s2, path.theta, path.error])
    spread = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.all(spread < 0.1 * expected)
    assert np.abs((np.mean(runs, axis=0) - expected) / spread).max() < 4.0


def test_zero_labels():
    run = approximate_message_passing(np.eye(2, 5), np.zeros(2), 1.0)
    assert not run.beta.any()


def test_gives_up_with_the_result_so_far():
    """Inputs that are not centred: the iteration diverges, and says so without a warning."""
    X, y, scale, _ = sample("II", 0.3, 200, np.random.default_rng(4))
    with pytest.raises(ConvergenceError, match="not converged") as caught:
        approximate_message_passing(X + 1.0, y, scale)
    assert np.all(np.isfinite(caught.value.partial.beta))


GROUP = [Group(1.0, 1.0, Prior.gaussian(1.0))]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.eye(2), np.ones(2), 1.0), {}, "n_samples must be less than n_dims"),
        ((np.eye(2, 3), np.ones(3), 1.0), {}, "y must have shape"),
        ((np.eye(2, 3), np.ones(2), 0.0), {}, "sqrt_k must be"),
        ((np.eye(2, 3), np.ones(2), 1.0), {"ridge": -1.0}, "ridge must be"),
        ((np.eye(2, 3), np.ones(2), 1.0), {"tolerance": 0.0}, "tolerance must be"),
        ((np.eye(2, 3), np.ones(2), 1.0), {"max_iterations": 0}, "max_iterations must be"),
        ((np.eye(2, 3), np.ones(2), 1.0), {"teacher": np.ones(2)}, "teacher must have shape"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        approximate_message_passing(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((GROUP, 1.0), {}, "n_samples must be less than n_dims"),
        ((GROUP, 0.0), {}, "alpha must be"),
        ((GROUP, 0.5, -1.0), {}, "noise must be"),
        ((GROUP, 0.5, 0.0, -1.0), {}, "ridge must be"),
        (([GROUP[0]._replace(sqrt_k=0.0)], 0.5), {}, "sqrt_k must be"),
        (([GROUP[0]._replace(probability=0.5)], 0.5), {}, "probabilities must sum to 1"),
        ((GROUP, 0.5), {"n_iterations": 0}, "n_iterations must be"),
    ],
)
def test_state_evolution_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        state_evolution(*arguments, **options)


@pytest.mark.parametrize("start", [1e-3, 0.5, 60.0, 1e4])
def test_theta_is_found_where_newtons_method_cycles(start):
    """Log odds that level off on both sides throw Newton's steps from one to the other."""

    def slope(theta):
        odds = np.exp(-np.arctan(5.0 * (np.log(theta) - 1.0)))
        value = odds / (1.0 + odds)
        fall = -value * (1.0 - value) * 5.0 / (1.0 + (5.0 * (np.log(theta) - 1.0)) ** 2)
        return value, 1.0 - value, fall / theta

    assert solve_theta(slope, 0.5, 0.0, start) == pytest.approx(np.e, rel=1e-13)


def test_theta_takes_one_step_where_the_equation_is_linear():
    """Log odds that are linear in log(theta): a wrong derivative would take more."""
    calls = []

    def slope(theta):
        calls.append(theta)
        value = 1.0 / (1.0 + theta / 3.0)
        return value, 1.0 - value, -value * (1.0 - value) / theta

    assert solve_theta(slope, 0.2, 0.0, 0.5) == pytest.approx(12.0, rel=1e-13)
    assert len(calls) <= 3
