"""Fine-tuning that starts from a trained network: neither re-balanced, nor its readout reset.

Such weights compute coefficients beta_0, and fine-tuning ends at the interpolator with the least
Bregman divergence of Q_k from them, q_k'(beta) - q_k'(beta_0) = X^T nu (`implicit_bias`, `start`).
After pretraining sqrt(k) = 2 c, whatever lambda was. In the replica equations (19) and (20) the
denoiser's argument shifts by theta q_k'(beta_0). With a = sqrt(k) / 2, b = theta / 2 and
w = 2 q_k'(beta_0), its dual coordinate u makes that explicit:

    x_hat = a sinh(u),    z = a sinh(u) + b (u - w).

Beyond the paper; `ptft.theory.channel` is the case beta_0 = 0, and faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.network import Initialization
from ..model.penalty import penalty_gradient, sqrt_k_single_task
from ..model.tasks import Task
from ..values import Value
from .channel import listed_groups, present_groups
from .features import component_moments
from .limits import weighted_transition
from .state_evolution import check_sample_size

__all__ = [
    "ContinualCurve",
    "StartedGroup",
    "continual_curve",
    "continual_fixed_point",
    "continual_threshold",
    "joint_groups",
]

TOLERANCE = 1e-10


class StartedGroup(NamedTuple):
    """Coordinates that share a penalty, a start and a Gaussian teacher.

    `probability` of a coordinate to belong to the group; `sqrt_k` of its penalty; `start`, the
    coefficient before fine-tuning; `mean` and `variance` of the coefficients to be learned.
    """

    probability: float
    sqrt_k: float
    start: float
    mean: float
    variance: float


@dataclass(frozen=True, eq=False)
class ContinualCurve(Value):
    """What is learned and what is forgotten; numbers, or arrays of shape (n_alpha,) as alpha is.

    Parameters
    ----------
    alpha : float or array
        Samples per dimension.
    error : float or array
        E[(beta - target)^2], the generalization error on the new task.
    forgetting : float or array
        E[(beta - beta_0)^2], the error on the task that beta_0 solves.
    s2, theta : float or array
        Effective noise and regularisation at the fixed point.
    residual : float or array
        Largest relative residual of equations (19) and (20).
    distance : float
        E[(beta_0 - target)^2], how far apart the tasks are: the error before fine-tuning.
    status : str
        One sentence.
    """

    alpha: float | np.ndarray
    error: float | np.ndarray
    forgetting: float | np.ndarray
    s2: float | np.ndarray
    theta: float | np.ndarray
    residual: float | np.ndarray
    distance: float
    status: str

    def averaged(self, share: ArrayLike) -> tuple[float | np.ndarray, float | np.ndarray]:
        """Return both errors of (1 - share) beta_0 + share beta: of averages of old and new.

        They lie on a line through beta_0 and beta, so three squared distances say all: that is
        Stewart's theorem.

        Parameters
        ----------
        share : float or array
            Of what was found; broadcasts with `alpha`. 0 is the old network, 1 the new one.

        Returns
        -------
        error, forgetting : float or array
            On the new task and on the old.
        """
        t = errors.real("share", share)
        new = (1.0 - t) * self.distance + t * self.error - t * (1.0 - t) * self.forgetting
        return new, t**2 * self.forgetting

    @property
    def best_share(self) -> float | np.ndarray:
        """The share in an average of old and new that errs least on the new task."""
        return (self.forgetting + self.distance - self.error) / (2.0 * self.forgetting)


def joint_groups(
    task: Task, sqrt_k: Callable[[float], float], correlation: float = 0.0
) -> list[StartedGroup]:
    """Return the groups of a task with the old coefficient of each beside the new one's law.

    Parameters
    ----------
    task : Task
    sqrt_k : function
        Of a pretrained coefficient: the square root of the penalty's parameter.
    correlation : float
        Of the signs of the old and the new coefficient where both are active; in [-1, 1]. Other
        than 0 only for a task with `prior="signs"`.

    Returns
    -------
    list of StartedGroup
        Old coefficients are taken to be positive, which the symmetry of the inputs allows.
    """
    errors.instance("task", task, Task)
    correlation = errors.number("correlation", correlation, -1.0, 1.0)
    if correlation and task.prior != "signs":
        raise ValueError(
            f'correlation must be 0 for a task with prior="{task.prior}", got {correlation!r}: '
            'only prior="signs" has signs and one size'
        )
    found = []
    for group in task.groups():
        lean = correlation if group.beta_pt else 0.0
        for share, mean, variance in group.prior.components():
            share *= 1.0 + lean * np.sign(mean)
            row = (group.probability * share, float(sqrt_k(group.beta_pt)), group.beta_pt)
            found += [StartedGroup(*row, mean, variance)] if share else []
    return found


def continual_curve(
    task: Task,
    init: Initialization,
    alpha: ArrayLike,
    noise: float = 0.0,
    ridge: float = 0.0,
    *,
    correlation: float = 0.0,
) -> ContinualCurve:
    """Return errors on both tasks where fine-tuning goes on from the pretrained weights.

    Parameters
    ----------
    task : Task
        Pretraining, learned perfectly, and fine-tuning.
    init : Initialization
        Of pretraining; c alone matters, larger than 0.
    alpha, noise, ridge
        As in `learning_curve`; without noise or without ridge alpha is less than 1.
    correlation : float
        Of the signs of old and new coefficients, as for `joint_groups`.

    Returns
    -------
    ContinualCurve

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If a residual stays above 1e-10; its `partial` is the `ContinualCurve` so far.

    Examples
    --------
    >>> from ptft import Initialization, Task
    >>> from ptft.theory.trained_start import continual_curve
    >>> task = Task(rho_pt=0.1, rho_ft=0.1, overlap=0.5)
    >>> curve = continual_curve(task, Initialization(1e-2, 0.0), alpha=0.5)
    >>> bool(curve.error < 0.1 < curve.forgetting)
    True
    """
    errors.instance("task", task, Task)
    errors.instance("init", init, Initialization)
    scale = float(sqrt_k_single_task(errors.number("c_pt", init.c_pt, 1e-50, 1e50)))
    groups = joint_groups(task, lambda _: scale, correlation)
    return continual_fixed_point(groups, alpha, noise, ridge)


def continual_fixed_point(
    groups: Sequence[StartedGroup], alpha: ArrayLike, noise: float = 0.0, ridge: float = 0.0
) -> ContinualCurve:
    """Solve equations (19) and (20) for groups with a start.

    Parameters
    ----------
    groups : list of StartedGroup
        Probabilities sum to 1.
    alpha, noise, ridge
        As in `continual_curve`, whose results and errors these are.

    Returns
    -------
    ContinualCurve
    """
    groups, points, noise, ridge = checked_problem(groups, alpha, noise, ridge)
    rows = [_solve(groups, point, noise, ridge) for point in points]
    columns = np.transpose(rows)
    failed = columns[-1] > TOLERANCE
    status = f"{np.sum(~failed)} of {points.size} points converged"
    curve = tasks_curve(alpha, columns, groups, status)
    if failed.any():
        raise ConvergenceError(f"{status}, to a relative residual of {TOLERANCE:g}", curve)
    return curve


def tasks_curve(
    alpha: ArrayLike, columns: np.ndarray, groups: Sequence[StartedGroup], status: str
) -> ContinualCurve:
    """Return the `ContinualCurve` of columns error, forgetting, s2, theta and residual."""
    names = ("error", "forgetting", "s2", "theta", "residual")
    values = dict(zip(("alpha", *names), (errors.vector("alpha", alpha), *columns), strict=True))
    if np.ndim(alpha) == 0:
        values = {name: float(column[0]) for name, column in values.items()}
    return ContinualCurve(**values, distance=_distance(groups), status=status)


def checked_problem(
    groups: Sequence[StartedGroup], alpha: ArrayLike, noise: float, ridge: float
) -> tuple[list[StartedGroup], np.ndarray, float, float]:
    """Return what `continual_fixed_point` is given, checked; `alpha` as an array.

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    groups = _checked(groups)
    points = errors.vector("alpha", alpha, 0.0, open_low=True)
    noise, ridge = errors.number("noise", noise, 0.0), errors.number("ridge", ridge, 0.0)
    check_sample_size(points.max(), ridge)
    if noise == 0.0 and points.max() >= 1.0:
        raise ValueError(
            "alpha must be less than 1 without noise (nothing is left to choose), got "
            f"{points.max()!r}"
        )
    if noise == 0.0 and not _distance(groups):
        raise ValueError("groups must have something to learn, or noise must be positive")
    return groups, points, noise, ridge


