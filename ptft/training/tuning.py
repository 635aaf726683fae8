"""The initialisation chosen from data, by leave-one-out errors without refits.

Fine-tuning ends at the minimiser of Q_k(beta) = sum_d q_kd(beta_d) subject to X beta = y, where
q_k'(beta) = X^T nu. Without sample i its multiplier nu_i is zero, and the label is missed by some
r_i while all other labels are still met. To first order in the change, with the penalty's curvature
H = diag(q_k''(beta)) and G = X H^-1 X^T,

    d beta = H^-1 X^T d nu,    X d beta = G d nu = -r_i e_i,    d nu_i = -nu_i,

so r_i = nu_i / (G^-1)_ii. With a ridge, min ||y - X beta||^2 / (2 ridge) + Q_k(beta), it is
r_i = nu_i / ((G + ridge)^-1)_ii in the same way, where nu = (y - X beta) / ridge. For a quadratic
penalty this is exact. Near l1 the curvature changes within the step, and r_i comes out too large
where samples are few; secants of beta as a function of X^T nu, over the step that they lead to, can
take the place of H^-1, and a handful of such corrections end at the solution without sample i. The
choice does without: corrected errors order the candidates no better.

The mean of r_i^2 estimates the squared error for a new sample, and hence orders initialisations.
For Gaussian inputs of many dimensions it is alpha s^2 = noise + E_gen of the replica theory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.network import Initialization
from ..model.penalty import penalty_curvature, penalty_gradient, sqrt_k
from ..model.wedge import family, family_range
from ..values import Value
from .implicit_bias import implicit_bias
from .problem import checked_data, checked_scale

__all__ = ["Tuned", "leave_one_out", "tune"]

_LOG_SCALES = np.log(10.0) * np.array(
    [-12, -9, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2.0]
)  # of sqrt(k_i), to the coefficients' size
_ENDS = np.log(10.0) * np.array([-13.0, 4.0])  # that the search keeps to
_HEIGHTS = (0.0, 0.25, 0.5, 0.75, 0.97)  # of log sqrt(k_a) between its bounds
_BALANCES = (0.0, 0.5, 1.0)  # of lambda within its interval, where more than two numbers count
_ROUNDS = 3  # of refinement, each with half the distance of the one before
_LONGEST = 40.0  # change of u that is believed
_FREE = 1e6  # sqrt(k) of a constant, relative to the labels: as good as not penalised
_STIFF = 1e12  # sqrt(k) of the residuals' penalty, relative to them: quadratic to rounding


@dataclass(frozen=True, eq=False)
class Tuned(Value):
    """The coefficients of the initialisation that leave-one-out errors favour, and the candidates.

    Parameters
    ----------
    beta : array, shape (n_dims,)
        Fine-tuned coefficients.
    intercept : float
        What is to be added to X beta; 0 unless it was asked for.
    init : Initialization
        The choice.
    ridge : float
        The choice, if several were given.
    predicted_error : float
        Mean squared leave-one-out residual: an estimate of the squared error for a new sample,
        label noise included. It is that of the best candidate, hence a little too low.
    standard_error : float
        Of `predicted_error`, by the spread of the residuals.
    residuals : array, shape (n_samples,)
        Leave-one-out residuals of the choice.
    candidates : Initialization
        Of arrays, shape (n_candidates,): all that were tried.
    candidate_ridge, candidate_error : array, shape (n_candidates,)
        Their ridge and their mean squared leave-one-out residual; infinite where the solver
        failed.
    status : str
        One sentence.
    """

    beta: np.ndarray
    intercept: float
    init: Initialization
    ridge: float
    predicted_error: float
    standard_error: float
    residuals: np.ndarray
    candidates: Initialization
    candidate_ridge: np.ndarray
    candidate_error: np.ndarray
    status: str


def leave_one_out(
    X: ArrayLike,
    beta: ArrayLike,
    nu: ArrayLike,
    sqrt_k: ArrayLike,
    ridge: float = 0.0,
    *,
    corrections: int = 0,
) -> np.ndarray:
    """Return approximate leave-one-out residuals y_i - x_i . beta_without_i of a minimiser.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs; more columns than rows unless there is a ridge.
    beta : array, shape (n_dims,)
        The minimiser.
    nu : array, shape (n_samples,)
        Its multiplier, q_k'(beta) = X^T nu: `ImplicitBias.nu`, or (y - X beta) / ridge.
    sqrt_k : float or array, shape (n_dims,)
        Square root of the penalty parameter.
    ridge : float
        At least 0.
    corrections : int
        How often secants replace the curvature H; each costs a linear system for every sample.

    Returns
    -------
    array, shape (n_samples,)
        nu_i / ((X H^-1 X^T + ridge)^-1)_ii, H being the curvature of the penalty.

    Raises
    ------
    ValueError
        For an argument outside its range, or of another shape.
    """
    X, nu = checked_data(X, nu, "nu")
    scale, ridge = checked_scale(sqrt_k, X.shape[1]), errors.number("ridge", ridge, 0.0)
    beta = errors.vector("beta", beta)
    if beta.shape != X.shape[1:]:
        raise ValueError(f"beta must have shape {X.shape[1:]}, got {beta.shape}")
    if ridge == 0.0 and X.shape[0] > X.shape[1]:
        raise ValueError(f"X must not have more rows than columns without ridge, got {X.shape}")
    weight = 1.0 / penalty_curvature(beta, scale)
    order = np.argsort(-weight)  # in which QR is accurate row by row
    factor = (X * np.sqrt(weight)).T[order]
    if ridge:
        factor = np.concatenate([factor, np.sqrt(ridge) * np.eye(len(nu))])
    triangle = np.linalg.qr(factor, mode="r")
    size = np.abs(np.diag(triangle))
    if size.min() <= 1e-14 * size.max():  # rows that others determine are predicted exactly
        triangle = triangle + 1e-14 * size.max() * np.eye(len(nu))
    inverse = scipy.linalg.solve_triangular(triangle, np.eye(len(nu)))
    residuals = nu / np.sum(inverse**2, axis=1)
    corrections = errors.whole("corrections", corrections, 0)
    if corrections:
        change = -(inverse @ inverse.T) * residuals
        residuals = _corrected(X, beta, nu, scale, ridge, change, corrections)
    return residuals


def _corrected(X, beta, nu, scale, ridge, change, corrections):
    """Return residuals from secants; column i of `change` is d nu without sample i.

    With beta = (sqrt(k) / 2) sinh(2 u), u = X^T nu, the secant over d u is
    sqrt(k) cosh(2 u + d u) sinh(d u) / d u. Steps that overshoot are damped by geometric means with
    the secants before.
    """
    u, residuals = penalty_gradient(beta, scale), np.empty(len(nu))
    log_before = None
    for _ in range(corrections):
        du = np.clip(X.T @ change, -_LONGEST, _LONGEST)
        log_secant = np.log(scale)[:, None] + _log_cosh(2.0 * u[:, None] + du) + _log_sinhc(du)
        if log_before is not None:
            log_secant = (log_secant + log_before) / 2.0
        log_before, secant = log_secant, np.exp(log_secant)
        for i in range(len(nu)):
            gram = (X * secant[:, i]) @ X.T
            gram[np.diag_indices_from(gram)] += ridge + 1e-13 * np.trace(gram) / len(nu)
            column = scipy.linalg.solve(gram, np.eye(len(nu))[i], assume_a="pos")
            residuals[i] = nu[i] / column[i]
            change[:, i] = -residuals[i] * column
    return residuals


def _log_cosh(x):
    return np.logaddexp(x, -x) - np.log(2.0)


def _log_sinhc(x):
    """Return log(sinh(x) / x)."""
    size = np.maximum(np.abs(x), 1e-4)
    full = size + np.log1p(-np.exp(-2.0 * size)) - np.log(2.0 * size)
    return np.where(np.abs(x) < 1e-4, x * x / 6.0, full)


def tune(
    X: ArrayLike,
    y: ArrayLike,
    beta_pt: ArrayLike,
    *,
    ridge: ArrayLike = 0.0,
    intercept: bool = False,
) -> Tuned:
    """Choose the initialisation by leave-one-out error, and fine-tune from it.

    Neither the noise nor how the tasks are related need be known. Initialisations are looked for
    on a grid over the penalty of dimensions that pretraining left at zero and of those that it gave
    the typical size a, the root mean square of the coefficients that are not zero; then around the
    best. Where coefficients are 0 and +-a, these two numbers are all there is; else networks of
    three relative scales are tried for each pair.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs of fine-tuning; fewer samples than dimensions, or a ridge. Not to be centred by their
        own mean: then each row is minus the sum of the others, and its label no surprise.
    y : array, shape (n_samples,)
        Labels, not all zero.
    beta_pt : array, shape (n_dims,)
        Coefficients at the end of pretraining.
    ridge : float or array, shape (n_ridges,)
        Of ||y - X beta||^2 / (2 ridge) + Q_k(beta); of several values the best is chosen. With 0
        the labels are interpolated, as gradient flow does without end.
    intercept : bool
        Whether to fit a constant too, which is not penalised.

    Returns
    -------
    Tuned

    Raises
    ------
    ValueError
        For an argument outside its range, or shapes that do not fit.
    ConvergenceError
        If no candidate could be solved; its `partial` is the table of candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from ptft import Task, noisy_labels, sample_inputs, tune
    >>> rng = np.random.default_rng(0)
    >>> beta_pt, teacher = Task(0.1, 0.1, 0.9).sample_teachers(120, rng)
    >>> X = sample_inputs(40, 120, rng)
    >>> tuned = tune(X, noisy_labels(X, teacher, 0.0, rng), beta_pt)
    >>> bool(np.mean((tuned.beta - teacher) ** 2) < 0.1 * np.mean(teacher**2))
    True
    """
    X, y = checked_data(X, y)
    beta_pt = errors.vector("beta_pt", beta_pt)
    if beta_pt.shape != X.shape[1:]:
        raise ValueError(f"beta_pt must have shape {X.shape[1:]}, as X, got {beta_pt.shape}")
    ridges = errors.vector("ridge", ridge, 0.0)
    if X.shape[0] >= X.shape[1] and not ridges.all():
        raise ValueError(
            "X must have fewer rows than columns, or ridge be larger than 0, else the samples "
            f"determine the coefficients; got shape {X.shape} and ridge {ridges.tolist()}"
        )
    if not y.any() or not X.any():
        raise ValueError("X and y must not be all zero")
    return Search(X, y, beta_pt, bool(intercept)).run(ridges)


@dataclass(frozen=True)
class _Candidate:
    """An initialisation by its place in the search, and what came of it."""

    place: tuple[float, float, float, float]  # log of the scale, height, balance, ridge
    init: Initialization
    beta: np.ndarray
    residuals: np.ndarray
    error: float


class Search:
    """The candidates so far; each is solved once.

    Parameters
    ----------
    X, y, beta_pt, intercept
        As in `tune`.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, beta_pt: np.ndarray, intercept: bool = False
    ) -> None:
        self.X, self.y, self.beta_pt, self.constant = X, y, beta_pt, np.empty(0)
        if intercept:
            self.X = np.concatenate([X, np.ones((len(y), 1))], axis=1)
            self.constant = np.array([_FREE * np.max(np.abs(y))])  # sqrt(k) of its penalty
        used = np.abs(beta_pt[beta_pt != 0.0])
        self.amplitude = float(np.sqrt(np.mean(used**2))) if used.size else 1.0
        label = np.std(y) if intercept and len(y) > 1 else np.linalg.norm(y) / np.sqrt(len(y))
        self.size = float(label * np.sqrt(len(y)) / np.linalg.norm(X))  # of a coefficient
        self.heights = _HEIGHTS if used.size else (0.0,)
        two = not used.size or np.ptp(used) <= 1e-9 * self.amplitude
        self.balances = (1.0,) if two else _BALANCES
        self.found: dict[tuple[float, float, float, float], _Candidate] = {}

    @property
    def best(self) -> _Candidate:
        """The candidate of the lowest leave-one-out error."""
        return min(self.found.values(), key=lambda candidate: candidate.error)

    def run(self, ridges: np.ndarray) -> Tuned:
        """Try the grid for every ridge, then around the best; return what was chosen."""
        for ridge in ridges.tolist():
            self.grid(ridge)
        for step in range(1, _ROUNDS + 1):
            self.around_best(0.5**step)
        return self.result()

    def grid(self, ridge: float) -> None:
        """Try a grid of initialisations."""
        for log_scale in _LOG_SCALES.tolist():
            for height in self.heights:
                for balance in self.balances if height else (1.0,):
                    self.visit(log_scale, height, balance, ridge)

    def around_best(self, step: float) -> None:
        """Try what is a share of the grid's spacing away from the best, until that is the best."""
        far, up = np.log(10.0) * step, 0.25 * step
        for _ in range(20):
            log_scale, height, balance, ridge = before = self.best.place
            moves = [(far, 0.0), (-far, 0.0), (0.0, up), (0.0, -up), (far, up), (-far, -up)]
            for right, rise in moves if len(self.heights) > 1 else moves[:2]:
                moved = float(np.clip(height + rise, 0.0, max(self.heights)))
                scale = float(np.clip(log_scale + right, *_ENDS))
                self.visit(scale, moved, balance, ridge)
            if self.best.place == before:
                break

    def visit(self, log_scale: float, height: float, balance: float, ridge: float) -> None:
        """Solve for one candidate, unless that was done before."""
        place = (log_scale, height, balance, ridge)
        if place not in self.found:
            init = self._network(log_scale, height, balance)
            scale = np.concatenate([sqrt_k(self.beta_pt, init), self.constant])
            beta, residuals = self._solved(scale, ridge)
            error = float(np.mean(residuals**2))
            self.found[place] = _Candidate(place, init, beta, residuals, error)

    def _network(self, log_scale, height, balance):
        inactive = self.size * np.exp(log_scale)
        if height == 0.0 or inactive > 1e6 * self.amplitude:  # which differ by roundings alone
            return family(inactive, inactive, self.amplitude)
        top = np.log1p(4.0 * self.amplitude / inactive)
        active = inactive * np.exp(height * top)
        low, high = family_range(inactive, active, self.amplitude)
        # At balance 0 c is nearly zero, and sqrt(k) nearly linear in the size of a coefficient.
        lambda_pt = low + (high - low) * max(balance, 1e-3)
        lambda_pt = high if balance == 1.0 or not low < lambda_pt < high else lambda_pt
        return family(inactive, active, self.amplitude, lambda_pt)

    def _solved(self, scale, ridge):
        """Return beta and leave-one-out residuals; infinite ones if the solver fails."""
        try:
            if ridge:
                beta = _penalised(self.X, self.y, scale, ridge)
                nu = (self.y - self.X @ beta) / ridge
            else:
                solved = implicit_bias(self.X, self.y, scale, tolerance=1e-8)
                beta, nu = solved.beta, solved.nu
        except ConvergenceError:
            return np.zeros(self.X.shape[1]), np.full(len(self.y), np.inf)
        return beta, leave_one_out(self.X, beta, nu, scale, ridge)

    def result(self) -> Tuned:
        """Return what was chosen, and the table."""
        best, everyone = self.best, list(self.found.values())
        columns = {
            name: np.array([getattr(one.init, name) for one in everyone])
            for name in ("c_pt", "lambda_pt", "gamma_ft")
        }
        found = np.array([one.error for one in everyone])
        squares = best.residuals**2
        with np.errstate(invalid="ignore"):
            spread = float(np.std(squares, ddof=min(1, len(squares) - 1)) / np.sqrt(len(squares)))
        failed = int(np.sum(~np.isfinite(found)))
        status = (
            f"predicted squared error {best.error:.4g} +- {spread:.2g}, the best of {found.size} "
            f"candidates{f', of which {failed} could not be solved' if failed else ''}"
        )
        tuned = Tuned(
            beta=best.beta[: self.beta_pt.size],
            intercept=float(best.beta[self.beta_pt.size :].sum()),
            init=best.init,
            ridge=best.place[3],
            predicted_error=best.error,
            standard_error=spread,
            residuals=best.residuals,
            candidates=Initialization(**columns),
            candidate_ridge=np.array([one.place[3] for one in everyone]),
            candidate_error=found,
            status=status,
        )
        if failed == found.size:
            raise ConvergenceError("no candidate could be solved", tuned)
        return tuned


def _penalised(X, y, scale, ridge):
    """Return argmin ||y - X beta||^2 / (2 ridge) + Q_k(beta).

    As an interpolator of X beta + c e = y: with c^2 = ridge / sqrt(K) and a large K the penalty of
    e = (y - X beta) / c is e^2 / (2 sqrt(K)) = (y - X beta)^2 / (2 ridge).
    """
    stiff = _STIFF * np.linalg.norm(y) ** 2 / ridge
    c = np.sqrt(ridge / stiff)
    wide = np.concatenate([X, c * np.eye(len(y))], axis=1)
    scales = np.concatenate([scale, np.full(len(y), stiff)])
    return implicit_bias(wide, y, scales, tolerance=1e-8).beta[: X.shape[1]]
