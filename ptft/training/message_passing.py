"""Approximate message passing with the q_k denoiser.

It minimises equation (15). For inputs with independent entries of variance 1 / n_dims, a column of
X has squared norm alpha, and the iteration is::

    h = beta + X^T z / alpha,
    beta = x_hat(h; theta, k),
    z = y - X beta + (mean slope / alpha) z,

where `mean slope` averages d x_hat / d h over the coordinates. h behaves as the teacher plus
Gaussian noise of variance s^2 = ||z||^2 / (n_samples alpha), so beta's error follows from a
recursion for s^2 alone, `ptft.state_evolution`. In each step theta is such that equation (20),

    mean slope + ridge / theta = alpha,

holds. At a fixed point z (ridge / (theta alpha)) = y - X beta and q_k'(beta) = X^T nu with
nu = z / (theta alpha): the minimiser of (15), and for ridge = 0 that of (11).

Message passing: Donoho, Maleki and Montanari, PNAS 106 (2009) 18914.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.penalty import signed_dual_denoiser
from ..theory.state_evolution import check_sample_size, solve_theta
from ..values import Value
from .problem import checked_data, checked_scale, checked_start

__all__ = ["MessagePassing", "approximate_message_passing"]

_DIVERGED = 1e8  # residual at which the iteration is given up


@dataclass(frozen=True, eq=False)
class MessagePassing(Value):
    """The iterates of approximate message passing, and where they end.

    Parameters
    ----------
    beta : array, shape (n_dims,)
        The last estimate.
    nu : array, shape (n_samples,)
        z / (theta alpha): at convergence q_k'(beta) - q_k'(start) = X^T nu.
    s2 : array, shape (n_iterations,)
        ||z||^2 / (n_samples alpha), the estimated variance of the noise in h.
    theta : array, shape (n_iterations,)
        Effective regularisation.
    residual : array, shape (n_iterations,)
        ||change of z|| / ||y||; without ridge this is ||y - X beta|| / ||y||.
    error : array, shape (n_iterations,), or None
        ||beta - teacher||^2 / n_dims after the iteration, if the teacher is given.
    status : str
        One sentence.
    """

    beta: np.ndarray
    nu: np.ndarray
    s2: np.ndarray
    theta: np.ndarray
    residual: np.ndarray
    error: np.ndarray | None
    status: str


def approximate_message_passing(
    X: ArrayLike,
    y: ArrayLike,
    sqrt_k: ArrayLike,
    *,
    ridge: float = 0.0,
    start: ArrayLike | None = None,
    teacher: ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 2000,
) -> MessagePassing:
    """Minimise equation (15) by approximate message passing.

    Fast where the entries of X are independent with mean 0 and equal variance; for other inputs it
    may not converge. X and y are divided by a common factor such that the columns' mean squared
    norm is alpha = n_samples / n_dims, which leaves the minimiser as it is.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs.
    y : array, shape (n_samples,)
        Labels.
    sqrt_k : float or array, shape (n_dims,)
        Square root of the penalty parameter; larger than 0.
    ridge : float
        gamma_ext; at least 0. The minimum is of ||y - X beta||^2 / (2 ridge) + Q_k(beta). With 0
        the labels are interpolated, and n_samples has to be less than n_dims.
    start : array, shape (n_dims,), optional
        Coefficients beta_0 from which the Bregman divergence of Q_k is minimised, as in
        `implicit_bias`.
    teacher : array, shape (n_dims,), optional
        Coefficients to compare each estimate with.
    tolerance : float
        On the residual; larger than 0.
    max_iterations : int
        After which the iteration is given up.

    Returns
    -------
    MessagePassing

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If the residual stays above the tolerance, as it may where X is small or not Gaussian; its
        `partial` is the `MessagePassing` so far.

    Examples
    --------
    Where sqrt(k) is large, Q_k(beta) is ||beta||^2 / (2 sqrt(k)), and the minimiser that of ridge
    regression:

    >>> import numpy as np
    >>> from ptft import approximate_message_passing
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 300)) / np.sqrt(300)
    >>> y = X @ rng.standard_normal(300)
    >>> found = approximate_message_passing(X, y, sqrt_k=1e6, ridge=1e5)
    >>> regression = np.linalg.solve(X.T @ X + 1e5 / 1e6 * np.eye(300), X.T @ y)
    >>> bool(np.allclose(found.beta, regression, rtol=1e-8))
    True
    """
    X, y = checked_data(X, y)
    sqrt_k = checked_scale(sqrt_k, X.shape[1])
    ridge = errors.number("ridge", ridge, 0.0)
    tolerance = errors.share("tolerance", tolerance)
    max_iterations = errors.whole("max_iterations", max_iterations)
    teacher = None if teacher is None else errors.real("teacher", teacher)
    if teacher is not None and np.shape(teacher) != X.shape[1:]:
        raise ValueError(f"teacher must have shape {X.shape[1:]}, got {np.shape(teacher)}")
    check_sample_size(X.shape[0] / X.shape[1], ridge)
    slope = checked_start(start, sqrt_k)
    messages = Messages(X, y, sqrt_k, slope, ridge)
    rows = []
    for _ in range(max_iterations):
        messages.step()
        error = np.nan if teacher is None else np.mean(np.square(messages.beta - teacher))
        rows.append((messages.s2, messages.theta, messages.residual, error))
        if messages.residual <= tolerance or not messages.residual < _DIVERGED:
            break
    return _finished(messages, np.array(rows).reshape(-1, 4), teacher is not None, tolerance)


class Messages:
    """The state of the iteration; `step` advances it, with theta to relative `accuracy`.

    With a start, of which `slope` is q_k'(beta_0), the denoiser is that of h + theta slope: in its
    dual coordinate h = half sinh(u) + theta (u / 2 - slope).
    """

    def __init__(self, X, y, sqrt_k, slope, ridge=0.0, accuracy=1e-13):
        self.X, self.y, self.half, self.accuracy = X, y, sqrt_k / 2.0, accuracy
        self.start = slope
        self.alpha = X.shape[0] / X.shape[1]
        # squared norm of a column, by which X^T is divided; ridge in units in which it is alpha
        self.norm2 = np.vdot(X, X) / X.shape[1] or 1.0
        self.ridge = ridge * self.alpha / self.norm2
        self.size = np.linalg.norm(y) or 1.0
        self.beta = np.broadcast_to(self.half * np.sinh(2.0 * slope), X.shape[1])
        self.z = y - X @ self.beta
        self.residual, self.s2 = np.inf, self._noise()
        scale = np.hypot(np.mean(sqrt_k), np.sqrt(self.s2))
        self.theta = scale * max(1.0 / self.alpha - 1.0, 0.0) + self.ridge / self.alpha

    def _noise(self):
        return np.vdot(self.z, self.z) / (len(self.y) * self.norm2)

    @property
    def nu(self):
        """Multiplier of the constraints."""
        return self.z / (self.theta * self.norm2)

    def step(self):
        """Update theta, beta and z."""
        h = self.beta + self.X.T @ self.z / self.norm2
        self.s2 = self._noise()
        self.theta = solve_theta(
            lambda theta: self._slope(h, theta),
            self.alpha,
            self.ridge,
            self.theta,
            self.accuracy,
        )
        self.beta = self.half * np.sinh(self._dual(h, self.theta))
        change = self.y - self.X @ self.beta - (self.ridge / (self.theta * self.alpha)) * self.z
        self.z = self.z + change
        self.residual = np.linalg.norm(change) / self.size

    def _dual(self, h, theta):
        return signed_dual_denoiser(h + theta * self.start, self.half, theta / 2.0)

    def _slope(self, h, theta):
        """Return the mean slope at h, 1 minus it, and its derivative by theta."""
        b = theta / 2.0
        u = self._dual(h, theta)
        sinh, cosh = self.half * np.sinh(u), self.half * np.cosh(u)
        rise = cosh + b
        return (
            np.mean(cosh / rise),
            np.mean(b / rise),
            -0.5 * np.mean((b / rise * sinh / rise * (u - 2.0 * self.start) + cosh / rise) / rise),
        )


def _finished(messages, rows, has_error, tolerance):
    """Return the `MessagePassing`, or raise if it has not converged."""
    s2, theta, residual, error = rows.T
    converged = messages.residual <= tolerance
    status = (
        f"{'converged' if converged else 'not converged'}: relative residual "
        f"{messages.residual:.1e} after {len(rows)} iterations"
    )
    result = MessagePassing(
        beta=messages.beta,
        nu=messages.nu,
        s2=s2,
        theta=theta,
        residual=residual,
        error=error if has_error else None,
        status=status,
    )
    if not converged:
        raise ConvergenceError(f"{status}; tolerance {tolerance:g}", result)
    return result
