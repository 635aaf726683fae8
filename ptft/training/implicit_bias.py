"""The interpolator that gradient flow selects: the minimiser of Q_k (Theorem 4.1, equation (11)).

Stationarity asks for q_k'(beta) = X^T nu with a multiplier nu of the constraints X beta = y, so

    beta = (sqrt(k) / 2) sinh(2 u),    u = X^T nu,

and nu maximises the concave dual function nu . y - sum_d (sqrt(k_d) / 4) (cosh(2 u_d) - 1).
Newton's method on it converges from anywhere if the step is damped, but needs a step for each
factor e by which a coordinate sinks towards sqrt(k). Two ways lead to a start from which a few
steps do. Following the solution down from a large k works for any X: as long as beta hardly
changes, u is a linear function of log sqrt(k), and easily predicted. For large X with independent
entries, approximate message passing needs only products with X.

Fine-tuning that starts from coefficients beta_0, not from a reset readout, ends where the Bregman
divergence of Q_k from beta_0 is least: q_k'(beta) - q_k'(beta_0) = X^T nu, so u = X^T nu + u_0.

The Cholesky factor of one step preconditions conjugate gradients in the next: few are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.penalty import penalty, penalty_gradient
from ..values import Value
from .message_passing import Messages, approximate_message_passing
from .problem import checked_data, checked_scale, checked_start, well_conditioned

__all__ = ["ImplicitBias", "implicit_bias"]

_FACTOR = 100.0  # by which the path lowers sqrt(k)
_LOOSE = 0.2  # relative residual at which it goes on
_MAX_STEPS = 100  # of Newton's method, at one sqrt(k)
_ROUNDING = 1e-13  # relative residual from which a step without progress is the last
_PATIENCE = 8  # steps without progress before that
_LARGE = 500_000  # size of X from which message passing is tried first
_NEAR = 0.1  # relative residual at which Newton's method takes over from it
_SPREAD = 10.0  # binary orders of magnitude that rows or columns may differ by as they are
_OPTIMAL = 1e-7  # deviation from optimality up to which a result counts as converged
_SMALL_SYSTEM = 200  # samples up to which a factorisation costs less than conjugate gradients
_MAX_GRADIENTS = 10  # before a new factorisation is the better bargain


@dataclass(frozen=True, eq=False)
class ImplicitBias(Value):
    """The minimiser of Q_k among the interpolators, and how far to trust it.

    Parameters
    ----------
    beta : array, shape (n_dims,)
        The minimiser.
    nu : array, shape (n_samples,)
        Multiplier of the constraints: q_k'(beta) - q_k'(start) = X^T nu.
    residual : float
        ||X beta - y|| / ||y||.
    row_residual : float
        The largest |X beta - y| of a row, relative to that row's own |X| |beta| + |y|.
    optimality : float
        Largest |q_k'(beta) - q_k'(start) - X^T nu| of a coordinate, relative to its own
        |X|^T |nu| + |q_k'(start)|.
    gap : float
        |nu . (y - X beta)| / Q_k(beta): Q_k(beta) minus the dual function, relatively.
    iterations : int
        Of message passing, plus linear systems solved by Newton's method.
    method : str
        What found it.
    status : str
        One sentence.
    """

    beta: np.ndarray
    nu: np.ndarray
    residual: float
    row_residual: float
    optimality: float
    gap: float
    iterations: int
    method: str
    status: str


def implicit_bias(
    X: ArrayLike,
    y: ArrayLike,
    sqrt_k: ArrayLike,
    *,
    start: ArrayLike | None = None,
    method: str = "auto",
    tolerance: float = 1e-10,
) -> ImplicitBias:
    """Return the coefficients that gradient flow finds: argmin Q_k(beta) with X beta = y.

    Equation (11) of Theorem 4.1.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs. Dependent rows are allowed if the labels agree.
    y : array, shape (n_samples,)
        Labels, which some beta has to fit.
    sqrt_k : float or array, shape (n_dims,)
        Square root of the penalty parameter, `sqrt_k(beta_pt, init)`; larger than 0.
    start : array, shape (n_dims,), optional
        Coefficients beta_0 that the weights compute before training, where the readout is not
        reset. The minimum is then of the Bregman divergence Q_k(beta) - Q_k(beta_0) -
        Q_k'(beta_0) (beta - beta_0); `sqrt_k` is that of the weights, 2 c after pretraining.
    method : {"auto", "newton", "message passing"}
        Newton's method along decreasing k, or message passing alone, which converges for large X
        with independent entries only. "auto" is Newton's method, for large X from a start that
        message passing provides if it can.
    tolerance : float
        On ||X beta - y|| / ||y||, and on each row relative to its own terms; in (0, 1). Newton's
        method returns beta at rounding level.

    Returns
    -------
    ImplicitBias

    Raises
    ------
    ValueError
        For an argument outside its range, or labels that no beta fits.
    ConvergenceError
        If the residual stays above the tolerance; its `partial` is the result so far.

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
    sqrt_k = checked_scale(sqrt_k, X.shape[1])
    tolerance = errors.share("tolerance", tolerance)
    errors.choice("method", method, ("auto", "newton", "message passing"))
    slope = checked_start(start, sqrt_k)
    if method == "message passing":
        return _by_messages(X, y, sqrt_k, start, slope, tolerance)
    scale = _row_scale(X)
    X, y = X * scale[:, None], y * scale
    found = None
    if method == "auto" and X.size >= _LARGE and len(y) < X.shape[1] and y.any():
        found = _newton_from_messages(X, y, sqrt_k, slope)
    beta, nu, iterations, found_by = found or _newton(X, y, sqrt_k, slope)
    return _result(X, y, sqrt_k, slope, beta, nu, iterations, found_by, tolerance, scale)


