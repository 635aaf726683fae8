"""Two numbers for three: what fine-tuning sees of an initialisation, and which look the same.

For pretrained coefficients in {0, +-a} equation (14) has two values,

    sqrt(k_i) = 4 (1 + lambda) c + gamma^2    where pretraining was inactive,
    sqrt(k_a) = 2 (1 + lambda) (c + sqrt(c^2 + a^2)) + gamma^2    where it was active,

and fine-tuning depends on (c, lambda, gamma) through them alone. With L = 1 + lambda and
d = sqrt(k_a) - sqrt(k_i),

    c = (a^2 - r^2) / (2 r),    r = d / (2 L),    gamma^2 = (d sqrt(k_a) - (2 L a)^2) / d,

so every pair with sqrt(k_i) > 0 and 0 <= d < 4 a, the wedge, belongs to one initialisation for each
L in an interval.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from .network import Initialization
from .penalty import HUGE, TINY, sqrt_k

__all__ = ["family", "family_range", "two_numbers"]

_EPSILON = np.finfo(float).eps


def two_numbers(
    init: Initialization, amplitude: float = 1.0
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Return the two penalty parameters that fine-tuning depends on.

    Parameters
    ----------
    init : Initialization
    amplitude : float
        Size a of the active pretrained coefficients; larger than 0.

    Returns
    -------
    sqrt_k_inactive, sqrt_k_active : float or array
        Of the shape of `init`'s parameters.
    """
    amplitude = errors.number("amplitude", amplitude, 0.0, open_low=True)
    return sqrt_k(0.0, init), sqrt_k(amplitude, init)


