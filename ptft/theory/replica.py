"""Replica theory of the generalization error (Section 4.2, Appendices C and E.2).

The two fixed-point equations (19) and (20) for the effective noise s^2 and the effective
regularisation theta are solved by Newton's method in (log s^2, log theta), at all sample sizes at
once and without continuation. The optimisation problem (15) is convex, so the solution is unique:
at fixed s^2 the left side of (20) falls with theta, and along the curve on which (20) holds, (19)
changes sign once. Brackets on both variables, drawn from these two facts, guard the iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.penalty import sqrt_k
from ..model.tasks import Task
from ..values import Value
from . import limits
from .channel import FINE, STANDARD, Group, checked_groups, half_lines, moments

__all__ = ["LearningCurve", "fixed_point", "learning_curve", "penalised_groups"]

TOLERANCE = 1e-12  # on the relative, undamped residual
_NEWTON_TOLERANCE = 1e-13  # at which the iteration itself stops
_POINTS = 500  # that are solved at once
_STRIDE = 3.0  # longest first Newton step in log s^2; doubled while the direction stays
_COLUMNS = ("error", "s2", "theta", "residual", "expectation_error")


@dataclass(frozen=True, eq=False)
class LearningCurve(Value):
    """Generalization error against sample size, and how far to trust it.

    Numbers for a scalar alpha, else arrays of shape (n_alpha,).

    Parameters
    ----------
    alpha : array
        Samples per dimension, equation (7).
    error : array
        E_gen = E[(x_hat - x)^2], equation (6), per dimension.
    s2, theta : array
        Effective noise variance and effective regularisation, equations (19) and (20).
    residual : array
        The largest relative, undamped residual of equations (19) and (20), each also in the form
        that tells solutions apart near alpha = 1 (with 1 - E[d x_hat / d z] on one side).
    expectation_error : array
        Relative distance of `error`, `s2` or `theta` (the largest) to the solution under a
        second, finer quadrature rule, to first order: quadrature and rounding together. This is an
        estimate, no bound: true errors were up to three times as large.
    status : str
        One sentence: how many points converged, and which did not.
    """

    alpha: float | np.ndarray
    error: float | np.ndarray
    s2: float | np.ndarray
    theta: float | np.ndarray
    residual: float | np.ndarray
    expectation_error: float | np.ndarray
    status: str


def penalised_groups(task: Task, init: Initialization) -> list[Group]:
    """Return the groups of a task, each with the penalty that pretraining gave it.

    Parameters
    ----------
    task : Task
    init : Initialization
        Of numbers, not arrays.

    Returns
    -------
    list of Group
    """
    errors.instance("task", task, Task)
    errors.instance("init", init, Initialization)
    for name in ("c_pt", "lambda_pt", "gamma_ft"):
        errors.number(name, getattr(init, name))
    return [
        Group(group.probability, float(sqrt_k(group.beta_pt, init)), group.prior)
        for group in task.groups()
    ]


def learning_curve(
    task: Task, init: Initialization, alpha: ArrayLike, noise: float = 0.0, ridge: float = 0.0
) -> LearningCurve:
    """Return the generalization error of pretraining and fine-tuning (Proposition 4.2).

    Parameters
    ----------
    task : Task
        Pretraining and fine-tuning teachers.
    init : Initialization
    alpha : float or array, shape (n_alpha,)
        Fine-tuning samples per dimension; larger than 0. From alpha = 1 on, and without ridge,
        the samples alone determine the coefficients.
    noise : float
        Variance sigma_0^2 of the label noise, equation (16); at least 0.
    ridge : float
        gamma_ext of equation (15); at least 0. The minimum is of
        ||y - X beta||^2 / (2 ridge) + Q_k(beta). With 0 the training data are interpolated, as
        gradient flow does.

    Returns
    -------
    LearningCurve

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If a residual stays above 1e-12; its `partial` is the `LearningCurve` so far.

    Examples
    --------
    >>> from ptft import Initialization, Task, learning_curve
    >>> task = Task(rho_pt=0.1, rho_ft=0.1, overlap=1.0)
    >>> curve = learning_curve(task, Initialization(1e-3, 0.0, 0.0), alpha=0.2)
    >>> round(curve.error, 6)
    0.000854
    """
    return fixed_point(penalised_groups(task, init), alpha, noise, ridge)


def fixed_point(
    groups: Sequence[Group], alpha: ArrayLike, noise: float = 0.0, ridge: float = 0.0
) -> LearningCurve:
    """Solve the fixed-point equations (19) and (20) for any finite mixture of groups.

    Parameters
    ----------
    groups : list of Group
        Probabilities sum to 1. The ends sqrt_k = 0 (basis pursuit) and sqrt_k = inf (minimum l2
        norm) are allowed if all groups share one.
    alpha, noise, ridge
        As in `learning_curve`, whose results and errors these are.

    Returns
    -------
    LearningCurve
    """
    groups = checked_groups(groups, ends=(0.0, np.inf))
    points = errors.vector("alpha", alpha, 0.0, open_low=True)
    noise = errors.number("noise", noise, 0.0)
    ridge = errors.number("ridge", ridge, 0.0)
    determined = (points >= 1.0) & (ridge == 0.0)
    if noise and np.any(points[determined] == 1.0):
        raise ValueError(
            "alpha must not be 1 with noise and without ridge, got alpha = 1: the error diverges"
        )
    if noise == 0.0 and _second_moment(groups) == 0.0:
        raise ValueError("groups must hold a teacher other than zero, or noise must be positive")
    values = np.empty((len(_COLUMNS), points.size))
    values[:, determined] = _least_squares(points[determined], noise)
    rest, solve = np.flatnonzero(~determined), _method(groups, ridge)
    # In parts, so that memory does not grow with the number of points.
    for part in np.array_split(rest, -(-rest.size // _POINTS) or 1):
        # What leaves floating point ends as a residual that is not a number, and raises.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            values[:, part] = solve(groups, points[part], noise, ridge)
    return _curve(np.ndim(alpha) == 0, points, values)


def _method(groups, ridge):
    """Return the function that solves for these penalties: an end or the interior."""
    ends = {group.sqrt_k for group in groups if group.sqrt_k in (0.0, np.inf)}
    if not ends:
        return _interior
    if len({group.sqrt_k for group in groups}) > 1:
        raise ValueError(
            "sqrt_k = 0 or inf must be shared by all groups, got "
            f"{sorted({group.sqrt_k for group in groups})}"
        )
    if ridge:
        raise ValueError(f"ridge must be 0 where sqrt_k is 0 or inf, got {ridge!r}")
    return _basis_pursuit if ends == {0.0} else _minimum_norm


def _least_squares(alpha, noise):
    """More samples than dimensions: the coefficients are determined, and theta = 0."""
    error = noise / (alpha - 1.0) if noise else np.zeros_like(alpha)
    return np.stack([error, error, *np.zeros((3, alpha.size))])


def _minimum_norm(groups, alpha, noise, ridge):
    error = limits.minimum_norm(_second_moment(groups), alpha, noise)
    theta = np.full_like(alpha, np.inf)
    return np.stack([error, (noise + error) / alpha, theta, *np.zeros((2, alpha.size))])


def _basis_pursuit(groups, alpha, noise, ridge):
    coarse, fine = (
        np.array([limits.basis_pursuit(groups, a, noise, n) for a in alpha]).T for n in (64, 90)
    )
    scale = np.where(fine[0] > 0.0, fine[0], 1.0)
    change = np.abs(coarse[0] - fine[0]) / scale
    # The root is bracketed to machine precision in log s: there is no residual to speak of.
    return np.stack([*fine, *np.zeros((2, alpha.size)), change])


def _second_moment(groups):
    return sum(group.probability * group.prior.second_moment for group in groups)


class _Closure:
    """The fixed-point equations in x = log s^2 and y = log theta.

    Residuals are logarithms of quotients that should be 1, chosen so that nothing cancels near
    alpha = 1. With r = gamma_ext / theta and gap = 1 - slope, equation (20) is slope + r = alpha,
    or gap = 1 - alpha + r. For alpha < 1 the second residual is the difference of the log odds,
    nearly linear in y at both ends; else it is the second form, r = alpha - 1 + gap. The first
    residual adds (19) to what (20) and Stein's identity E[(x_hat - x)^2] = E[(x_hat - z)^2] +
    (2 slope - 1) s^2 make of it, (gap + r) s^2 = sigma_0^2 + E[(x_hat - z)^2]: where (20) holds
    both sides of both differ by the same amount, small beside alpha or beside gap + r.
    """

    def __init__(self, groups, noise, ridge):
        self.lines, self.noise, self.ridge = half_lines(groups), noise, ridge

    def __call__(self, x, y, alpha, rule=STANDARD):
        """Return residuals (2, n) and their Jacobian (2, 2, n)."""
        s2, theta = np.exp(x), np.exp(y)
        return self.linearise(s2, theta, alpha, moments(self.lines, s2, theta, rule))

    def linearise(self, s2, theta, alpha, m):
        """Return residuals and Jacobian from the moments `m`."""
        ridge = self.ridge / theta
        total, left, slope = self.noise + m.error, self.noise + m.shrinkage, m.slope + ridge
        slope_x, slope_y = s2 * m.slope_s2, theta * m.slope_theta
        share, few, rest = m.gap + ridge, alpha < 1.0, np.abs(1.0 - alpha)
        residual = [
            np.log(total / (alpha * s2)) + np.log(left / (share * s2)),
            np.where(
                few,
                np.log(slope / alpha) - np.log(m.gap / (rest + ridge)),
                np.log(ridge / (rest + m.gap)),
            ),
        ]
        jacobian = [
            [
                s2 * m.error_s2 / total + s2 * m.shrinkage_s2 / left - 2.0 + slope_x / share,
                theta * m.error_theta / total
                + theta * m.shrinkage_theta / left
                + (slope_y + ridge) / share,
            ],
            [
                np.where(few, slope_x / slope + slope_x / m.gap, slope_x / (rest + m.gap)),
                np.where(
                    few,
                    (slope_y - ridge) / slope + slope_y / m.gap - ridge / (rest + ridge),
                    slope_y / (rest + m.gap) - 1.0,
                ),
            ],
        ]
        return np.array(residual), np.array(jacobian)

    def step(self, s2, theta, alpha, rule):
        """Return the moments and the Newton step in x and y."""
        m = moments(self.lines, s2, theta, rule)
        (f, g), ((f_x, f_y), (g_x, g_y)) = self.linearise(s2, theta, alpha, m)
        determinant = f_x * g_y - f_y * g_x
        return m, (f_y * g - f * g_y) / determinant, (f * g_x - f_x * g) / determinant

    def outcome(self, s2, theta, alpha):
        """Return E_gen and the largest relative residual of both equations in both forms."""
        m = moments(self.lines, s2, theta)
        ridge, rest = self.ridge / theta, np.abs(1.0 - alpha)
        few, many = m.gap / (rest + ridge), ridge / (rest + m.gap)
        quotients = [
            (self.noise + m.error) / (alpha * s2),
            (self.noise + m.shrinkage) / ((m.gap + ridge) * s2),
            (m.slope + ridge) / alpha,
            np.where(alpha < 1.0, few, many),
        ]
        return m.error, np.max(np.abs(np.array(quotients) - 1.0), axis=0)


class _Bracket:
    """Intervals that hold the roots of decreasing functions of a logarithm."""

    widest = 1e3  # e^1000 is beyond floating point

    def __init__(self, size):
        self.low, self.high = np.full(size, -self.widest), np.full(size, self.widest)

    def reset(self, i):
        """Forget what is known at points i."""
        self.low[i], self.high[i] = -self.widest, self.widest

    def narrow(self, i, z, value):
        """Note that the functions take `value` at z."""
        positive = value > 0.0
        self.low[i] = np.where(positive, z, self.low[i])
        self.high[i] = np.where(positive, self.high[i], z)

    def confine(self, i, z):
        """Return z, or the middle of the interval where z is outside."""
        low, high = self.low[i], self.high[i]
        return np.where((low < z) & (z < high), z, (low + high) / 2.0)


class _Search:
    """Guarded Newton iteration in (x, y) = (log s^2, log theta), at all points at once.

    While the second residual is larger than `inner`, only y moves: at fixed x that residual falls
    with y. Else both take a Newton step along the curve on which it vanishes; there the first
    residual has one root in x, and its sign says on which side.
    """

    def __init__(self, closure, alpha, x, y, inner):
        self.closure, self.alpha, self.x, self.y, self.inner = closure, alpha, x, y, inner
        self.x_bracket, self.y_bracket = _Bracket(x.size), _Bracket(x.size)
        self.stride = np.full(x.size, _STRIDE)
        self.side = np.zeros(x.size)

    def run(self, max_steps):
        """Iterate until every point has converged or `max_steps` are spent; return (x, y)."""
        live = np.arange(self.x.size)
        for _ in range(max_steps):
            residual, jacobian = self.closure(self.x[live], self.y[live], self.alpha[live])
            open_ = np.abs(residual).max(axis=0) > _NEWTON_TOLERANCE
            live, residual, jacobian = live[open_], residual[:, open_], jacobian[:, :, open_]
            if not live.size:
                break
            near = np.abs(residual[1]) < self.inner
            self._step_y(live[~near], residual[1, ~near], jacobian[1, 1, ~near])
            self._step_both(live[near], residual[:, near], jacobian[:, :, near])
        return self.x, self.y

    def _step_y(self, i, residual, derivative):
        self.y_bracket.narrow(i, self.y[i], residual)
        step = _newton_step(residual, derivative, 2.0 * _STRIDE)
        self.y[i] = self.y_bracket.confine(i, self.y[i] + step)

    def _step_both(self, i, residual, jacobian):
        (f_x, f_y), (g_x, g_y) = jacobian
        # The first residual on the curve, to first order, and its derivative along the curve.
        value = residual[0] - f_y / g_y * residual[1]
        derivative = f_x - f_y * g_x / g_y
        # Off the curve the sign is sure only where second-order terms cannot change it.
        sure = np.abs(value) > 4.0 * residual[1] ** 2
        self.x_bracket.narrow(i[sure], self.x[i[sure]], value[sure])
        same = np.sign(value) == self.side[i]
        self.side[i] = np.sign(value)
        self.stride[i] = np.where(same, 2.0 * self.stride[i], _STRIDE)
        x = self.x[i] + _newton_step(value, derivative, self.stride[i])
        x = self.x_bracket.confine(i, x)
        step = -(residual[1] + g_x * (x - self.x[i])) / g_y
        self.y[i] += np.clip(step, -4.0 * _STRIDE, 4.0 * _STRIDE)
        self.x[i] = x
        self.y_bracket.reset(i)


def _newton_step(value, derivative, longest):
    """Return a Newton step towards the root of a decreasing function, no longer than `longest`."""
    step = np.full_like(value, np.inf)
    np.divide(np.abs(value), -derivative, out=step, where=derivative < 0.0)
    return np.sign(value) * np.minimum(step, longest)


def _start(groups, alpha, noise, ridge):
    """Return (log s^2, log theta) for the estimate 0, and a penalty of average curvature."""
    s2 = (noise + _second_moment(groups)) / alpha
    scale = np.sqrt(sum(g.probability * g.sqrt_k for g in groups) ** 2 + s2)
    theta = np.where(alpha < 1.0, (1.0 / np.minimum(alpha, 1.0) - 1.0) * scale, 0.0)
    return np.log(s2), np.log(theta + ridge / alpha)


def _interior(groups, alpha, noise, ridge):
    """Solve for penalties 0 < sqrt(k) < inf."""
    closure = _Closure(groups, noise, ridge)
    x, y = _start(groups, alpha, noise, ridge)
    # The second, slower search solves (20) tightly at every s^2: its brackets cannot be wrong.
    for inner, max_steps in ((0.1, 60), (1e-9, 1000)):
        left = closure.outcome(np.exp(x), np.exp(y), alpha)[1] > TOLERANCE
        if not left.any():
            break
        x[left], y[left] = _Search(closure, alpha[left], x[left], y[left], inner).run(max_steps)
    s2, theta = _polish(closure, np.exp(x), np.exp(y), alpha)
    error, residual = closure.outcome(s2, theta, alpha)
    return np.stack([error, s2, theta, residual, _distance(closure, s2, theta, alpha, error)])


def _polish(closure, s2, theta, alpha):
    """Take a last Newton step on s^2 and theta, whose logarithms are less precise than they are."""
    _, step_x, step_y = closure.step(s2, theta, alpha, STANDARD)
    longest = 1e-9  # a longer one is no last step
    return tuple(
        value * (1.0 + np.where(np.abs(step) < longest, step, 0.0))
        for value, step in ((s2, step_x), (theta, step_y))
    )


def _distance(closure, s2, theta, alpha, error):
    """Return how far the solution under the finer quadrature rule is, relatively: a Newton step."""
    m, step_x, step_y = closure.step(s2, theta, alpha, FINE)
    change = m.error - error + s2 * m.error_s2 * step_x + theta * m.error_theta * step_y
    return np.max(np.abs([change / error, step_x, step_y]), axis=0)


def _curve(scalar, alpha, values):
    """Return the `LearningCurve`, or raise if a point has not converged."""
    columns = dict(zip(("alpha", *_COLUMNS), (alpha, *values), strict=True))
    failed = ~((columns["residual"] <= TOLERANCE) & np.isfinite(columns["expectation_error"]))
    status = f"{alpha.size - failed.sum()} of {alpha.size} points converged"
    if failed.any():
        status += (
            f"; at alpha = {', '.join(f'{a:g}' for a in alpha[failed][:5])} the relative residual "
            f"is up to {columns['residual'][failed].max():.1e}, above {TOLERANCE:g}"
        )
    if scalar:
        columns = {name: float(column[0]) for name, column in columns.items()}
    curve = LearningCurve(**columns, status=status)
    if failed.any():
        raise errors.ConvergenceError(status, curve)
    return curve