def _row_scale(X):
    """Return powers of two that make rows of very different size alike; ones for all others.

    Ruiz's equilibration, in logarithms: rows and columns are divided in turn by the square roots of
    their largest entries. Columns are only measured here, as the penalty gives each its meaning.
    """
    with np.errstate(divide="ignore"):
        size = np.log2(np.abs(X))
    ones, spread = np.ones(len(X)), 0.0
    for axis in (0, 1):
        largest = size.max(axis=axis)
        largest = largest[np.isfinite(largest)]
        spread = max(spread, np.ptp(largest) if largest.size else 0.0)
    if spread < _SPREAD:
        return ones
    rows = np.zeros(len(X))
    for _ in range(60):
        for axis in (1, 0):
            half = size.max(axis=axis, keepdims=True) / 2.0
            half = np.where(np.isfinite(half), half, 0.0)
            size = size - half
            rows = rows - half[:, 0] if axis == 1 else rows
    return np.exp2(np.clip(np.round(rows), -1000.0, 1000.0))


def _by_messages(X, y, sqrt_k, start, slope, tolerance):
    try:
        run = approximate_message_passing(X, y, sqrt_k, start=start, tolerance=tolerance)
    except ConvergenceError as error:
        run = error.partial
    found = run.beta, run.nu, len(run.residual), "message passing"
    return _result(X, y, sqrt_k, slope, *found, tolerance)


def _newton_from_messages(X, y, sqrt_k, slope):
    """Return beta, nu, iterations and method; None if message passing leads nowhere."""
    messages, last = Messages(X, y, sqrt_k, slope, accuracy=1e-3), np.inf
    path = _Path(X, y, sqrt_k, slope)
    for n in range(10, 300, 10):
        with np.errstate(all="ignore"):  # it diverges for some X, and is given up below
            for _ in range(10):
                before = messages.nu
                messages.step()
        # A coordinate whose steps overshoot takes turns at two values, the solution between them.
        if path.start_at((before + messages.nu) / 2.0) < _NEAR:
            if path.correct(sqrt_k, 0.0) > 1e-9:
                return None
            return path.beta(sqrt_k), path.nu, n + path.steps, "message passing and Newton"
        if not messages.residual < last:
            return None
        last = 2.0 * messages.residual
    return None


def _newton(X, y, sqrt_k, slope):
    """Return beta, nu, iterations and method."""
    if not y.any() and not slope.any():
        return np.zeros(X.shape[1]), np.zeros(len(y)), 0, "zero labels"
    rows, labels, multiplier = _independent_rows(X, y)
    if len(rows) == X.shape[1]:
        beta = np.linalg.solve(rows, labels)
        nu = np.linalg.solve(rows.T, penalty_gradient(beta, sqrt_k) - slope)
        return beta, multiplier(nu), 0, "linear system"
    path = _Path(rows, labels, sqrt_k, slope)
    try:
        path.follow()
        beta = path.polished()
    except scipy.linalg.LinAlgError:  # sizes too far apart to factorise: judged as it stands
        beta = path.beta(sqrt_k)
    return beta, multiplier(path.nu), path.steps, "Newton"


