"""One aligned mode of a lambda-balanced linear network, in closed form (arXiv 2409.14623).

Where the network's singular vectors are the target's from the start, each singular value a of W2 W1
is learned by itself: da/dt = sqrt(balance^2 + 4 a^2) (s - a). That is sigmoidal at balance 0 and
exponential where |balance| is large. `balance` is W2^T W2 - W1 W1^T, as in `ptft.balanced`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import errors

__all__ = ["aligned_mode", "mode_time"]


def aligned_mode(
    times: ArrayLike, strength: ArrayLike, start: ArrayLike, balance: ArrayLike
) -> float | np.ndarray:
    """Return the strength of a mode whose singular vectors are the target's from the start.

    Parameters
    ----------
    times : float or array
        At least 0.
    strength : float or array
        Singular value s of the target; larger than 0.
    start : float or array
        a(0). If it is negative, the mode has to be reversed.
    balance : float or array
        All four broadcast.

    Returns
    -------
    float or array
    """
    times = errors.real("times", times, 0.0)
    strength, start, half = _checked_mode(strength, start, balance, times=times)
    variable, minus, plus = _mode_variable(strength, start, half)
    decay = np.exp(-2.0 * np.hypot(strength, half) * times)
    grown = -np.expm1(-2.0 * np.hypot(strength, half) * times)
    first = variable(start)
    # sums of positive terms, but for a negative start of the order of the balance
    above = first * (plus - decay * minus) - plus * minus * grown
    below = first * grown - minus + plus * decay
    x = np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
    return variable.inverse(x)[()]


def mode_time(
    fraction: ArrayLike, strength: ArrayLike, start: ArrayLike, balance: ArrayLike
) -> float | np.ndarray:
    """Return when an aligned mode reaches a fraction of its final strength.

    Parameters
    ----------
    fraction : float or array
        In (0, 1).
    strength, start, balance : float or array
        As in `aligned_mode`.

    Returns
    -------
    float or array
        0 where the mode starts above that; inf where it is never reached: from a start at 0 or
        below at balance 0 (or below 1e-150, whose square is 0).
    """
    fraction = errors.real("fraction", fraction, 0.0, 1.0, open_low=True, open_high=True)
    strength, start, half = _checked_mode(strength, start, balance, fraction=fraction)
    variable, minus, plus = _mode_variable(strength, start, half)
    first, last = variable(start), variable(fraction * strength)
    with np.errstate(divide="ignore"):
        growth = np.log(np.abs((last - minus) / (plus - last)))
        growth = growth + np.log(np.abs(plus - first)) - np.log(np.abs(first - minus))
    time = growth / (2.0 * np.hypot(strength, half))
    return np.where(start < fraction * strength, time, 0.0)[()]


def _checked_mode(strength, start, balance, **others):
    strength = errors.positive("strength", strength)
    start, balance = errors.real("start", start), errors.real("balance", balance)
    errors.broadcast(strength=strength, start=start, balance=balance, **others)
    return strength, start, np.abs(balance) / 2.0


class _ModeVariable:
    """A function of a mode's strength a that obeys a Riccati equation with constant coefficients.

    It is w = a + sqrt(a^2 + h^2) - h, with h = |balance|/2; for a start below -h, where w would be
    a difference of nearly equal numbers, sqrt(a^2 + h^2) - a.
    """

    def __init__(self, mirrored, half):
        self.mirrored, self.half = mirrored, half

    def __call__(self, a):
        root = np.hypot(a, self.half)
        # a^2 / (root + h) is root - h, and h^2 / (root + |a|) is root - |a|
        w = a + _quotient(a**2, root + self.half)
        small = _quotient(self.half**2, root + np.abs(a))
        return np.where(self.mirrored, np.where(a > 0.0, small, root - a), w)

    def inverse(self, x):
        mirrored = (_quotient(self.half**2, x) - x) / 2.0
        return np.where(
            self.mirrored, mirrored, _quotient(x * (x + 2.0 * self.half), 2.0 * (x + self.half))
        )


def _quotient(a, b):
    """Return a / b, and 0 where b is 0."""
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0.0)


def _mode_variable(strength, start, half):
    """Return the variable to solve for, and the fixed points below and above its course."""
    kappa = np.hypot(strength, half)
    mirrored = start < -half
    small = half**2 / (kappa + strength)  # kappa - s
    minus = np.where(mirrored, -(kappa + strength), -half - small)
    plus = np.where(mirrored, small, strength + strength**2 / (kappa + half))
    return _ModeVariable(mirrored, half), minus, plus
