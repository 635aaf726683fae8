"""The interpolator that gradient flow selects: the minimiser of Q_k (Theorem 4.1, equation (11)).

Stationarity asks for q_k'(beta) = X^T nu with a multiplier nu of the constraints X beta = y, so

    beta = (sqrt(k) / 2) sinh(2 u),    u = X^T nu,

and nu maximises the concave dual function nu . y - sum_d (sqrt(k_d) / 4) (cosh(2 u_d) - 1).
Newton's method on it converges from anywhere if the step is damped, but needs a step for each
factor e by which a coordinate sinks towards sqrt(k). Following the solution down from a large k is
faster: as long as beta hardly changes, u is a linear function of log sqrt(k), and easily predicted.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

from . import errors
from .dynamics import checked_data
from .errors import ConvergenceError
from .penalty import penalty

__all__ = ["ImplicitBias", "implicit_bias"]

_FACTOR = 100.0  # by which the path lowers sqrt(k)
_LOOSE = 0.2  # relative residual at which it goes on
_MAX_STEPS = 100  # at one sqrt(k)


@dataclass(frozen=True)
class ImplicitBias:
    """The minimiser of Q_k among the interpolators, and how far to trust it.

    Parameters
    ----------
    beta : array, shape (n_dims,)
        The minimiser.
    nu : array, shape (n_samples,)
        Multiplier of the constraints: q_k'(beta) = X^T nu.
    residual : float
        ||X beta - y|| / ||y||.
    optimality : float
        Largest |q_k'(beta) - X^T nu|, relative to the largest |X^T nu|.
    gap : float
        Duality gap |nu . (y - X beta)| / Q_k(beta): how far Q_k(beta) can be from its minimum.
    iterations : int
        Of the method.
    method : str
        What found it.
    status : str
        One sentence.
    """

    beta: np.ndarray
    nu: np.ndarray
    residual: float
    optimality: float
    gap: float
    iterations: int
    method: str
    status: str


def implicit_bias(X, y, sqrt_k, *, tolerance=1e-10):
    """Return the coefficients that gradient flow finds: argmin Q_k(beta) with X beta = y.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs. Dependent rows are allowed if the labels agree.
    y : array, shape (n_samples,)
        Labels, which some beta has to fit.
    sqrt_k : float or array, shape (n_dims,)
        Square root of the penalty parameter, `sqrt_k(beta_pt, init)`; larger than 0.
    tolerance : float
        On ||X beta - y|| / ||y||; larger than 0. What is returned is usually at rounding level.

    Returns
    -------
    ImplicitBias

    Raises
    ------
    ValueError
        For an argument outside its range, or labels that no beta fits.
    ConvergenceError
        If the residual stays above the tolerance; its `partial` is the `ImplicitBias` so far.

    Examples
    --------
    >>> import numpy as np
    >>> from ptft import implicit_bias
    >>> X = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    >>> sparse = implicit_bias(X, [2.0, 1.0], 1e-9)
    >>> sparse.beta.round(6) + 0.0
    array([0., 1., 0.])
    """
    X, y = checked_data(X, y)
    sqrt_k = _checked_scale(sqrt_k, X.shape[1])
    tolerance = errors.number("tolerance", tolerance, 0.0, open_low=True)
    back, rows, labels = _independent_rows(X, y)
    if not y.any():
        return _result(X, y, sqrt_k, np.zeros(X.shape[1]), 0.0 * y, 0, "zero", tolerance)
    if len(rows) == X.shape[1]:
        beta = np.linalg.solve(rows, labels)
        multiplier = np.linalg.solve(rows.T, np.arcsinh(2.0 * beta / sqrt_k) / 2.0)
        return _result(X, y, sqrt_k, beta, back @ multiplier, 0, "linear system", tolerance)
    beta, multiplier, steps = _Path(rows, labels, sqrt_k).follow()
    return _result(X, y, sqrt_k, beta, back @ multiplier, steps, "newton", tolerance)


def _checked_scale(sqrt_k, n_dims):
    sqrt_k = errors.positive("sqrt_k", sqrt_k)
    if np.shape(sqrt_k) not in ((), (1,), (n_dims,)):
        raise ValueError(
            f"sqrt_k must be a number or of shape ({n_dims},), got shape {np.shape(sqrt_k)}"
        )
    return np.broadcast_to(sqrt_k, (n_dims,))


def _independent_rows(X, y):
    """Return back, rows, labels: orthonormal rows, rows = back^T X, with the same solutions.

    With X^T P = Q R the constraints are R^T Q^T beta = P^T y.
    """
    q, r, order = scipy.linalg.qr(X.T, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    rank = int(np.sum(size > max(X.shape) * np.finfo(float).eps * size[0]))
    back = np.zeros((len(y), rank))
    head = r[:rank, :rank]
    back[order[:rank]] = scipy.linalg.solve_triangular(head, np.eye(rank))
    labels = back.T @ y
    misfit = np.linalg.norm(y[order] - r[:rank].T @ labels)
    if misfit > 1e-9 * np.linalg.norm(y):
        raise ValueError(
            f"y must be X beta for some beta, got labels of which a part of relative size "
            f"{misfit / np.linalg.norm(y):.1e} contradicts the rest (rank of X: {rank}, "
            f"shape {X.shape})"
        )
    return back, q[:, :rank].T, labels


class _Path:
    """Newton's method along decreasing sqrt(k), with orthonormal rows of full rank."""

    def __init__(self, rows, labels, sqrt_k):
        self.rows, self.labels, self.sqrt_k = rows, labels, sqrt_k
        self.size = np.linalg.norm(labels)
        self.nu, self.u = np.zeros(len(labels)), np.zeros(len(sqrt_k))
        self.steps = 0

    def follow(self):
        """Return beta, the multiplier and the number of linear systems solved."""
        level = 10.0 * np.abs(self.rows.T @ self.labels).max()
        while True:
            scale = np.maximum(self.sqrt_k, level)
            last = np.all(scale == self.sqrt_k)
            self._correct(scale, 0.0 if last else _LOOSE)
            if last:
                return self._beta(scale), self.nu, self.steps
            level /= _FACTOR
            self._predict(scale, np.maximum(self.sqrt_k, level))

    def _beta(self, scale):
        return scale / 2.0 * np.sinh(2.0 * self.u)

    def _correct(self, scale, goal):
        """Take Newton steps until the residual is at most `goal`, or at rounding level."""
        best = np.inf
        for _ in range(_MAX_STEPS):
            beta = self._beta(scale)
            missing = self.labels - self.rows @ beta
            residual = np.linalg.norm(missing) / self.size
            if residual <= goal or (residual < 1e-9 and residual > best / 4.0):
                break
            best = min(best, residual)
            self._move(self._solve(scale, beta, missing), scale)

    def _predict(self, scale, target):
        """Move along the tangent of the path, on which beta + W u' = const in log sqrt(k)."""
        beta = self._beta(scale)
        change = beta * np.log(target / scale)
        nu = self._solve(scale, beta, -self.rows @ change)
        self.nu += nu
        self.u += self.rows.T @ nu

    def _solve(self, scale, beta, right):
        """Solve rows W rows^T x = right, W = sqrt(k + 4 beta^2)."""
        self.steps += 1
        root = np.sqrt(np.hypot(scale, 2.0 * beta))
        weighted = self.rows * root
        gram = weighted @ weighted.T
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", scipy.linalg.LinAlgWarning)
                return scipy.linalg.solve(gram, right, assume_a="pos")
        except (scipy.linalg.LinAlgError, scipy.linalg.LinAlgWarning):
            return _solve_by_factor(weighted.T, right)

    def _move(self, nu, scale):
        """Go along a Newton direction to the maximum of the dual function."""
        u = self.rows.T @ nu
        reach = 2.0 * np.abs(u).max()
        step = 1.0 if reach < 1e-2 else self._line_search(u, self.labels @ nu, scale, reach)
        self.nu += step * nu
        self.u += step * u

    def _line_search(self, u, gain, scale, reach):
        def slope(step):
            return np.sum(scale / 2.0 * np.sinh(2.0 * (self.u + step * u)) * u) - gain

        # cosh''' <= 2 cosh'': this step cannot pass the maximum, and nothing overflows below `end`
        safe, end = np.log1p(reach) / reach, 500.0 / reach
        high = min(max(1.0, safe), end)
        while high < end and slope(high) < 0.0:
            high = min(2.0 * high, end)
        if slope(high) < 0.0:
            return high
        return scipy.optimize.brentq(slope, 0.0, high, xtol=1e-12 * high, rtol=1e-3)


