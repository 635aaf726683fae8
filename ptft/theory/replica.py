"""Replica theory of the generalization error (Section 4.2, Appendices C and E.2).

Two fixed-point equations, (19) and (20), determine the effective noise s^2 and the effective
regularisation theta, and with them the error. `ptft.theory.solver` solves them.
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
from . import limits, solver
from .channel import Group, HalfLines, checked_groups, half_lines
from .solver import Points, solve

__all__ = ["LearningCurve", "fixed_point", "learning_curve", "learning_curves", "penalised_groups"]

_COLUMNS = ("error", "s2", "theta", "residual", "expectation_error")


@dataclass(frozen=True, eq=False)
class LearningCurve(Value):
    """Generalization error against sample size, and how far to trust it.

    Numbers for a scalar alpha, else arrays of shape (n_alpha,), or of the shape that the arguments
    of `learning_curves` broadcast to.

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
        Relative distance of `error`, `s2` or `theta` (the largest) to the solution under a finer
        quadrature rule than the one that found them, to first order: quadrature, iteration and
        rounding together. This is an estimate, no bound: true errors were up to three times as
        large.
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

    @property
    def converged(self) -> bool | np.ndarray:
        """Which points are solved: those of a residual of at most 1e-12."""
        converged = _converged(self.residual, self.expectation_error)
        return converged if np.ndim(converged) else bool(converged)


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
    groups = task.groups()
    scales = np.asarray(sqrt_k([group.beta_pt for group in groups], init)).tolist()
    return [
        Group(group.probability, scale, group.prior)
        for group, scale in zip(groups, scales, strict=True)
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


def learning_curves(
    tasks: Task | Sequence[Task] | np.ndarray,
    inits: Initialization | Sequence[Initialization] | np.ndarray,
    alpha: ArrayLike,
    noise: ArrayLike = 0.0,
    ridge: ArrayLike = 0.0,
) -> LearningCurve:
    """Return the generalization errors of many tasks and networks at once (Proposition 4.2).

    All five arguments broadcast together by numpy's rule, so the last axis of one meets the last
    axis of the others. For a map of 200 networks by 40 sample sizes let `inits` have the shape
    (200, 1), as `Initialization(c[:, None], 0.0, 0.0)` or `np.array(networks)[:, None]`, and
    `alpha` the shape (40,).

    Parameters
    ----------
    tasks : Task, or sequence or array of Task
    inits : Initialization, or sequence or array of Initialization
        One `Initialization` may hold arrays: it counts as an array of networks. In a sequence each
        is of numbers.
    alpha, noise, ridge : float or array
        As in `learning_curve`.

    Returns
    -------
    LearningCurve
        Arrays of the shape that the arguments broadcast to; numbers if that is a single point.
        `converged` tells point by point what `status` sums up.

    Raises
    ------
    ValueError
        For an argument outside its range, or shapes that do not broadcast.
    ConvergenceError
        If a residual stays above 1e-12; its `partial` is the `LearningCurve` with all other points.

    Examples
    --------
    >>> import numpy as np
    >>> from ptft import Initialization, Task, learning_curves
    >>> tasks = [Task(0.1, 0.1, overlap) for overlap in (0.0, 0.5, 1.0)]
    >>> networks = Initialization(c_pt=np.array([1e-6, 1e-3])[:, None], lambda_pt=0.0)
    >>> learning_curves(tasks, networks, alpha=0.2).error.shape
    (2, 3)
    """
    tasks, inits = _tasks(tasks), _networks(inits)
    index = {
        "tasks": np.arange(tasks.size).reshape(tasks.shape),
        "inits": np.arange(inits[0].size).reshape(inits[0].shape),
    }
    numbers = {
        "alpha": errors.real("alpha", alpha, 0.0, open_low=True),
        "noise": errors.real("noise", noise, 0.0),
        "ridge": errors.real("ridge", ridge, 0.0),
    }
    for name, value in (index | numbers).items():
        if not np.size(value):
            raise ValueError(f"{name} must not be empty, got the shape {np.shape(value)}")
    columns = errors.broadcast(**index, **numbers)
    shape = columns[0].shape
    task, init, alpha, noise, ridge = (column.ravel() for column in columns)
    pairs, problem = np.unique(task * inits[0].size + init, return_inverse=True)
    task, init = np.divmod(pairs, inits[0].size)
    lines = _lines_of(tasks.ravel()[task], [column.ravel()[init] for column in inits])
    values = _values(alpha, noise, ridge, _interior(lines, problem))
    return _curve(shape, alpha, values)


def _tasks(tasks):
    """Return an array of `Task`, or raise a ValueError."""
    array = np.array(tasks, dtype=object)
    for task in array.ravel():
        errors.instance("tasks", task, Task)
    return array


def _networks(inits):
    """Return the arrays c_pt, lambda_pt and gamma_ft, of one shape."""
    names = ("c_pt", "lambda_pt", "gamma_ft")
    if isinstance(inits, Initialization):
        return np.broadcast_arrays(*(getattr(inits, name) for name in names))
    array = np.array(inits, dtype=object)
    for init in array.ravel():
        errors.instance("inits", init, Initialization)
    columns = (
        [errors.number(f"{name} of each of inits", getattr(init, name)) for init in array.ravel()]
        for name in names
    )
    return [np.array(column, float).reshape(array.shape) for column in columns]


def _lines_of(tasks, inits):
    """Return the `HalfLines` of problems: pairs of a task and a network's three numbers."""
    found = {task: half_lines(_unpenalised(task)) for task in set(tasks)}
    each = [found[task] for task in tasks]
    counts = [lines.mass.size for lines in each]
    mass, a, mean, variance = (
        np.concatenate(column) for column in list(zip(*each, strict=True))[:4]
    )
    init = Initialization(*(np.repeat(column, counts) for column in inits))
    # `half_lines` halves what it is given for sqrt(k).
    scale = errors.real("sqrt_k", sqrt_k(2.0 * a, init), 1e-100, 1e100)
    return HalfLines(mass, scale / 2.0, mean, variance, np.concatenate([[0], np.cumsum(counts)]))


def _unpenalised(task):
    """Return the groups of a task with the size of the pretrained coefficients for sqrt(k)."""
    return [Group(group.probability, group.beta_pt, group.prior) for group in task.groups()]


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
    if noise == 0.0 and _second_moment(groups) == 0.0:
        raise ValueError("groups must hold a teacher other than zero, or noise must be positive")
    method = _method(groups, ridge)
    size = points.shape
    values = _values(points, np.full(size, noise), np.full(size, ridge), method)
    return _curve(np.shape(alpha), points, values)


def _values(alpha, noise, ridge, method):
    """Return the columns of a `LearningCurve` at points; `method` solves open ones."""
    determined = (alpha >= 1.0) & (ridge == 0.0)
    if np.any((alpha == 1.0) & determined & (noise > 0.0)):
        raise ValueError(
            "alpha must not be 1 with noise and without ridge, got alpha = 1: the error diverges"
        )
    values = np.empty((len(_COLUMNS), alpha.size))
    values[:, determined] = _least_squares(alpha[determined], noise[determined])
    if not determined.all():
        rest = ~determined
        values[:, rest] = method(rest, alpha[rest], noise[rest], ridge[rest])
    return values


def _method(groups, ridge):
    """Return the function that solves for these penalties: an end or the interior."""
    ends = {group.sqrt_k for group in groups if group.sqrt_k in (0.0, np.inf)}
    if not ends:
        return _interior(half_lines(groups))
    if len({group.sqrt_k for group in groups}) > 1:
        raise ValueError(
            "sqrt_k = 0 or inf must be shared by all groups, got "
            f"{sorted({group.sqrt_k for group in groups})}"
        )
    if ridge:
        raise ValueError(f"ridge must be 0 where sqrt_k is 0 or inf, got {ridge!r}")
    end = _basis_pursuit if ends == {0.0} else _minimum_norm
    return lambda _, alpha, noise, ridge: end(groups, alpha, noise[0])


def _interior(lines, problem=None):
    """Return the function that solves for penalties 0 < sqrt(k) < inf."""

    def method(open_, *numbers):
        own = np.zeros(open_.size, int) if problem is None else problem
        return solve(Points(lines, own[open_], *numbers))

    return method


def _least_squares(alpha, noise):
    """More samples than dimensions: the coefficients are determined, and theta = 0."""
    error = np.zeros_like(alpha)
    np.divide(noise, alpha - 1.0, out=error, where=noise > 0.0)
    return np.stack([error, error, *np.zeros((3, alpha.size))])


def _minimum_norm(groups, alpha, noise):
    error = limits.minimum_norm(_second_moment(groups), alpha, noise)
    theta = np.full_like(alpha, np.inf)
    return np.stack([error, (noise + error) / alpha, theta, *np.zeros((2, alpha.size))])


def _basis_pursuit(groups, alpha, noise):
    coarse, fine = (
        np.array([limits.basis_pursuit(groups, a, noise, n) for a in alpha]).T for n in (64, 90)
    )
    scale = np.where(fine[0] > 0.0, fine[0], 1.0)
    change = np.abs(coarse[0] - fine[0]) / scale
    # The root is bracketed to machine precision in log s: there is no residual to speak of.
    return np.stack([*fine, *np.zeros((2, alpha.size)), change])


def _second_moment(groups):
    return sum(group.probability * group.prior.second_moment for group in groups)


def _curve(shape, alpha, values):
    """Return the `LearningCurve`, or raise if a point has not converged."""
    columns = dict(zip(("alpha", *_COLUMNS), (alpha, *values), strict=True))
    failed = ~_converged(columns["residual"], columns["expectation_error"])
    status = f"{alpha.size - failed.sum()} of {alpha.size} points converged"
    if failed.any():
        where = ", ".join(f"{a:g}" for a in np.unique(alpha[failed])[:5])
        status += (
            f"; at alpha = {where} the relative residual "
            f"is up to {columns['residual'][failed].max():.1e}, above {solver.TOLERANCE:g}"
        )
    columns = {name: column.reshape(shape) for name, column in columns.items()}
    if shape == ():
        columns = {name: float(column) for name, column in columns.items()}
    curve = LearningCurve(**columns, status=status)
    if failed.any():
        raise errors.ConvergenceError(status, curve)
    return curve


def _converged(residual, expectation_error):
    return (residual <= solver.TOLERANCE) & np.isfinite(expectation_error)
