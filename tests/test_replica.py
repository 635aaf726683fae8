"""The fixed point against a second method, known forms, random problems and simulation."""

import pickle
import re

import numpy as np
import pytest
import reference
import robustness

import ptft
from ptft import REGIMES, Group, Initialization, Prior, Task, fixed_point, learning_curve
from ptft.theory import replica, solver
from ptft.theory.channel import HalfLines, half_lines

GAUSSIAN = Task(0.1, 0.1, 0.7)
SIGNS = Task(0.1, 0.1, 0.7, prior="signs")
SCALES = 10.0 ** -np.arange(20.0, 90.0, 10.0)
ALPHAS = np.array([0.02, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.98])
CURVES = {
    "regime I": (GAUSSIAN, REGIMES["I"].init, {}),
    "regime II": (Task(0.3, 0.1, 0.9), REGIMES["II"].init, {}),
    "regime III": (Task(0.1, 0.5, 0.1), REGIMES["III"].init, {}),
    "regime IV, signs": (SIGNS, REGIMES["IV"].init, {}),
    "noise and ridge": (
        Task(0.3, 0.1, 0.7),
        Initialization(0.1, -0.9, 0.1),
        {"noise": 0.1, "ridge": 0.01},
    ),
}
MIXTURE = Prior((0.5, 0.3, 0.2), (0.0, 0.7, 3.0), (1.0, 0.0, 0.25))
GROUPS = [
    Group(0.2, 1e-3, Prior.gaussian(5.0)),
    Group(0.1, 10.0, Prior.signs(2.0)),
    Group(0.3, 1e-6, Prior.zero()),
    Group(0.4, 0.1, MIXTURE),
]


def values(curve):
    return np.array([curve.error, curve.s2, curve.theta])


def one_group(sqrt_k, prior=MIXTURE):
    return [Group(1.0, sqrt_k, prior)]


# A second method


@pytest.mark.parametrize("name", CURVES)
def test_curves_against_the_second_method(name):
    task, init, more = CURVES[name]
    curve = learning_curve(task, init, ALPHAS, **more)
    groups = ptft.penalised_groups(task, init)
    expected = [reference.fixed_point(groups, alpha, **more) for alpha in ALPHAS]
    np.testing.assert_allclose(values(curve).T, expected, rtol=1e-11)
    assert curve.residual.max() < 1e-12
    assert curve.expectation_error.max() < 1e-11


@pytest.mark.parametrize("family", robustness.FAMILIES)
def test_random_problems_against_the_second_method(family):
    """The second method needs E_gen / s^2 and 1 - alpha not too small."""
    problems = (robustness.problem(family, i) for i in range(100))
    solvable = [args for args in problems if 1e-2 < args[1] < 0.99]
    for args in solvable[:6]:
        curve = fixed_point(*args)
        np.testing.assert_allclose(values(curve), reference.fixed_point(*args), rtol=1e-9)


# Robustness


@pytest.mark.parametrize("family", robustness.FAMILIES)
def test_random_problems_are_solved(family):
    """`python tests/robustness.py` does 2,000 of each family."""
    outcome = robustness.solve(family, 300)
    assert outcome.failures == []
    assert outcome.residual <= 1e-12
    assert outcome.expectation_error < 1e-9


@pytest.mark.parametrize("sqrt_k", [1e-100, 1e-60, 1e60, 1e100])
def test_penalties_at_the_ends(sqrt_k):
    """Far beyond 1e30 the theory still has an answer; 1e-100 leaves no digit to spare."""
    curve = fixed_point(one_group(sqrt_k), [0.3, 0.7], noise=0.1)
    end = fixed_point(one_group(np.inf if sqrt_k > 1.0 else 0.0), [0.3, 0.7], noise=0.1)
    # Basis pursuit is approached as 1 / log(k) only.
    np.testing.assert_allclose(curve.error, end.error, rtol=1e-12 if sqrt_k > 1.0 else 0.02)


