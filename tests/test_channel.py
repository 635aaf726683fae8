"""Expectations over the scalar channel against brute force, finite differences and closed forms."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import reference
from scipy.integrate import quad
from scipy.optimize import brentq

from ptft import REGIMES, Group, Initialization, Prior, Task, fixed_point, penalised_groups
from ptft.theory.channel import (
    COARSE,
    FINE,
    FINEST,
    STANDARD,
    Expectations,
    expectations,
    half_lines,
    line_moments,
    moments,
)

PRIORS = {
    "gaussian": Prior.gaussian(2.0),
    "signs": Prior.signs(1.5),
    "zero": Prior.zero(),
    "mixture": Prior((0.5, 0.3, 0.2), (0.0, 0.7, 3.0), (1.0, 0.0, 0.25)),
}
# sqrt(k), s and theta: soft and sharp thresholds below, at and above the noise; almost linear ones.
SETTINGS = {
    "smooth": (1.0, 0.5, 0.8),
    "smooth, much noise": (0.3, 5.0, 2.0),
    "smooth, little noise": (2.0, 1e-3, 0.5),
    "threshold": (1e-6, 0.3, 0.1),
    "threshold above the noise": (1e-10, 0.1, 0.05),
    "threshold below the noise": (1e-8, 1.0, 1e-3),
    "threshold, little noise": (1e-6, 1e-4, 1e-5),
    "sharp": (1e-25, 0.2, 0.02),
    "almost linear": (1e6, 1.0, 1e6),
    "weak": (1.0, 0.5, 1e-6),
    "strong": (1e-3, 1.0, 30.0),
}


def compute(groups, s2, theta, rule=STANDARD):
    s2, theta = np.atleast_1d(s2), np.atleast_1d(theta)
    return moments(half_lines(groups), s2, theta, rule)


def denoise(z, theta, sqrt_k):
    """Solve equation (17) by bisection and interpolation, for z of either sign."""

    def left_side(x):
        return x - abs(z) + theta / 2.0 * np.arcsinh(2.0 * x / sqrt_k)

    root = brentq(left_side, 0.0, abs(z), xtol=1e-300, rtol=1e-15, maxiter=2000) if z else 0.0
    return np.copysign(root, z)


def cuts(mean, tau, theta, sqrt_k):
    """Return where to split an integral over z: each standard deviation, and around the bends."""
    bend = theta / 2.0 * (1.0 + np.arcsinh(theta / sqrt_k))
    near = bend + theta * np.array([-30.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 100.0])
    low, high = mean - 10.0 * tau, mean + 10.0 * tau
    places = np.concatenate([mean + tau * np.arange(-10.0, 11.0), near, -near, [0.0]])
    return np.unique(np.clip(places, low, high))


def line_by_quadrature(mean, variance, sqrt_k, s2, theta):
    """Return error, shrinkage and slope of one Gaussian teacher by adaptive quadrature over z."""
    tau = np.sqrt(variance + s2)

    def integrand(z, what):
        x_hat = denoise(z, theta, sqrt_k)
        if what == "error":  # given z, x is Gaussian
            center = mean + variance / tau**2 * (z - mean)
            value = (x_hat - center) ** 2 + variance * s2 / tau**2
        elif what == "shrinkage":
            value = (x_hat - z) ** 2
        else:
            value = 1.0 / (1.0 + theta / np.hypot(sqrt_k, 2.0 * x_hat))
        return value * np.exp(-0.5 * ((z - mean) / tau) ** 2) / (np.sqrt(2.0 * np.pi) * tau)

    return np.array(
        [
            sum(
                quad(integrand, *piece, args=(what,), epsabs=0.0, epsrel=1e-11)[0]
                for piece in pairwise(cuts(mean, tau, theta, sqrt_k))
            )
            for what in ("error", "shrinkage", "slope")
        ]
    )


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("prior", ["gaussian", "signs"])
def test_against_adaptive_quadrature(setting, prior):
    sqrt_k, s, theta = SETTINGS[setting]
    [mean], [variance] = PRIORS[prior].means, PRIORS[prior].variances
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tiny pieces cannot be had to 1e-11 of themselves
        lines = [
            line_by_quadrature(signed, variance, sqrt_k, s * s, theta) for signed in (mean, -mean)
        ]
    expected = np.mean(lines, axis=0)
    found = compute([Group(1.0, sqrt_k, PRIORS[prior])], s * s, theta)
    values = np.ravel([found.error, found.shrinkage, found.slope])
    np.testing.assert_allclose(values, expected, rtol=1e-10)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_against_the_second_method(setting, prior):
    sqrt_k, s, theta = SETTINGS[setting]
    groups = [Group(0.4, sqrt_k, PRIORS[prior]), Group(0.6, 3.0 * sqrt_k, PRIORS["mixture"])]
    found = compute(groups, s * s, theta)
    error, slope = reference.expectations(groups, s * s, theta)
    # Stein's identity cancels where x_hat hardly differs from z.
    assert found.error[0] == pytest.approx(error, rel=1e-11, abs=1e-13 * s * s)
    assert found.slope[0] == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("setting", ["smooth", "smooth, much noise", "almost linear", "weak"])
def test_against_the_plane_of_signal_and_noise(setting):
    """The definition, E over x and V, by the trapezoidal rule: exact for smooth functions."""
    sqrt_k, s, theta = SETTINGS[setting]
    variance, step = 2.0, 0.03125
    grid = np.arange(-9.0, 9.0 + step, step)
    x, v = np.sqrt(variance) * grid[:, None], grid
    density = np.exp(-0.5 * (grid[:, None] ** 2 + v**2)) * step**2 / (2.0 * np.pi)
    z = x + s * v
    x_hat = np.copysign(reference.denoise(np.abs(z), theta, sqrt_k), z)
    slope = 1.0 / (1.0 + theta / np.hypot(sqrt_k, 2.0 * x_hat))
    found = compute([Group(1.0, sqrt_k, Prior.gaussian(variance))], s * s, theta)
    assert found.error[0] == pytest.approx(np.sum(density * (x_hat - x) ** 2), rel=1e-11)
    assert found.shrinkage[0] == pytest.approx(np.sum(density * (x_hat - z) ** 2), rel=1e-11)
    assert found.slope[0] == pytest.approx(np.sum(density * slope), rel=1e-11)


def derivative(function, x, step=2e-3):
    """Return the derivative by central differences, extrapolated twice."""
    rows = [(function(x + h) - function(x - h)) / (2.0 * h) for h in (step, step / 2.0, step / 4.0)]
    while len(rows) > 1:
        order = 4.0 ** (4 - len(rows))
        rows = [(order * b - a) / (order - 1.0) for a, b in pairwise(rows)]
    return rows[0]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_derivatives(setting, prior):
    """By log s^2 and log theta, to 1e-8 or what rounding leaves of a difference."""
    sqrt_k, s, theta = SETTINGS[setting]
    groups = [Group(0.7, sqrt_k, PRIORS[prior]), Group(0.3, 3.0 * sqrt_k, PRIORS["gaussian"])]
    x, y = 2.0 * np.log(s), np.log(theta)
    found = compute(groups, s * s, theta)
    for name in ("error", "shrinkage", "slope"):

        def value(x, y, name=name):
            return getattr(compute(groups, np.exp(x), np.exp(y), FINE), name)[0]

        by_x, by_y = (getattr(found, f"{name}_{variable}")[0] for variable in ("s2", "theta"))
        rounding = 3e-12 * getattr(found, name)[0]
        for expected, is_found in (
            (derivative(lambda x: value(x, y), x), s * s * by_x),
            (derivative(lambda y: value(x, y), y), theta * by_y),
        ):
            assert is_found == pytest.approx(expected, rel=1e-8, abs=rounding)


def random_channels(n, seed):
    """Return groups, s^2 and theta: sqrt(k) from 1e-30 to 1e30, thresholds up to 100 theta.

    The noise lies around the threshold, theta or sqrt(k); a mean and a variance far below to far
    above it.
    """
    rng = np.random.default_rng(seed)
    for _ in range(n):
        a = 10.0 ** rng.uniform(-30.0, 30.0)
        b = a * 10.0 ** rng.uniform(-3.0, 48.0)
        bend = a + b * np.arcsinh(b / a)
        scales = bend * 10.0 ** rng.uniform(-4.0, 4.0), b * 10.0 ** rng.uniform(-2.0, 4.0)
        s = rng.choice([*scales, a * 10.0 ** rng.uniform(-2.0, 6.0)])
        mean = s * rng.choice([0.0, 10.0 ** rng.uniform(-3.0, 3.0), rng.uniform(0.0, 20.0)])
        variance = s * s * rng.choice([0.0, 10.0 ** rng.uniform(-4.0, 8.0)])
        yield [Group(1.0, 2.0 * a, Prior((1.0,), (mean,), (variance,)))], s * s, 2.0 * b


def test_two_rules_agree():
    """To 1e-9 of the value and of what alpha = 1e-6 makes of it, at 500 settings."""
    worst = 0.0
    for groups, s2, theta in random_channels(500, 8):
        standard, fine = (compute(groups, s2, theta, rule) for rule in (STANDARD, FINE))
        for name, a, b in zip(standard._fields, standard, fine, strict=True):
            kind, _, variable = name.partition("_")
            unit = s2 if kind in ("error", "shrinkage") else 1.0
            by_log = {"s2": s2, "theta": theta, "": 1.0}[variable]
            scale = getattr(fine, kind)[0] + 1e-6 * unit
            worst = max(worst, by_log * abs(a - b)[0] / scale)
    assert worst < 1e-9


def test_rules_are_as_good_as_they_say():
    """At the solutions of the regimes' curves, where the solver uses them."""
    alpha = np.array([0.05, 0.3, 0.8])
    for regime in REGIMES.values():
        groups = penalised_groups(Task(0.1, 0.1, 0.7), regime.init)
        curve = fixed_point(groups, alpha)
        exact = np.array(compute(groups, curve.s2, curve.theta, FINEST))[:4]
        for rule, bound in [(COARSE, 1e-6), (STANDARD, 1e-12), (FINE, 1e-13)]:
            found = np.array(compute(groups, curve.s2, curve.theta, rule))[:4]
            np.testing.assert_allclose(found, exact, rtol=bound)