def continual_threshold(groups: Sequence[StartedGroup]) -> float:
    """Return the alpha above which a rich network that goes on finds the new coefficients exactly.

    In the limit sqrt(k) -> 0 the divergence from beta_0, over log(1 / sqrt(k)) / 2, tends to |beta|
    where beta_0 = 0, and elsewhere to twice the part of beta that has the other sign than beta_0.
    The end is a linear program, and its threshold the smallest value of a convex function.

    Parameters
    ----------
    groups : list of StartedGroup
        Of any sqrt_k: only starts and the signs of the targets enter. Probabilities sum to 1.

    Returns
    -------
    float
        min over t of the sum over coefficients of 1 where the sign stays, 1 + 4 t^2 where it
        changes, (1 + E[soft(V, 2 t)^2]) / 2 where one is unlearned, 1 + t^2 where one is new, and
        E[soft(V, t)^2] where it stays 0.

    Examples
    --------
    Half a sample for each of a tenth of the coefficients, to unlearn them all:

    >>> from ptft.theory import StartedGroup, continual_threshold
    >>> continual_threshold([StartedGroup(0.9, 1, 0, 0, 0), StartedGroup(0.1, 1, 1, 0, 0)])
    0.05
    """
    rows = np.array([row for group in _checked(groups) for row in _limit_shares(group)])
    return weighted_transition(*rows.T)[0]


