"""Expectations over the scalar channel of the replica theory (equations (17), (18), (38)-(40)).

A coordinate's observation is z = x + s V, its estimate the denoiser x_hat(z; theta, k). With
a = sqrt(k) / 2 and b = theta / 2, the dual coordinate u of the denoiser makes both explicit,

    x_hat = a sinh(u),    z = a sinh(u) + b u,    dz = (a cosh(u) + b) du,

so an expectation over z needs no root finding, and its integrand is an entire function of u.
A teacher coefficient x ~ N(mean, variance) has z ~ N(mean, tau^2) with tau^2 = variance + s^2 and,
given z, x ~ N(mean + w (z - mean), w s^2) with w = variance / tau^2: expectations are over z alone.
Panels of Gauss-Legendre nodes in u, placed where the denoiser bends and where the Gaussian falls,
give it to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from .. import errors
from ..model.penalty import dual_denoiser
from ..model.tasks import Prior

__all__ = [
    "FINE",
    "STANDARD",
    "Group",
    "HalfLines",
    "Moments",
    "QuadratureRule",
    "checked_groups",
    "half_lines",
    "moments",
]


class Group(NamedTuple):
    """Coordinates that share a penalty and a teacher (Definition C.1, equation (29)).

    `probability` of a coordinate to belong to the group; `sqrt_k` of its penalty; `prior` of its
    teacher coefficients.
    """

    probability: float
    sqrt_k: float
    prior: Prior


def checked_groups(groups: Sequence[Group], ends: Sequence[float] = ()) -> list[Group]:
    """Return the groups that hold coordinates, with probabilities that sum to 1.

    Parameters
    ----------
    groups : sequence of Group
    ends : sequence of float, optional
        Values of sqrt_k that are allowed besides those in [1e-100, 1e100]; None for any value.

    Returns
    -------
    list of Group

    Raises
    ------
    ValueError
        For a probability, a sqrt_k or a prior that is none.
    """
    try:
        groups = [Group(*group) for group in groups]
    except TypeError as error:
        raise ValueError(f"groups must be a list of Group, got {groups!r}") from error
    if not groups:
        raise ValueError("groups must hold at least one Group, got none")
    each = [errors.number("probability", group.probability, 0.0, 1.0) for group in groups]
    name = f"sqrt_k, other than {' or '.join(f'{end:g}' for end in ends)}," if ends else "sqrt_k"
    for group in groups:
        errors.instance("prior", group.prior, Prior)
        if ends is not None and (np.ndim(group.sqrt_k) or group.sqrt_k not in ends):
            errors.number(name, group.sqrt_k, 1e-100, 1e100)
    shares = errors.shares("the groups' probabilities", each)
    pairs = zip(groups, shares.tolist(), strict=True)
    return [group._replace(probability=share) for group, share in pairs if share > 0.0]


class QuadratureRule(NamedTuple):
    """A quadrature rule: nodes a panel, and where panels end.

    `reach`: standard deviations of z that are integrated over. `kink`: half-width in u of the
    panel around the denoiser's bend, where a sinh(u) = b. `flat`: distance in u below the bend from
    where on what it still bends, e^-flat, is too small to need a panel of its own. `tail`: width in
    u of the panel in which the Gaussian falls, half of it on the side of a negative mean. `cut`:
    distance in u below the far end beyond which the mass, e^-cut, is too small to need one.
    """

    n_nodes: int
    reach: float
    kink: float
    flat: float
    tail: float
    cut: float


STANDARD = QuadratureRule(n_nodes=32, reach=9.2, kink=2.5, flat=12.0, tail=4.0, cut=35.0)
FINE = QuadratureRule(n_nodes=45, reach=9.8, kink=3.1, flat=14.0, tail=4.7, cut=39.0)


class HalfLines(NamedTuple):
    """Gaussian teachers, each cut in two at its mean; arrays of shape (n_lines,).

    The penalty is even, so the part of z below a mean mu is the part above -mu of the mirrored
    teacher: every line is integrated upwards from its (signed) mean. `mass` is the teacher's share
    of coordinates, twice that for a centred Gaussian, whose halves are one line.
    """

    mass: np.ndarray
    a: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def half_lines(groups: Sequence[Group]) -> HalfLines:
    """Return the `HalfLines` of a list of `Group`."""
    rows = []
    for probability, scale, prior in groups:
        for weight, mean, variance in zip(prior.weights, prior.means, prior.variances, strict=True):
            signed = (mean, -mean) if mean else (mean,)
            mass = probability * weight * 2 / len(signed)
            rows += [(mass, scale / 2.0, mu, variance) for mu in signed]
    return HalfLines(*np.array(rows).T)


class _Panels(NamedTuple):
    """Non-empty intervals of u - u(mean), shape (n_panels,), with what is constant on each."""

    point: np.ndarray
    line: np.ndarray
    u_mean: np.ndarray
    left: np.ndarray
    right: np.ndarray


def _signed_dual(z, a, b):
    return np.copysign(dual_denoiser(np.abs(z), a, b), z)


def _panels(lines, s2, theta, rule):
    """Cut each line at each (s2, theta) into panels on which the integrands are tame."""
    reach = rule.reach * np.sqrt(lines.variance + s2[:, None])
    a, b, mean = np.broadcast_arrays(lines.a, theta[:, None] / 2.0, lines.mean)
    u_mean = _signed_dual(mean, a, b)
    span = _signed_dual(mean + reach, a, b) - u_mean
    # A span that is a rounding of u_mean is had from the derivative instead.
    linear = reach / (a * np.cosh(u_mean) + b)
    span = np.where(linear < 1e-6, linear, span)
    edges = _edges(u_mean, u_mean + span, np.arcsinh(b / a), rule)
    edges = np.clip(edges - u_mean, 0.0, span)
    edges[-1] = span
    panel, point, line = np.nonzero(edges[1:] > edges[:-1])
    left, right = edges[:-1][panel, point, line], edges[1:][panel, point, line]
    return _Panels(point, line, u_mean[point, line], left, right)


def _edges(start, end, bend, rule):
    """Return candidate panel edges in u, in ascending order along the first axis.

    From left to right: the fall of a Gaussian with a negative mean, the stretch in which z shrinks
    as e^-u, the bend at -bend, the flat part z = b u, the bend at +bend, the stretch in which z
    grows as e^u, the fall of the Gaussian.
    """
    before, after = -bend - rule.kink, bend + rule.kink
    return np.stack(
        [
            start,
            np.minimum(start + rule.tail / 2.0, before),
            np.minimum(start + rule.cut, before),
            before,
            np.minimum(rule.kink - bend, 0.0),
            np.minimum(rule.flat - bend, 0.0),
            np.maximum(bend - rule.flat, 0.0),
            np.maximum(bend - rule.kink, 0.0),
            after,
            np.maximum(end - rule.cut, after),
            np.maximum(end - rule.tail, after),
            end,
        ]
    )


@cache
def _gauss_legendre(n_nodes):
    return np.polynomial.legendre.leggauss(n_nodes)


class Moments(NamedTuple):
    """Expectations at every (s2, theta); arrays of shape (n_points,).

    `error` = E[(x_hat - x)^2]; `shrinkage` = E[(x_hat - z)^2]; `slope` = E[d x_hat / d z] = chi /
    theta; `gap` = 1 - slope, summed without the subtraction; then the derivatives of error,
    shrinkage and slope by s^2 and by theta.
    """

    error: np.ndarray
    shrinkage: np.ndarray
    slope: np.ndarray
    gap: np.ndarray
    error_s2: np.ndarray
    error_theta: np.ndarray
    shrinkage_s2: np.ndarray
    shrinkage_theta: np.ndarray
    slope_s2: np.ndarray
    slope_theta: np.ndarray


def moments(
    lines: HalfLines, s2: np.ndarray, theta: np.ndarray, rule: QuadratureRule = STANDARD
) -> Moments:
    """Return the expectations in equations (18), (19) and (20), and their derivatives.

    Parameters
    ----------
    lines : HalfLines
    s2, theta : array, shape (n_points,)
        Effective noise and regularisation; larger than 0.
    rule : QuadratureRule

    Returns
    -------
    Moments
    """
    panels = _panels(lines, s2, theta, rule)
    x, weight = _gauss_legendre(rule.n_nodes)
    half = (panels.right - panels.left) / 2.0
    # Columns are panels' constants, rows nodes: everything below broadcasts to (n_panels, n_nodes).
    step = ((panels.right + panels.left) / 2.0)[:, None] + half[:, None] * x
    a, b = lines.a[panels.line][:, None], theta[panels.point][:, None] / 2.0
    noise = s2[panels.point][:, None]
    tau2 = lines.variance[panels.line][:, None] + noise
    w = lines.variance[panels.line][:, None] / tau2
    u_mean = panels.u_mean[:, None]

    rise, sinh, cosh = _hyperbolic(a, u_mean, step)
    z = rise + b * step  # from the mean
    jacobian = cosh + b
    measure = np.exp(-0.5 * z * z / tau2) * jacobian
    measure *= weight * (half * lines.mass[panels.line])[:, None] / np.sqrt(2.0 * np.pi * tau2)

    u = u_mean + step
    slope, gap, tilt = cosh / jacobian, b / jacobian, sinh / jacobian
    miss = (noise / tau2) * rise - w * b * step - b * u_mean  # x_hat - E[x | z]
    bend = gap * tilt / jacobian  # second derivative of the denoiser
    shrinkage = (b * u) ** 2
    # d E[f] / d s^2 = E[f''] / 2 = E[f hermite]: free of derivatives, whose bends would cancel
    hermite = 0.5 * (z * z / tau2 - 1.0) / tau2

    def expect(integrand):
        return np.bincount(panels.point, np.einsum("pn,pn->p", measure, integrand), s2.size)

    # A half line carries half of its mass' posterior variance w s^2.
    posterior = 0.5 * lines.mass * lines.variance / (lines.variance + s2[:, None])
    mean_slope, mean_gap = expect(slope), expect(gap)
    less_slope = mean_slope < mean_gap
    return Moments(
        error=expect(miss * miss) + s2 * posterior.sum(axis=1),
        shrinkage=expect(shrinkage),
        slope=mean_slope,
        gap=mean_gap,
        error_s2=expect(slope * slope + miss * bend),
        error_theta=-expect(miss * u * slope),
        shrinkage_s2=expect(shrinkage * hermite),
        shrinkage_theta=expect(b * u * u * slope),
        slope_s2=np.where(less_slope, expect(slope * hermite), -expect(gap * hermite)),
        slope_theta=-0.5 * expect((gap * tilt * u + slope) / jacobian),
    )


def _hyperbolic(a, u_mean, step):
    """Return a (sinh u - sinh u_mean), a sinh u and a cosh u at u = u_mean + step.

    The difference is 2 a cosh(u_mean + step/2) sinh(step/2), exact for any step; one exponential
    of the nodes serves all three.
    """
    growth = np.expm1(step / 2.0)
    factor = 1.0 + growth
    middle = np.exp(u_mean) * factor
    top = middle * factor
    rise = 0.5 * a * (middle + 1.0 / middle) * (growth + growth / factor)
    return rise, a * np.sinh(u_mean) + rise, 0.5 * a * (top + 1.0 / top)
