"""Which features fine-tuning used: errors, sizes and discoveries in each group of dimensions.

In the limit of many dimensions a coordinate of group g ends at x_hat(x + s V; theta, k_g), so the
fixed point of the replica theory (Proposition 4.2) gives the whole law of the fine-tuned
coefficients and not only their mean error. A coefficient is *selected* if its size exceeds a
threshold; the denoiser is increasing, so it is that of an observation beyond one known value.

The expectations are integrals over the denoiser's dual coordinate u, as in `channel`, by panels of
Gauss-Legendre nodes of their own: their sum is an independent check of the solver's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.penalty import penalty_gradient, signed_dual_denoiser
from ..model.tasks import Prior, Task
from ..values import Value
from .channel import gauss_legendre
from .replica import LearningCurve, penalised_groups

__all__ = ["Features", "component_moments", "features_used"]

_REACH = 9.5  # standard deviations of an observation that are integrated over
_PANEL = 0.75  # the widest panel in u
_MIN_PANELS = 20
_N_NODES = 24
_AGREEMENT = 1e-8  # relative, of the error summed here and the curve's


@dataclass(frozen=True, eq=False)
class Features(Value):
    """What fine-tuning leaves in each group of dimensions.

    Arrays have shape (n_groups,) for a curve at one alpha, else (n_groups, n_alpha); the last two
    lack the first axis.

    Parameters
    ----------
    groups : sequence of str
        Names of the groups, as in `Task.groups`: shared, new, pretraining only, neither.
    probability : array, shape (n_groups,)
        Share of dimensions in each.
    error : array
        E[(x_hat - x)^2] in the group: these, times the probabilities, sum to E_gen.
    slope : array
        E[d x_hat / d z], degrees of freedom per dimension: they sum to alpha without ridge.
    second_moment : array
        E[x_hat^2].
    selected : array
        P(|x_hat| > threshold).
    false_discoveries : float or array
        Share of the selected dimensions whose teacher is 0; 0 if none is selected.
    true_positives : float or array
        Share selected of the dimensions whose teacher is not 0.
    """

    groups: Sequence[str]
    probability: np.ndarray
    error: np.ndarray
    slope: np.ndarray
    second_moment: np.ndarray
    selected: np.ndarray
    false_discoveries: float | np.ndarray
    true_positives: float | np.ndarray


def features_used(
    task: Task, init: Initialization, curve: LearningCurve, threshold: float
) -> Features:
    """Return what each group of dimensions contributes along a learning curve.

    Parameters
    ----------
    task : Task
    init : Initialization
    curve : LearningCurve
        Of this task and initialisation, with any noise and ridge.
    threshold : float
        Size from which on a coefficient counts as selected; larger than 0.

    Returns
    -------
    Features

    Raises
    ------
    ValueError
        For an argument outside its range, a curve of something else, or one with alpha >= 1 and no
        ridge, where theta = 0.

    Examples
    --------
    >>> from ptft import Initialization, Task, learning_curve
    >>> task, init = Task(0.1, 0.1, 0.5), Initialization(1e-3, -0.99, 0.0)
    >>> curve = learning_curve(task, init, 0.2)
    >>> used = features_used(task, init, curve, threshold=0.5)
    >>> dict(zip(used.groups, used.selected.round(3).tolist()))
    {'shared': 0.7, 'new': 0.481, 'pretraining only': 0.28, 'neither': 0.048}
    """
    errors.instance("curve", curve, LearningCurve)
    threshold = errors.number("threshold", threshold, 0.0, open_low=True)
    groups = penalised_groups(task, init)
    s2, theta = _parameters(curve)
    share = np.array([group.probability for group in groups])
    each = [_moments(group, s2, theta) for group in groups]
    error, slope, second = (np.array(rows) for rows in zip(*each, strict=True))
    _check_match(share @ error, np.atleast_1d(curve.error))
    selected = np.array([_selected(group, s2, theta, threshold) for group in groups])
    active = np.array([group.prior != Prior.zero() for group in groups])
    found = share[active] @ selected[active]
    total = found + share[~active] @ selected[~active]
    false = np.divide(total - found, total, out=np.zeros_like(total), where=total > 0.0)
    fields = (error, slope, second, selected, false, found / share[active].sum())
    if np.ndim(curve.alpha) == 0:
        fields = tuple(field[..., 0][()] for field in fields)
    return Features(tuple(group.name for group in task.groups()), share, *fields)


def _parameters(curve):
    s2, theta = np.atleast_1d(curve.s2), np.atleast_1d(curve.theta)
    if not np.all((theta > 0.0) & (s2 > 0.0) & np.isfinite(theta)):
        raise ValueError(
            "curve must have 0 < theta < inf and s2 > 0 (alpha < 1, or ridge), got theta = "
            f"{theta.min():g} and s2 = {s2.min():g}"
        )
    return s2, theta


def _check_match(error, expected):
    apart = np.max(np.abs(error / expected - 1.0))
    if not apart < _AGREEMENT:
        raise ValueError(
            "curve must be the learning curve of task and init, got one whose error differs from "
            f"theirs at its s2 and theta by {apart:.1e}, relatively"
        )


def _moments(group, s2, theta):
    """Return error, slope and second moment of one group, each of shape (n_points,)."""
    parts = [
        weight * component_moments(group.sqrt_k, mean, variance, s2, theta)
        for weight, mean, variance in group.prior.components()
    ]
    return np.sum(parts, axis=0)


def component_moments(
    sqrt_k: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    s2: ArrayLike,
    theta: ArrayLike,
    origin: ArrayLike = 0.0,
    shift: ArrayLike = 0.0,
) -> np.ndarray:
    """Return three moments for Gaussian teachers x ~ N(mean, variance).

    Parameters
    ----------
    sqrt_k, mean, variance, s2, theta : float or array
        Of the penalty, the teacher and the fixed point; all broadcast to the shape (n_points,).
    origin : float or array
        From where the second moment is taken.
    shift : float or array
        2 q_k' of the coefficient from which training starts: the dual coordinate u that costs
        nothing, z = a sinh(u) + b (u - shift).

    Returns
    -------
    array, shape (3, n_points)
        E[(x_hat - x)^2], E[d x_hat / d z] and E[(x_hat - origin)^2].
    """
    columns = (np.divide(sqrt_k, 2.0), np.divide(theta, 2.0), mean, variance, s2, origin, shift)
    a, b, mean, variance, s2, origin, shift = np.atleast_1d(*np.broadcast_arrays(*columns))
    tau2 = variance + s2
    u_mean = signed_dual_denoiser(mean + b * shift, a, b)
    step, width = _steps(a, b, mean + b * shift, u_mean, _REACH * np.sqrt(tau2))
    columns = (a, b, tau2, u_mean, s2, variance / tau2, origin, u_mean - shift)
    a, b, tau2, u_mean, noise, w, origin, bias = (column[:, None] for column in columns)
    # From the mean, where nothing cancels however small s is.
    rise, x_hat, cosh = _hyperbolic(a, u_mean, step)
    z = rise + b * step
    density = width * np.exp(-0.5 * z * z / tau2) / np.sqrt(2.0 * np.pi * tau2)
    measure = density * (cosh + b)
    missed = noise / tau2 * rise - b * bias - w * b * step  # x_hat - E[x | z]
    error = (measure * missed**2).sum(axis=1) + (w * noise)[:, 0]
    slope, second = (density * cosh).sum(axis=1), (measure * (x_hat - origin) ** 2).sum(axis=1)
    return np.array([error, slope, second])


def _hyperbolic(a, start, step):
    """Return a (sinh u - sinh start), a sinh u and a cosh u at u = start + step."""
    rise = 2.0 * a * np.cosh(start + step / 2.0) * np.sinh(step / 2.0)
    u = start + step
    return rise, a * np.sinh(u), a * np.cosh(u)


def _steps(a, b, mean, u_mean, reach):
    """Return nodes u - u_mean and their weights, shape (n_points, n): panels over z's reach."""
    linear = reach / (a * np.cosh(u_mean) + b)
    ends = [
        # A distance that is a rounding of u_mean is had from the derivative instead.
        np.where(
            linear < 1e-6, sign * linear, signed_dual_denoiser(mean + sign * reach, a, b) - u_mean
        )
        for sign in (-1.0, 1.0)
    ]
    low, width = ends[0][:, None], (ends[1] - ends[0])[:, None]
    n_panels = max(_MIN_PANELS, int(np.ceil(width.max() / _PANEL)))
    nodes, weights = gauss_legendre(_N_NODES)
    place = (np.arange(n_panels)[:, None] + (1.0 + nodes) / 2.0).ravel() / n_panels
    return low + width * place, width * np.tile(weights / 2.0, n_panels) / n_panels


def _selected(group, s2, theta, threshold):
    """Return P(|x_hat| > threshold), the mass of z beyond threshold + theta q'(threshold)."""
    edge = threshold + theta * penalty_gradient(threshold, group.sqrt_k)
    return sum(
        weight * scipy.special.ndtr((sign * mean - edge) / np.sqrt(variance + s2))
        for weight, mean, variance in group.prior.components()
        for sign in (1.0, -1.0)
    )
