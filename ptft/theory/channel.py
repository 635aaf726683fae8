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

import math
import threading
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from .. import errors
from ..model.penalty import dual_denoiser, signed_dual_denoiser
from ..model.tasks import Prior

__all__ = [
    "COARSE",
    "FINE",
    "FINEST",
    "STANDARD",
    "Expectations",
    "Group",
    "HalfLines",
    "LineMoments",
    "Moments",
    "QuadratureRule",
    "checked_groups",
    "expectations",
    "gauss_legendre",
    "half_lines",
    "line_moments",
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
    groups, each = listed_groups(groups, Group)
    name = f"sqrt_k, other than {' or '.join(f'{end:g}' for end in ends)}," if ends else "sqrt_k"
    for group in groups:
        errors.instance("prior", group.prior, Prior)
        if ends is not None and (np.ndim(group.sqrt_k) or group.sqrt_k not in ends):
            errors.number(name, group.sqrt_k, 1e-100, 1e100)
    return present_groups(groups, each)


def listed_groups(groups, kind):
    """Return a list of groups, which are of the named tuple `kind`, and their probabilities."""
    try:
        groups = [kind(*group) for group in groups]
    except TypeError as error:
        raise ValueError(f"groups must be a list of {kind.__name__}, got {groups!r}") from error
    if not groups:
        raise ValueError(f"groups must hold at least one {kind.__name__}, got none")
    return groups, [errors.number("probability", g.probability, 0.0, 1.0) for g in groups]


def present_groups(groups, probabilities):
    """Return the groups that hold coordinates, with probabilities that sum to 1."""
    shares = errors.shares("the groups' probabilities", probabilities)
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
FINEST = FINE._replace(n_nodes=64)
COARSE = STANDARD._replace(n_nodes=18)  # to 1e-7: for a search


class HalfLines(NamedTuple):
    """Gaussian teachers, each cut in two at its mean; arrays of shape (n_lines,).

    The penalty is even, so the part of z below a mean mu is the part above -mu of the mirrored
    teacher: every line is integrated upwards from its (signed) mean. `mass` is the teacher's share
    of coordinates, twice that for a centred Gaussian, whose halves are one line. The lines may be
    of many problems: those of problem i are first[i] to first[i + 1] - 1.
    """

    mass: np.ndarray
    a: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    first: np.ndarray


def half_lines(groups: Sequence[Group]) -> HalfLines:
    """Return the `HalfLines` of a list of `Group`, as one problem."""
    rows = []
    for probability, scale, prior in groups:
        rows += [
            (2.0 * probability * share, scale / 2.0, mean, variance)
            for share, mean, variance in prior.components()
        ]
    mass, a, mean, variance = np.array(rows).T
    return HalfLines(mass, a, mean, variance, np.array([0, len(rows)]))


def _cells(lines, problem):
    """Return line and point of every pair of a point and a line of its problem, by points."""
    if len(lines.first) == 2:  # one problem
        count, n_points = lines.mass.size, problem.size
        return np.tile(np.arange(count), n_points), np.repeat(np.arange(n_points), count)
    counts, before = np.diff(lines.first)[problem], lines.first[problem]
    ends = np.cumsum(counts)
    line = np.arange(counts.sum()) + np.repeat(before + counts - ends, counts)
    return line, np.repeat(np.arange(problem.size), counts)


class _Panels(NamedTuple):
    """Non-empty intervals of u - u(mean), shape (n_panels,), with what is constant on each."""

    point: np.ndarray
    line: np.ndarray
    u_mean: np.ndarray
    left: np.ndarray
    right: np.ndarray


def _panels(lines, s2, theta, rule, line, point):
    """Cut lines, each at a point's (s2, theta), into panels on which the integrands are tame."""
    reach = rule.reach * np.sqrt(lines.variance[line] + s2[point])
    a, b, mean = lines.a[line], theta[point] / 2.0, lines.mean[line]
    u_mean, off = np.zeros(line.size), mean != 0.0
    # The root is approached from above: an early end of the iteration reaches a bit farther.
    span = dual_denoiser(reach, a, b, coarse=0.1)
    if off.any():
        a_off, b_off, reach = a[off], b[off], reach[off]
        u_mean[off] = signed_dual_denoiser(mean[off], a_off, b_off)
        ends = signed_dual_denoiser(mean[off] + reach, a_off, b_off)
        # A span that is a rounding of u_mean is had from the derivative instead.
        linear = reach / (a_off * np.cosh(u_mean[off]) + b_off)
        span[off] = np.where(linear < 1e-6, linear, ends - u_mean[off])
    edges = _edges(u_mean, u_mean + span, np.arcsinh(b / a), rule)
    edges -= u_mean
    np.maximum(edges, 0.0, out=edges)
    np.minimum(edges, span, out=edges)
    edges[-1] = span
    panel, cell = np.nonzero(edges[1:] > edges[:-1])
    left, right = edges[:-1][panel, cell], edges[1:][panel, cell]
    return _Panels(point[cell], line[cell], u_mean[cell], left, right)


def _edges(start, end, bend, rule):
    """Return candidate panel edges in u, in ascending order along the first axis.

    From left to right: the fall of a Gaussian with a negative mean, the stretch in which z shrinks
    as e^-u, the bend at -bend, the flat part z = b u, the bend at +bend, the stretch in which z
    grows as e^u, the fall of the Gaussian.
    """
    after = bend + rule.kink
    above = [
        np.maximum(bend - rule.flat, 0.0),
        np.maximum(bend - rule.kink, 0.0),
        after,
        np.maximum(end - rule.cut, after),
        np.maximum(end - rule.tail, after),
    ]
    if not np.any(start < 0.0):  # as lines of centred teachers, which start at zero
        return np.stack([start, *above, end])
    before = -after
    below = [
        np.minimum(start + rule.tail / 2.0, before),
        np.minimum(start + rule.cut, before),
        before,
        np.minimum(rule.kink - bend, 0.0),
        np.minimum(rule.flat - bend, 0.0),
    ]
    return np.stack([start, *below, *above, end])


@cache
def gauss_legendre(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes in (-1, 1) and weights; kept, since they take longer than what they are for."""
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
    lines: HalfLines,
    s2: np.ndarray,
    theta: np.ndarray,
    rule: QuadratureRule = STANDARD,
    problem: np.ndarray | None = None,
) -> Moments:
    """Return the expectations in equations (18), (19) and (20), and their derivatives.

    Parameters
    ----------
    lines : HalfLines
    s2, theta : array, shape (n_points,)
        Effective noise and regularisation; larger than 0.
    rule : QuadratureRule
    problem : array of int, shape (n_points,), optional
        Which of the problems that the lines belong to each point is of; the first by default.

    Returns
    -------
    Moments
    """
    sums, posterior = _integrate(_moment_sums, lines, s2, theta, rule, problem)
    gap_s2 = sums.pop(-2)
    m = Moments(*sums)
    # The smaller of the two, slope and gap = 1 - slope, has the derivative that is precise.
    slope_s2 = np.where(m.slope < m.gap, m.slope_s2, -gap_s2)
    return m._replace(error=m.error + posterior, slope_s2=slope_s2)


class Expectations(NamedTuple):
    """The first four of `Moments`; arrays of shape (n_points,)."""

    error: np.ndarray
    shrinkage: np.ndarray
    slope: np.ndarray
    gap: np.ndarray


def expectations(
    lines: HalfLines,
    s2: np.ndarray,
    theta: np.ndarray,
    rule: QuadratureRule = STANDARD,
    problem: np.ndarray | None = None,
) -> Expectations:
    """Return the expectations in equations (18), (19) and (20) without their derivatives.

    Parameters
    ----------
    lines, s2, theta, rule, problem
        As in `moments`.

    Returns
    -------
    Expectations
    """
    sums, posterior = _integrate(_value_sums, lines, s2, theta, rule, problem)
    return Expectations(sums[0] + posterior, *sums[1:])


_BLOCK = 24_000  # nodes at a time: what a block needs stays in the cache


def _integrate(kernel, lines, s2, theta, rule, problem):
    """Return a kernel's integrals at each point, and the mean posterior variance of a teacher."""
    problem = np.zeros(s2.size, int) if problem is None else problem
    line, point = _cells(lines, problem)
    panels = _panels(lines, s2, theta, rule, line, point)
    size = _BLOCK // rule.n_nodes
    blocks = (
        _Panels(*(column[start : start + size] for column in panels))
        for start in range(0, max(panels.point.size, 1), size)
    )
    rows = [kernel(_nodes(block, lines, s2, theta, rule.n_nodes)) for block in blocks]
    sums = np.concatenate(rows, axis=1)
    # Given z a teacher has the variance w s^2; half of it is a half line's.
    noise, variance = s2[point], lines.variance[line]
    posterior = 0.5 * lines.mass[line] * noise * (variance / (variance + noise))
    return (
        [np.bincount(panels.point, row, s2.size) for row in sums],
        np.bincount(point, posterior, s2.size),
    )


class _Workspace(threading.local):
    """Arrays of a thread that are used again: fresh memory costs more than the arithmetic."""

    arrays = np.empty(0)

    def take(self, count, *shape):
        size = count * math.prod(shape)
        if self.arrays.size < size:
            self.arrays = np.empty(size)
        return self.arrays[:size].reshape(count, *shape)


_WORKSPACE = _Workspace()


class _Nodes(NamedTuple):
    """What integrands are made of, at the nodes of panels.

    Arrays of shape (n_nodes, n_panels), so that what is constant on a panel broadcasts along the
    rows; `b`, `a`, `tau2` and `scale` are such constants. `half_u` is u / 2, `density` the Gaussian
    at z, exp(-distance / 2), `miss` = x_hat - E[x | z]. `spare` are arrays to write to.
    """

    weight: np.ndarray
    scale: np.ndarray
    a: np.ndarray
    b: np.ndarray
    tau2: np.ndarray
    half_u: np.ndarray
    sinh: np.ndarray
    cosh: np.ndarray
    jacobian: np.ndarray
    distance: np.ndarray
    density: np.ndarray
    miss: np.ndarray
    spare: np.ndarray


def _nodes(panels, lines, s2, theta, n_nodes):
    """Return the `_Nodes` of panels, in the workspace."""
    x, weight = gauss_legendre(n_nodes)
    half, middle = (panels.right - panels.left) / 4.0, (panels.right + panels.left) / 4.0
    a, b, noise = lines.a[panels.line], theta[panels.point] / 2.0, s2[panels.point]
    variance = lines.variance[panels.line]
    tau2 = variance + noise
    space = _WORKSPACE.take(11, n_nodes, half.size)
    step = np.multiply(x[:, None], half, out=space[0])
    step += middle  # half of u - u_mean
    rise, cosh = _hyperbolic(a, panels.u_mean, step, space[1:7])
    distance = np.multiply(step, 2.0 * b, out=space[2])
    distance += rise  # z from the mean
    distance *= 1.0 / np.sqrt(tau2)
    distance *= distance
    density = np.multiply(distance, -0.5, out=space[3])
    np.exp(density, out=density)
    miss = np.multiply(step, -2.0 * b * variance / tau2, out=space[5])
    miss -= b * panels.u_mean
    miss += np.multiply(rise, noise / tau2, out=space[6])
    jacobian = np.add(cosh, b, out=space[6])
    step += panels.u_mean / 2.0
    rise += a * np.sinh(panels.u_mean)
    scale = 2.0 * half * lines.mass[panels.line] / np.sqrt(2.0 * np.pi * tau2)
    rows = (step, rise, cosh, jacobian, distance, density, miss)
    return _Nodes(weight, scale, a, b, tau2, *rows, space[7:])


def _value_sums(nodes):
    """Return the integrals of `Expectations` over each panel, shape (4, n_panels)."""
    weight, b, product = nodes.weight, nodes.b, nodes.spare[0]
    gap = b * (weight @ nodes.density)
    slope = weight @ np.multiply(nodes.density, nodes.cosh, out=product)
    measure = np.multiply(nodes.density, nodes.jacobian, out=nodes.jacobian)
    np.multiply(measure, nodes.miss, out=product)
    product *= nodes.miss
    error = weight @ product
    measure *= nodes.half_u
    measure *= nodes.half_u
    return np.stack([error, 4.0 * b * b * (weight @ measure), slope, gap]) * nodes.scale


def _moment_sums(nodes):
    """Return the integrals of `Moments` over each panel, and the gap's by s^2: (11, n_panels).

    The latter stands before the last row. Rows are made in few arrays: memory is what costs.
    """
    weight, b, u, density = nodes.weight, nodes.b, nodes.half_u, nodes.density
    miss, distance = nodes.miss, nodes.distance
    product, inverse, slope, square = nodes.spare[:4]
    np.divide(1.0, nodes.jacobian, out=inverse)
    np.multiply(nodes.cosh, inverse, out=slope)
    bend = nodes.sinh  # b / jacobian times this and the slope: the denoiser's second derivative
    bend *= inverse
    bend *= inverse
    bend *= b
    measure, rising = nodes.jacobian, nodes.cosh
    measure *= density
    rising *= density  # the slope's measure, as b `density` is the gap's

    def integral(*factors):
        np.multiply(*factors[:2], out=product)
        for factor in factors[2:]:
            np.multiply(product, factor, out=product)
        return weight @ product

    np.multiply(u, u, out=square)
    b2, per_noise = 4.0 * b * b, 0.5 / nodes.tau2
    gap, mean_slope = b * (weight @ density), weight @ rising
    error = integral(measure, miss, miss)
    shrinkage = b2 * integral(measure, square)
    product *= distance
    # d E[f] / d s^2 = E[f''] / 2 = E[f (z^2 / tau^2 - 1)] / (2 tau^2): free of derivatives of f,
    # whose bends would cancel.
    shrinkage_s2 = per_noise * (b2 * (weight @ product) - shrinkage)
    shrinkage_theta = 4.0 * b * integral(rising, square)
    error_theta = -2.0 * integral(rising, miss, u)
    error_s2 = integral(rising, slope) + integral(density, bend, miss)
    slope_s2 = per_noise * (integral(rising, distance) - mean_slope)
    gap_s2 = per_noise * (b * integral(density, distance) - gap)
    slope_theta = -0.5 * integral(density, slope) - integral(density, bend, u)
    sums = (error, shrinkage, mean_slope, gap, error_s2, error_theta, shrinkage_s2)
    return np.stack([*sums, shrinkage_theta, slope_s2, gap_s2, slope_theta]) * nodes.scale


def _hyperbolic(a, u_mean, step, space):
    """Return a (sinh u - sinh u_mean) and a cosh u at u = u_mean + 2 step, in space[0] and [3].

    The difference is 2 a cosh(u_mean + step) sinh(step), exact for any step; one exponential of
    the nodes serves both.
    """
    growth = np.expm1(step, out=space[0])
    factor = np.add(growth, 1.0, out=space[1])
    inverse = np.divide(1.0, factor, out=space[2])
    up = np.multiply(factor, 0.5 * a * np.exp(u_mean), out=space[3])
    down = np.multiply(inverse, 0.5 * a * np.exp(-u_mean), out=space[4])
    double = np.multiply(growth, inverse, out=space[5])
    double += growth
    rise = np.add(up, down, out=growth)
    rise *= double
    up *= factor
    down *= inverse
    up += down
    return rise, up


class LineMoments(NamedTuple):
    """Expectations over each line for itself, and derivatives; arrays (n_lines, n_points).

    As in `Moments`, but summed over one line: of error, shrinkage and slope (of which a line's gap
    is the rest), with the derivatives by log(a), by the variance and by the signed mean. Those by
    the mean and the variance are right in sum over the two halves of a teacher, not for each.
    """

    error: np.ndarray
    shrinkage: np.ndarray
    slope: np.ndarray
    gap: np.ndarray
    error_a: np.ndarray
    shrinkage_a: np.ndarray
    slope_a: np.ndarray
    error_variance: np.ndarray
    shrinkage_variance: np.ndarray
    slope_variance: np.ndarray
    error_mean: np.ndarray
    shrinkage_mean: np.ndarray
    slope_mean: np.ndarray


def line_moments(
    lines: HalfLines, s2: np.ndarray, theta: np.ndarray, rule: QuadratureRule = STANDARD
) -> LineMoments:
    """Return the expectations in equations (18) to (20) line by line, and their derivatives.

    Parameters
    ----------
    lines : HalfLines
        Of one problem.
    s2, theta : array, shape (n_points,)
        Effective noise and regularisation; larger than 0.
    rule : QuadratureRule

    Returns
    -------
    LineMoments
    """
    # Every line at every point, as a problem of its own.
    count = lines.mass.size
    single = lines._replace(first=np.arange(count + 1))
    problem = np.repeat(np.arange(count), s2.size)
    sums, posterior = _integrate(
        _line_sums, single, np.tile(s2, count), np.tile(theta, count), rule, problem
    )
    sums[0] = sums[0] + posterior
    return LineMoments(*(row.reshape(count, s2.size) for row in sums))


def _line_sums(nodes):
    """Return the integrals of `LineMoments` over each panel, shape (n_sums, n_panels)."""
    a, b, u, miss = nodes.a, nodes.b, 2.0 * nodes.half_u, nodes.miss
    inverse = 1.0 / nodes.jacobian
    slope, gap, tilt = nodes.cosh * inverse, b * inverse, nodes.sinh * inverse
    hermite = 0.5 * (nodes.distance - 1.0) / nodes.tau2
    bend = gap * tilt * inverse  # second derivative of the denoiser
    measure = nodes.density * nodes.jacobian
    integrals = (
        miss * miss,
        (b * u) ** 2,
        slope,
        gap,
        # d x_hat / d log(a) = b tilt and d u / d log(a) = -tilt, at fixed z
        2.0 * b * tilt * miss,
        -2.0 * b * b * u * tilt,
        gap * (a * a * inverse + b * slope) * inverse,
        gap * gap + miss * bend,
        (b * u) ** 2 * hermite,
        slope * hermite,
        -2.0 * miss * gap,
        2.0 * b * u * gap,
        bend,
    )
    return np.stack([nodes.weight @ (measure * each) for each in integrals]) * nodes.scale