def test_expectations_are_moments_without_derivatives():
    for groups, s2, theta in random_channels(100, 12):
        lines, point = half_lines(groups), (np.array([s2]), np.array([theta]))
        found, expected = expectations(lines, *point), moments(lines, *point)
        for name in Expectations._fields:
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12)


def test_derivatives_line_by_line():
    """By log(a), the mean and the variance, against differences of whole teachers."""
    s2, theta = np.array([0.2, 1.0]), np.array([0.3, 0.05])
    for sqrt_k, mean, variance in [(1e-6, 0.7, 0.3), (0.1, 2.0, 1e-3), (3.0, 0.2, 4.0)]:

        def value(sqrt_k=sqrt_k, mean=mean, variance=variance):
            group = Group(1.0, sqrt_k, Prior((1.0,), (mean,), (variance,)))
            return np.array(compute([group], s2, theta, FINE))[:3]

        group = Group(1.0, sqrt_k, Prior((1.0,), (mean,), (variance,)))
        each = line_moments(half_lines([group]), s2, theta)
        signs = {"mean": np.array([[1.0], [-1.0]])}
        by = {
            "a": derivative(lambda h, k=sqrt_k: value(sqrt_k=k * np.exp(h)), 0.0),
            "mean": derivative(lambda h, m=mean: value(mean=m + h), 0.0),
            "variance": derivative(lambda h, v=variance: value(variance=v * np.exp(h)), 0.0)
            / variance,
        }
        for name, expected in by.items():
            for quantity, row in zip(("error", "shrinkage", "slope"), expected, strict=True):
                lines = getattr(each, f"{quantity}_{name}") * signs.get(name, 1.0)
                scale = np.abs(getattr(each, quantity).sum(axis=0))
                difference = np.abs(lines.sum(axis=0) - row)
                assert np.all(difference < 1e-8 * np.abs(row) + 1e-9 * scale / variance)


