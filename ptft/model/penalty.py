"""The penalty q_k that fine-tuning minimises, and its denoiser (equations (12)-(14) and (17)).

All functions take sqrt(k), not k, so that k may lie anywhere between 1e-60 and 1e60. They are
written in the dual coordinate u = asinh(2 z / sqrt(k)) = 2 q_k'(z), in which nothing cancels:

    q_k(z) = (z / 2) (u - tanh(u / 2)),    q_k'(z) = u / 2,    q_k''(z) = 1 / sqrt(k + 4 z^2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .. import errors

if TYPE_CHECKING:  # it imports this module
    from .network import Initialization

__all__ = [
    "denoise",
    "denoiser_slope",
    "penalty",
    "penalty_curvature",
    "penalty_gradient",
    "sqrt_k",
    "sqrt_k_single_task",
]

TINY, HUGE = 1e-300, 1e300  # sizes allowed; beyond them the results leave floating point


def sqrt_k(beta_pt: ArrayLike, init: Initialization) -> float | np.ndarray:
    """Return the square root of the penalty parameter k, equation (14).

    sqrt(k) = 2 (1 + lambda) (c + sqrt(c^2 + beta_PT^2)) + gamma^2.

    Parameters
    ----------
    beta_pt : float or array
        Coefficients learned in pretraining.
    init : Initialization

    Returns
    -------
    float or array
        sqrt(k) > 0, broadcast over all arguments.

    Raises
    ------
    ValueError
        For bad arguments, or if sqrt(k) falls outside [1e-300, 1e300].
    """
    from .network import Initialization  # here, because it needs this module

    beta_pt = errors.real("beta_pt", beta_pt)
    errors.instance("init", init, Initialization)
    errors.broadcast(
        beta_pt=beta_pt, c_pt=init.c_pt, lambda_pt=init.lambda_pt, gamma_ft=init.gamma_ft
    )
    with np.errstate(over="ignore"):
        hidden = init.c_pt + np.hypot(init.c_pt, beta_pt)
        result = 2.0 * (1.0 + init.lambda_pt) * hidden + np.square(init.gamma_ft)
    return errors.real("sqrt_k", result, TINY, HUGE)


def sqrt_k_single_task(c_pt: ArrayLike) -> float | np.ndarray:
    """Return sqrt(k) = 2 c for training from scratch, whatever the relative scale (Theorem 4.1).

    Parameters
    ----------
    c_pt : float or array
        Absolute scale of the initial weights; in [1e-300, 1e300].
    """
    return 2.0 * errors.real("c_pt", c_pt, TINY, HUGE)


def dual(z, sqrt_k):
    """Return u = asinh(2 z / sqrt(k)), also where the quotient overflows."""
    with np.errstate(over="ignore"):
        zeta = 2.0 * (z / sqrt_k)
    finite = np.isfinite(zeta)
    if np.all(finite):
        return np.arcsinh(zeta)
    z = np.where(finite, 1.0, z)
    large = np.sign(z) * (np.log(4.0) + np.log(np.abs(z)) - np.log(sqrt_k))
    return np.where(finite, np.arcsinh(np.where(finite, zeta, 0.0)), large)


def _checked(sqrt_k, **coefficient):
    """Return the (named) coefficient and sqrt_k as float64, or raise a ValueError."""
    [(name, value)] = coefficient.items()
    value = errors.real(name, value, -HUGE, HUGE)
    sqrt_k = errors.real("sqrt_k", sqrt_k, TINY, HUGE)
    errors.broadcast(**{name: value}, sqrt_k=sqrt_k)
    return value, sqrt_k


def penalty(z: ArrayLike, sqrt_k: ArrayLike) -> float | np.ndarray:
    """Return q_k(z), equation (13).

    Its sum over all coefficients is Q_k, equation (12).

    Parameters
    ----------
    z : float or array
        Coefficient; in [-1e300, 1e300].
    sqrt_k : float or array
        Square root of the penalty parameter; in [1e-300, 1e300].

    Returns
    -------
    float or array
        q_k(z) >= 0: close to z^2 / (2 sqrt(k)) for |z| << sqrt(k), to
        (|z| / 2) (log(4 |z| / sqrt(k)) - 1) for |z| >> sqrt(k).
    """
    z, sqrt_k = _checked(sqrt_k, z=z)
    u = dual(z, sqrt_k)
    return z / 2.0 * (u - np.tanh(u / 2.0))


def penalty_gradient(z: ArrayLike, sqrt_k: ArrayLike) -> float | np.ndarray:
    """Return q_k'(z) = asinh(2 z / sqrt(k)) / 2. Parameters as in `penalty`."""
    return dual(*_checked(sqrt_k, z=z)) / 2.0


