"""The paper's own solver of the fixed point: Monte Carlo and damped iteration (Appendix E.2).

It is kept for comparison: `ptft.learning_curve` solves the same equations by quadrature and
Newton's method. One fixed set of samples (x, k, V) stands for the expectations of equations (19)
and (20); at each alpha the damped iteration starts from the solution at the neighbouring alpha,
once going up the grid and once down it, and the branch with the smaller error is reported.

The paper prints its settings (E.2.5), but the values of its numerical floors and of its thresholds
for "large" are not in the text that we could read. Those below are ours, and named as such.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.tasks import Task
from ..values import Value
from .replica import penalised_groups

__all__ = ["MonteCarloBranch", "MonteCarloCurve", "MonteCarloSettings", "monte_carlo_curve"]

_NEWTON_STEPS = 100
_NEWTON_TOLERANCE = 1e-12  # relative: the denoiser's values may be as small as sqrt(k)
_DECIBEL = 10.0 / np.log(10.0)


@dataclass(frozen=True)
class MonteCarloSettings:
    """What the solver is run with; the defaults are the paper's (E.2.5), except as marked.

    Parameters
    ----------
    n_samples : int
        Monte Carlo samples, drawn once.
    damping : float
        Share of the update that is taken; in (0, 1].
    tolerance : float
        The iteration ends when the absolute residual is below it.
    max_iterations : int
        Iterations at one alpha.
    ridge : float
        gamma_ext of equation (20).
    floor : float
        Smallest s^2, theta and, in decibels, E_gen; ours.
    max_mismatch, max_standard_error : float
        In decibels, from which a point is flagged; ours.
    n_batches : int
        Of the batch means that give the standard error; ours.
    seed : int
    """

    n_samples: int = 80_000
    damping: float = 0.25
    tolerance: float = 1e-6
    max_iterations: int = 900
    ridge: float = 1e-6
    floor: float = 1e-12
    max_mismatch: float = 0.5
    max_standard_error: float = 0.5
    n_batches: int = 40
    seed: int = 0

    def __post_init__(self):
        for name, low in (("n_samples", 1), ("max_iterations", 1), ("n_batches", 2)):
            errors.whole(name, getattr(self, name), low)
        errors.number("damping", self.damping, 0.0, 1.0, open_low=True)
        errors.number("ridge", self.ridge, 0.0)
        for name in ("tolerance", "floor", "max_mismatch", "max_standard_error"):
            errors.number(name, getattr(self, name), 0.0, open_low=True)
        if self.n_samples < 2 * self.n_batches:
            raise ValueError(
                f"n_samples must be at least 2 n_batches = {2 * self.n_batches}, "
                f"got {self.n_samples}"
            )


@dataclass(frozen=True, eq=False)
class MonteCarloBranch(Value):
    """One continuation through the grid of alpha; arrays of shape (n_alpha,).

    Parameters
    ----------
    s2, theta, error : array
        The last iterate, and E_gen there.
    residual : array
        max(|s2_new - s2|, |theta_new - theta|) there: undamped, but absolute, as in the paper.
    iterations : array
        How many it took.
    standard_error : array
        Of `error`, by batch means.
    """

    s2: np.ndarray
    theta: np.ndarray
    error: np.ndarray
    residual: np.ndarray
    iterations: np.ndarray
    standard_error: np.ndarray


@dataclass(frozen=True, eq=False)
class MonteCarloCurve(Value):
    """Both branches, the one that is reported, and what the paper's checks say (E.2.4).

    Parameters
    ----------
    alpha : array, shape (n_alpha,)
    forward, backward : MonteCarloBranch
        From small to large alpha, and from large to small.
    error, standard_error, standard_error_db, residual : array, shape (n_alpha,)
        Of the branch with the smaller error; `standard_error_db` is the standard error of
        10 log10(error).
    mismatch_db : array, shape (n_alpha,)
        |10 log10(forward.error / backward.error)|, errors below the floor raised to it.
    unconverged, mismatched, noisy : array of bool, shape (n_alpha,)
        The three failure indicators: residual, branch mismatch or Monte Carlo error too large.
    """

    alpha: np.ndarray
    forward: MonteCarloBranch
    backward: MonteCarloBranch
    error: np.ndarray
    standard_error: np.ndarray
    standard_error_db: np.ndarray
    residual: np.ndarray
    mismatch_db: np.ndarray
    unconverged: np.ndarray
    mismatched: np.ndarray
    noisy: np.ndarray

    @property
    def reliable(self) -> np.ndarray:
        """Where no failure indicator is raised; array of bool, shape (n_alpha,)."""
        return ~(self.unconverged | self.mismatched | self.noisy)


def denoise_newton(z, theta, sqrt_k):
    """Solve equation (17) for all samples by a safeguarded Newton method.

    The root lies between 0 and z. Newton steps that leave the current bracket are replaced by its
    midpoint.

    Parameters
    ----------
    z : array, shape (n_samples,)
    theta, sqrt_k : float

    Returns
    -------
    array, shape (n_samples,)
    """
    size = np.abs(z)
    low, high = np.zeros_like(size), size.copy()
    x = size / (1.0 + theta / sqrt_k)  # the first Newton step from 0
    for _ in range(_NEWTON_STEPS):
        value = x - size + 0.5 * theta * np.arcsinh(2.0 * x / sqrt_k)
        low, high = np.where(value < 0.0, x, low), np.where(value < 0.0, high, x)
        new = x - value / (1.0 + theta / np.hypot(sqrt_k, 2.0 * x))
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        done = np.abs(new - x) <= _NEWTON_TOLERANCE * new
        x = new
        if done.all():
            break
    return np.copysign(x, z)


class _Samples:
    """Fixed samples of (x, V), in one block for each value of k."""

    def __init__(self, task, init, n_samples, rng):
        groups = penalised_groups(task, init)
        probabilities = np.array([group.probability for group in groups])
        of = rng.choice(len(groups), size=n_samples, p=probabilities / probabilities.sum())
        x = np.zeros(n_samples)
        for i, group in enumerate(groups):
            x[of == i] = group.prior.sample(np.count_nonzero(of == i), rng)
        scale = np.array([group.sqrt_k for group in groups])[of]
        self.x, self.v = x, rng.standard_normal(n_samples)
        self.blocks = [(value, scale == value) for value in np.unique(scale)]

    def outcomes(self, s2, theta):
        """Return each sample's (x_hat - x)^2 and 1 / (1/theta + q_k''(x_hat))."""
        z = self.x + np.sqrt(s2) * self.v
        square, response = np.empty_like(z), np.empty_like(z)
        for sqrt_k, block in self.blocks:
            x_hat = denoise_newton(z[block], theta, sqrt_k)
            square[block] = (x_hat - self.x[block]) ** 2
            response[block] = 1.0 / (1.0 / theta + 1.0 / np.hypot(sqrt_k, 2.0 * x_hat))
        return square, response