def _independent_rows(X, y):
    """Return rows, labels and multiplier: rows beta = labels has the solutions of X beta = y.

    The rows are independent; multiplier(nu) returns X's multiplier for theirs.
    """
    norms = np.linalg.norm(X, axis=0)
    norms[norms == 0.0] = 1.0
    if len(y) <= X.shape[1] and well_conditioned(X / norms):
        return X, y, lambda nu: nu
    # With (X / norms)^T P = Q R the constraints are R^T (Q^T (norms beta)) = P^T y.
    q, r, order = scipy.linalg.qr((X / norms).T, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    rank = int(np.sum(size > max(X.shape) * np.finfo(float).eps * size[0]))
    triangle, chosen = r[:rank, :rank], order[:rank]
    # scipy 1.13 cannot solve the empty system that an X of zeros leaves
    labels = scipy.linalg.solve_triangular(triangle, y[chosen], trans="T") if rank else np.empty(0)
    misfit = np.linalg.norm(y[order] - r[:rank].T @ labels) / np.linalg.norm(y)
    if misfit > 1e-9:
        raise ValueError(
            f"y must be X beta for some beta, got labels of which a part of relative size "
            f"{misfit:.1e} contradicts the rest (X has rank {rank} and shape {X.shape})"
        )

    def multiplier(nu):
        result = np.zeros(len(y))
        result[chosen] = scipy.linalg.solve_triangular(triangle, nu)
        return result

    return q[:, :rank].T * norms, labels, multiplier


class _Path:
    """Newton's method on the dual function, also along decreasing sqrt(k); rows of full rank.

    u = rows^T nu + slope is carried along, not recomputed: where sqrt(k) is large, beta needs it to
    more digits than nu can give.
    """

    def __init__(self, rows, labels, sqrt_k, slope):
        self.rows, self.labels, self.sqrt_k, self.slope = rows, labels, sqrt_k, slope
        self.nu, self.u = np.zeros(len(labels)), slope
        self.size = max(np.linalg.norm(labels), np.linalg.norm(rows @ self.beta(sqrt_k)))
        self.systems = _Systems(rows)

    @property
    def steps(self):
        """Number of linear systems solved."""
        return self.systems.solved

    def beta(self, scale):
        """Return the primal variable for sqrt(k) = scale."""
        return scale / 2.0 * np.sinh(2.0 * self.u)

    def polished(self):
        """Return beta at the end of the path, large coefficients corrected by what is missing.

        With fewer large coefficients than labels, the tiny ones carry the labels' own rounding
        errors, and the dual function cannot tell how well the large ones fit. To first order they
        are corrected without it; u follows to the square of a relative change.
        """
        beta = self.beta(self.sqrt_k)
        missing = self.labels - self.rows @ beta
        if np.linalg.norm(missing / self.size) <= _ROUNDING:
            return beta
        weight = np.hypot(self.sqrt_k, 2.0 * beta)
        change = weight * self.systems.solve(weight, missing, 1e-10)[1]
        better = beta + np.where(np.abs(change) < 1e-6 * np.abs(beta), change, 0.0)
        left = self.labels - self.rows @ better
        fits = np.linalg.norm(left / self.size) < np.linalg.norm(missing / self.size)
        return better if fits else beta

    def start_at(self, nu):
        """Move to nu; return the relative residual there."""
        self.nu, self.u = nu, self.rows.T @ nu + self.slope
        if np.abs(self.u).max() > 150.0:
            return np.inf
        return np.linalg.norm((self.rows @ self.beta(self.sqrt_k) - self.labels) / self.size)

    def follow(self):
        """Go from a large sqrt(k), where beta is linear in nu, to the wanted one."""
        if self.slope.any():  # that is near beta_0 at the wanted one only: from there
            return self._follow_labels()
        level = self._highest_level()
        scale = np.maximum(self.sqrt_k, level)
        while np.any(scale > self.sqrt_k):
            self.correct(scale, _LOOSE)
            level = level / _FACTOR
            target = np.maximum(self.sqrt_k, level)
            self._predict(scale, target)
            scale = target
        self._finish(scale)

    def _follow_labels(self):
        """Go from the labels that the start fits to the wanted ones."""
        wanted, fitted, share, step = self.labels, self.rows @ self.beta(self.sqrt_k), 0.0, 1.0
        while share < 1.0:
            before, goal = (self.nu, self.u), min(share + step, 1.0)
            self.labels = fitted + goal * (wanted - fitted)
            if self.correct(self.sqrt_k, _LOOSE * step) <= _LOOSE * step or step < 1e-3:
                share, step = goal, 2.0 * step
            else:
                (self.nu, self.u), step = before, step / 4.0
        self.labels = wanted
        self._finish(self.sqrt_k)

    def _finish(self, scale):
        """Correct to rounding, by row where sizes differ."""
        self.correct(scale, 0.0)
        size = np.abs(self.rows) @ np.abs(self.beta(scale)) + np.abs(self.labels)
        if np.any(np.abs(self.labels - self.rows @ self.beta(scale)) > 1e-12 * size):
            # Some rows are small beside others even so: measure each in its own units.
            self.size = np.where(size > 0.0, size, 1.0)
            self.correct(scale, 0.0)

    def _highest_level(self):
        """Return a sqrt(k) at which beta is linear in nu, in units in which columns count alike."""
        norms = np.linalg.norm(self.rows, axis=0)
        unit = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0.0)
        _, u = self.systems.solve(unit, self.labels, 0.1)
        return np.abs(u).max() * unit

    def correct(self, scale, goal):
        """Take Newton steps until the residual is at most `goal`, or at rounding; return it."""
        best, idle = np.inf, 0
        for _ in range(_MAX_STEPS):
            beta = self.beta(scale)
            missing = self.labels - self.rows @ beta
            residual = np.linalg.norm(missing / self.size)
            # far from the solution the residual need not fall: the dual function grows
            idle = 0 if residual > 1e-6 or residual < best / 2.0 else idle + 1
            best = min(best, residual)
            if residual <= goal or (residual < _ROUNDING and idle):
                break
            if idle > _PATIENCE and self.systems.careful:
                break
            if idle > _PATIENCE:
                self.systems.careful, idle = True, 0
            weight, accuracy = np.hypot(scale, 2.0 * beta), np.clip(residual, 1e-10, 0.1)
            nu, u = self.systems.solve(weight, missing, accuracy)
            self._move(nu, u, scale, missing @ nu)
        return residual

    def _predict(self, scale, target):
        """Move along the tangent of the path: rows d(beta) = 0 as log sqrt(k) changes."""
        beta = self.beta(scale)
        change = self.rows @ (beta * np.log(target / scale))
        nu, u = self.systems.solve(np.hypot(scale, 2.0 * beta), -change, 0.1)
        # where beta stays as it is, u changes by half of log(_FACTOR)
        step = 2.0 * np.log(_FACTOR) / max(np.abs(u).max(), 2.0 * np.log(_FACTOR))
        self.nu, self.u = self.nu + step * nu, self.u + step * u

    def _move(self, nu, u, scale, gain):
        """Go along a Newton direction, in which the dual function rises by `gain`, to its top."""
        reach = 2.0 * np.abs(u).max()
        step = 1.0 if reach < 1e-2 else self._line_search(u, gain, scale, 200.0 / reach)
        self.nu, self.u = self.nu + step * nu, self.u + step * u

    def _line_search(self, u, gain, scale, end):
        """Return the step to the maximum, or `end`, up to which nothing overflows."""

        def slope(step):
            # What beta changes by, free of cancellation: where few coefficients are large, the
            # gain in the others is below the rounding errors of beta itself.
            change = scale * np.cosh(2.0 * self.u + step * u) * np.sinh(step * u)
            return np.sum(change * u) - gain

        high = min(1.0, end)
        while slope(high) < 0.0:
            if high == end:
                return end
            high = min(2.0 * high, end)
        if slope(0.0) >= 0.0:  # no direction of ascent: rounding
            return 0.0
        return scipy.optimize.brentq(slope, 0.0, high, xtol=1e-12 * high, rtol=1e-3)


