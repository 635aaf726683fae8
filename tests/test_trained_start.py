"""Fine-tuning from a trained network: the flow, the Bregman divergence, messages and the theory."""

import numpy as np
import pytest
import scipy
from numpy.testing import assert_allclose

from ptft import (
    ConvergenceError,
    Group,
    Initialization,
    Prior,
    Task,
    approximate_message_passing,
    fine_tune,
    fixed_point,
    implicit_bias,
    penalty,
    penalty_gradient,
    pretrain,
    sample_inputs,
)
from ptft.theory import joint_groups, recovery_threshold, trained_start
from ptft.theory.trained_start import (
    StartedGroup,
    continual_curve,
    continual_fixed_point,
    continual_threshold,
)

ALPHA = np.array([0.05, 0.2, 0.5, 0.9])


def two_tasks(seed, n_samples, n_dims, density=0.1):
    """Return inputs and the coefficients of two tasks that share half of their features."""
    rng = np.random.default_rng(seed)
    X = sample_inputs(n_samples, n_dims, rng)
    first, second = np.zeros((2, n_dims))
    n = round(density * n_dims)
    first[:n], second[n // 2 : n // 2 + n] = 1.0, rng.normal(size=n) / np.sqrt(density)
    return X, first, second


@pytest.mark.parametrize("c_pt", [1e-6, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("lambda_pt", [-0.9, 0.0, 0.5])
def test_the_flow_ends_at_the_least_divergence(c_pt, lambda_pt):
    """From the pretrained weights as they are; lambda drops out."""
    X, first, second = two_tasks(0, 25, 60)
    old = sample_inputs(40, 60, np.random.default_rng(1))
    pretrained = pretrain(old, old @ first, Initialization(c_pt, lambda_pt))
    tuned = fine_tune(X, X @ second, pretrained.weights)
    found = implicit_bias(X, X @ second, 2.0 * c_pt, start=pretrained.beta)
    assert_allclose(found.beta, tuned.beta, atol=1e-9)
    assert found.optimality < 1e-12


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e-3, 1.0, 1e6])
def test_no_interpolator_has_a_smaller_divergence(scale):
    X, first, second = two_tasks(2, 20, 50)
    y, slope = X @ second, penalty_gradient(first, scale)
    found = implicit_bias(X, y, scale, start=first)
    assert_allclose(X @ found.beta, y, atol=1e-12)
    assert_allclose(
        penalty_gradient(found.beta, scale) - slope, X.T @ found.nu, rtol=1e-8, atol=1e-8
    )
    free = np.linalg.svd(X)[2][len(X) :]
    rng = np.random.default_rng(3)
    least = np.sum(penalty(found.beta, scale) - slope * found.beta)
    for size in (1e-3, 1e-1, 10.0):
        other = found.beta + size * rng.normal(size=len(free)) @ free
        assert np.sum(penalty(other, scale) - slope * other) > least


def test_a_start_that_fits_stays_where_it_is():
    X, first, _ = two_tasks(4, 20, 50)
    found = implicit_bias(X, X @ first, 1e-3, start=first)
    assert_allclose(found.beta, first, atol=1e-13)


def test_a_zero_start_is_none():
    X, first, second = two_tasks(5, 20, 50)
    ours = implicit_bias(X, X @ second, 1e-3, start=0.0 * first)
    assert_allclose(ours.beta, implicit_bias(X, X @ second, 1e-3).beta, rtol=1e-12)


def test_zero_labels_are_learned_from_a_start():
    X, first, _ = two_tasks(6, 20, 50)
    found = implicit_bias(X, np.zeros(20), 1.0, start=first)
    assert np.linalg.norm(X @ found.beta) < 1e-13
    assert np.linalg.norm(found.beta) > 0.1


def test_messages_and_newton_agree():
    X, first, second = two_tasks(7, 300, 600)
    y = X @ second
    exact = implicit_bias(X, y, 0.1, start=first)
    messages = implicit_bias(X, y, 0.1, start=first, method="message passing")
    assert_allclose(messages.beta, exact.beta, atol=1e-8)
    assert messages.optimality < 1e-7


def test_a_large_problem_starts_from_messages():
    X, first, second = two_tasks(8, 600, 1000)
    found = implicit_bias(X, X @ second, 0.1, start=first)
    assert found.method == "message passing and Newton"
    plain = implicit_bias(X, X @ second, 0.1, start=first, method="newton")
    assert_allclose(found.beta, plain.beta, atol=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e4])