@pytest.mark.parametrize("distance", [1e-6, 1e-9, 1e-12, 2.0**-53])
@pytest.mark.parametrize("sqrt_k", [1e-3, 1.0, 1e5])
def test_close_to_full_sampling(distance, sqrt_k):
    """E_gen falls in proportion to 1 - alpha, down to the last float below 1."""
    distances = np.array([1e-4, distance])
    alpha = 1.0 - distances
    curve = fixed_point(one_group(sqrt_k, Prior.gaussian(1.0)), alpha)
    quotient = curve.error / (1.0 - alpha)
    assert quotient[1] == pytest.approx(quotient[0], rel=1e-3)
    assert curve.expectation_error.max() < 1e-11


@pytest.mark.parametrize("alpha", [0.999999, 1.0, 1.000001])
@pytest.mark.parametrize("ridge", [1e-3, 1e-9, 1e-15, 1e-20])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_ridge_regression(alpha, ridge, noise):
    """As k -> inf (15) is ridge regression, whose slope solves a quadratic equation."""
    sqrt_k, second = 1e15, MIXTURE.second_moment
    curve = fixed_point(one_group(sqrt_k), alpha, noise, ridge * sqrt_k)
    theta = positive_root(alpha, alpha - 1.0 - ridge, -ridge)
    slope, gap = 1.0 / (1.0 + theta), theta / (1.0 + theta)
    # alpha - slope^2 without the subtraction of numbers near 1
    rest = (alpha - 1.0) + gap * (1.0 + slope)
    error = (alpha * gap**2 * second + slope**2 * noise) / rest
    # Near alpha = 1 that difference costs digits in the formula, not in the fixed point.
    assert curve.error == pytest.approx(error, rel=1e-9)
    assert curve.theta == pytest.approx(theta * sqrt_k, rel=1e-9)


def positive_root(a, b, c):
    """Return the positive root of a x^2 + b x + c for c < 0 < a."""
    root = np.sqrt(b * b - 4.0 * a * c)
    return 2.0 * -c / (b + root) if b > 0.0 else (root - b) / (2.0 * a)


# Known forms


@pytest.mark.parametrize("numeral", REGIMES)
@pytest.mark.parametrize("task", [GAUSSIAN, SIGNS])
def test_more_samples_than_dimensions(numeral, task):
    """Without ridge the samples determine the coefficients, whatever the penalty."""
    alpha = np.array([1.0001, 1.5, 3.0])
    clean = learning_curve(task, REGIMES[numeral].init, alpha)
    assert np.all(clean.error == 0.0)
    assert np.all(clean.s2 == 0.0)
    noisy = learning_curve(task, REGIMES[numeral].init, alpha, noise=0.2)
    np.testing.assert_allclose(noisy.error, 0.2 / (alpha - 1.0), rtol=1e-14)
    np.testing.assert_allclose(noisy.s2, (0.2 + noisy.error) / alpha, rtol=1e-12)
    assert np.all(noisy.theta == 0.0)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_small_ridge_is_none(noise):
    for alpha in (0.5, 1.5):
        with_ridge = fixed_point(GROUPS, alpha, noise, ridge=1e-14)
        without = fixed_point(GROUPS, alpha, noise)
        assert with_ridge.error == pytest.approx(without.error, rel=1e-9, abs=1e-20)


def test_exactly_as_many_samples_as_dimensions():
    curve = learning_curve(GAUSSIAN, REGIMES["IV"].init, 1.0)
    assert (curve.error, curve.s2, curve.theta) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"alpha must not be 1 with noise and without ridge"):
        learning_curve(GAUSSIAN, REGIMES["IV"].init, [0.5, 1.0], noise=0.1)
    assert np.isfinite(fixed_point(GROUPS, 1.0, noise=0.1, ridge=1e-3).error)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("prior", [Prior.gaussian(1.0), Prior.signs(1.0), MIXTURE])