def test_threads_do_not_share_their_memory():
    problems = list(random_channels(200, 13))
    alone = [compute(*problem) for problem in problems]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda problem: compute(*problem), problems))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(np.ravel(one), np.ravel(other))


def test_identities():
    """The slope and its gap fill 1; Stein's identity joins error, shrinkage and slope."""
    for groups, s2, theta in random_channels(200, 9):
        m = compute(groups, s2, theta)
        assert m.slope + m.gap == pytest.approx(1.0, rel=1e-13)
        expected = m.shrinkage + (2.0 * m.slope - 1.0) * s2
        assert m.error == pytest.approx(expected, rel=1e-12, abs=1e-12 * (s2 + m.shrinkage[0]))


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("quotient", [1e-6, 0.5, 1.0, 1e6])
def test_linear_denoiser(prior, quotient):
    """For sqrt(k) far above z the denoiser is z sqrt(k) / (sqrt(k) + theta)."""
    sqrt_k, s2 = 1e12, 0.3
    theta = quotient * sqrt_k
    m = compute([Group(1.0, sqrt_k, PRIORS[prior])], s2, theta)
    slope, second = 1.0 / (1.0 + quotient), PRIORS[prior].second_moment
    gap = quotient * slope
    assert m.slope[0] == pytest.approx(slope, rel=1e-13)
    assert m.gap[0] == pytest.approx(gap, rel=1e-13)
    assert m.error[0] == pytest.approx(gap**2 * second + slope**2 * s2, rel=1e-13)
    assert m.shrinkage[0] == pytest.approx(gap**2 * (second + s2), rel=1e-13)