class _Systems:
    """Solves rows diag(weight) rows^T nu = right for weights that change little by little."""

    def __init__(self, rows):
        self.rows, self.triangle, self.solved, self.careful = rows, None, 0, False

    def solve(self, weight, right, accuracy):
        """Return nu and rows^T nu; to relative `accuracy` where conjugate gradients find them."""
        self.solved += 1
        nu = None
        if self.triangle is not None and len(right) > _SMALL_SYSTEM and not self.careful:
            nu = self._conjugate_gradients(weight, right, accuracy)
        if nu is None:
            factor = (self.rows * np.sqrt(weight)).T
            try:
                self._factorise(factor)
            except scipy.linalg.LinAlgError:
                return self._orthogonal_solve(factor, weight, right)
            nu = self._precondition(right)
        return nu, self.rows.T @ nu

    def _factorise(self, factor):
        """Find an upper triangle with triangle^T triangle = factor^T factor."""
        self.triangle = None
        if self.careful:
            raise scipy.linalg.LinAlgError("not accurate enough")
        gram = (factor.T @ factor).T  # in Fortran's order: LAPACK need not copy it
        self.triangle = scipy.linalg.cholesky(gram, overwrite_a=True, check_finite=False)

    def _orthogonal_solve(self, factor, weight, right):
        """Solve by QR, which does not square the condition number.

        With rows in descending order it is accurate row by row, whatever their sizes; and
        weight rows^T nu, not nu, is what has to reproduce the right side.
        """
        order = np.argsort(-np.abs(factor).max(axis=1))
        q, r, pivots = scipy.linalg.qr(factor[order], mode="economic", pivoting=True)
        inner = scipy.linalg.solve_triangular(r, right[pivots], trans="T")
        nu, u = np.empty_like(right), np.empty_like(weight)
        nu[pivots] = scipy.linalg.solve_triangular(r, inner)
        u[order] = q @ inner
        return nu, u / np.sqrt(weight)

    def _precondition(self, right):
        inner = scipy.linalg.solve_triangular(self.triangle, right, trans="T", check_finite=False)
        return scipy.linalg.solve_triangular(self.triangle, inner, check_finite=False)

    def _conjugate_gradients(self, weight, right, accuracy):
        """Return nu, or None if that takes long; preconditioned by the last factorisation."""
        nu, left = np.zeros_like(right), right
        direction = step = self._precondition(left)
        first = size = left @ step
        for _ in range(_MAX_GRADIENTS):
            image = self.rows @ (weight * (self.rows.T @ direction))
            length = size / (direction @ image)
            nu = nu + length * direction
            left = left - length * image
            step = self._precondition(left)
            last, size = size, left @ step
            if size <= accuracy**2 * first:
                return nu
            direction = step + (size / last) * direction
        return None


