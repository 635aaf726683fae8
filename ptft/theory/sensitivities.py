"""How the generalization error answers to each parameter: exact derivatives (equations (19), (20)).

The fixed-point equations hold for every value of a parameter p, so their total derivative is zero:

    J d(log s^2, log theta) / dp = -(partial derivative of the residuals by p),

where J is the Jacobian that Newton's method uses. The partial derivatives are expectations over
the scalar channel like the equations themselves; nothing is a difference of two solutions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.penalty import sqrt_k
from ..model.tasks import Prior, Task
from ..values import Value
from .channel import Group, half_lines, line_moments
from .replica import LearningCurve, learning_curve, penalised_groups
from .solver import Points

__all__ = ["Gradient", "Sensitivities", "sensitivities"]


@dataclass(frozen=True, eq=False)
class Gradient(Value):
    """Derivatives of a quantity; numbers for a scalar alpha, else arrays of shape (n_alpha,).

    Each is at fixed values of all the others. At an end of a parameter's range (lambda = +-1,
    gamma = 0, noise = 0, ridge = 0, an overlap at its limit) it is one-sided.

    Parameters
    ----------
    log_c : array
        By the natural logarithm of c_pt.
    lambda_pt, gamma_ft : array
        By the relative scale, and by the scale of the readout before fine-tuning.
    alpha, noise, ridge : array
        By the samples per dimension, the label noise's variance and gamma_ext.
    rho_pt, rho_ft, overlap : array
        By the task's sparsities and overlap; the size of the pretrained coefficients is fixed, the
        variance 1 / rho_ft of fine-tuning's active coefficients is not.
    """

    log_c: float | np.ndarray
    lambda_pt: float | np.ndarray
    gamma_ft: float | np.ndarray
    alpha: float | np.ndarray
    noise: float | np.ndarray
    ridge: float | np.ndarray
    rho_pt: float | np.ndarray
    rho_ft: float | np.ndarray
    overlap: float | np.ndarray


@dataclass(frozen=True, eq=False)
class Sensitivities(Value):
    """A learning curve and the derivatives of what it holds.

    Parameters
    ----------
    curve : LearningCurve
        The solution at which the derivatives are taken.
    error, s2, theta : Gradient
        Of the generalization error, the effective noise and the effective regularisation.
    """

    curve: LearningCurve
    error: Gradient
    s2: Gradient
    theta: Gradient


def sensitivities(
    task: Task, init: Initialization, alpha: ArrayLike, noise: float = 0.0, ridge: float = 0.0
) -> Sensitivities:
    """Differentiate a learning curve by every parameter, exactly (equations (19) and (20)).

    Parameters
    ----------
    task : Task
    init : Initialization
        Of numbers, not arrays.
    alpha : float or array, shape (n_alpha,)
        Samples per dimension; larger than 0, and less than 1 without ridge: from there on the
        samples alone determine the coefficients, and the error is noise / (alpha - 1).
    noise, ridge : float
        As in `learning_curve`.

    Returns
    -------
    Sensitivities

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If the fixed point itself is not found; see `learning_curve`.

    Examples
    --------
    >>> from ptft import Initialization, Task
    >>> from ptft.theory.sensitivities import sensitivities
    >>> found = sensitivities(Task(0.1, 0.1, 0.5), Initialization(1e-3, 0.0, 0.0), alpha=0.3)
    >>> round(found.error.overlap, 3)  # more overlap helps
    -0.5
    """
    penalised_groups(task, init)  # checks both
    numbers = errors.vector("alpha", alpha, 0.0, open_low=True)
    ridge = errors.number("ridge", ridge, 0.0)
    if ridge == 0.0 and numbers.max() >= 1.0:
        raise ValueError(
            "alpha must be less than 1 without ridge, where the samples alone determine the "
            f"coefficients and theta = 0, got {float(numbers.max())!r}"
        )
    curve = learning_curve(task, init, alpha, noise, ridge)
    with np.errstate(divide="ignore"):  # log(0) in the form of (20) that is not used
        columns = _derivatives(task, init, numbers, float(noise), ridge, curve)
    shape = np.shape(curve.error)
    gradients = (
        Gradient(*(row.reshape(shape) if shape else float(row[0]) for row in rows))
        for rows in columns
    )
    return Sensitivities(curve, *gradients)


def _derivatives(task, init, alpha, noise, ridge, curve):
    """Return the derivatives of error, s^2 and theta, shape (3, n_parameters, n_alpha)."""
    s2, theta = np.atleast_1d(curve.s2), np.atleast_1d(curve.theta)
    points = Points(
        half_lines(penalised_groups(task, init)),
        np.zeros(alpha.size, int),
        *np.broadcast_arrays(alpha, noise, ridge),
    )
    m = points.moments(s2, theta)
    _, jacobian = points.linearise(s2, theta, m)
    by_moment = dict(
        zip(
            ("log_c", "lambda_pt", "gamma_ft", "rho_pt", "rho_ft", "overlap"),
            _partial_moments(task, init, s2, theta),
            strict=True,
        )
    )
    by_number = _partial_residuals(points, theta, m)
    rows = []
    for name in (field.name for field in fields(Gradient)):
        change = by_moment.get(name, np.zeros((4, alpha.size)))
        residual = by_number.get(name, _through_moments(points, theta, m, *change))
        x, y = np.linalg.solve(np.moveaxis(jacobian, 2, 0), -residual.T[:, :, None])[:, :, 0].T
        rows.append(
            (change[0] + m.error_s2 * s2 * x + m.error_theta * theta * y, s2 * x, theta * y)
        )
    return np.moveaxis(np.array(rows), 1, 0)


def _through_moments(points, theta, m, error, shrinkage, slope, gap):
    """Return the change of both residuals of `Points.linearise` for a change of the moments."""
    ridge, rest = points.ridge / theta, np.abs(1.0 - points.alpha)
    first = error / (points.noise + m.error) + shrinkage / (points.noise + m.shrinkage)
    second = np.where(
        points.alpha < 1.0, slope / (m.slope + ridge) - gap / m.gap, -gap / (rest + m.gap)
    )
    return np.array([first - gap / (m.gap + ridge), second])


def _partial_residuals(points, theta, m):
    """Return the derivatives of both residuals by the numbers that stand in them."""
    alpha, r, rest = points.alpha, points.ridge / theta, np.abs(1.0 - points.alpha)
    few, zero = alpha < 1.0, np.zeros_like(alpha)
    by_alpha = np.where(few, -1.0 / alpha - 1.0 / (rest + r), -1.0 / (rest + m.gap))
    by_noise = 1.0 / (points.noise + m.error) + 1.0 / (points.noise + m.shrinkage)
    by_r = 1.0 / (m.slope + r) + 1.0 / (rest + r)
    # From alpha = 1 on the second residual is log(r / ...), and there is a ridge.
    np.divide(1.0, r, out=by_r, where=~few)
    return {
        "alpha": np.array([-1.0 / alpha, by_alpha]),
        "noise": np.array([by_noise, zero]),
        "ridge": np.array([-1.0 / (m.gap + r), by_r]) / theta,
    }


def _partial_moments(task, init, s2, theta):
    """Yield the derivatives of error, shrinkage, slope and gap by the groups' parameters."""
    groups, shares = _groups(task, init)
    lines = half_lines([Group(1.0, group.sqrt_k, group.prior) for group in groups])
    group = np.repeat(np.arange(4), [_n_lines(group.prior) for group in groups])
    m = line_moments(lines, s2, theta)
    values = np.array([m.error, m.shrinkage, m.slope, m.gap])

    def by(name):
        slope = getattr(m, f"slope_{name}")
        return np.array(
            [getattr(m, f"error_{name}"), getattr(m, f"shrinkage_{name}"), slope, -slope]
        )

    share = np.array([group.probability for group in groups])[group]
    for change in _partial_scales(groups, init, task.amplitude_pt):
        yield np.einsum("l,mln->mn", share * change[group], by("a"))
    for name in ("rho_pt", "rho_ft", "overlap"):
        total = np.einsum("l,mln->mn", shares[name][group], values)
        if name == "rho_ft":
            # Variance 1 / rho_ft, or mean +-1 / sqrt(rho_ft): the other of them is zero.
            variance, mean = -lines.variance / task.rho_ft, -0.5 * lines.mean / task.rho_ft
            total += np.einsum("l,mln->mn", share * variance, by("variance"))
            total += np.einsum("l,mln->mn", share * mean, by("mean"))
        yield total


