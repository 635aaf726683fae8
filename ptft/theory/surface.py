"""The error as a function of the two numbers of an initialisation, ends of their range included.

Fine-tuning sees an initialisation through sqrt(k_i) and sqrt(k_a) (`ptft.model.wedge`). At an end
of the wedge they form, the error has one of these limits:

- both to infinity: their quotient tends to 1, the minimum l2 norm;
- both to 0, log sqrt(k_a) / log sqrt(k_i) -> w: weighted basis pursuit, whose denoiser is soft
  thresholding at t where pretraining was inactive, and at w t where it was active. With w -> 0
  active coordinates are not penalised at all, if fewer than samples;
- sqrt(k_i) to 0 alone: if active coordinates are more than samples, only they learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from ..model.tasks import Task
from .channel import Group, HalfLines, half_lines
from .limits import minimum_norm
from .solver import Points, solve

__all__ = ["Surface"]

_TINY = -230.0  # log sqrt(k) that stands for sqrt(k) = 0 where that is approached as a power
_DEEP = 40.0  # log of the factor by which s may fall before an error counts as 0
_MAX_STEPS = 80


class Surface:
    """Errors of initialisations, for one task or several.

    Parameters
    ----------
    tasks : sequence of Task
        With equal sizes of the pretrained coefficients.
    alpha, noise : float
        Samples per dimension, in (0, 1), and variance of the label noise.
    """

    def __init__(self, tasks: Sequence[Task], alpha: float, noise: float) -> None:
        self.alpha, self.noise = alpha, noise
        self.amplitude = tasks[0].amplitude_pt
        self.lines = [_marked(task) for task in tasks]
        self.share = np.array([task.rho_pt for task in tasks])
        moments = [
            sum(group.probability * group.prior.second_moment for group in task.groups())
            for task in tasks
        ]
        self.minimum_norm = np.array([minimum_norm(one, alpha, noise) for one in moments])
        self.scale = float(np.mean([task.rho_ft for task in tasks])) ** -0.5

    def interior(self, log_inactive: np.ndarray, log_active: np.ndarray) -> np.ndarray:
        """Return the errors at pairs of log sqrt(k), shape (n_tasks, n_points)."""
        logs = np.stack([log_inactive, log_active])
        return np.array([self._solved(lines, logs) for lines in self.lines])

    def _solved(self, lines, logs):
        n_points, n_lines = logs.shape[1], lines.mass.size
        a = 0.5 * np.exp(logs[lines.a.astype(int)].T.ravel())
        mass, mean, variance = (np.tile(x, n_points) for x in (lines[0], lines[2], lines[3]))
        first = n_lines * np.arange(n_points + 1)
        numbers = (np.full(n_points, number) for number in (self.alpha, self.noise, 0.0))
        problems = HalfLines(mass, a, mean, variance, first)
        return solve(Points(problems, np.arange(n_points), *numbers))[0]

    def frozen(self, log_active: np.ndarray) -> np.ndarray:
        """Return the errors as sqrt(k_i) -> 0 at fixed sqrt(k_a), shape (n_tasks, n_points)."""
        errors = self.interior(np.full_like(log_active, _TINY), log_active)
        free = self.share < self.alpha  # all active coordinates are learned without a penalty
        if free.any():
            errors[free] = self.pursuit(np.zeros(1))[free]
        return errors

    def pursuit(self, ratio: np.ndarray) -> np.ndarray:
        """Return the errors of basis pursuit with weights `ratio` and 1, (n_tasks, n_points)."""
        return np.array([_pursuit(self, i, ratio) for i in range(len(self.lines))])


def _marked(task):
    """Return the lines of a task, with a = 1 where pretraining was active, else 0."""
    groups = [Group(g.probability, 2.0 * (g.beta_pt > 0.0), g.prior) for g in task.groups()]
    return half_lines(groups)


def _pursuit(surface, i, ratio):
    """Return the errors of one task, by the root in log s of what (19) leaves where (20) holds."""
    alpha, noise, lines = surface.alpha, surface.noise, surface.lines[i]
    active = lines.a[:, None] == 1.0
    weight = np.where(active, ratio, 1.0)
    if surface.share[i] >= alpha:  # the limit w -> 0: others are never learned
        weight = np.where(ratio > 0.0, weight, np.where(active, 1.0, np.inf))
    soft = _Soft(lines, weight, alpha, noise)
    total = np.sum(lines.mass * (lines.mean**2 + lines.variance)) / 2.0 + noise
    high = np.full(ratio.shape, 0.5 * np.log(total / alpha))
    while (soft.excess(high) > 0.0).any():
        high = high + 1.0
    low = high - _DEEP
    exact = soft.excess(low) <= 0.0
    log_s = _root(soft.excess, np.where(exact, high - 1.0, low), high)
    return np.where(exact, 0.0, alpha * np.exp(2.0 * log_s) - noise)


class _Soft:
    """Soft thresholding at nu w s; columns are ratios of weights, rows half lines."""

    def __init__(self, lines, weight, alpha, noise):
        self.mass, self.mean, self.variance = (
            x[:, None] for x in (0.5 * lines.mass, lines.mean, lines.variance)
        )
        self.weight, self.alpha, self.noise = weight, alpha, noise
        self.least = np.min(np.where(weight > 0.0, weight, np.inf), axis=0)

    def excess(self, log_s):
        """Return a function with the sign of noise + error - alpha s^2, where the slope is alpha.

        By Stein's lemma error / s^2 is E[min(|z|, nu w s)^2] / s^2 + 2 alpha - 1.
        """
        s = np.exp(log_s)
        mean, tau = self.mean / s, np.sqrt(self.variance / s**2 + 1.0)
        cut = self._threshold(mean, tau) * self.weight
        above, _ = _shares(cut, mean, tau)
        clipped = _inside(cut, mean, tau) + above * np.where(above > 0.0, cut, 0.0) ** 2
        total = self.noise / s**2 + np.sum(self.mass * clipped, axis=0)
        return np.log(total / (1.0 - self.alpha))

    def _threshold(self, mean, tau):
        """Return nu with P(|z| > nu w s) = alpha."""
        odds = np.log(self.alpha) - np.log1p(-self.alpha)

        def excess(log_nu):
            above, below = _shares(np.exp(log_nu) * self.weight, mean, tau)
            above, below = (np.sum(self.mass * x, axis=0) for x in (above, below))
            return np.log(np.maximum(above, 1e-300)) - np.log(np.maximum(below, 1e-300)) - odds

        high = np.log(50.0 * np.max(tau + np.abs(mean), axis=0) / self.least)
        return np.exp(_root(excess, high - 80.0, high))


def _shares(cut, mean, tau):
    """Return P(|z| > cut) and P(|z| < cut)."""
    ndtr = scipy.special.ndtr
    low, high = (-mean - cut) / tau, (cut - mean) / tau
    return ndtr(-high) + ndtr(low), ndtr(high) - ndtr(low)


def _inside(cut, mean, tau):
    """Return E[z^2; |z| < cut]; for a mean of 0 as an incomplete gamma function, which is exact."""
    centred = tau**2 * scipy.special.gammainc(1.5, 0.5 * np.minimum(cut / tau, 1e3) ** 2)
    if not mean.any():
        return centred
    low, high = (np.clip(x / tau, -40.0, 40.0) for x in (-cut - mean, cut - mean))
    mass = scipy.special.ndtr(high) - scipy.special.ndtr(low)
    first, last = (np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi) for x in (low, high))
    off = (mean**2 + tau**2) * mass + 2.0 * mean * tau * (first - last)
    return np.where(mean == 0.0, centred, off + tau**2 * (low * first - high * last))


def _root(function, low, high):
    """Return the roots of falling functions between arrays of brackets (Chandrupatla 1997)."""
    a, b = high, low  # b is the newest point, a on the other side, c the one before
    c, f_a, f_b = a, function(a), function(b)
    f_c, share = f_a, np.full(a.shape, 0.5)
    for _ in range(_MAX_STEPS):
        x = a + share * (b - a)
        f = function(x)
        same = np.sign(f) == np.sign(f_a)
        c, f_c = np.where(same, a, b), np.where(same, f_a, f_b)
        b, f_b = np.where(same, b, a), np.where(same, f_b, f_a)
        a, f_a = x, f
        nearest = np.where(np.abs(f_a) < np.abs(f_b), a, b)
        least = 2e-15 * np.maximum(np.abs(nearest), 1.0) / np.maximum(np.abs(b - a), 1e-300)
        if np.all((least > 1.0) | (f_a == 0.0)):
            break
        share = np.clip(_inverse_quadratic(a, b, c, f_a, f_b, f_c), least, 1.0 - least)
        share = np.where(least > 0.5, 0.5, share)
    return nearest


def _inverse_quadratic(a, b, c, f_a, f_b, f_c):
    """Return the next point's place between a and b: interpolated where that is safe, else 1/2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xi, phi = (a - b) / (c - b), (f_a - f_b) / (f_c - f_b)
        share = f_a / (f_b - f_a) * f_c / (f_b - f_c)
        share = share + (c - a) / (b - a) * f_a / (f_c - f_a) * f_b / (f_c - f_b)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & np.isfinite(share)
    return np.where(safe, share, 0.5)
