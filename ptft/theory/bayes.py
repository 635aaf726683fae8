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

The priors are Bernoulli-Gaussian: x = 0, or Gaussian with probability rho. With the signal to noise
ratio g = variance / s^2 and the log odds l that z comes from an active coefficient, the mmse is

    variance * rho * (1 / (1 + g) + g / (1 + g) E[t^2 / (1 + e^l(t))]),
    l(t) = log(rho / (1 - rho)) - log(1 + g) / 2 + g t^2 / 2,    t ~ N(0, 1),

a sum of positive terms, which loses no digits at either end.
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

__all__ = [
    "BayesCurve",
    "BayesThresholds",
    "bayes_curve",
    "bayes_thresholds",
    "information",
    "mmse",
]

_LEVELS = (-40.0, -12.0, -4.0, 0.0, 4.0, 12.0, 40.0)  # of l, between which it is integrated
_GAUSSIAN = (3.0, 6.0, 10.0, 14.0)  # and of t
_N_NODES = 32
_POINTS = 2000  # that are integrated at once
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

    `information`: possible at all, which is the share of active dimensions, rho_FT, whatever else
    is known; `message_passing`: by Bayes-optimal message passing. In between it is hard.
    """

    information: float
    message_passing: float


def mmse(rho: float, variance: float, s2: ArrayLike) -> float | np.ndarray:
    """Return the error of the posterior mean of a Bernoulli-Gaussian coefficient.

    Parameters
    ----------
    rho : float
        Probability that x is not zero; in [0, 1].
    variance : float
        Of x where it is not zero; larger than 0.
    s2 : float or array
        Noise variance of the observation z = x + s V; larger than 0.

    Returns
    -------
    float or array
        E[(x - E[x | z])^2], of the shape of `s2`.
    """
    rho, variance, s2 = _checked(rho, variance, s2)
    g = variance / s2
    unsure = 0.0
    if 0.0 < rho < 1.0:
        unsure = _expect(_logit(rho) - 0.5 * np.log1p(g), 0.5 * g, _doubt)
    return (rho * variance * (1.0 + g * unsure) / (1.0 + g))[()]


def information(rho: float, variance: float, s2: ArrayLike) -> float | np.ndarray:
    """Return the mutual information of a Bernoulli-Gaussian coefficient and its observation.

    It is that of the activity, plus rho log(1 + g) / 2 for the size. The derivative by 1 / s2 is
    half the mmse (Guo, Shamai and Verdu 2005).

    Parameters
    ----------
    rho, variance, s2
        As in `mmse`.

    Returns
    -------
    float or array
        In nats, of the shape of `s2`.
    """
    rho, variance, s2 = _checked(rho, variance, s2)
    g = variance / s2
    size = 0.5 * rho * np.log1p(g)
    if not 0.0 < rho < 1.0:
        return size[()]
    base = _logit(rho) - 0.5 * np.log1p(g)
    entropy = -rho * np.log(rho) - (1.0 - rho) * np.log1p(-rho)
    idle = _expect(base, 0.5 * g / (1.0 + g), lambda t, odds: np.logaddexp(0.0, odds))
    active = _expect(base, 0.5 * g, lambda t, odds: np.logaddexp(0.0, -odds))
    return (size + entropy - (1.0 - rho) * idle - rho * active)[()]


def _checked(rho, variance, s2):
    rho = errors.number("rho", rho, 0.0, 1.0)
    variance = errors.number("variance", variance, 0.0, open_low=True)
    return rho, variance, np.asarray(errors.positive("s2", s2))


def _logit(rho):
    return np.log(rho) - np.log1p(-rho)


def _doubt(t, odds):
    return t * t * scipy.special.expit(-odds)


def _expect(base, tilt, function):
    """Return E[f(t, base + tilt t^2)] over standard normal t, for f even in t; as `base` in shape.

    In parts, so that memory does not grow with the number of points.
    """
    base, tilt = np.broadcast_arrays(base, tilt)
    n_parts = -(-base.size // _POINTS) or 1
    parts = np.array_split(np.stack([base.ravel(), tilt.ravel()]), n_parts, axis=1)
    return np.concatenate([_integral(*part, function) for part in parts]).reshape(base.shape)


def _integral(base, tilt, function):
    """Return the expectations for vectors.

    f may change where the odds do, around 0, so panels end where they pass certain levels.
    """
    base, tilt = base[:, None], tilt[:, None]
    turns = np.sqrt(np.maximum(np.array(_LEVELS) - base, 0.0) / np.maximum(tilt, 1e-300))
    ends = np.broadcast_to(np.array(_GAUSSIAN), (len(turns), len(_GAUSSIAN)))
    edges = np.concatenate([np.minimum(turns, _GAUSSIAN[-1]), ends, np.zeros_like(base)], axis=1)
    edges = np.sort(edges, axis=1)
    half = np.diff(edges)[..., None] / 2.0
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    t = edges[:, :-1, None] + half * (1.0 + nodes)
    density = weights * half * np.exp(-0.5 * t * t) * np.sqrt(2.0 / np.pi)
    values = function(t, base[..., None] + tilt[..., None] * t * t)
    return (density * values).sum(axis=(1, 2))


def bayes_curve(
    task: Task, alpha: ArrayLike, noise: float = 0.0, *, pretraining: bool = True
) -> BayesCurve:
    """Return the smallest error that any learner can have, and what message passing reaches.

    Parameters
    ----------
    task : Task
        With a Gaussian prior.
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
    return BayesThresholds(task.rho_ft, float(max(task.rho_ft, landscape.level.max())))


class _Channel(NamedTuple):
    """All groups: shares of dimensions, shares of active ones among them, and the variance."""

    share: tuple[float, ...]
    rho: tuple[float, ...]
    variance: float
    noise: float

    def error(self, s2):
        """Return the mean mmse at every s2."""
        pairs = zip(self.share, self.rho, strict=True)
        return sum(p * mmse(rho, self.variance, s2) for p, rho in pairs)

    def alpha(self, x):
        """Return a(x), the sample size of which log s^2 = x is a solution."""
        s2 = np.exp(x)
        return (self.noise + self.error(s2)) / s2

    def free_energy(self, x, alpha):
        """Return phi."""
        s2 = np.exp(x)
        pairs = zip(self.share, self.rho, strict=True)
        total = sum(p * information(rho, self.variance, s2) for p, rho in pairs)
        return total + 0.5 * alpha * x + 0.5 * self.noise / s2

    @property
    def active(self):
        """The share of active dimensions."""
        return sum(p * rho for p, rho in zip(self.share, self.rho, strict=True))


def _checked_channel(task, noise, pretraining):
    errors.instance("task", task, Task)
    if task.prior != "gaussian":
        raise ValueError(f'task must have the prior "gaussian", got {task.prior!r}')
    noise = errors.number("noise", noise, 0.0)
    variance = 1.0 / task.rho_ft
    if 0.0 < noise < _LEAST_NOISE * variance:
        raise ValueError(f"noise must be 0 or at least {_LEAST_NOISE * variance:g}, got {noise!r}")
    if pretraining:
        share, rho = (task.rho_pt, 1.0 - task.rho_pt), (task.rho_shared, task.rho_new)
    else:
        share, rho = (1.0,), (task.rho_ft,)
    return _Channel(share, rho, variance, noise)


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
            best[self.points > self.channel.active] = -np.inf
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