def family_range(
    sqrt_k_inactive: ArrayLike, sqrt_k_active: ArrayLike, amplitude: float = 1.0
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Return the interval of relative scales lambda that can have these two numbers.

    Parameters
    ----------
    sqrt_k_inactive, sqrt_k_active : float or array
        In the wedge: the first larger than 0, the second at least the first and less than it plus
        4 `amplitude`.
    amplitude : float
        Size a of the active pretrained coefficients; larger than 0.

    Returns
    -------
    low, high : float or array
        lambda is in (low, high]: at low the absolute scale c is 0, which no initialisation has; at
        high gamma is 0, or lambda is 1. Equal numbers belong to lambda = -1 alone, and to any c.

    Raises
    ------
    ValueError
        For numbers outside the wedge.
    """
    inactive, active, amplitude = _checked(sqrt_k_inactive, sqrt_k_active, amplitude)
    difference = active - inactive
    low = difference / (2.0 * amplitude) - 1.0
    high = np.minimum(np.sqrt(difference) * np.sqrt(active) / (2.0 * amplitude), 2.0)
    rounded = high - 1.0
    # Never up: gamma^2 makes up for what a smaller lambda leaves, and cannot be negative.
    down = np.maximum(np.nextafter(rounded, -2.0), -1.0)
    high = np.where(1.0 + rounded > high, down, rounded)[()]
    # Where no lambda between them is a float, the one next to them has both numbers to rounding.
    return np.minimum(low, np.where(difference > 0.0, np.nextafter(high, -2.0), high)), high


def family(
    sqrt_k_inactive: ArrayLike,
    sqrt_k_active: ArrayLike,
    amplitude: float = 1.0,
    lambda_pt: ArrayLike | None = None,
) -> Initialization:
    """Return the initialisation with these two numbers and a relative scale.

    Parameters
    ----------
    sqrt_k_inactive, sqrt_k_active, amplitude
        As in `family_range`.
    lambda_pt : float or array, optional
        Relative scale, in the interval that `family_range` returns. By default its upper end, so
        that gamma_ft = 0, up to the rounding of lambda, wherever that is possible.

    Returns
    -------
    Initialization
        `two_numbers` of it are those given, to rounding: that of lambda is the largest, 1e-16
        relative to 1 + lambda. Where they are equal, so that c does not matter, c_pt is
        `amplitude`.

    Raises
    ------
    ValueError
        For numbers outside the wedge, a relative scale outside the interval, or different numbers
        so small that no float but -1 is near their lambda.
    """
    low, high = family_range(sqrt_k_inactive, sqrt_k_active, amplitude)
    inactive, active, amplitude = _checked(sqrt_k_inactive, sqrt_k_active, amplitude)
    lambda_pt = high if lambda_pt is None else errors.real("lambda_pt", lambda_pt, -1.0, 1.0)
    inactive, active, lambda_pt, low, high = errors.broadcast(
        sqrt_k_inactive=inactive, sqrt_k_active=active, lambda_pt=lambda_pt, low=low, high=high
    )
    _check_relative_scale(lambda_pt, low, high, inactive == active)
    _check_representable(inactive, active, lambda_pt)
    c_pt, gamma_ft = _scales(inactive, active, amplitude, 1.0 + lambda_pt)
    return Initialization(c_pt, lambda_pt, gamma_ft)


def _check_relative_scale(lambda_pt, low, high, equal):
    bad = ~np.where(equal, lambda_pt == -1.0, (low < lambda_pt) & (lambda_pt <= high))
    if bad.any():
        worst, left, right = _first(bad, lambda_pt, low, high)
        allowed = "-1" if equal[bad].flat[0] else f"in ({left!r}, {right!r}]"
        raise ValueError(f"lambda_pt must be {allowed} for these two numbers, got {worst!r}")


def _first(bad, *arrays):
    """Return what arrays hold where something is bad for the first time."""
    return [float(x[bad].flat[0]) for x in arrays]


def _check_representable(inactive, active, lambda_pt):
    lost = (lambda_pt == -1.0) & (inactive < active)
    if lost.any():
        one, other = _first(lost, inactive, active)
        raise ValueError(
            "sqrt_k_active must be sqrt_k_inactive, or large enough for 1 + lambda to be above "
            f"1e-16, got sqrt_k_inactive = {one!r} and sqrt_k_active = {other!r}"
        )


def _scales(inactive, active, amplitude, scale):
    """Return c and gamma; `scale` is L = 1 + lambda, exact where lambda is near -1."""
    difference, reach = active - inactive, 2.0 * amplitude * scale
    equal = difference == 0.0
    safe, safe_scale = np.where(equal, 1.0, difference), np.where(equal, 1.0, scale)
    product = (reach - difference) * ((reach + difference) / safe)  # 4 L c
    # At the upper end of lambda all of sqrt(k_i) is this product, but for the rounding of lambda.
    rounding = _EPSILON * (8.0 + 1.0 / safe_scale) * active
    product = np.where(inactive - product < rounding, inactive, product)
    c = np.where(equal, amplitude, product / (4.0 * safe_scale))
    gamma = np.sqrt(np.where(equal, inactive, inactive - product))
    return c, gamma


def _checked(sqrt_k_inactive, sqrt_k_active, amplitude):
    """Return the arguments as float64, or raise a ValueError where they leave the wedge."""
    amplitude = errors.number("amplitude", amplitude, TINY, HUGE)
    inactive = errors.real("sqrt_k_inactive", sqrt_k_inactive, TINY, HUGE)
    active = errors.real("sqrt_k_active", sqrt_k_active, TINY, HUGE)
    inactive, active = errors.broadcast(sqrt_k_inactive=inactive, sqrt_k_active=active)
    inside = (active >= inactive) & (active - inactive < 4.0 * amplitude)
    if not inside.all():
        one, other = _first(~inside, inactive, active)
        raise ValueError(
            "sqrt_k_active must be at least sqrt_k_inactive and less than sqrt_k_inactive + "
            f"4 amplitude = {one + 4.0 * amplitude:g}, got sqrt_k_inactive = {one!r} and "
            f"sqrt_k_active = {other!r}"
        )
    return inactive[()], active[()], amplitude