def _groups(task, init):
    """Return all four groups of (29), empty ones too, and derivatives of their probabilities."""
    rho_pt, rho_ft, overlap = task.rho_pt, task.rho_ft, task.overlap
    shared, new = overlap * rho_ft, (1.0 - overlap) * rho_ft
    probabilities = np.array([shared, new, rho_pt - shared, 1.0 - rho_pt - new])
    active, inactive = task.active_prior(), Prior.zero()
    scales = sqrt_k(np.array([task.amplitude_pt, 0.0]), init)
    groups = [
        Group(max(float(share), 0.0), float(scale), prior)
        for share, scale, prior in zip(
            probabilities, np.tile(scales, 2), (active, active, inactive, inactive), strict=True
        )
    ]
    shares = {
        "rho_pt": np.array([0.0, 0.0, 1.0, -1.0]),
        "rho_ft": np.array([overlap, 1.0 - overlap, -overlap, overlap - 1.0]),
        "overlap": rho_ft * np.array([1.0, -1.0, -1.0, 1.0]),
    }
    return groups, shares


def _n_lines(prior):
    return sum(2 if mean else 1 for mean in prior.means)


def _partial_scales(groups, init, amplitude):
    """Return the derivatives of log(sqrt(k)), equation (14), by log c, lambda and gamma."""
    c, factor = init.c_pt, 2.0 * (1.0 + init.lambda_pt)
    root = np.hypot(c, np.array([amplitude, 0.0, amplitude, 0.0]))
    by = [factor * c * (1.0 + c / root), 2.0 * (c + root), np.full(4, 2.0 * init.gamma_ft)]
    return [change / np.array([group.sqrt_k for group in groups]) for change in by]