def _solve_by_factor(factor, right):
    """Solve factor^T factor x = right without forming the product."""
    # rows in descending order: then QR is accurate row by row, whatever their sizes
    order = np.argsort(-np.linalg.norm(factor, axis=1))
    r, pivots = scipy.linalg.qr(factor[order], mode="r", pivoting=True)
    r = r[: len(right)]
    inner = scipy.linalg.solve_triangular(r, right[pivots], trans="T")
    x = np.empty_like(right)
    x[pivots] = scipy.linalg.solve_triangular(r, inner)
    return x


def _result(X, y, sqrt_k, beta, nu, iterations, method, tolerance):
    """Return the `ImplicitBias`, or raise if the residual is too large."""
    u, slope = X.T @ nu, np.arcsinh(2.0 * beta / sqrt_k) / 2.0
    missing = y - X @ beta
    residual = float(np.linalg.norm(missing) / (np.linalg.norm(y) or 1.0))
    optimality = float(np.abs(u - slope).max() / (np.abs(u).max() or 1.0))
    gap = float(abs(nu @ missing) / (penalty(beta, sqrt_k).sum() or 1.0))
    converged = residual <= tolerance
    status = (
        f"{'converged' if converged else 'not converged'}: relative residual {residual:.1e}, "
        f"optimality {optimality:.1e} after {iterations} iterations ({method})"
    )
    result = ImplicitBias(beta, nu, residual, optimality, gap, iterations, method, status)
    if not converged:
        raise ConvergenceError(f"{status}; tolerance {tolerance:g}", result)
    return result
