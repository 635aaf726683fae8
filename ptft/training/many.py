"""Many interpolation problems on the same inputs at once (equation (11)).

Approximate message passing, as in `message_passing`, with one column a problem: the products with
X, which dominate a single problem's time because X has to be read from memory for each, become
products of matrices. theta and the denoiser's dual coordinate u are carried over from step to step
and corrected together by Newton's method, rarely more than twice. Columns leave when they have
converged; one that diverges, or has not converged after `max_iterations`, is solved by
`implicit_bias`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.penalty import dual
from ..values import Value
from .implicit_bias import implicit_bias

__all__ = ["ImplicitBiases", "implicit_biases"]

# A Newton step in u and log(theta) this small leaves an error of its square; both shrink with the
# residual.
_CLOSE = 0.02
_MAX_CORRECTIONS = 60
_DIVERGED = 1e8  # relative residual at which a column is given up


@dataclass(frozen=True, eq=False)
class ImplicitBiases(Value):
    """The minimisers of several problems; the last axis is the problem.

    Parameters
    ----------
    beta : array, shape (n_dims, n_problems)
    residual : array, shape (n_problems,)
        ||X beta - y|| / ||y||, or 0 for labels that are all zero.
    iterations : array of int, shape (n_problems,)
    """

    beta: np.ndarray
    residual: np.ndarray
    iterations: np.ndarray


def implicit_biases(
    X: ArrayLike,
    Y: ArrayLike,
    sqrt_k: ArrayLike,
    *,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
) -> ImplicitBiases:
    """Return argmin Q_k(beta) subject to X beta = y, equation (11), for several (y, k) and one X.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs with independent entries of mean 0 and variance 1 / n_dims, n_samples < n_dims.
    Y : array, shape (n_samples, n_problems)
        Labels.
    sqrt_k : array, shape (n_dims, n_problems)
        Square root of the penalty parameter; larger than 0.
    tolerance : float
        On the relative residual.
    max_iterations : int
        Of message passing.

    Returns
    -------
    ImplicitBiases

    Raises
    ------
    ValueError
        For an argument outside its range, or of another shape.
    ConvergenceError
        If a problem is beyond `implicit_bias` too.
    """
    X, Y, sqrt_k = _checked(X, Y, sqrt_k)
    tolerance = errors.share("tolerance", tolerance)
    max_iterations = errors.whole("max_iterations", max_iterations)
    n_problems = Y.shape[1]
    beta = np.zeros(sqrt_k.shape)
    residual, iterations = np.empty(n_problems), np.full(n_problems, max_iterations)
    batch, left = _Batch(X, Y, sqrt_k), []
    for step in range(max_iterations + 1):
        size = batch.relative_residual()
        done = size <= tolerance
        found = batch.live[done]
        beta[:, found], residual[found] = batch.beta[:, done], size[done]
        iterations[found] = step
        lost = ~(size < _DIVERGED)
        left += batch.live[lost].tolist()
        batch.keep(~(done | lost))
        if not batch.live.size:
            break
        batch.step()
    for i in [*left, *batch.live]:
        single = implicit_bias(X, Y[:, i], sqrt_k[:, i], tolerance=tolerance)
        beta[:, i], residual[i] = single.beta, single.residual
    return ImplicitBiases(beta, residual, iterations)


def _checked(X, Y, sqrt_k):
    X, Y = errors.real("X", X), errors.real("Y", Y)
    sqrt_k = errors.positive("sqrt_k", sqrt_k)
    if not (np.ndim(X) == np.ndim(Y) == np.ndim(sqrt_k) == 2):
        raise ValueError("X, Y and sqrt_k must have two dimensions")
    if X.shape[0] != Y.shape[0] or sqrt_k.shape != (X.shape[1], Y.shape[1]):
        raise ValueError(
            "Y must have shape (n_samples, n_problems) and sqrt_k (n_dims, n_problems), got X "
            f"{X.shape}, Y {Y.shape}, sqrt_k {sqrt_k.shape}"
        )
    if X.shape[0] >= X.shape[1]:
        raise ValueError(f"X must have fewer samples than dimensions, got shape {X.shape}")
    return X, Y, sqrt_k


class _Batch:
    """The state of message passing in the columns that are `live`."""

    def __init__(self, X, Y, sqrt_k):
        self.X, self.alpha = X, X.shape[0] / X.shape[1]
        self.live = np.arange(Y.shape[1])
        self.labels, self.size = Y, np.linalg.norm(Y, axis=0)
        self.size[self.size == 0.0] = 1.0  # of a small sparse teacher that came out empty
        self.a = sqrt_k / 2.0
        self.beta, self.z = np.zeros(sqrt_k.shape), np.zeros(Y.shape)
        noise = np.linalg.norm(Y, axis=0) / np.sqrt(len(Y) * self.alpha)
        self.theta = np.hypot(sqrt_k.mean(axis=0), noise) * (1.0 / self.alpha - 1.0)
        self.u = np.zeros(sqrt_k.shape)

    def relative_residual(self):
        """Update the missing part of the labels; return its relative size."""
        self.missing = self.labels - self.X @ self.beta
        return np.linalg.norm(self.missing, axis=0) / self.size

    def keep(self, columns):
        """Drop the other columns."""
        if columns.all():
            return
        for name in ("labels", "a", "beta", "z", "u", "missing"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[:, columns]))
        for name in ("live", "size", "theta"):
            setattr(self, name, getattr(self, name)[columns])

    def step(self):
        """Take one step of message passing; the mean slope is alpha, so z is a running sum."""
        self.z += self.missing
        observed = self.beta + self.X.T @ self.z / self.alpha
        size = np.abs(observed)
        # From the right of the root, where Newton's method on a convex function is monotone.
        start = np.minimum(dual(size, 2.0 * self.a), size / (self.a + self.theta / 2.0))
        np.copyto(self.u, start, where=self.u == 0.0)
        for _ in range(_MAX_CORRECTIONS):
            if self._correct(size) < _CLOSE:
                break
        self.beta = np.copysign(self.a * np.sinh(self.u), observed)

    def _correct(self, size):
        """Take one Newton step on a sinh(u) + theta u / 2 = size and mean slope = alpha.

        Returns the largest step in u and in log(theta).
        """
        b = self.theta / 2.0
        exponential = 0.5 * self.a * np.exp(self.u)
        inverse = 0.25 * self.a * self.a / exponential
        sinh, cosh = exponential - inverse, exponential + inverse
        rise = cosh + b
        gap, ub = b / rise, self.u / rise
        du = (size - sinh - b * self.u) / rise
        # The second equation as a difference of log odds, linearised in u and b.
        closed = gap.mean(axis=0)
        value = np.log((1.0 - closed) / closed) - np.log(self.alpha / (1.0 - self.alpha))
        weight = 1.0 / closed + 1.0 / (1.0 - closed)
        tilt = gap * sinh / rise
        by_u = weight * np.mean(tilt * du, axis=0)
        by_b = weight * np.mean(tilt * ub + cosh / rise**2, axis=0)
        change = np.clip((value + by_u) / (by_b * b), -0.7, 2.0)
        du -= ub * (change * b)
        largest = max(np.abs(du).max(), np.abs(change).max())
        self.u = np.maximum(self.u + np.clip(du, -1.5, 1.5), 0.0)
        self.theta = self.theta * (1.0 + change)
        return largest
