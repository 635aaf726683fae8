"""Argument checks say what is wrong, and the convergence error keeps what was reached."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

from ptft import ConvergenceError, LearningCurve, errors


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, 2.0),
        (True, 1.0),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        ([1, 2.5], [1.0, 2.5]),
        ([[1], [2]], [[1.0], [2.0]]),
        ([1, 10**30], [1.0, 1e30]),
        ((), []),
        (np.array([1, 2], dtype=np.uint8), [1.0, 2.0]),
    ],
)
def test_real_converts(value, expected):
    result = errors.real("value", value)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, expected)
    assert isinstance(result, np.ndarray if np.ndim(expected) else float)


def test_real_does_not_change_its_argument():
    array = np.array([1.0, 2.0])
    assert errors.real("value", array) is not None
    np.testing.assert_array_equal(array, [1.0, 2.0])


@pytest.mark.parametrize(
    ("bounds", "allowed", "good", "bad"),
    [
        ({}, "(-inf, inf)", [-1e308, 0.0], [np.nan, np.inf, -np.inf]),
        ({"low": 0.0}, "[0, inf)", [0.0, 5e-324], [-5e-324, np.inf]),
        ({"low": 0.0, "open_low": True}, "(0, inf)", [5e-324], [0.0, -0.0, -1.0]),
        ({"low": -1.0, "high": 1.0}, "[-1, 1]", [-1.0, 1.0], [1.0000000000000002, -2.0]),
        ({"high": 1.0, "open_high": True}, "(-inf, 1)", [0.5], [1.0, 2.0, -np.inf]),
    ],
)
def test_range(bounds, allowed, good, bad):
    np.testing.assert_array_equal(errors.real("value", good, **bounds), good)
    for value in bad:
        with pytest.raises(ValueError, match="value must be finite and in") as caught:
            errors.real("value", [*good, value], **bounds)
        assert str(caught.value).endswith(f" in {allowed}, got {value!r}")


@pytest.mark.parametrize("value", [10**400, [1, 10**400], "2", ["2"], b"2", None, [None], 2j, {1}])
def test_what_is_no_number(value):
    for check in (errors.real, errors.positive, errors.number, errors.vector):
        with pytest.raises(ValueError, match="value must be a real number or array, got"):
            check("value", value)


def test_positive():
    assert errors.positive("value", 5e-324) > 0.0
    with pytest.raises(ValueError, match=r"value must be finite and in \(0, inf\), got 0.0"):
        errors.positive("value", 0)


def test_number():
    result = errors.number("value", np.float64(2))
    assert type(result) is float
    assert result == 2.0
    for value in ([1.0], [], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="value must be a single number, got an array of sh"):
            errors.number("value", value)


def test_vector():
    np.testing.assert_array_equal(errors.vector("value", 2), [2.0])
    np.testing.assert_array_equal(errors.vector("value", (1, 2)), [1.0, 2.0])
    for value in ([], [[1.0, 2.0]], [[]]):
        with pytest.raises(ValueError, match="value must be a non-empty 1-d array, got shape"):
            errors.vector("value", value)
    with pytest.raises(ValueError, match=r"value must be finite and in \[0, 1\], got 2.0"):
        errors.vector("value", [0.5, 2.0], 0.0, 1.0)


def test_broadcast():
    a, b = errors.broadcast(a=np.ones((2, 1)), b=np.ones(3))
    assert a.shape == b.shape == (2, 3)
    with pytest.raises(ValueError, match=r"together, got a \(2,\), b \(3,\), c \(\)"):
        errors.broadcast(a=np.ones(2), b=np.ones(3), c=1.0)


def test_convergence_error_keeps_the_partial_result():
    error = ConvergenceError("did not converge", {"residual": 0.1})
    assert isinstance(error, RuntimeError)
    assert error.partial == {"residual": 0.1}
    assert str(error) == "did not converge"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_convergence_error_crosses_processes(protocol):
    curve = LearningCurve(*(np.arange(3.0) for _ in range(6)), status="2 of 3 points converged")
    copy = pickle.loads(pickle.dumps(ConvergenceError("no", curve), protocol))
    assert type(copy) is ConvergenceError
    assert str(copy) == "no"
    assert copy.partial.status == curve.status
    np.testing.assert_array_equal(copy.partial.error, curve.error)