def _result(X, y, sqrt_k, slope, beta, nu, iterations, method, tolerance, scale=1.0):
    """Return the `ImplicitBias`, or raise if a residual is too large; rows are scaled."""
    u = X.T @ nu + slope
    missing, own = y - X @ beta, np.abs(X) @ np.abs(beta) + np.abs(y)
    labels = y / scale
    residual = float(np.linalg.norm(missing / scale) / (np.linalg.norm(labels) or 1.0))
    row_residual = float(np.max(np.abs(missing) / np.where(own > 0.0, own, 1.0)))
    terms = np.abs(X).T @ np.abs(nu) + np.abs(slope)
    off = np.abs(u - penalty_gradient(beta, sqrt_k))
    optimality = float(np.max(off / np.where(terms > 0.0, terms, 1.0)))
    gap = float(abs(nu @ missing) / (penalty(beta, sqrt_k).sum() or 1.0))
    converged = max(residual, row_residual) <= tolerance and optimality <= _OPTIMAL
    status = (
        f"{'converged' if converged else 'not converged'}: relative residual {residual:.1e}, by "
        f"row at most {row_residual:.1e}, optimality {optimality:.1e} after {iterations} "
        f"iterations ({method})"
    )
    result = ImplicitBias(
        beta, nu * scale, residual, row_residual, optimality, gap, iterations, method, status
    )
    if not converged:
        raise ConvergenceError(f"{status}; tolerance {tolerance:g}", result)
    return result
