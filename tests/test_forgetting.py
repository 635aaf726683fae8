"""What fine-tuning leaves of the old task: re-balanced networks, signs, averages of both."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ptft import (
    Initialization,
    Task,
    denoise,
    implicit_bias,
    learning_curve,
    sample_inputs,
    sqrt_k,
)
from ptft.theory import (
    StartedGroup,
    continual_curve,
    features_used,
    joint_groups,
    restarted_curve,
    restarted_fixed_point,
)

TASK = Task(0.1, 0.1, 0.5, prior="signs")
NETWORK = Initialization(1e-3, -0.973, 0.0)
ALPHA = np.array([0.05, 0.2, 0.5])
SIGNS = (1.0, 0.3, 0.0, -1.0)


@pytest.mark.parametrize("correlation", SIGNS)
@pytest.mark.parametrize(("noise", "ridge"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.1)])
def test_the_error_is_the_learning_curves_whatever_the_signs(correlation, noise, ridge):
    curve = restarted_curve(TASK, NETWORK, ALPHA, noise, ridge, correlation=correlation)
    paper = learning_curve(TASK, NETWORK, ALPHA, noise, ridge)
    assert_allclose(curve.error, paper.error, rtol=1e-11, atol=1e-30)
    assert_allclose(curve.theta, paper.theta, rtol=1e-11)


@pytest.mark.parametrize("correlation", SIGNS)
def test_the_distance_of_the_tasks_by_its_moments(correlation):
    task = Task(0.2, 0.1, 0.6, amplitude_pt=1.5, prior="signs")
    shared = 0.2 * task.rho_shared
    expected = 0.2 * 1.5**2 + 1.0 - 2.0 * shared * correlation * 1.5 / np.sqrt(0.1)
    for curve in (continual_curve, restarted_curve):
        found = curve(task, NETWORK, 0.3, correlation=correlation).distance
        assert_allclose(found, expected, rtol=1e-13)


def test_forgetting_without_correlation_is_the_sum_of_second_moments():
    """E[x_hat beta_0] is 0, so sizes add up; group by group the second moments are known."""
    for task in (TASK, Task(0.2, 0.1, 0.6, amplitude_pt=2.0)):
        used = features_used(task, NETWORK, learning_curve(task, NETWORK, ALPHA), threshold=1.0)
        expected = used.probability @ used.second_moment + task.rho_pt * task.amplitude_pt**2
        assert_allclose(restarted_curve(task, NETWORK, ALPHA).forgetting, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 100.0])
def test_forgetting_by_summing_over_a_fine_grid(scale):
    """By the denoiser on evenly spaced observations: trapezoids converge fast on a Gaussian."""
    groups = [StartedGroup(0.8, scale, 0.0, 0.0, 1.0), StartedGroup(0.2, 3 * scale, 1.5, 2.0, 0.5)]
    curve = restarted_fixed_point(groups, 0.4, 0.1)
    v = np.linspace(-10.0, 10.0, 200_001)
    weight = np.exp(-v * v / 2.0) * (v[1] - v[0]) / np.sqrt(2.0 * np.pi)
    found = 0.0
    for g in groups:
        x_hat = denoise(g.mean + np.sqrt(g.variance + curve.s2) * v, curve.theta, g.sqrt_k)
        found += g.probability * weight @ (x_hat - g.start) ** 2
    assert_allclose(curve.forgetting, found, rtol=1e-9)


@pytest.mark.parametrize("correlation", [1.0, -1.0])
def test_simulations_meet_the_theory(correlation):
    """Both errors and those of the average half-way, 40 draws at 500 dimensions."""
    n_dims, alpha, draws = 500, 0.3, []
    theory = restarted_curve(TASK, NETWORK, alpha, correlation=correlation)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = sample_inputs(round(alpha * n_dims), n_dims, rng)
        first, second = np.zeros((2, n_dims))
        first[:50], second[25:75] = 1.0, rng.choice([-1.0, 1.0], 50) / np.sqrt(0.1)
        second[25:50] = correlation / np.sqrt(0.1)
        beta = implicit_bias(X, X @ second, sqrt_k(first, NETWORK)).beta
        half = (beta + first) / 2.0
        draws.append([np.mean((b - t) ** 2) for b in (beta, half) for t in (second, first)])
    mean, deviation = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(40)
    expected = (*theory.averaged(1.0), *theory.averaged(0.5))
    assert np.all(np.abs((mean - expected) / deviation) < 3.5)


@pytest.mark.parametrize("curve", [continual_curve, restarted_curve])
def test_averages_lie_on_a_parabola_with_its_vertex_at_the_best_share(curve):
    law = curve(TASK, NETWORK, ALPHA, correlation=0.5)
    assert_allclose(law.averaged(0.0), ([law.distance] * 3, np.zeros(3)))
    assert_allclose(law.averaged(1.0), (law.error, law.forgetting))
    at, below, above = (law.averaged(law.best_share + step)[0] for step in (0.0, -1e-3, 1e-3))
    assert np.all((at < below) & (at < above))
    assert_allclose(below - at, above - at, rtol=1e-6)
    assert law.averaged(np.linspace(0.0, 1.0, 5)[:, None])[0].shape == (5, 3)


@pytest.mark.parametrize("correlation", SIGNS)
def test_a_lazy_network_projects(correlation):
    """Moments of the minimum-norm solution; going on it is the nearest solution to the start."""
    lazy = Initialization(1e5, 0.0)
    cross, alpha = correlation * 0.05 / np.sqrt(0.1), 0.3
    law = restarted_curve(TASK, lazy, alpha, correlation=correlation)
    assert_allclose(law.error, 1.0 - alpha, rtol=1e-6)
    assert_allclose(law.forgetting, alpha - 2.0 * alpha * cross + 0.1, rtol=1e-6)
    assert_allclose(continual_curve(TASK, lazy, alpha).best_share, 1.0, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-50, 1e-30, 1e-10, 1e10, 4e49])
def test_extremes(scale):
    groups = joint_groups(TASK, lambda beta: scale * (1.0 + beta), -1.0)
    alpha = [1e-3, 0.1, 0.5, 0.999]
    curve = restarted_fixed_point(groups, alpha)
    assert np.all(curve.residual < 1e-12)
    assert np.all(np.isfinite(curve.forgetting) & (curve.forgetting > 0.0))
    assert np.all(np.isfinite(curve.best_share))
    if scale < 1e-25:  # the new task is recovered
        assert_allclose(curve.forgetting[2:], curve.distance, rtol=1e-6)


def test_groups_of_perfectly_correlated_signs_have_one_sign():
    groups = joint_groups(TASK, lambda beta: 1.0, 1.0)
    assert sum(g.probability for g in groups) == pytest.approx(1.0, abs=1e-15)
    assert {np.sign(g.mean) for g in groups if g.start} == {0.0, 1.0}
    assert {np.sign(g.mean) for g in groups if not g.start} == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_groups(TASK, lambda _: 1.0, 1.1), "correlation must be"),
        (
            lambda: restarted_curve(Task(0.1, 0.1, 0.5), NETWORK, 0.2, correlation=0.5),
            'correlation must be 0 for a task with prior="gaussian", got 0.5',
        ),
        (lambda: restarted_curve(1, NETWORK, 0.2), "task must be"),
        (lambda: restarted_curve(TASK, Initialization([1.0, 2.0], 0.0), 0.2), "c_pt must be"),
        (lambda: restarted_fixed_point([], 0.5), "groups must hold at least one"),
        (lambda: restarted_fixed_point(joint_groups(TASK, lambda _: 1.0), 1.5), "n_samples"),
        (
            lambda: continual_curve(TASK, NETWORK, 0.2).averaged(np.nan),
            "share must",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