def test_minimum_norm(prior, noise):
    """For k -> inf E = (1 - alpha) E[x^2] + noise alpha / (1 - alpha).."""
    expected = (1.0 - ALPHAS) * prior.second_moment + ALPHAS / (1.0 - ALPHAS) * noise
    curve = fixed_point(one_group(1e12, prior), ALPHAS, noise)
    np.testing.assert_allclose(curve.error, expected, rtol=1e-12)
    np.testing.assert_allclose(curve.theta, 1e12 * (1.0 / ALPHAS - 1.0), rtol=1e-12)
    end = fixed_point(one_group(np.inf, prior), ALPHAS, noise)
    np.testing.assert_allclose(end.error, expected, rtol=1e-14)
    np.testing.assert_allclose(end.s2, curve.s2, rtol=1e-12)
    assert np.all(np.isinf(end.theta))


def test_overlap_is_irrelevant_when_pretraining_leaves_no_trace():
    """At lambda = -1 all penalties are gamma^2, whatever was learned."""
    init = Initialization(1.0, -1.0, 0.3)
    curves = [learning_curve(Task(0.3, 0.2, overlap), init, ALPHAS) for overlap in (0.0, 0.4, 1.0)]
    for curve in curves[1:]:
        np.testing.assert_allclose(values(curve), values(curves[0]), rtol=1e-11)
    others = [learning_curve(Task(0.3, 0.2, w), REGIMES["II"].init, 0.2).error for w in (0.0, 1.0)]
    assert others[1] < 0.9 * others[0]


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("ridge", [0.0, 0.02])
@pytest.mark.parametrize("factor", [1e-7, 3.0, 1e9])
def test_scaling(factor, noise, ridge):
    """Coefficients and sqrt(k) times t: error times t^2, theta times t."""
    scaled = [
        Group(p, k * factor, Prior(w, np.multiply(m, factor), np.multiply(v, factor**2)))
        for p, k, (w, m, v) in ((g[0], g[1], vars(g.prior).values()) for g in GROUPS)
    ]
    curve = fixed_point(GROUPS, ALPHAS, noise, ridge)
    other = fixed_point(scaled, ALPHAS, noise * factor**2, ridge * factor)
    powers = np.array([[factor**2], [factor**2], [factor]])
    np.testing.assert_allclose(values(other), powers * values(curve), rtol=1e-10)


def test_how_a_mixture_is_written_does_not_matter():
    """Split, shuffled, empty or merged groups; components as groups of their own."""
    curve = fixed_point(GROUPS, ALPHAS, 0.1)
    half = [group._replace(probability=group.probability / 2.0) for group in GROUPS]
    empty = Group(0.0, 123.0, Prior.signs(7.0))
    components = [
        Group(group.probability * weight, group.sqrt_k, Prior((1.0,), (mean,), (variance,)))
        for group in GROUPS
        for weight, mean, variance in zip(
            group.prior.weights, group.prior.means, group.prior.variances, strict=True
        )
    ]
    for same in (half + half, GROUPS[::-1], [empty, *GROUPS], components):
        np.testing.assert_allclose(
            values(fixed_point(same, ALPHAS, 0.1)), values(curve), rtol=1e-11
        )


def test_a_rare_group_changes_little():
    rare = [
        *(group._replace(probability=group.probability * (1.0 - 1e-9)) for group in GROUPS),
        Group(1e-9, 1e20, Prior.signs(1.0)),
    ]
    a, b = fixed_point(rare, ALPHAS, 0.1), fixed_point(GROUPS, ALPHAS, 0.1)
    np.testing.assert_allclose(a.error, b.error, rtol=1e-6)
    assert np.all(a.error != b.error)


@pytest.mark.parametrize("name", ["regime I", "regime II", "regime III", "regime IV, signs"])
def test_noise_makes_interpolation_worse(name):
    """Without ridge, that is: under a fixed ridge a little noise can help."""
    task, init, _ = CURVES[name]
    noises = [0.0, 1e-6, 1e-3, 0.1, 1.0, 10.0]
    errors = [learning_curve(task, init, [0.1, 0.5, 0.9], noise).error for noise in noises]
    assert np.all(np.diff(errors, axis=0) > 0.0)


