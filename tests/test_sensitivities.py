"""Exact derivatives of learning curves against extrapolated differences and closed forms."""

import re
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from ptft import REGIMES, Initialization, Task, learning_curves
from ptft.theory.channel import half_lines, line_moments, moments
from ptft.theory.replica import penalised_groups
from ptft.theory.sensitivities import Gradient, Sensitivities, sensitivities

NAMES = [field.name for field in fields(Gradient)]
QUANTITIES = ("error", "s2", "theta")
ALPHAS = np.array([0.05, 0.3, 0.7, 0.95])
PROBLEMS = {
    "regime I": (Task(0.1, 0.1, 0.7), Initialization(1e-3, -0.9, 0.1), 0.0, 0.0),
    "regime II": (Task(0.3, 0.1, 0.6), Initialization(1e-3, 0.2, 0.05), 0.0, 0.0),
    "regime III": (Task(0.2, 0.4, 0.1), Initialization(5.0, 0.3, 1.0), 0.0, 0.0),
    "regime IV": (Task(0.1, 0.1, 0.7), Initialization(1e-6, 0.5, 1e-3), 0.0, 0.0),
    "signs": (Task(0.1, 0.2, 0.3, prior="signs"), Initialization(1e-2, 0.1, 0.1), 0.0, 0.0),
    "signs, noise": (Task(0.1, 0.05, 0.9, 2.0, "signs"), Initialization(0.3, 0.1, 0.1), 0.2, 0.0),
    "noise and ridge": (Task(0.3, 0.1, 0.7), Initialization(0.1, -0.5, 0.1), 0.1, 0.02),
}


def values(curve):
    return np.array([curve.error, curve.s2, curve.theta])


def moved(name, step, task, init, alpha, noise, ridge):
    """Return the solution with one parameter moved by `step`."""
    if name in ("rho_pt", "rho_ft", "overlap"):
        given = {key: getattr(task, key) for key in ("rho_pt", "rho_ft", "overlap")}
        given[name] += step
        task = Task(**given, amplitude_pt=task.amplitude_pt, prior=task.prior)
    elif name == "log_c":
        init = replace(init, c_pt=init.c_pt * np.exp(step))
    elif name in ("lambda_pt", "gamma_ft"):
        init = replace(init, **{name: getattr(init, name) + step})
    numbers = {"alpha": alpha, "noise": noise, "ridge": ridge}
    if name in numbers:
        numbers[name] = numbers[name] + step
    return values(learning_curves(task, init, **numbers))


def extrapolated(function, step, one_sided=False):
    """Return a derivative by differences with steps h, h/2, ..., their errors taken out in turn."""
    steps = [step / 2.0**i for i in range(7 if one_sided else 5)]
    here = function(0.0) if one_sided else None
    rows = [
        (function(h) - here) / h if one_sided else (function(h) - function(-h)) / (2.0 * h)
        for h in steps
    ]
    order = factor = 2.0 if one_sided else 4.0
    while len(rows) > 1:
        rows = [(order * b - a) / (order - 1.0) for a, b in pairwise(rows)]
        order *= factor
    return rows[0]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", NAMES)
def test_against_extrapolated_differences(problem, name):
    """To 1e-8 of the derivative, and what rounding makes of a difference."""
    task, init, noise, ridge = PROBLEMS[problem]
    found = sensitivities(task, init, ALPHAS, noise, ridge)
    steps = {
        "log_c": 0.1,
        "lambda_pt": 0.1 * (1.0 + init.lambda_pt),
        "gamma_ft": 0.1 * init.gamma_ft,
        "noise": 0.1 * noise or 0.02 * found.curve.error,
        "ridge": 0.1 * ridge or 0.1 * found.curve.theta * ALPHAS * (1.0 - ALPHAS),
        "overlap": 0.02,
    }
    step, one_sided = steps.get(name, 0.01), {"noise": noise, "ridge": ridge}.get(name, 1.0) == 0.0
    expected = extrapolated(
        lambda h: moved(name, h, task, init, ALPHAS, noise, ridge), step, one_sided
    )
    exact = np.array([getattr(getattr(found, quantity), name) for quantity in QUANTITIES])
    rounding = (3e-11 if one_sided else 3e-12) * values(found.curve) / step
    assert np.all(np.abs(exact - expected) < 1e-8 * np.abs(expected) + rounding)
    assert np.all(exact[0] != 0.0)


def test_minimum_norm():
    """For k -> inf E = (1 - alpha) + noise alpha / (1 - alpha), theta = sqrt(k) (1 / alpha - 1)."""
    noise, c = 0.3, 1e9
    found = sensitivities(Task(0.1, 0.1, 0.7), Initialization(c, 0.0), ALPHAS, noise)
    rest = 1.0 - ALPHAS
    np.testing.assert_allclose(found.error.alpha, noise / rest**2 - 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.error.noise, ALPHAS / rest, rtol=1e-10)
    np.testing.assert_allclose(found.s2.noise, 1.0 / (ALPHAS * rest), rtol=1e-10)
    np.testing.assert_allclose(found.theta.alpha, -4.0 * c / ALPHAS**2, rtol=1e-10)
    np.testing.assert_allclose(found.theta.log_c, found.curve.theta, rtol=1e-10)
    for name in ("log_c", "lambda_pt", "rho_pt", "rho_ft", "overlap"):
        np.testing.assert_allclose(getattr(found.error, name), 0.0, atol=1e-9)