@pytest.mark.parametrize("moment", [(1.0, 0.0), (0.0, 1.0)])
def test_without_a_start_the_replica_theory_of_the_paper(moment, scale, noise):
    mean, variance = moment
    rows = [(0.9, 0.0, 0.0), (0.05, mean, variance), (0.05, -mean, variance)]
    groups = [StartedGroup(p, scale, 0.0, mu, v) for p, mu, v in rows]
    prior = Prior([0.9, 0.1], [0.0, mean], [0.0, variance])
    paper = fixed_point([Group(1.0, scale, prior)], ALPHA, noise)
    curve = continual_fixed_point(groups, ALPHA, noise)
    assert_allclose(curve.error, paper.error, rtol=2e-9)
    assert_allclose(curve.theta, paper.theta, rtol=2e-9)
    alpha = [0.3, 0.8, 1.5] if noise else [0.3, 0.8]
    ridge = continual_fixed_point(groups, alpha, noise, 0.5)
    assert_allclose(
        ridge.error, fixed_point([Group(1.0, scale, prior)], alpha, noise, 0.5).error, rtol=1e-9
    )


def test_a_large_scale_moves_along_the_samples_only():
    """Least distance from the start: a share alpha of the difference is learned, and forgotten."""
    groups = [StartedGroup(0.7, 1e6, 0.0, 0.0, 2.0), StartedGroup(0.3, 1e6, 1.5, -0.5, 0.0)]
    distance = 0.7 * 2.0 + 0.3 * 4.0
    curve = continual_fixed_point(groups, ALPHA)
    assert_allclose(curve.error, (1.0 - ALPHA) * distance, rtol=1e-6)
    assert_allclose(curve.forgetting, ALPHA * distance, rtol=1e-6)


@pytest.mark.parametrize(("c_pt", "alpha"), [(1e-3, 0.3), (1e-3, 0.6), (0.1, 0.3), (1.0, 0.5)])
def test_simulations_meet_the_theory(c_pt, alpha):
    """Errors on both tasks, in 40 draws at 500 dimensions, within 3.5 standard errors."""
    task, n_dims = Task(0.1, 0.1, 0.5, prior="signs"), 500
    theory = continual_curve(task, Initialization(c_pt, 0.0), alpha)
    draws = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = sample_inputs(round(alpha * n_dims), n_dims, rng)
        first, second = np.zeros((2, n_dims))
        first[:50], second[25:75] = 1.0, rng.choice([-1.0, 1.0], 50) / np.sqrt(0.1)
        beta = implicit_bias(X, X @ second, 2.0 * c_pt, start=first).beta
        draws.append((np.mean((beta - second) ** 2), np.mean((beta - first) ** 2)))
    mean, deviation = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(40)
    scores = (mean - (theory.error, theory.forgetting)) / deviation
    assert np.all(np.abs(scores) < 3.5)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10])
def test_extremes(scale):
    groups = [StartedGroup(0.9, scale, 0.0, 0.0, 0.0), StartedGroup(0.1, scale, 1.0, -1.0, 1.0)]
    alpha = [1e-3, 0.5, 0.999]
    curve = continual_fixed_point(groups, alpha, noise=0.01)
    assert curve.alpha.tolist() == alpha
    assert continual_fixed_point(groups, 0.5, noise=0.01).alpha == 0.5
    assert np.all(curve.residual < 1e-10)
    assert np.all(curve.error > 0.0)