@pytest.mark.parametrize("name", CURVES)
def test_s2_and_error_fit_together(name):
    """Equation (19) in the numbers that are returned."""
    task, init, more = CURVES[name]
    curve = learning_curve(task, init, ALPHAS, **more)
    np.testing.assert_allclose(
        curve.s2, (more.get("noise", 0.0) + curve.error) / ALPHAS, rtol=1e-12
    )


# Interface


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_scales_far_below_any_coefficient(overlap):
    """Around recovery s^2 is anything from 1e-160 to 1, and the search must not lose its way."""
    task, alpha = Task(0.1, 0.1, overlap), np.array([0.1001, 0.101, 0.103, 0.105, 0.11, 0.2, 0.4])
    errors = [learning_curve(task, Initialization(c, 0.0, 0.0), alpha).error for c in SCALES]
    assert np.all(np.isfinite(errors))
    if overlap == 1.0:  # recovered at all but the first two: the error is in proportion to c^2
        flat = np.array(errors)[:, 2:] / SCALES[:, None] ** 2
        np.testing.assert_allclose(flat[2:], np.broadcast_to(flat[-1], flat[2:].shape), rtol=1e-10)


def test_a_number_gives_numbers():
    for alpha in (0.3, np.float64(0.3), np.array(0.3)):
        curve = learning_curve(GAUSSIAN, REGIMES["IV"].init, alpha)
        for column in ("alpha", *replica._COLUMNS):
            assert type(getattr(curve, column)) is float
        assert curve.status == "1 of 1 points converged"


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_many_alphas(kind):
    """In any order and more than once, each as if it were alone."""
    alphas = [0.7, 0.2, 1.5, 0.2, 0.05]
    curve = learning_curve(GAUSSIAN, REGIMES["IV"].init, kind(alphas), noise=0.1)
    assert curve.status == "5 of 5 points converged"
    np.testing.assert_array_equal(curve.alpha, alphas)
    for i, alpha in enumerate(alphas):
        alone = learning_curve(GAUSSIAN, REGIMES["IV"].init, alpha, noise=0.1)
        np.testing.assert_allclose(values(curve)[:, i], values(alone), rtol=1e-12)
    assert curve.error[1] == pytest.approx(curve.error[3], rel=1e-13)  # as sums are rounded


@pytest.mark.parametrize(
    ("smallest", "low", "high"),
    [(230.0, 0.01, 0.95), (30.0, 1e-6, 0.01), (230.0, 0.9, 0.9999999), (230.0, 0.01, 2.0)],
)
def test_points_all_over_the_allowed_range_are_solved(smallest, low, high):
    """Two penalties from e^-230 to e^30 in one problem; some of these points once ran away."""
    rng, n = np.random.default_rng(11), 5000
    a = np.exp(rng.uniform(-smallest, 30.0, (n, 2)))
    rho, overlap = 10.0 ** rng.uniform(-4.0, -0.3, n), rng.uniform(0.0, 1.0, n)
    mass = 2.0 * np.stack([1.0 - rho, rho * overlap, rho * (1.0 - overlap)], axis=1)
    variance = np.stack([np.zeros(n), 1.0 / rho, 1.0 / rho], axis=1)
    rows = (mass, a[:, [0, 0, 1]], np.zeros((n, 3)), variance)
    lines = HalfLines(*(row.ravel() for row in rows), 3 * np.arange(n + 1))
    alpha = rng.uniform(low, high, n)
    noise, ridge = (np.where(rng.random(n) < 0.5, 0.0, 10.0 ** rng.uniform(-8, 2, n)) for _ in "ab")
    ridge = np.where(alpha < 1.0, ridge, np.maximum(ridge, 1e-3))
    error, s2, theta, residual, distance = solver.solve(
        solver.Points(lines, np.arange(n), alpha, noise, ridge)
    )
    assert residual.max() <= 1e-12
    assert distance.max() < 1e-10
    assert min(error.min(), s2.min(), theta.min()) > 0.0


