"""One aligned mode: against many digits, the matrix solution and limits."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptft.balanced import aligned_mode, balanced_network, learn, mode_time

TIMES = np.array([0.0, 1e-6, 0.01, 1.0, 10.0, 1e3, 1e6])


def with_many_digits(time, strength, start, balance):
    """Solve the Riccati equation of y = a + sqrt(a^2 + balance^2 / 4), whatever it cancels."""
    with mpmath.workdps(80):
        s, a, half = mpmath.mpf(strength), mpmath.mpf(start), abs(mpmath.mpf(balance)) / 2
        if half == 0 and a <= 0:
            return 0.0 if a == 0 else float(-s / ((1 - s / a) * mpmath.exp(2 * s * time) - 1))
        kappa = mpmath.sqrt(s**2 + half**2)
        y = a + mpmath.sqrt(a**2 + half**2)
        ratio = (y - s - kappa) / (y - s + kappa) * mpmath.exp(-2 * kappa * time)
        y = (s + kappa - (s - kappa) * ratio) / (1 - ratio)
        return float((y - half**2 / y) / 2)


@pytest.mark.parametrize("balance", [0.0, 1e-12, -1e-6, 1e-3, 1.0, -10.0, 1e3, 1e8])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_against_many_digits(strength, balance):
    starts = np.array([-100.0, -1.0, -1e-3, -1e-9, 0.0, 1e-12, 1e-3, 0.5, 2.0])
    found = aligned_mode(TIMES, strength, starts[:, None], balance)
    for (start, time), value in zip(itertools.product(starts, TIMES), found.ravel(), strict=True):
        exact = with_many_digits(time, strength, start, balance)
        # a reversed mode crosses 0: then relative to where it comes from
        scale = max(abs(exact), -start, 1e-40)
        assert abs(value - exact) < 1e-12 * scale, (start, time)


@pytest.mark.parametrize("balance", [-2.0, 0.0, 0.5])
def test_against_the_matrix_solution(balance):
    target, starts = np.diag([3.0, 2.0, 1.0]), np.array([0.3, 0.2, 1e-3])
    network = balanced_network((3, 3, 3), balance, seed=0, singular_values=starts, target=target)
    times = np.linspace(0.0, 8.0, 41)
    modes = aligned_mode(times[:, None], [3.0, 2.0, 1.0], starts, balance)
    function = learn(network, target, times).function
    np.testing.assert_allclose(np.diagonal(function, axis1=1, axis2=2), modes, atol=1e-12)
    assert np.abs(function - function * np.eye(3)).max() < 1e-12


def test_limits():
    times = np.linspace(0.0, 5.0, 51)
    growth = np.exp(2 * 2.0 * times)
    sigmoid = 2.0 * growth / (growth - 1.0 + 2.0 / 0.01)
    np.testing.assert_allclose(aligned_mode(times, 2.0, 0.01, 0.0), sigmoid, rtol=1e-14)
    np.testing.assert_allclose(aligned_mode(times, 2.0, 0.01, 1e-12), sigmoid, rtol=1e-9)
    exponential = 2.0 + (0.01 - 2.0) * np.exp(-1e6 * times)
    np.testing.assert_allclose(aligned_mode(times, 2.0, 0.01, 1e6), exponential, rtol=1e-9)


@given(
    fraction=st.floats(0.01, 0.99),
    strength=st.floats(0.1, 10),
    start=st.floats(-20, 20),
    balance=st.floats(-100, 100),
)
def test_the_time_is_when_the_mode_is_there(fraction, strength, start, balance):
    time = mode_time(fraction, strength, start, balance)
    if start >= fraction * strength:
        assert time == 0.0
    elif time == np.inf:
        assert abs(balance) < 1e-150  # its square is 0
        assert start <= 0.0
    else:
        reached = aligned_mode(time, strength, start, balance)
        scale = max(abs(start), strength, abs(balance))
        assert abs(reached - fraction * strength) <= 1e-9 * scale


def test_reversal():
    """Times to half strength after the sign of a learned mode's target was changed."""
    times = mode_time(0.5, 0.8, -0.8, [1e-6, 1e-2, 0.1, 1.0, 10.0])
    np.testing.assert_allclose(times, [18.29, 6.777, 3.897, 1.187, 0.1383], rtol=1e-3)
    np.testing.assert_array_equal(times, mode_time(0.5, 0.8, -0.8, [-1e-6, -1e-2, -0.1, -1, -10]))
    assert mode_time(0.5, 0.8, -0.8, 0.0) == np.inf
    assert aligned_mode(1e6, 0.8, -0.8, 0.0) == 0.0


def test_scalars_and_arrays():
    assert np.ndim(aligned_mode(1.0, 1.0, 0.1, 0.0)) == 0
    assert aligned_mode(np.ones((2, 1)), 1.0, [0.1, 0.2, 0.3], 0.0).shape == (2, 3)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (aligned_mode, (-1.0, 1.0, 0.1, 0.0), "times must be finite and in"),
        (aligned_mode, (1.0, 0.0, 0.1, 0.0), "strength must be finite and in"),
        (aligned_mode, (1.0, 1.0, np.nan, 0.0), "start must be finite"),
        (aligned_mode, (1.0, 1.0, 0.1, "x"), "balance must be a real number"),
        (aligned_mode, ([1.0, 2.0], [1.0, 2.0, 3.0], 0.1, 0.0), "shapes must broadcast"),
        (mode_time, (1.0, 1.0, 0.1, 0.0), "fraction must be finite and in"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