def test_what_did_not_converge_is_handed_over(monkeypatch):
    groups = [StartedGroup(0.9, 0.1, 0.0, 0.0, 0.0), StartedGroup(0.1, 0.1, 1.0, -1.0, 1.0)]
    expected = continual_fixed_point(groups, [0.2, 0.5])
    monkeypatch.setattr(trained_start, "TOLERANCE", -1.0)
    with pytest.raises(ConvergenceError, match="0 of 2 points converged") as caught:
        continual_fixed_point(groups, [0.2, 0.5])
    assert_allclose(caught.value.partial.error, expected.error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: continual_fixed_point([], 0.5), "groups must hold at least one"),
        (lambda: continual_fixed_point([1.0], 0.5), "groups must be a list of StartedGroup"),
        (
            lambda: continual_fixed_point([StartedGroup(1.0, 0.0, 0.0, 1.0, 0.0)], 0.5),
            "sqrt_k must be",
        ),
        (
            lambda: continual_fixed_point([StartedGroup(1.0, 1.0, 1.0, 1.0, 0.0)], 0.5),
            "groups must have something to learn",
        ),
        (
            lambda: continual_fixed_point([StartedGroup(1.0, 1.0, 0.0, 1.0, 0.0)], 1.5),
            "n_samples must be less than n_dims",
        ),
        (
            lambda: continual_fixed_point([StartedGroup(1.0, 1.0, 0.0, 1.0, 0.0)], 1.5, ridge=1.0),
            "alpha must be less than 1 without noise",
        ),
        (lambda: continual_curve(1, Initialization(1.0, 0.0), 0.5), "task must be"),
        (
            lambda: implicit_bias(np.ones((1, 3)), [1.0], 1.0, start=[1.0, 2.0]),
            r"start must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: approximate_message_passing(np.ones((1, 3)), [1.0], 1.0, start=[np.nan] * 3),
            "start must",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- The rich limit ------------------------------------------------------------------------------


@pytest.mark.parametrize("unlearned", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rho", [1e-6, 0.1, 0.7])
def test_to_unlearn_takes_half_a_sample_a_feature(rho, unlearned):
    rows = [(1.0 - rho, 0.0, 0.0), (rho * unlearned, 2.0, 0.0), (rho * (1.0 - unlearned), 2.0, 3.0)]
    groups = [StartedGroup(p, 1.0, start, mean, 0.0) for p, start, mean in rows if p]
    assert_allclose(continual_threshold(groups), rho * (1.0 - unlearned / 2.0), rtol=1e-13)


@pytest.mark.parametrize("moment", [(1.0, 0.0), (0.0, 1.0), (-2.0, 0.5)])
def test_without_a_start_the_threshold_is_basis_pursuits(moment):
    mean, variance = moment
    groups = [StartedGroup(0.9, 1.0, 0.0, 0.0, 0.0), StartedGroup(0.1, 1.0, 0.0, mean, variance)]
    priors = [Group(0.9, 1.0, Prior.zero()), Group(0.1, 1.0, Prior.signs(1.0))]
    assert_allclose(continual_threshold(groups), recovery_threshold(priors), rtol=1e-13)


def test_the_threshold_is_the_least_of_its_sum():
    """By the table of the book, term by term, on a fine grid of t."""
    shares = {"equal": 0.04, "opposite": 0.03, "unlearned": 0.05, "new": 0.06, "idle": 0.82}
    t = np.linspace(0.0, 6.0, 600_001)
    normal = {w: scipy.special.ndtr(-w * t) for w in (1, 2)}
    density = {w: np.exp(-0.5 * (w * t) ** 2) / np.sqrt(2.0 * np.pi) for w in (1, 2)}
    total = (
        shares["equal"]
        + shares["opposite"] * (1.0 + 4.0 * t**2)
        + shares["unlearned"] * (0.5 + (1.0 + 4.0 * t**2) * normal[2] - 2.0 * t * density[2])
        + shares["new"] * (1.0 + t**2)
        + shares["idle"] * 2.0 * ((1.0 + t**2) * normal[1] - t * density[1])
    )
    pairs = {"equal": (-1.0, -2.0), "opposite": (1.0, -1.0), "unlearned": (-1.0, 0.0)}
    pairs |= {"new": (0.0, 3.0), "idle": (0.0, 0.0)}
    groups = [StartedGroup(shares[name], 1.0, *pair, 0.0) for name, pair in pairs.items()]
    assert_allclose(continual_threshold(groups), total.min(), rtol=1e-10)


def test_a_gaussian_target_has_either_sign():
    """P(equal sign) of N(1, 4) and a positive start is Phi(1 / 2)."""
    same = scipy.special.ndtr(0.5)
    rest = StartedGroup(0.8, 1.0, 0.0, 0.0, 0.0)
    split = [StartedGroup(0.2 * p, 1.0, 1.0, m, 0.0) for p, m in ((same, 1.0), (1 - same, -1.0))]
    found = continual_threshold([rest, StartedGroup(0.2, 1.0, 1.0, 1.0, 4.0)])
    assert_allclose(found, continual_threshold([rest, *split]), rtol=1e-13)
    mirrored = continual_threshold([rest, StartedGroup(0.2, 1.0, -1.0, -1.0, 4.0)])
    assert_allclose(found, mirrored, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-50, 1e-40, 1e-30, 1e-10, 1e-5])
@pytest.mark.parametrize("correlation", [1.0, -1.0])
def test_above_the_threshold_nothing_cancels(correlation, scale):
    """Errors far below a rounding of the coefficients: they are integrated about the mean."""
    task = Task(0.1, 0.1, 0.5, prior="signs")
    groups = joint_groups(task, lambda _: scale, correlation)
    threshold = continual_threshold(groups)
    alpha = threshold * np.array([0.9, 1.02, 1.1, 1.3, 2.0])
    curve = continual_fixed_point(groups, alpha)
    assert np.all(curve.residual < 1e-10)
    assert np.all(np.diff(curve.error) < 0.0)
    assert np.all(curve.error > 0.0)


@pytest.mark.parametrize("correlation", [1.0, 0.0, -1.0])
def test_the_fixed_point_nears_the_threshold(correlation):
    """At sqrt(k) = 1e-50 the error falls from a tenth to nearly nothing within a fifth of it."""
    task = Task(0.1, 0.1, 0.5, prior="signs")
    groups = joint_groups(task, lambda _: 1e-50, correlation)
    threshold = continual_threshold(groups)
    below, above = continual_fixed_point(groups, threshold * np.array([0.9, 1.1])).error
    assert below > 0.1
    assert above < 2e-3


def test_linear_programs_meet_the_threshold():
    """Half of 40 problems of 250 dimensions are solved within a twelfth of it."""
    rng, n_dims = np.random.default_rng(0), 250
    old, new = np.zeros((2, n_dims))
    old[:25], new[:12] = 1.0, 1.0
    costs = np.concatenate([np.where(old > 0.0, 0.0, 1.0), np.where(old > 0.0, 2.0, 1.0)])
    rows = [(0.9, 0.0, 0.0), (0.052, 1.0, 0.0), (0.048, 1.0, 1.0)]
    threshold = continual_threshold([StartedGroup(p, 1.0, *pair, 0.0) for p, *pair in rows])
    shares = []
    for factor in (0.8, 1.25):
        found = []
        for _ in range(40):
            X = sample_inputs(round(factor * threshold * n_dims), n_dims, rng)
            equal = np.hstack([X, -X])
            program = scipy.optimize.linprog(costs, A_eq=equal, b_eq=X @ new, bounds=(0.0, None))
            found.append(np.allclose(np.subtract(*np.split(program.x, 2)), new, atol=1e-6))
        shares.append(np.mean(found))
    assert shares[0] < 0.5 < shares[1]