def test_a_search_is_short(monkeypatch):
    """From where the ladder starts it; from the estimate 0 it took up to 13 steps."""
    linearise, sizes = solver._Search._linearise, []

    def counted(search, i):
        sizes.append(i.size)
        return linearise(search, i)

    monkeypatch.setattr(solver._Search, "_linearise", counted)
    for regime in REGIMES.values():
        for overlap, rho_ft in ((0.0, 0.1), (1.0, 0.1), (1.0, 0.01)):
            sizes.clear()
            learning_curve(Task(0.1, rho_ft, overlap), regime.init, np.linspace(0.01, 0.5, 40))
            assert len(sizes) <= 6
            assert sum(sizes) < 5 * 40


def test_arguments_are_left_alone():
    alpha = np.array([0.2, 0.7])
    curve = learning_curve(GAUSSIAN, REGIMES["IV"].init, alpha)
    np.testing.assert_array_equal(alpha, [0.2, 0.7])
    assert curve.error.shape == alpha.shape


def test_groups_may_be_plain_tuples():
    plain = [tuple(group) for group in GROUPS]
    assert fixed_point(plain, 0.3) == fixed_point(GROUPS, 0.3)


@pytest.mark.parametrize("alpha", [0.3, [0.3, 0.6, 1.2]])
def test_convergence_error(monkeypatch, alpha):
    """It names the points that failed, holds the result and crosses processes."""
    expected = learning_curve(GAUSSIAN, REGIMES["IV"].init, alpha)
    monkeypatch.setattr(solver, "TOLERANCE", 1e-30)
    monkeypatch.setattr(solver, "_NEWTON_TOLERANCE", 1e-3)
    with pytest.raises(ptft.ConvergenceError, match=r"at alpha = 0\.3.*above 1e-30") as caught:
        learning_curve(GAUSSIAN, REGIMES["IV"].init, alpha)
    partial = caught.value.partial
    assert isinstance(partial, ptft.LearningCurve)
    assert partial.status == str(caught.value)
    np.testing.assert_allclose(partial.error, expected.error, rtol=1e-3)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    np.testing.assert_array_equal(copy.partial.error, partial.error)


def test_what_leaves_floating_point_raises():
    with pytest.raises(ptft.ConvergenceError) as caught:
        fixed_point(GROUPS, [1e-300, 0.5])
    assert caught.value.partial.status.startswith("1 of 2 points converged")
    assert caught.value.partial.error[1] == pytest.approx(fixed_point(GROUPS, 0.5).error, rel=1e-14)