def penalty_curvature(z: ArrayLike, sqrt_k: ArrayLike) -> float | np.ndarray:
    """Return q_k''(z) = 1 / sqrt(k + 4 z^2). Parameters as in `penalty`."""
    z, sqrt_k = _checked(sqrt_k, z=z)
    return 0.5 / np.hypot(sqrt_k / 2.0, z)


def _hyperbolic(u, a):
    """Return a sinh(u) and a cosh(u), finite wherever they are although e^u may overflow."""
    sinh = np.sinh(u / 2.0)
    scaled = 2.0 * a * sinh
    return scaled * np.cosh(u / 2.0), a + scaled * sinh


def dual_denoiser(z, a, b, coarse=0.0):
    """Solve a sinh(u) + b u = z for u >= 0, given z >= 0, a > 0 and b >= 0.

    Newton's method on a convex increasing function from a point right of the root: the iterates
    fall monotonically, and the start leaves at most a factor e^u <= z / b to make up, so a dozen
    steps do. They end where a step is a rounding of u or, with `coarse`, that much smaller than u
    and than 1, in which sinh grows by a factor e: about the step's square is left to go.
    """
    with np.errstate(over="ignore"):
        u = np.minimum(dual(z, 2.0 * a), z / (a + b))
    for _ in range(60):
        sinh, cosh = _hyperbolic(u, a)
        step = (sinh + b * u - z) / (cosh + b)
        u = np.maximum(u - step, 0.0)
        if np.all(np.abs(step) <= np.maximum(1e-15 * u, coarse * np.minimum(u, 1.0))):
            break
    return u


def signed_dual_denoiser(z, a, b):
    """Solve a sinh(u) + b u = z for z of either sign, to full accuracy."""
    return np.copysign(dual_denoiser(np.abs(z), a, b), z)


def denoise(z: ArrayLike, theta: ArrayLike, sqrt_k: ArrayLike) -> float | np.ndarray:
    """Return the scalar denoiser x_hat(z; theta, k), equation (17).

    The minimiser of (x - z)^2 / (2 theta) + q_k(x), that is the root of
    x - z + (theta / 2) asinh(2 x / sqrt(k)) = 0.

    Parameters
    ----------
    z : float or array
        Noisy observation of a coefficient; in [-1e300, 1e300].
    theta : float or array
        Effective regularisation; in [0, 1e300]. With theta = 0 the answer is z.
    sqrt_k : float or array
        Square root of the penalty parameter; in [1e-300, 1e300].

    Returns
    -------
    float or array
    """
    z, sqrt_k = _checked(sqrt_k, z=z)
    theta = errors.real("theta", theta, 0.0, HUGE)
    z, theta, sqrt_k = errors.broadcast(z=z, theta=theta, sqrt_k=sqrt_k)
    size = np.abs(z)
    a, b = sqrt_k / 2.0, theta / 2.0
    u = dual_denoiser(size, a, b)
    # Two ways to the same number: each is used where it does not cancel.
    x = np.where(2.0 * b * u <= size, size - b * u, _hyperbolic(u, a)[0])
    # All that is left for small u is size * a / (a + b); u itself, or the quotient, may underflow.
    root = np.sqrt(a) / np.sqrt(a + b)
    x = np.where(u < 1e-9, size * root * root, x)
    return np.copysign(x, z)[()]


def denoiser_slope(x: ArrayLike, theta: ArrayLike, sqrt_k: ArrayLike) -> float | np.ndarray:
    """Return d x_hat / d z at the denoiser's value x, equations (38)-(40).

    Parameters
    ----------
    x : float or array
        Value of the denoiser, `denoise(z, theta, sqrt_k)`.
    theta, sqrt_k : float or array
        As in `denoise`.

    Returns
    -------
    float or array
        1 / (1 + theta q_k''(x)), in [0, 1]; 0 only by underflow.
    """
    x, sqrt_k = _checked(sqrt_k, x=x)
    theta = errors.real("theta", theta, 0.0, HUGE)
    errors.broadcast(x=x, theta=theta, sqrt_k=sqrt_k)
    inverse_curvature = 2.0 * np.hypot(sqrt_k / 2.0, x)
    return inverse_curvature / (inverse_curvature + theta)