def _limit_shares(group):
    """Return shares of active and idle coefficients of a group, and weights, in the rich limit."""
    p, start, mean = group.probability, group.start, group.mean
    if not (group.variance or mean):
        # Free on one side, where it counts as active and costs nothing; penalised on the other.
        return [(p / 2, 0.0, 0.0), (0.0, p / 2, 2.0)] if start else [(0.0, p, 1.0)]
    if not start:
        return [(p, 0.0, 1.0)]
    lean = np.inf if not group.variance else abs(mean) / np.sqrt(group.variance)
    same = scipy.special.ndtr(np.copysign(lean, mean * np.sign(start)))
    return [(p * same, 0.0, 0.0), (p * (1.0 - same), 0.0, 2.0)]


def _checked(groups):
    groups, each = listed_groups(groups, StartedGroup)
    for group in groups:
        errors.number("sqrt_k", group.sqrt_k, 1e-50, 1e50)
        errors.number("variance", group.variance, 0.0, 1e100)
        for name in ("start", "mean"):
            errors.number(name, getattr(group, name), -1e50, 1e50)
    return present_groups(groups, each)


def _distance(groups):
    """Return E[(beta_0 - target)^2]."""
    return sum(g.probability * ((g.mean - g.start) ** 2 + g.variance) for g in groups)


class _Averages(NamedTuple):
    """E[(x_hat - x)^2], E[(x_hat - beta_0)^2] and E[d x_hat / d z]."""

    error: float
    forgetting: float
    slope: float


def _averages(groups, s2, theta):
    """Return the `_Averages` at one (s^2, theta)."""
    share, scale, start, mean, variance = np.transpose(groups)
    shift = 2.0 * penalty_gradient(start, scale)
    error, slope, forgetting = (
        component_moments(scale, mean, variance, s2, theta, start, shift) @ share
    )
    return _Averages(error, forgetting, slope)


def _solve(groups, alpha, noise, ridge):
    """Return error, forgetting, s^2, theta and residual at one alpha.

    With a start the mean slope need not fall with theta, and (20) may have several roots at one
    s^2. The theory's solution is a saddle point: the largest value, over r = s / theta, of the
    least value over s of a function that is concave in r and convex in s. At given r, (19) says
    where the least value is, and has one root; along these, (20) says where it is largest.
    """
    first = np.log((noise + _distance(groups)) / alpha)
    last = first

    def noise_at(log_ratio):
        """Return log s^2 that solves (19) at r; not finite where r is too large for a root."""
        nonlocal last

        def excess(log_s2):
            m = _averages(groups, np.exp(log_s2), np.exp(log_s2 / 2.0 - log_ratio))
            return np.log((noise + m.error) / alpha) - log_s2

        found = _root(excess, last, first + 100.0)
        last = found if np.isfinite(found) else first
        return found

    def slope(log_ratio):
        log_s2 = noise_at(log_ratio)
        if not np.isfinite(log_s2):
            return -1.0
        theta = np.exp(log_s2 / 2.0 - log_ratio)
        return np.log(alpha / (_averages(groups, np.exp(log_s2), theta).slope + ridge / theta))

    start = first / 2.0 - np.log(max(group.sqrt_k for group in groups) + np.exp(first / 2.0))
    log_ratio = _root(slope, start, start + 300.0)
    log_s2 = noise_at(log_ratio)
    s2, theta = np.exp(log_s2), np.exp(log_s2 / 2.0 - log_ratio)
    m = _averages(groups, s2, theta)
    quotients = (noise + m.error) / (alpha * s2), (m.slope + ridge / theta) / alpha
    return m.error, m.forgetting, s2, theta, max(abs(q - 1.0) for q in quotients)


def _root(falling, x, highest):
    """Return where a function falls through 0, searched from x on; +-inf if far above or below."""
    value, step = falling(x), 0.25
    while -600.0 < x < highest:
        other = x + np.copysign(step, value)
        result = falling(other)
        if value * result <= 0.0:
            low, high = sorted((x, other))
            return scipy.optimize.toms748(falling, low, high, xtol=1e-14, rtol=1e-14)
        x, value, step = other, result, min(2.0 * step, 4.0)
    return np.copysign(np.inf, x - highest)