CURVE = {"task": GAUSSIAN, "init": REGIMES["IV"].init, "alpha": 0.3}
POINT = {"groups": GROUPS, "alpha": 0.3}
TASK = {"rho_pt": 0.1, "rho_ft": 0.2, "overlap": 0.5}
SHARES = {"rho_pt": 0.1, "rho_shared": 0.5, "rho_new": 0.1}
INIT = {"c_pt": 1.0, "lambda_pt": 0.0, "gamma_ft": 0.0}
BAD = [
    *((CURVE, "alpha", v, "alpha must be finite and in (0, inf)") for v in (0.0, -1.0, np.nan)),
    (CURVE, "alpha", [0.5, np.inf], "alpha must be finite and in (0, inf), got inf"),
    (CURVE, "alpha", [], "alpha must be a non-empty 1-d array, got shape (0,)"),
    (CURVE, "alpha", [[0.5]], "alpha must be a non-empty 1-d array, got shape (1, 1)"),
    (CURVE, "alpha", "0.5", "alpha must be a real number or array, got '0.5'"),
    (CURVE, "alpha", None, "alpha must be a real number or array, got None"),
    *(
        (CURVE, "noise", v, f"noise must be finite and in [0, inf), got {v}")
        for v in (-1.0, np.inf)
    ),
    (CURVE, "noise", [0.1, 0.2], "noise must be a single number, got an array of shape (2,)"),
    *(
        (CURVE, "ridge", v, f"ridge must be finite and in [0, inf), got {v}")
        for v in (-1.0, np.nan)
    ),
    (CURVE, "ridge", [0.1], "ridge must be a single number, got an array of shape (1,)"),
    *(
        (
            CURVE,
            "init",
            Initialization(**{**INIT, name: [0.1, 0.2]}),
            f"{name} must be a single num",
        )
        for name in INIT
    ),
    (POINT, "groups", [], "groups must hold at least one Group, got none"),
    (POINT, "groups", GROUPS[:3], "the groups' probabilities must sum to 1, got 0.60"),
    (
        POINT,
        "groups",
        [Group(-1.0, 1.0, MIXTURE)],
        "probability must be finite and in [0, 1], got -1",
    ),
    (
        POINT,
        "groups",
        [Group(np.nan, 1.0, MIXTURE)],
        "probability must be finite and in [0, 1], go",
    ),
    (
        POINT,
        "groups",
        one_group(-1.0),
        "sqrt_k, other than 0 or inf, must be finite and in [1e-100,",
    ),
    (POINT, "groups", one_group(np.nan), "inf, must be finite and in [1e-100, 1e+100], got nan"),
    (POINT, "groups", one_group(1e-200), "inf, must be finite and in [1e-100, 1e+100], got 1e-200"),
    (POINT, "groups", one_group("1"), "inf, must be a real number or array, got '1'"),
    (POINT, "groups", one_group([1.0, 2.0]), "must be a single number, got an array of shape (2,)"),
    (POINT, "groups", one_group(1.0, 2.0), "prior must be of class Prior, got 2.0"),
    (POINT, "groups", one_group(1.0, Prior.zero()), "groups must hold a teacher other than zero"),
    (
        POINT,
        "groups",
        [Group(0.5, 0.0, MIXTURE), Group(0.5, 1.0, MIXTURE)],
        "sqrt_k = 0 or inf must be shared by all groups, got [0.0, 1.0]",
    ),
    (
        {**POINT, "groups": one_group(np.inf)},
        "ridge",
        0.1,
        "ridge must be 0 where sqrt_k is 0 or inf",
    ),
    *(
        (TASK, "rho_pt", v, f"rho_pt must be finite and in (0, 1), got {v}")
        for v in (0.0, 1.0, -0.1)
    ),
    *(
        (TASK, "rho_ft", v, f"rho_ft must be finite and in (0, 1), got {v}")
        for v in (0.0, 1.0, np.nan)
    ),
    (TASK, "rho_ft", [0.1, 0.2], "rho_ft must be a single number"),
    *((TASK, "overlap", v, f"overlap must be finite and in [0, 1], got {v}") for v in (-0.1, 1.1)),
    (
        TASK,
        "overlap",
        0.6,
        "overlap = 0.6 is impossible for rho_pt = 0.1 and rho_ft = 0.2: rho_shared",
    ),
    (TASK, "overlap", 0.6, "must be in [0, 1]; the overlap can be in [0, 0.5]"),
    (
        {**TASK, "rho_pt": 0.9, "rho_ft": 0.5, "overlap": 0.9},
        "overlap",
        0.1,
        "the overlap can be in [0.8, 1]",
    ),
    (TASK, "amplitude_pt", 0.0, "amplitude_pt must be finite and in (0, inf), got 0.0"),
    (TASK, "prior", "laplace", "prior must be one of"),
    (TASK, "rho_shared", 0.1, "give rho_ft and overlap, or rho_shared and rho_new"),
    (SHARES, "rho_shared", 1.5, "rho_shared must be finite and in [0, 1], got 1.5"),
    (SHARES, "rho_new", -0.5, "rho_new must be finite and in [0, 1], got -0.5"),
    ({**SHARES, "rho_shared": 0.0}, "rho_new", 0.0, "must leave some, not all, dimensions active"),
    *(
        (INIT, "c_pt", v, f"c_pt must be finite and in (0, inf), got {v}")
        for v in (0.0, -1.0, np.inf)
    ),
    *(
        (INIT, "lambda_pt", v, f"lambda_pt must be finite and in [-1, 1], got {v}")
        for v in (-1.0000001, 1.5, np.nan)
    ),
    *(
        (INIT, "gamma_ft", v, f"gamma_ft must be finite and in [0, inf), got {v}")
        for v in (-0.1, np.inf)
    ),
    (
        INIT,
        "lambda_pt",
        -1.0,
        "gamma_ft must be larger than 0 where lambda_pt = -1, got gamma_ft = 0",
    ),
    (
        {**INIT, "c_pt": [1.0, 2.0]},
        "lambda_pt",
        np.zeros(3),
        "got c_pt (2,), lambda_pt (3,), gamma_ft ()",
    ),
]
FUNCTIONS = {"task": learning_curve, "groups": fixed_point, "rho_pt": Task, "c_pt": Initialization}


