"""Gradient flow of pretraining and fine-tuning (Section 3, Appendix B.1).

The loss is L = ||y - X beta||^2 / 2; dividing it by the number of samples divides the speed of the
flow, and changes nothing else. With g = X^T (y - X beta) the flow of the four weight vectors is

    dw+/dt = v+ g,    dv+/dt = w+ g,    dw-/dt = -v- g,    dv-/dt = -w- g.

So w+ + v+ and w- - v- grow as e^s where ds/dt = g, and w+ - v+ and w- + v- fall as e^-s. Hence

    beta = (sqrt(k) / 2) sinh(2 s + u0),    s = X^T nu,    d nu/dt = y - X beta,

an equation for as many unknowns as there are samples, in the dual variable nu. sqrt(k) and u0
follow from the initial weights; when both pathways start alike, sqrt(k) = 2 (w^2 + v^2), u0 = 0.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.network import Initialization, Weights, conserved_quantities, initial_weights
from ..values import Value
from .problem import checked_data, well_conditioned

__all__ = ["Flow", "fine_tune", "pretrain"]


# Older scipy keeps the state of LSODA in one place: integrations in threads take turns.
_INTEGRATOR = threading.Lock()
_PATIENCE = 500  # steps without progress, near the end, that rounding errors are allowed
_LABOUR = 200  # steps in which neither time doubles nor the residual halves


@dataclass(frozen=True, eq=False)
class Flow(Value):
    """Where gradient flow ends, and how far to trust it.

    Parameters
    ----------
    weights : Weights
        At the end; arrays of shape (n_dims,).
    beta : array, shape (n_dims,)
        The linear map that they make.
    nu : array, shape (n_samples,)
        The dual variable, the integral of y - X beta over time (of its part in the column space of
        X, if the labels are inconsistent); None in the coordinates "weights".
    residual : float
        ||y - X beta|| / ||y||, for that part of y.
    time : float
        At which the integration ended, for the loss ||y - X beta||^2 / 2.
    drift : float
        Largest change of a conserved quantity, relative to the coordinate's squared weights.
    trajectory : Weights
        At the requested times, or where the integration ended before; arrays of shape
        (n_times, n_dims). Its `beta` is the path.
    n_steps, n_evaluations : int
        Of the integrator.
    status : str
        One sentence.
    """

    weights: Weights
    beta: np.ndarray
    nu: np.ndarray | None
    residual: float
    time: float
    drift: float
    trajectory: Weights
    n_steps: int
    n_evaluations: int
    status: str


def pretrain(X: ArrayLike, y: ArrayLike, init: Initialization, **options: Any) -> Flow:
    """Integrate the gradient flow of pretraining, from scratch to convergence.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs.
    y : array, shape (n_samples,)
        Labels.
    init : Initialization
        Of numbers or of arrays of shape (n_dims,).
    **options
        As in `fine_tune`.

    Returns
    -------
    Flow
    """
    X, y = checked_data(X, y)
    start = initial_weights(init)
    shape = np.shape(start.w_plus)
    if shape not in ((), (1,), X.shape[1:]):
        raise ValueError(
            f"init must hold numbers or arrays of shape {X.shape[1:]}, got shape {shape}"
        )
    return fine_tune(X, y, start, **options)


def fine_tune(
    X: ArrayLike,
    y: ArrayLike,
    weights: Weights,
    *,
    coordinates: str = "dual",
    tolerance: float = 1e-12,
    times: ArrayLike = (),
    rtol: float = 1e-11,
    max_steps: int = 200_000,
) -> Flow:
    """Integrate gradient flow from given weights to convergence.

    Parameters
    ----------
    X : array, shape (n_samples, n_dims)
        Inputs.
    y : array, shape (n_samples,)
        Labels. Where no beta fits them, the flow ends at a least-squares solution.
    weights : Weights
        Where the flow starts, of numbers or arrays of shape (n_dims,). For fine-tuning,
        `rebalance(pretrained.weights, gamma_ft)`.
    coordinates : {"dual", "weights"}
        Integrate the dual variable, in which the conservation laws hold by construction, or the
        four weight vectors, as a check: slower, and less accurate where sqrt(k) >> |beta|.
    tolerance : float
        On ||y - X beta|| / ||y||; larger than 0. Below 1e-14 rounding may prevent it.
    times : sequence of float
        When to record the weights; ascending, at least 0.
    rtol : float
        Relative tolerance of the integrator, LSODA with exact Jacobians; in [1e-13, 1e-3].
    max_steps : int
        After which the integration is given up.

    Returns
    -------
    Flow

    Raises
    ------
    ValueError
        For an argument outside its range, or weights that cannot move.
    ConvergenceError
        If the residual stays above the tolerance; its `partial` is the `Flow` so far.

    Examples
    --------
    >>> import numpy as np
    >>> from ptft import Initialization, fine_tune, pretrain, rebalance
    >>> X = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    >>> pretrained = pretrain(X, [1.0, 1.0], Initialization(1e-3, 0.0))
    >>> tuned = fine_tune(X, [1.0, 0.0], rebalance(pretrained.weights, 0.0))
    >>> bool(np.allclose(X @ tuned.beta, [1.0, 0.0], atol=1e-11))
    True
    """
    X, y = checked_data(X, y)
    errors.choice("coordinates", coordinates, _COORDINATES)
    tolerance = errors.share("tolerance", tolerance)
    rtol = errors.number("rtol", rtol, 1e-13, 1e-3)
    max_steps = errors.whole("max_steps", max_steps)
    times = _checked_times(times)
    # inputs of size 1: time and nu change their units
    unit = errors.number("the largest |X|", np.abs(X).max() or 1.0, 1e-100, 1e100)
    basis, rows, labels = _compress(X / unit, y / unit)
    system = _COORDINATES[coordinates](rows, labels, _checked_weights(weights, X.shape[1]))
    with _INTEGRATOR:
        run = _Run(system, times * unit**2, rtol)
        run.follow(tolerance, max_steps)
    return _flow(run, basis / unit, run.t / unit**2, tolerance)


def _checked_times(times):
    times = np.atleast_1d(errors.real("times", times, 0.0))
    if times.ndim != 1 or np.any(np.diff(times) < 0.0):
        raise ValueError(f"times must be a 1-d sequence in ascending order, got {times!r}")
    return times


def _checked_weights(weights, n_dims):
    errors.instance("weights", weights, Weights)
    arrays = {f.name: errors.real(f.name, getattr(weights, f.name)) for f in fields(Weights)}
    try:
        start = Weights(*(np.broadcast_to(a, (n_dims,)) for a in arrays.values()))
    except ValueError as error:
        shapes = {name: np.shape(a) for name, a in arrays.items()}
        raise ValueError(f"weights must have shape ({n_dims},), as X says, got {shapes}") from error
    if not np.all(_scale_and_offset(start)[0] > 0.0):
        raise ValueError("weights must not be 0 (w+ = -v+ and w- = v-): gradient flow cannot move")
    return start


def _compress(X, y):
    """Return basis, rows, labels with X = basis rows, labels = basis^T y, basis^T basis = 1.

    The gradient X^T (y - X beta) is rows^T (labels - rows beta): same flow, without the directions
    in which y cannot be fitted.
    """
    if len(y) <= X.shape[1] and well_conditioned(X):
        return np.eye(len(y)), X, y
    left, singular, right = scipy.linalg.svd(X, full_matrices=False)
    keep = singular > max(X.shape) * np.finfo(float).eps * singular[0]
    basis = left[:, keep]
    return basis, singular[keep, None] * right[keep], basis.T @ y


def _scale_and_offset(start):
    """Return sqrt(k) and u0 such that beta = (sqrt(k)/2) sinh(2 s + u0)."""
    rising = np.hypot(start.w_plus + start.v_plus, start.w_minus - start.v_minus)
    falling = np.hypot(start.w_plus - start.v_plus, start.w_minus + start.v_minus)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rising * falling, np.log(rising) - np.log(falling)


class _Dual:
    """The flow of the dual variable nu."""

    def __init__(self, rows, labels, start):
        self.rows, self.labels, self.initial = rows, labels, start
        self.sqrt_k, self.offset = _scale_and_offset(start)
        self.start = np.zeros(len(labels))
        # the size that nu would reach if beta were linear in it, or s = 1
        size = np.linalg.norm(self.residual(self.start)) / (np.linalg.norm(rows) ** 2 or 1.0)
        self.atol = 1e-13 * min(size / self.sqrt_k.max(), 1.0) or 1.0

    def _argument(self, nu):
        # the integrator's trial steps may go far, but must not overflow
        return np.clip(2.0 * (self.rows.T @ nu) + self.offset, -600.0, 600.0)

    def beta(self, nu):
        return self.sqrt_k / 2.0 * np.sinh(self._argument(nu))

    def velocity(self, t, nu):
        return self.labels - self.rows @ self.beta(nu)

    def jacobian(self, t, nu):
        return -(self.rows * (self.sqrt_k * np.cosh(self._argument(nu)))) @ self.rows.T

    def residual(self, nu):
        return self.velocity(None, nu)

    def noise(self, nu):
        """Return how far the velocity's rounding errors move nu, and the flow's shortest time."""
        rates = scipy.linalg.eigvalsh(-self.jacobian(None, nu))
        error = np.finfo(float).eps * np.abs(self.labels).max()
        return error / max(rates[0], np.finfo(float).tiny), 1.0 / rates[-1]

    def weights(self, nu):
        """Return the weights after s = X^T nu: their sums and differences grow or fall as e^s."""
        w, start = np.exp(self.rows.T @ nu), self.initial
        rise_plus, fall_plus = (start.w_plus + start.v_plus) * w, (start.w_plus - start.v_plus) / w
        rise_minus = (start.w_minus - start.v_minus) * w
        fall_minus = (start.w_minus + start.v_minus) / w
        return Weights(
            w_plus=(rise_plus + fall_plus) / 2.0,
            w_minus=(fall_minus + rise_minus) / 2.0,
            v_plus=(rise_plus - fall_plus) / 2.0,
            v_minus=(fall_minus - rise_minus) / 2.0,
        )

    def nu(self, state):
        return state


class _Plain:
    """The flow of the four weight vectors, stacked as (w+, w-, v+, v-)."""

    def __init__(self, rows, labels, start):
        self.rows, self.labels, self.initial = rows, labels, start
        self.start = np.concatenate([getattr(start, f.name) for f in fields(Weights)])
        self.atol = 1e-14 * np.abs(self.start).max()

    def weights(self, state):
        return Weights(*np.split(state, 4))

    def beta(self, state):
        return self.weights(state).beta

    def residual(self, state):
        return self.labels - self.rows @ self.beta(state)

    def _force(self, state):
        return self.rows.T @ self.residual(state)

    def velocity(self, t, state):
        p, force = self.weights(state), self._force(state)
        return np.concatenate(
            [p.v_plus * force, -p.v_minus * force, p.w_plus * force, -p.w_minus * force]
        )

    def jacobian(self, t, state):
        p, force = self.weights(state), self._force(state)
        # beta's derivative by the state; the velocity is that derivative times the force
        sides = [p.v_plus, -p.v_minus, p.w_plus, -p.w_minus]
        slope = np.hstack([self.rows * side for side in sides])
        result = -slope.T @ slope
        n, index = len(force), np.arange(len(force))
        for a, b, sign in ((0, 2, 1.0), (1, 3, -1.0), (2, 0, 1.0), (3, 1, -1.0)):
            result[a * n + index, b * n + index] += sign * force
        return result

    def nu(self, state):
        return None

    def noise(self, state):
        """Return no noise: this is the check, whose accuracy is as asked for, or not reached."""
        return 0.0, None


_COORDINATES = {"dual": _Dual, "weights": _Plain}


class _Run:
    """An integration: where it is, and the states at the requested times that it has passed."""

    def __init__(self, system, times, rtol):
        self.system, self.times, self.rtol, self.atol = system, times, rtol, system.atol
        self.n_evaluations = 0
        self._start(0.0, system.start, None)
        start = np.linalg.norm(system.residual(system.start))
        self.scale = max(np.linalg.norm(system.labels), start) or 1.0
        self.residual, self.recorded, self.n_steps = start / self.scale, [], 0
        self.best, self.best_step = self.residual, 0
        self.mark = 0, 0.0, self.residual

    @property
    def t(self):
        """The flow's time; the integrator's own starts at 0 whenever it starts."""
        return self.started + self.solver.t

    def _start(self, t, state, first_step):
        self.started = t
        options = {"rtol": self.rtol, "atol": self.atol, "jac": self.system.jacobian}
        self.solver = scipy.integrate.LSODA(
            self.system.velocity, 0.0, state, 1e300, first_step=first_step, **options
        )

    def follow(self, tolerance, max_steps):
        """Step until the residual is small and the last requested time has passed, or give up."""
        with warnings.catch_warnings():
            # of the integrator: its status says the same
            warnings.simplefilter("ignore", UserWarning)
            while not self._finished(tolerance) and self.n_steps < max_steps:
                self._step()
                self._watch()
        self.recorded += [self.solver.y] * (self.times.size - len(self.recorded))

    def _step(self):
        self.solver.step()
        self.n_steps += 1
        state = self.solver.y
        self.residual = float(np.linalg.norm(self.system.residual(state)) / self.scale)
        if self.residual < self.best:
            self.best, self.best_step = self.residual, self.n_steps
        passed = self.times[len(self.recorded) :]
        passed = passed[passed <= self.t]
        if passed.size:
            self.recorded.extend(self.solver.dense_output()(passed - self.started).T)

    def _watch(self):
        """Ease if many steps have neither doubled the time nor halved the residual."""
        step, t, residual = self.mark
        labours = self.n_steps > step + _LABOUR
        if labours:
            self._ease()
        if labours or self.t > 2.0 * t or self.residual < 0.5 * residual:
            self.mark = self.n_steps, self.t, self.residual

    def _ease(self):
        """Go on with a larger tolerance, where the smaller one is below rounding errors."""
        last = self.solver
        noise, first_step = self.system.noise(last.y)
        if 10.0 * self.atol < noise:
            self.atol *= 10.0
            self.n_evaluations += last.nfev
            self._start(self.t, last.y, first_step)
            self.best_step = self.n_steps

    def _finished(self, tolerance):
        if self.residual <= tolerance:
            return self.residual == 0.0 or not np.any(self.times > self.t)
        stuck = self.best < 1e-9 and self.n_steps > self.best_step + _PATIENCE
        return stuck or self.solver.status != "running"


def _flow(run, basis, time, tolerance):
    """Return the `Flow` of an integration, or raise if it has not converged."""
    system, state = run.system, run.solver.y
    nu, weights = system.nu(state), system.weights(state)
    converged = run.residual <= tolerance
    status = (
        f"{'converged' if converged else 'not converged'}: relative residual {run.residual:.1e} "
        f"at time {time:.3g} after {run.n_steps} steps"
    )
    flow = Flow(
        weights=weights,
        beta=system.beta(state),
        nu=None if nu is None else basis @ nu,
        residual=float(run.residual),
        time=float(time),
        drift=_drift(system.initial, weights),
        trajectory=_stacked([system.weights(each) for each in run.recorded], weights),
        n_steps=run.n_steps,
        n_evaluations=run.n_evaluations + run.solver.nfev,
        status=status if converged else f"{status}; tolerance {tolerance:g}",
    )
    if not converged:
        raise ConvergenceError(flow.status, flow)
    return flow


def _drift(start, end):
    """Return the largest relative change of a conserved quantity."""
    size = sum(np.square(getattr(end, f.name)) for f in fields(Weights))
    before, after = conserved_quantities(start), conserved_quantities(end)
    return float(max(np.max(np.abs(after[name] - before[name]) / size) for name in before))


def _stacked(states, like):
    """Return the states' weights as one `Weights` of shape (n_times, n_dims)."""
    shape = (len(states), *like.w_plus.shape)
    return Weights(
        *(
            np.array([getattr(state, f.name) for state in states]).reshape(shape)
            for f in fields(Weights)
        )
    )
