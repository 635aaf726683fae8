"""The floor: the Bayes-optimal error, of a learner that knows the teachers' law and all groups.

Any estimator of a fine-tuning teacher with Gaussian inputs errs by at least this much. In the limit
of many dimensions a coordinate of group g is seen through z = x + s V again, now by the posterior
mean, whose error is mmse_g(s^2). The effective noise solves

    alpha s^2 = noise + sum_g p_g mmse_g(s^2),

that is alpha = a(log s^2) with a(x) = e^-x (noise + sum_g p_g mmse_g(e^x)). Where a(x) falls, a
solution is stable. The one with the largest s^2 is where message passing ends, and no fast
algorithm is known to do better. The optimum itself is the stable solution of the smallest free
energy (Reeves and Pfister 2019; Barbier et al. 2019),

    phi(s^2) = I(s^2) + (alpha / 2) log s^2 + noise / (2 s^2),

with the mutual information I of x and z: its derivative by log s^2 is (alpha - a) / 2, because
dI / ds^2 = -mmse / (2 s^4). Where the two differ the problem is hard.

Both functions of one coefficient are in `posterior`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..model.tasks import Task
from ..values import Value
from .posterior import information, mmse

__all__ = [
    "BayesCurve",
    "BayesThresholds",
    "bayes_curve",
    "bayes_thresholds",
]

_STEP = 0.1  # of the search for solutions, in log s^2
_SMALLEST = 1e-16  # s^2 that is searched down to without noise, relative to the variance
_LEAST_NOISE = 1e-20  # relative to the variance: less would need a smaller s^2 than that
_FLAT = 1e-13  # relative change of a(x) that is a rounding


@dataclass(frozen=True, eq=False)
class BayesCurve(Value):
    """The Bayes-optimal error against sample size.

    Numbers for a scalar alpha, else arrays of shape (n_alpha,).

    Parameters
    ----------
    alpha : array
        Samples per dimension.
    error : array
        E_gen of the largest solution: what Bayes-optimal message passing reaches.
    s2 : array
        Its effective noise.
    information_error, information_s2 : array
        The same of the solution of the smallest free energy: what is possible at all.
    hard : array of bool
        Whether the two differ.
    residual : array
        The largest relative residual of both solutions.
    """

    alpha: float | np.ndarray
    error: float | np.ndarray
    s2: float | np.ndarray
    information_error: float | np.ndarray
    information_s2: float | np.ndarray
    hard: bool | np.ndarray
    residual: float | np.ndarray


class BayesThresholds(NamedTuple):
    """Sample sizes from which a teacher is recovered exactly, from noiseless data.

    `information`: possible at all, whatever else is known. For Gaussian coefficients that is the
    share of active dimensions, rho_FT; for signs, which are finitely many, 0 (Wu and Verdu 2010).
    `message_passing`: by Bayes-optimal message passing. In between it is hard.
    """

    information: float
    message_passing: float


def bayes_curve(
    task: Task, alpha: ArrayLike, noise: float = 0.0, *, pretraining: bool = True
) -> BayesCurve:
    """Return the smallest error that any learner can have, and what message passing reaches.

    Parameters
    ----------
    task : Task
    alpha : float or array, shape (n_alpha,)
        Samples per dimension; larger than 0.
    noise : float
        Variance of the label noise; 0, or at least 1e-20 of the active coefficients' variance.
    pretraining : bool
        Whether the learner knows which dimensions pretraining used. Without, all that it knows is
        that a share rho_FT is active.

    Returns
    -------
    BayesCurve

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    points = errors.vector("alpha", alpha, 0.0, open_low=True)
    landscape = _Landscape(_checked_channel(task, noise, pretraining), points)
    largest, best = landscape.solve()
    return _curve(np.ndim(alpha) == 0, points, landscape, largest, best)


def bayes_thresholds(task: Task, *, pretraining: bool = True) -> BayesThresholds:
    """Return from how many samples on the teacher can be recovered exactly, without noise.

    Parameters
    ----------
    task, pretraining
        As in `bayes_curve`.

    Returns
    -------
    BayesThresholds
    """
    channel = _checked_channel(task, 0.0, pretraining)
    landscape = _Landscape(channel, np.array([task.rho_ft]))
    possible = channel.dimension
    return BayesThresholds(possible, float(max(possible, landscape.level.max())))


class _Channel(NamedTuple):
    """All groups: shares of dimensions, shares of active ones among them, and their law."""

    share: tuple[float, ...]
    rho: tuple[float, ...]
    variance: float
    prior: str
    noise: float

    def error(self, s2):
        """Return the mean mmse at every s2."""
        return self._mean(mmse, s2)

    def alpha(self, x):
        """Return a(x), the sample size of which log s^2 = x is a solution."""
        s2 = np.exp(x)
        return (self.noise + self.error(s2)) / s2

    def free_energy(self, x, alpha):
        """Return phi."""
        s2 = np.exp(x)
        return self._mean(information, s2) + 0.5 * alpha * x + 0.5 * self.noise / s2

    def _mean(self, function, s2):
        pairs = zip(self.share, self.rho, strict=True)
        return sum(p * function(rho, self.variance, s2, prior=self.prior) for p, rho in pairs)

    @property
    def active(self):
        """The share of active dimensions."""
        return sum(p * rho for p, rho in zip(self.share, self.rho, strict=True))

    @property
    def dimension(self):
        """The samples per dimension that must be exceeded to recover it all, without noise."""
        return self.active if self.prior == "gaussian" else 0.0