def test_pretraining_that_leaves_no_trace():
    """At lambda = -1 the penalty is gamma^2 everywhere; a step away from there is felt."""
    init = Initialization(1.0, -1.0, 0.3)
    found = sensitivities(Task(0.3, 0.2, 0.4), init, ALPHAS, 0.1, 0.05)
    for quantity in QUANTITIES:
        gradient, size = getattr(found, quantity), np.abs(getattr(found.curve, quantity))
        for name in ("log_c", "rho_pt", "overlap"):
            assert np.all(np.abs(getattr(gradient, name)) < 1e-12 * size)
        assert np.all(np.abs(gradient.lambda_pt) > 1e-3 * size)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_equation_19_differentiated(problem):
    """alpha s^2 = noise + error, by each parameter."""
    task, init, noise, ridge = PROBLEMS[problem]
    found = sensitivities(task, init, ALPHAS, noise, ridge)
    for name in NAMES:
        explicit = {"noise": -1.0, "alpha": found.curve.s2}.get(name, 0.0)
        left = getattr(found.error, name)
        right = ALPHAS * getattr(found.s2, name) + explicit
        scale = np.abs(left) + np.abs(explicit)
        assert np.all(np.abs(left - right) <= 1e-9 * scale)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.7])
def test_more_samples_than_dimensions_with_ridge(alpha):
    task, init, noise, ridge = PROBLEMS["noise and ridge"]
    found = sensitivities(task, init, alpha, noise, ridge)
    for name in NAMES:
        expected = extrapolated(
            lambda h, name=name: moved(name, h, task, init, alpha, noise, ridge),
            0.01 if name not in ("noise", "ridge") else 0.002,
        )
        exact = [getattr(getattr(found, quantity), name) for quantity in QUANTITIES]
        np.testing.assert_allclose(exact, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "task", "init", "step"),
    [
        ("lambda_pt", Task(0.1, 0.1, 0.5), Initialization(0.1, 1.0, 0.1), -0.05),
        ("lambda_pt", Task(0.1, 0.1, 0.5), Initialization(0.1, -1.0, 0.3), 0.003),
        ("overlap", Task(0.1, 0.1, 0.0), Initialization(1e-2, 0.0, 0.1), 0.01),
        ("overlap", Task(0.1, 0.1, 1.0), Initialization(1e-2, 0.0, 0.1), -0.01),
    ],
)
def test_at_the_ends_derivatives_are_one_sided(name, task, init, step):
    found = sensitivities(task, init, ALPHAS)
    expected = extrapolated(lambda h: moved(name, h, task, init, ALPHAS, 0.0, 0.0), step, True)
    exact = [getattr(getattr(found, quantity), name) for quantity in QUANTITIES]
    np.testing.assert_allclose(exact, expected, rtol=1e-8)


def test_gamma_zero_is_stationary():
    found = sensitivities(Task(0.1, 0.1, 0.5), Initialization(1e-3, 0.0, 0.0), ALPHAS)
    assert np.all(found.error.gamma_ft == 0.0)


def test_small_c():
    """The penalty of inactive coefficients falls with c, that of active ones does not."""
    found = sensitivities(Task(0.1, 0.1, 0.5), Initialization(1e-30, 0.0, 0.0), 0.3)
    assert np.isfinite([getattr(found.error, name) for name in NAMES]).all()
    assert 0.0 < abs(found.error.log_c) < 0.01


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
def test_lines_add_up(prior):
    task = Task(0.2, 0.3, 0.4, prior=prior)
    lines = half_lines(penalised_groups(task, REGIMES["II"].init))
    s2, theta = np.array([0.1, 2.0]), np.array([0.3, 0.01])
    each, all_ = line_moments(lines, s2, theta), moments(lines, s2, theta)
    for name in ("error", "shrinkage", "slope", "gap"):
        np.testing.assert_allclose(getattr(each, name).sum(axis=0), getattr(all_, name), rtol=1e-13)
    np.testing.assert_allclose(each.slope_variance.sum(axis=0), all_.slope_s2, rtol=1e-9)
    difference = all_.error_s2 + all_.gap - all_.slope
    np.testing.assert_allclose(each.error_variance.sum(axis=0), difference, rtol=1e-10)


def test_a_number_gives_numbers():
    found = sensitivities(*PROBLEMS["regime I"][:2], 0.3)
    many = sensitivities(*PROBLEMS["regime I"][:2], [0.1, 0.3])
    assert isinstance(found, Sensitivities)
    for name in NAMES:
        assert type(getattr(found.error, name)) is float
        assert getattr(many.theta, name)[1] == pytest.approx(getattr(found.theta, name), rel=1e-10)
    assert found == sensitivities(*PROBLEMS["regime I"][:2], 0.3)


GOOD = {"task": PROBLEMS["regime I"][0], "init": PROBLEMS["regime I"][1], "alpha": 0.3}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alpha", 1.0, "alpha must be less than 1 without ridge, where the samples alone deter"),
        ("alpha", [0.5, 2.0], "theta = 0, got 2.0"),
        ("alpha", 0.0, "alpha must be finite and in (0, inf), got 0.0"),
        ("alpha", [[0.5]], "alpha must be a non-empty 1-d array, got shape (1, 1)"),
        ("task", 1, "task must be of class Task, got 1"),
        ("init", None, "init must be of class Initialization, got None"),
        ("init", Initialization([0.1, 0.2], 0.0), "c_pt must be a single number, got an array"),
        ("noise", -1.0, "noise must be finite and in [0, inf), got -1.0"),
        ("ridge", np.inf, "ridge must be finite and in [0, inf), got inf"),
    ],
)
def test_bad_input(name, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sensitivities(**{**GOOD, name: value})
