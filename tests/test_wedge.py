"""Initialisations with the same two numbers: there and back, their range, and what is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ptft import Initialization, Task, learning_curve, sqrt_k
from ptft.model import family, family_range, two_numbers

LOGS = st.floats(-12.0, 6.0)


def numbers(log_inactive, part, amplitude):
    """A pair in the wedge: the difference is a part of its bound."""
    inactive = amplitude * 10.0**log_inactive
    active = inactive + 4.0 * amplitude * part
    assume(active - inactive < 4.0 * amplitude)
    return inactive, active


def close(init, pair, amplitude):
    """Both numbers are as asked for, up to rounding: that of 1 + lambda is the largest."""
    rounding = 4e-15 + (1e-15 / (1.0 + init.lambda_pt) if init.lambda_pt > -1.0 else 0.0)
    np.testing.assert_allclose(two_numbers(init, amplitude), pair, rtol=rounding)


@given(LOGS, st.floats(-14.0, -1e-3), st.floats(-3.0, 3.0), st.floats(0.0, 1.0))
def test_there_and_back(log_inactive, log_part, log_amplitude, place):
    amplitude = 10.0**log_amplitude
    pair = numbers(log_inactive, 10.0**log_part, amplitude)
    low, high = family_range(*pair, amplitude)
    assert low <= high
    chosen = high if low == high or pair[0] == pair[1] else high - place * (high - low)
    assume(low < chosen or pair[0] == pair[1])
    init = family(*pair, amplitude, chosen)
    assert init.lambda_pt == chosen
    close(init, pair, amplitude)


@given(LOGS, st.floats(-10.0, -1e-3))
def test_by_default_gamma_vanishes_where_it_can(log_inactive, log_part):
    pair = numbers(log_inactive, 10.0**log_part, 1.0)
    init = family(*pair)
    close(init, pair, 1.0)
    if np.sqrt((pair[1] - pair[0]) * pair[1]) < 4.0:
        # A float lambda near -1 leaves gamma something to make up for.
        assert init.gamma_ft**2 <= (1e-15 / (1.0 + init.lambda_pt) + 4e-15) * pair[1]
    else:
        assert init.lambda_pt == 1.0


@given(LOGS, st.floats(-1.0, 1.0), st.floats(-6.0, 2.0), st.floats(-3.0, 3.0))
def test_every_initialisation_is_of_its_own_family(log_c, lambda_pt, log_gamma, log_amplitude):
    amplitude = 10.0**log_amplitude
    init = Initialization(amplitude * 10.0**log_c, lambda_pt, amplitude**0.5 * 10.0**log_gamma)
    pair = two_numbers(init, amplitude)
    # Where rounding leaves too little of the difference, the parameters cannot be had from it.
    assume((pair[1] - pair[0]) / pair[1] > 1e-4 and 1.0 + lambda_pt > 1e-4)
    low, high = family_range(*pair, amplitude)
    assert low - 1e-11 * (1.0 + low) < lambda_pt <= high + 1e-11
    again = family(*pair, amplitude, min(lambda_pt, high))
    np.testing.assert_allclose(two_numbers(again, amplitude), pair, rtol=4e-15)


def test_equal_numbers():
    assert family_range(0.3, 0.3) == (-1.0, -1.0)
    init = family(0.3, 0.3, amplitude=2.0)
    assert init.lambda_pt == -1.0
    np.testing.assert_allclose(two_numbers(init), 0.3, rtol=1e-15)
    with pytest.raises(ValueError, match=r"lambda_pt must be -1 for these .*got 0\.0"):
        family(0.3, 0.3, lambda_pt=0.0)


def test_the_difference_stays_below_its_bound():
    """4 amplitude is reached by no initialisation, but approached with c -> 0 and lambda = 1."""
    init = Initialization(1e-9, 1.0, 0.7)
    inactive, active = two_numbers(init, 2.0)
    assert 8.0 - 1e-7 < active - inactive < 8.0


def test_numbers_too_small_for_lambda_are_refused():
    """Different numbers need 1 + lambda of their size, and floats near -1 are 1e-16 apart."""
    with pytest.raises(ValueError, match="sqrt_k_active must be sqrt_k_inactive, or large enough"):
        family([1e-3, 1e-60], [2e-3, 2e-60])
    assert family(1e-60, 1e-60).lambda_pt == -1.0


def test_arrays_broadcast():
    inactive, active = np.array([0.1, 0.2, 3.0]), np.array([[0.5], [3.3]])
    with pytest.raises(ValueError, match="sqrt_k_active must be at least sqrt_k_inactive"):
        family(inactive, active)
    init = family(inactive[:2], active)
    assert np.shape(init.c_pt) == (2, 2)
    np.testing.assert_allclose(sqrt_k(1.0, init), np.broadcast_to(active, (2, 2)), rtol=4e-15)


def test_the_learning_curve_is_that_of_the_family():
    task, pair = Task(0.1, 0.1, 0.5), (0.05, 0.9)
    low, high = family_range(*pair)
    scales = low + (high - low) * np.array([1e-6, 0.2, 0.7, 1.0])
    errors = [learning_curve(task, family(*pair, lambda_pt=s), [0.05, 0.3]).error for s in scales]
    np.testing.assert_allclose(errors, np.broadcast_to(errors[0], (4, 2)), rtol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0), "sqrt_k_inactive must be finite and in"),
        ((0.5, 0.4), r"sqrt_k_active must be at least .*got sqrt_k_inactive = 0\.5 and .* = 0\.4"),
        ((0.5, 4.5), "less than sqrt_k_inactive \\+ 4 amplitude = 4.5"),
        ((0.5, 0.7, -1.0), "amplitude must be finite and in"),
        ((0.5, 0.7, 1.0, -0.95), r"lambda_pt must be in \(-0\.9.*got -0\.95"),
        ((0.5, 0.7, 1.0, 1.5), "lambda_pt must be finite and in"),
        (([0.5, 0.6], [0.7, 0.8, 0.9]), "shapes must broadcast"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        family(*arguments)


def test_two_numbers_refuses():
    with pytest.raises(ValueError, match="init must be of class Initialization"):
        two_numbers(0.5)
    with pytest.raises(ValueError, match="amplitude must be finite"):
        two_numbers(Initialization(1.0, 0.0), 0.0)
