"""What one noisy observation tells about a sparse coefficient: the posterior mean's error.

A coefficient x is 0, or active with probability rho; then it is Gaussian, or +-a with equal
chances. It is seen through z = x + s V with a standard normal V. Here are the error of the
posterior mean, mmse(s^2) = E[(x - E[x | z])^2], and the mutual information I(s^2) of x and z. They
determine each other: dI / d(1 / s^2) = mmse / 2 (Guo, Shamai and Verdu 2005). Both are written as
sums of positive terms, which lose no digits at either end.

Gaussian: with the signal to noise ratio g = variance / s^2 and the log odds l that z comes from an
active coefficient,

    mmse = variance * rho * (1 / (1 + g) + g / (1 + g) E[t^2 / (1 + e^l(t))]),
    l(t) = log(rho / (1 - rho)) - log(1 + g) / 2 + g t^2 / 2,    t ~ N(0, 1).

Signs: with u = z / s, h = a / s and the probabilities P0, P+ and P- of 0, a and -a given u,

    mmse = a^2 (rho E[(P0 + 2 P-)^2 at u = h + V] + (1 - rho) E[(P+ - P-)^2 at u = V]).
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from .channel import gauss_legendre

__all__ = ["information", "mmse"]

_LEVELS = (-40.0, -12.0, -4.0, 0.0, 4.0, 12.0, 40.0)  # of log odds, between which it is integrated
_GAUSSIAN = (3.0, 6.0, 10.0, 14.0)  # and of t
_FAR = (-38.0, -28.0, -20.0, -14.0, -10.0, -6.0, -3.0, 0.0, 3.0, 6.0, 10.0, 14.0, 20.0, 28.0, 38.0)
_N_NODES = 32
_POINTS = 2000  # that are integrated at once


def mmse(
    rho: float, variance: float, s2: ArrayLike, *, prior: str = "gaussian"
) -> float | np.ndarray:
    """Return the error of the posterior mean of a sparse coefficient.

    Parameters
    ----------
    rho : float
        Probability that x is not zero; in [0, 1].
    variance : float
        Of x where it is not zero; larger than 0.
    s2 : float or array
        Noise variance of the observation z = x + s V; larger than 0.
    prior : {"gaussian", "signs"}
        The law of x where it is not zero.

    Returns
    -------
    float or array
        E[(x - E[x | z])^2], of the shape of `s2`.
    """
    rho, variance, s2 = _checked(rho, variance, s2, prior)
    if rho == 0.0:
        return np.zeros(s2.shape)[()]
    if prior == "signs":
        return (variance * _sign_error(rho, np.sqrt(variance / s2)))[()]
    g = variance / s2
    unsure = 0.0
    if rho < 1.0:
        unsure = _even(_logit(rho) - 0.5 * np.log1p(g), 0.5 * g, _doubt)
    return (rho * variance * (1.0 + g * unsure) / (1.0 + g))[()]


def information(
    rho: float, variance: float, s2: ArrayLike, *, prior: str = "gaussian"
) -> float | np.ndarray:
    """Return the mutual information of a sparse coefficient and its observation.

    It is that of the activity plus, where x is active, that of its size or sign.

    Parameters
    ----------
    rho, variance, s2, prior
        As in `mmse`.

    Returns
    -------
    float or array
        In nats, of the shape of `s2`.
    """
    rho, variance, s2 = _checked(rho, variance, s2, prior)
    if rho == 0.0:
        return np.zeros(s2.shape)[()]
    if prior == "signs":
        return _sign_information(rho, np.sqrt(variance / s2))[()]
    g = variance / s2
    size = 0.5 * rho * np.log1p(g)
    if rho == 1.0:
        return size[()]
    base = _logit(rho) - 0.5 * np.log1p(g)
    idle = _even(base, 0.5 * g / (1.0 + g), lambda t, odds: np.logaddexp(0.0, odds))
    active = _even(base, 0.5 * g, lambda t, odds: np.logaddexp(0.0, -odds))
    return (size + _entropy(rho) - (1.0 - rho) * idle - rho * active)[()]


def _checked(rho, variance, s2, prior):
    rho = errors.number("rho", rho, 0.0, 1.0)
    variance = errors.number("variance", variance, 0.0, open_low=True)
    errors.choice("prior", prior, ("gaussian", "signs"))
    return rho, variance, np.asarray(errors.positive("s2", s2))


def _logit(rho):
    return np.log(rho) - np.log1p(-rho)


def _entropy(rho):
    return -scipy.special.xlogy(rho, rho) - scipy.special.xlog1py(1.0 - rho, -rho)


# --- Gaussian coefficients -----------------------------------------------------------------------


def _doubt(t, odds):
    return t * t * scipy.special.expit(-odds)


def _even(base, tilt, function):
    """Return E[f(t, base + tilt t^2)] over standard normal t, for f even in t; as `base` in shape.

    f may change where the odds do, around 0, so panels end where they pass certain levels.
    """

    def integral(base, tilt):
        turns = np.sqrt(np.maximum(np.array(_LEVELS) - base, 0.0) / np.maximum(tilt, 1e-300))
        ends = np.broadcast_to(np.array(_GAUSSIAN), (len(turns), len(_GAUSSIAN)))
        edges = [np.minimum(turns, _GAUSSIAN[-1]), ends, np.zeros_like(base)]
        t, weights = _normal_nodes(np.concatenate(edges, axis=1))
        odds = base[..., None] + tilt[..., None] * t * t
        return 2.0 * np.sum(weights * function(t, odds), axis=(1, 2))

    return _in_parts(integral, base, tilt)


def _in_parts(integral, *arguments):
    """Return an integral for columns of some arguments at a time: memory does not grow with all."""
    arguments = np.broadcast_arrays(*arguments)
    n_parts = -(-arguments[0].size // _POINTS) or 1
    columns = np.stack([a.ravel() for a in arguments])[..., None]
    parts = np.array_split(columns, n_parts, axis=1)
    return np.concatenate([integral(*part) for part in parts]).reshape(arguments[0].shape)


def _normal_nodes(edges):
    """Return nodes in the panels between edges, row by row, and weights with the normal density."""
    edges = np.sort(edges, axis=1)
    half = np.diff(edges)[..., None] / 2.0
    nodes, weights = gauss_legendre(_N_NODES)
    t = edges[:, :-1, None] + half * (1.0 + nodes)
    return t, weights * half * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)


# --- Signs ---------------------------------------------------------------------------------------


def _sign_error(rho, h):
    """Return the mmse in units of a^2."""

    def active(*log_weights):
        zero, _, minus = _probabilities(log_weights)
        return (zero + 2.0 * minus) ** 2

    def idle(*log_weights):
        _, plus, minus = _probabilities(log_weights)
        return (plus - minus) ** 2

    return rho * _over_signs(rho, h, 1.0, active) + (1.0 - rho) * _over_signs(rho, h, 0.0, idle)


def _probabilities(log_weights):
    return scipy.special.softmax(np.broadcast_arrays(*log_weights), axis=0)


def _sign_information(rho, h):
    """Return the entropy of x less that of x given z, in nats."""

    def active(log_zero, log_plus, log_minus):
        return np.logaddexp(0.0, np.logaddexp(log_zero, log_minus) - log_plus)

    def idle(log_zero, log_plus, log_minus):
        return np.logaddexp(0.0, np.logaddexp(log_plus, log_minus) - log_zero)

    found = _entropy(rho) + rho * np.log(2.0) - rho * _over_signs(rho, h, 1.0, active)
    return found if rho == 1.0 else found - (1.0 - rho) * _over_signs(rho, h, 0.0, idle)


def _over_signs(rho, h, centre, function):
    """Return E[f(log weights of 0, a and -a given u)], u = centre h + V; as `h` in shape.

    Weights change places at u = 0 and at +-(h / 2 + base / h), over a few times 1 / h.
    """
    log_zero = np.log1p(-rho) if rho < 1.0 else -np.inf
    log_active = np.log(0.5 * rho)
    base = max(log_zero - log_active, -1e3)

    def integral(h):
        near = np.array(_LEVELS) / h
        turn = 0.5 * h + base / h
        turns = np.concatenate([near + turn, near, near - turn], axis=1) - centre * h
        far = np.broadcast_to(np.array(_FAR), (len(h), len(_FAR)))
        edges = np.concatenate([np.clip(turns, _FAR[0], _FAR[-1]), far], axis=1)
        v, weights = _normal_nodes(edges)
        h = h[..., None]
        u = v + centre * h
        weighed = log_active + h * u - 0.5 * h * h, log_active - h * u - 0.5 * h * h
        return np.sum(weights * function(log_zero, *weighed), axis=(1, 2))

    return _in_parts(integral, h)