def _iterate(samples, alpha, noise, state, settings):
    """Run the damped iteration at one alpha; return one row of a `MonteCarloBranch`."""
    s2, theta = state
    for iteration in range(1, settings.max_iterations + 1):
        square, response = samples.outcomes(s2, theta)
        s2_new = (noise + square.mean()) / alpha
        theta_new = (settings.ridge + response.mean()) / alpha
        residual = max(abs(s2_new - s2), abs(theta_new - theta))
        if residual < settings.tolerance or iteration == settings.max_iterations:
            break
        s2 = max((1.0 - settings.damping) * s2 + settings.damping * s2_new, settings.floor)
        theta = max((1.0 - settings.damping) * theta + settings.damping * theta_new, settings.floor)
    return s2, theta, square.mean(), residual, iteration, _batch_error(square, settings.n_batches)


def _batch_error(values, n_batches):
    """Return the standard error of the mean, from the means of consecutive batches."""
    means = [batch.mean() for batch in np.array_split(values, n_batches)]
    return np.std(means, ddof=1) / np.sqrt(n_batches)


def _continuation(samples, alphas, noise, settings):
    """Solve along `alphas` in the order given, each point started from the one before."""
    state = ((noise + np.mean(samples.x**2)) / alphas[0], 1.0 / alphas[0])
    rows = []
    for alpha in alphas:
        rows.append(_iterate(samples, alpha, noise, state, settings))
        state = rows[-1][:2]
    return rows


def monte_carlo_curve(
    task: Task,
    init: Initialization,
    alpha: ArrayLike,
    noise: float = 0.0,
    settings: MonteCarloSettings | None = None,
) -> MonteCarloCurve:
    """Solve the fixed point as the paper does (Appendix E.2).

    Parameters
    ----------
    task : Task
    init : Initialization
        Of numbers, not arrays.
    alpha : array, shape (n_alpha,)
        Samples per dimension; larger than 0, increasing.
    noise : float
        Label noise variance; at least 0.
    settings : MonteCarloSettings, optional
        The paper's by default.

    Returns
    -------
    MonteCarloCurve
        Never an error for want of convergence: as in the paper, points are flagged instead.

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    settings = errors.instance("settings", settings or MonteCarloSettings(), MonteCarloSettings)
    alpha = errors.vector("alpha", alpha, 0.0, open_low=True)
    if np.any(np.diff(alpha) <= 0.0):
        raise ValueError(f"alpha must be strictly increasing, got {alpha.tolist()}")
    noise = errors.number("noise", noise, 0.0)
    samples = _Samples(task, init, settings.n_samples, np.random.default_rng(settings.seed))
    forward = _branch(_continuation(samples, alpha, noise, settings))
    backward = _branch(_continuation(samples, alpha[::-1], noise, settings)[::-1])
    return _report(alpha, forward, backward, settings)


def _branch(rows):
    return MonteCarloBranch(*np.array(rows).T)


def _report(alpha, forward, backward, settings):
    """Select the branch with the smaller error at each alpha, and raise the flags."""

    def selected(name):
        lower = forward.error <= backward.error
        return np.where(lower, getattr(forward, name), getattr(backward, name))

    up, down = (np.maximum(b.error, settings.floor) for b in (forward, backward))
    error, residual = selected("error"), selected("residual")
    mismatch = np.abs(_DECIBEL * np.log(up / down))
    spread = _DECIBEL * selected("standard_error") / np.maximum(error, settings.floor)
    return MonteCarloCurve(
        alpha=alpha,
        forward=forward,
        backward=backward,
        error=error,
        standard_error=selected("standard_error"),
        standard_error_db=spread,
        residual=residual,
        mismatch_db=mismatch,
        unconverged=residual >= settings.tolerance,
        mismatched=mismatch > settings.max_mismatch,
        noisy=spread > settings.max_standard_error,
    )