def test_points_and_groups_are_independent():
    """Many points at once give what each gives alone; a mixture gives the average."""
    groups = [
        Group(p, k, prior)
        for p, k, prior in zip(
            (0.1, 0.2, 0.3, 0.4), (1e-6, 1.0, 1e3, 1e-2), PRIORS.values(), strict=True
        )
    ]
    s2, theta = np.array([1e-4, 0.1, 30.0]), np.array([2.0, 1e-3, 0.4])
    together = compute(groups, s2, theta)
    for i in range(s2.size):
        alone = compute(groups, s2[i], theta[i])
        np.testing.assert_allclose(np.ravel(alone), np.array(together)[:, i], rtol=1e-13)
    average = sum(
        group.probability * np.array(compute([group._replace(probability=1.0)], s2, theta))
        for group in groups
    )
    np.testing.assert_allclose(np.array(together)[:4], average[:4], rtol=1e-13)


def test_a_narrow_gaussian_is_a_point():
    """Down to rounding, a variance of 1e-20 s^2 is none, far from zero or near."""
    for mean in (0.0, 1e-3, 1.0, 1e6):
        point = compute([Group(1.0, 1e-3, Prior.signs(mean))], 0.1, 0.2)
        narrow = compute([Group(1.0, 1e-3, Prior((1.0,), (mean,), (1e-21,)))], 0.1, 0.2)
        np.testing.assert_allclose(np.ravel(narrow), np.ravel(point), rtol=1e-9)


@pytest.mark.parametrize("numeral", REGIMES)
def test_where_learning_curves_go(numeral):
    """At the solutions of the paper's regimes the moments agree with the second method."""
    groups = penalised_groups(Task(0.1, 0.1, 0.7), REGIMES[numeral].init)
    for alpha in (0.05, 0.3, 0.8):
        curve = fixed_point(groups, alpha)
        error, slope = reference.expectations(groups, curve.s2, curve.theta)
        assert error == pytest.approx(curve.error, rel=1e-10)
        assert slope == pytest.approx(alpha, rel=1e-11)


def test_groups_of_a_task():
    """`penalised_groups` gives every group its share, its penalty and its teacher."""
    task, init = Task(0.2, 0.1, 0.5, amplitude_pt=2.0), Initialization(0.5, -0.5, 0.3)
    groups = penalised_groups(task, init)
    used, unused = 0.5 * 2.0 * (0.5 + np.hypot(0.5, 2.0)) + 0.09, 0.5 * 2.0 * 1.0 + 0.09
    expected = [(0.05, used), (0.05, unused), (0.15, used), (0.75, unused)]
    np.testing.assert_allclose([group[:2] for group in groups], expected, rtol=1e-14)
    assert [group.prior.second_moment for group in groups] == pytest.approx([10.0, 10.0, 0.0, 0.0])


@pytest.mark.parametrize("s", [1e-6, 1e-13, 1e-17, 1e-25])
@pytest.mark.parametrize("setting", [(1.0, 0.5), (1e-6, 0.1), (1e-2, 1e-3)])
def test_noise_below_the_rounding_of_the_signal(s, setting):
    """The expectation of a slope is then the slope at the signal itself."""
    sqrt_k, theta = setting
    found = compute([Group(1.0, sqrt_k, Prior.signs(1.5))], s**2, theta)
    x = denoise(1.5, theta, sqrt_k)
    curvature = 0.5 / np.hypot(sqrt_k / 2.0, x)
    assert found.slope[0] == pytest.approx(1.0 / (1.0 + theta * curvature), rel=1e-10)
    assert found.error[0] == pytest.approx((1.5 - x) ** 2, rel=1e-9)