def _checked_channel(task, noise, pretraining):
    errors.instance("task", task, Task)
    noise = errors.number("noise", noise, 0.0)
    variance = 1.0 / task.rho_ft
    if 0.0 < noise < _LEAST_NOISE * variance:
        raise ValueError(f"noise must be 0 or at least {_LEAST_NOISE * variance:g}, got {noise!r}")
    if pretraining:
        share, rho = (task.rho_pt, 1.0 - task.rho_pt), (task.rho_shared, task.rho_new)
    else:
        share, rho = (1.0,), (task.rho_ft,)
    return _Channel(share, rho, variance, task.prior, noise)


class _Landscape:
    """The function a(x), cut where it turns; on each piece every alpha has one solution at most."""

    def __init__(self, channel, points):
        self.channel, self.points = channel, points
        total = channel.noise + channel.active * channel.variance
        high = np.log(total / min(points.min(), channel.active)) + 1.0
        low = np.log(max(channel.noise / points.max() / 2.0, _SMALLEST * channel.variance))
        x = np.linspace(low, max(high, low + 1.0), int((high - low) / _STEP) + 10)
        self.x, self.level = self._with_turns(x, channel.alpha(x))

    def _with_turns(self, x, level):
        """Add the places where a(x) turns to its grid, found to rounding in a."""
        rising = self._rising(level)
        for i in np.flatnonzero(rising[1:] != rising[:-1]) + 1:
            sign = -1.0 if rising[i - 1] else 1.0
            found = scipy.optimize.minimize_scalar(
                lambda x, sign=sign: sign * self.channel.alpha(x),
                bounds=(x[i - 1], x[i + 1]),
                method="bounded",
                options={"xatol": 1e-10},
            )
            x = np.append(x, found.x)
            level = np.append(level, sign * found.fun)
        order = np.argsort(x, kind="stable")
        return x[order], level[order]

    def _rising(self, level):
        """Tell for each cell whether a(x) rises; flat cells are as the next that is not."""
        change = np.diff(level)
        sure = np.flatnonzero(np.abs(change) > _FLAT * level[1:])
        following = np.searchsorted(sure, np.arange(change.size)).clip(max=sure.size - 1)
        return change[sure[following]] > 0.0

    def solve(self):
        """Return log s^2 of the largest and of the best solution; -inf for exact recovery."""
        falling = (self.level[:-1, None] > self.points) & (self.level[1:, None] <= self.points)
        cell, point = np.nonzero(falling)
        roots = self._roots(self.x[cell], self.x[cell + 1], self.points[point])
        energy = self.channel.free_energy(roots, self.points[point])
        exact = np.full(self.points.size, -np.inf)
        largest, best, least = exact.copy(), exact.copy(), np.full(self.points.size, np.inf)
        np.maximum.at(largest, point, roots)
        for j, root, phi in zip(point, roots, energy, strict=True):
            if phi < least[j]:
                best[j], least[j] = root, phi
        if not self.channel.noise:  # recovery has the free energy -inf where it is possible
            best[self.points > self.channel.dimension] = -np.inf
        return largest, best

    def _roots(self, low, high, alpha):
        """Solve a(x) = alpha between low and high, where a falls: Ridders' method, all at once."""

        def excess(x):
            return np.log(self.channel.alpha(x) / alpha)

        f_low, f_high = excess(low), excess(high)
        for _ in range(60):
            middle = (low + high) / 2.0
            f_middle = excess(middle)
            root = np.sqrt(f_middle**2 - f_low * f_high)
            x = middle + (middle - low) * np.divide(
                f_middle, root, out=np.zeros_like(root), where=root > 0.0
            )
            f_x = excess(x)
            if np.all((np.abs(f_x) <= 1e-15) | (high - low <= 1e-15 * np.abs(x))):
                break
            ends = [(low, f_low), (middle, f_middle), (x, f_x), (high, f_high)]
            low, f_low, high, f_high = _tightest(ends)
        return x


def _tightest(ends):
    """Return the narrowest bracket of a falling function's roots among some points."""
    x, f = (np.array(column) for column in zip(*ends, strict=True))
    left = np.where(f > 0.0, x, -np.inf).argmax(axis=0)
    right = np.where(f <= 0.0, x, np.inf).argmin(axis=0)
    every = np.arange(x.shape[1])
    return x[left, every], f[left, every], x[right, every], f[right, every]


def _curve(scalar, alpha, landscape, largest, best):
    channel = landscape.channel
    columns = {"alpha": alpha}
    residual = np.zeros(alpha.size)
    for name, x in (("", largest), ("information_", best)):
        found = np.isfinite(x)
        s2, error = np.exp(x), np.zeros(alpha.size)
        error[found] = channel.error(s2[found])
        balance = (channel.noise + error[found]) / (alpha[found] * s2[found])
        residual[found] = np.maximum(residual[found], np.abs(balance - 1.0))
        columns |= {f"{name}error": error, f"{name}s2": s2}
    columns |= {"hard": best < largest, "residual": residual}
    if scalar:
        columns = {name: column[0].item() for name, column in columns.items()}
    return BayesCurve(**columns)