@pytest.mark.parametrize(("good", "name", "value", "message"), BAD)
def test_bad_input(good, name, value, message):
    function = FUNCTIONS[next(iter(good))]
    function(**good)
    with pytest.raises(ValueError, match=re.escape(message)):
        function(**{**good, name: value})


# Simulation


@pytest.mark.parametrize(
    ("init", "alpha", "noise"),
    [
        (Initialization(0.1, 0.0, 0.0), 0.3, 0.0),
        (Initialization(1.0, -0.5, 0.5), 0.5, 0.0),
        (Initialization(0.1, -0.5, 0.2), 0.4, 0.1),
    ],
)
def test_simulation(init, alpha, noise):
    """Interpolators of (11) at 400 dimensions: the mean error of 40, within 4 standard errors.

    Finite size may add 1 / 400 of the error.
    """
    n_dims, task = 400, Task(0.2, 0.2, 0.8)
    rng = np.random.default_rng(12)
    found = []
    for _ in range(40):
        X = rng.standard_normal((round(alpha * n_dims), n_dims)) / np.sqrt(n_dims)
        groups = ptft.penalised_groups(task, init)
        group = rng.choice(len(groups), n_dims, p=[g.probability for g in groups])
        scale = np.array([g.sqrt_k for g in groups])[group]
        deviation = np.sqrt([g.prior.second_moment for g in groups])[group]
        beta = deviation * rng.standard_normal(n_dims)
        y = X @ beta + np.sqrt(noise) * rng.standard_normal(len(X))
        found.append(np.mean((reference.interpolate(X, y, scale) - beta) ** 2))
    theory = learning_curve(task, init, alpha, noise).error
    standard_error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert standard_error < 0.05 * theory
    assert abs(np.mean(found) - theory) < 4.0 * standard_error + theory / n_dims


def test_many_points_are_solved_in_parts_to_the_same_end(monkeypatch):
    alpha = np.linspace(0.01, 1.2, 37)
    together = fixed_point(GROUPS, alpha)
    monkeypatch.setattr(solver, "_POINTS", 5)
    np.testing.assert_allclose(fixed_point(GROUPS, alpha).error, together.error, rtol=1e-13)


@pytest.mark.parametrize(
    ("alpha", "noise", "ridge"),
    [(0.2, 0.0, 0.0), (0.3, 0.1, 0.0), (0.3, 0.1, 0.05), (1.0, 0.1, 0.05), (1.5, 0.1, 0.3)],
)
def test_derivatives_of_the_residuals(alpha, noise, ridge):
    """A wrong one costs steps, not digits, so that no solution shows it."""
    lines = half_lines(ptft.penalised_groups(Task(0.1, 0.2, 0.5), Initialization(0.1, 0.3)))
    one = np.zeros(1, dtype=int)
    points = solver.Points(lines, one, *(np.array([v]) for v in (alpha, noise, ridge)))
    at, h = np.log([[0.05], [0.3]]), 1e-5

    def residuals(point):
        s2, theta = np.exp(point)
        return points.residuals(s2, theta, points.expectations(s2, theta))[0][:, 0]

    steps = h * np.eye(2)[:, :, None]
    numeric = np.transpose([(residuals(at + e) - residuals(at - e)) / (2.0 * h) for e in steps])
    residual, jacobian = points.linearise(*np.exp(at), points.moments(*np.exp(at)))
    np.testing.assert_allclose(residual[:, 0], residuals(at), rtol=1e-12)
    np.testing.assert_allclose(jacobian[:, :, 0], numeric, rtol=1e-7, atol=1e-7)
