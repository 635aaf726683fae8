"""What goes wrong, said clearly: argument checks, convergence, packages that are missing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["ConvergenceError", "MissingExtraError", "needs"]

_FLOAT32 = 1e-6  # relative: a few roundings in single precision


class ConvergenceError(RuntimeError):
    """An iteration ended before its residual was small enough.

    Attributes
    ----------
    partial : object
        The result so far, of the type that the call would have returned.
    """

    def __init__(self, message: str, partial: Any) -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self):
        # RuntimeError would be rebuilt from the message alone: keep the result across processes.
        return type(self), (str(self), self.partial)


class MissingExtraError(ImportError):
    """Something was asked for that needs packages which `pip install ptft` alone does not bring."""


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say what to install where an import in this context fails.

    Parameters
    ----------
    extra : str
        The extra of ptft that brings all that is imported here.

    Raises
    ------
    MissingExtraError
        With the command in one line.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        message = f'this needs {package}: pip install "ptft[{extra}]"'
        raise MissingExtraError(message, name=error.name) from None


def _as_float(value):
    if "numpy.ma" in sys.modules and np.ma.is_masked(value):
        raise TypeError("masked entries have no value")
    array = np.asarray(value)
    if array.dtype.kind not in "biufO":  # numpy would read text and dates, and cut complex numbers
        raise TypeError(f"not real: {array.dtype}")
    if array.dtype.kind == "O":  # item by item: numpy would read None as NaN
        array = np.array([float(item) for item in array.flat]).reshape(array.shape)
    return array.astype(np.float64, copy=False)


def real(name, value, low=-np.inf, high=np.inf, *, open_low=False, open_high=False):
    """Return `value` as float64, or raise a ValueError that names argument, value and range."""
    try:
        array = _as_float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be a real number or array, got {value!r}") from error
    above = array > low if open_low else array >= low
    below = array < high if open_high else array <= high
    bad = ~(above & below & np.isfinite(array))
    if bad.any():
        left = "(" if open_low or low == -np.inf else "["
        right = ")" if open_high or high == np.inf else "]"
        allowed = f"{left}{low:g}, {high:g}{right}"
        worst = float(array[bad].flat[0])
        raise ValueError(f"{name} must be finite and in {allowed}, got {worst!r}")
    return array[()]


def positive(name, value):
    """Return `value` as float64 if it is finite and larger than zero, else raise."""
    return real(name, value, 0.0, open_low=True)


def number(name, value, low=-np.inf, high=np.inf, **kwargs):
    """As `real`, for an argument that has to be one number."""
    if type(value) is float and low < value < high:
        return value  # most are, and this is quicker
    result = real(name, value, low, high, **kwargs)
    if np.ndim(result):
        raise ValueError(f"{name} must be a single number, got an array of shape {result.shape}")
    return float(result)


def whole(name, value, low=1, high=np.inf):
    """Return `value` as int if it is a whole number in [low, high], else raise a ValueError."""
    if isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    result = number(name, value)
    if result % 1.0 or not low <= result <= high:
        upper = f" and at most {high:g}" if high < np.inf else ""
        raise ValueError(f"{name} must be a whole number of at least {low}{upper}, got {value!r}")
    return int(result)


def share(name, value):
    """Return a tolerance, or any other relative size, as float if it is in (0, 1), else raise."""
    return number(name, value, 0.0, 1.0, open_low=True, open_high=True)


def instance(name, value, kind):
    """Return `value` if it is of a class, else raise a ValueError that names argument and class."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of class {kind.__name__}, got {value!r}")
    return value


def choice(name, value, allowed):
    """Return `value` if it is one of some strings, else raise a ValueError."""
    if not (isinstance(value, str) and value in allowed):
        raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
    return value


def shares(name, value):
    """Return shares as float64 that sum to 1, or raise a ValueError.

    They may be off by what rounding to float32 does, and are divided by their sum.
    """
    result = vector(name, value, 0.0, 1.0)
    total = float(result.sum())
    if abs(total - 1.0) > _FLOAT32:
        raise ValueError(f"{name} must sum to 1, got {total!r}")
    return result / total


def vector(name, value, *args, **kwargs):
    """As `real`, for an argument that has to be a non-empty one-dimensional array."""
    result = np.atleast_1d(real(name, value, *args, **kwargs))
    if result.ndim != 1 or not result.size:
        raise ValueError(f"{name} must be a non-empty 1-d array, got shape {result.shape}")
    return result


def broadcast(**arrays):
    """Broadcast named arrays together, or raise a ValueError that names them and their shapes."""
    try:
        return np.broadcast_arrays(*arrays.values())
    except ValueError as error:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in arrays.items())
        raise ValueError(f"shapes must broadcast together, got {shapes}") from error
