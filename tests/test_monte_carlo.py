"""The paper's solver against the exact one, and its failure indicators."""

from dataclasses import fields, replace

import numpy as np
import pytest

from ptft import Initialization, Task, denoise, learning_curve
from ptft.model.penalty import denoiser_slope
from ptft.theory.monte_carlo import (
    MonteCarloSettings,
    _Samples,
    denoise_newton,
    monte_carlo_curve,
)

TASK = Task(0.1, 0.1, 0.0)
LAZY = Initialization(1.0, 0.0, 0.0)
BASELINE = Initialization(1e-3, 0.0, 0.0)
RICH = Initialization(1e-3, -1.0, 1e-6)  # k = 1e-24
QUICK = MonteCarloSettings(n_samples=2000, max_standard_error=1.0)


@pytest.fixture(scope="module")
def easy():
    """Twelve independent runs at points where the samples' error is hardly amplified."""
    alpha = np.array([0.05, 0.2])
    return alpha, [
        monte_carlo_curve(TASK, LAZY, alpha, settings=replace(QUICK, seed=s)) for s in range(12)
    ]


@pytest.mark.parametrize("theta", [1e-6, 1e-2, 1.0, 30.0])
@pytest.mark.parametrize("sqrt_k", [1e-12, 1e-3, 1.0, 1e3])
def test_newton_solves_the_scalar_problem(theta, sqrt_k):
    z = np.concatenate([[0.0], np.geomspace(1e-8, 30.0, 60), -np.geomspace(1e-8, 30.0, 60)])
    found, expected = denoise_newton(z, theta, sqrt_k), denoise(z, theta, sqrt_k)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=0.0)


def test_mean_over_seeds_agrees_with_the_exact_solution(easy):
    alpha, runs = easy
    assert all(np.array_equal(run.alpha, alpha) for run in runs)
    found = np.array([run.error for run in runs])
    exact = learning_curve(TASK, LAZY, alpha, ridge=QUICK.ridge).error
    standard_error = found.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.all(np.abs(found.mean(axis=0) - exact) < 3.0 * standard_error)


def test_batch_means_give_the_spread_over_seeds_at_easy_points(easy):
    _, runs = easy
    spread = np.std([run.error for run in runs], axis=0, ddof=1)
    claimed = np.mean([run.standard_error for run in runs], axis=0)
    # twelve runs give a standard deviation to about 20%, and feedback adds a factor up to 1.25
    assert np.all((0.6 * claimed < spread) & (spread < 1.8 * claimed))


def test_z_scores_by_batch_means(easy):
    alpha, runs = easy
    exact = learning_curve(TASK, LAZY, alpha, ridge=QUICK.ridge).error
    z = np.array([(run.error - exact) / run.standard_error for run in runs])
    assert np.abs(z).max() < 4.0


def test_noise_and_ridge_enter_as_in_the_equations():
    task, alpha, settings = Task(0.1, 0.9, 0.0), np.array([0.2]), replace(QUICK, ridge=0.2)
    runs = [
        monte_carlo_curve(task, LAZY, alpha, 0.5, replace(settings, seed=s)).error
        for s in range(12)
    ]
    exact = learning_curve(task, LAZY, alpha, 0.5, 0.2).error
    assert abs(np.mean(runs) - exact) < 3.0 * np.std(runs, ddof=1) / np.sqrt(len(runs))


def test_the_lower_branch_is_reported_and_easy_points_raise_no_flag(easy):
    for run in easy[1]:
        np.testing.assert_array_equal(run.error, np.minimum(run.forward.error, run.backward.error))
        assert run.residual.max() < QUICK.tolerance
        assert run.reliable.tolist() == [True, True]


def test_too_few_iterations_are_flagged():
    settings = replace(QUICK, max_iterations=5)
    run = monte_carlo_curve(TASK, BASELINE, [0.1, 0.2], settings=settings)
    assert run.unconverged.all()
    assert not run.reliable.any()
    assert run.forward.iterations.tolist() == [5.0, 5.0]


def test_branches_that_stop_apart_are_flagged():
    """Here the error is so small that the absolute tolerance accepts states far from each other."""
    run = monte_carlo_curve(TASK, RICH, [0.42, 0.44, 0.60], settings=QUICK)
    assert not run.unconverged.any()
    assert run.mismatched.tolist() == [True, True, False]
    up, down = run.forward.error[0], run.backward.error[0]
    assert run.mismatch_db[0] == pytest.approx(10.0 * np.log10(up / down))


def test_a_noisy_estimate_is_flagged():
    run = monte_carlo_curve(
        TASK, LAZY, [0.1], settings=MonteCarloSettings(n_samples=100, n_batches=10)
    )
    assert run.noisy.all()
    assert not (run.unconverged | run.mismatched).any()
    expected = 10.0 * np.log10(np.e) * run.standard_error / run.error
    assert run.standard_error_db == pytest.approx(expected)


def test_states_stay_above_the_floor():
    settings = MonteCarloSettings(n_samples=200, floor=1e-3)
    run = monte_carlo_curve(TASK, BASELINE, [1.5, 2.0], settings=settings)
    for branch in (run.forward, run.backward):
        assert branch.s2.min() >= 1e-3
        assert branch.theta.min() >= 1e-3


def test_same_seed_same_result():
    first, second, other = (
        monte_carlo_curve(TASK, LAZY, [0.1], settings=replace(QUICK, seed=seed))
        for seed in (3, 3, 4)
    )
    for field in fields(first.forward):
        assert getattr(first.forward, field.name) == getattr(second.forward, field.name)
    assert first.error != other.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": [0.0, 0.1]}, "alpha must be finite and in"),
        ({"alpha": [0.2, 0.1]}, "alpha must be strictly increasing"),
        ({"noise": -1.0}, "noise must be finite and in"),
        ({"init": Initialization([1e-3, 1.0], 0.0)}, "c_pt must be a single number"),
    ],
)
def test_bad_input(arguments, message):
    arguments = {"task": TASK, "init": LAZY, "alpha": [0.1]} | arguments
    with pytest.raises(ValueError, match=message):
        monte_carlo_curve(**arguments, settings=QUICK)


@pytest.mark.parametrize(
    "setting",
    [
        {"n_samples": 50},
        {"n_samples": 100.5},
        {"n_batches": 1},
        {"damping": 0.0},
        {"damping": 1.1},
        {"tolerance": 0.0},
        {"max_iterations": 0},
        {"ridge": -1e-6},
        {"floor": 0.0},
    ],
)
def test_bad_settings(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=name):
        MonteCarloSettings(**setting)


@pytest.mark.parametrize("init", [LAZY, BASELINE])
def test_outcomes_of_the_samples(init):
    """The response is theta times the denoiser's slope; small k makes both active and idle ones."""
    samples = _Samples(Task(0.3, 0.3, 0.5), init, 500, np.random.default_rng(0))
    square, response = samples.outcomes(0.3, 0.7)
    z = samples.x + np.sqrt(0.3) * samples.v
    for sqrt_k, block in samples.blocks:
        found = denoise(z[block], 0.7, sqrt_k)
        miss = found - samples.x[block]
        np.testing.assert_allclose(square[block], miss**2, rtol=1e-8, atol=1e-12)
        slope = denoiser_slope(found, 0.7, sqrt_k)
        np.testing.assert_allclose(response[block], 0.7 * slope, rtol=1e-8)
