"""The fixed-point equations (19) and (20), solved at many points at once.

Newton's method in (log s^2, log theta), at all points together and without continuation. The
optimisation problem (15) is convex, so the solution is unique: at fixed s^2 the left side of (20)
falls with theta, and along the curve on which (20) holds, (19) changes sign once. Brackets on both
variables, drawn from these two facts, guard the iteration.
"""

from __future__ import annotations

import numpy as np

from ..model.penalty import dual
from .channel import (
    COARSE,
    FINE,
    FINEST,
    STANDARD,
    Expectations,
    HalfLines,
    Moments,
    QuadratureRule,
    expectations,
    moments,
)

__all__ = ["TOLERANCE", "Points", "solve"]

TOLERANCE = 1e-12  # on the relative, undamped residual
_NEWTON_TOLERANCE = 1e-13  # at which the iteration itself stops
_ROUGH = STANDARD._replace(n_nodes=6)  # to one digit: for a start
_NEAR = 3e-4  # at which the coarse search stops
_GOOD = 5e-13  # residual and error of expectation at which no finer rule is tried
_DEEPEST = -600.0  # log s^2, above what underflows
_POINTS = 2000  # that are solved at once
_ON_THE_CURVE = 1e-9  # second residual up to which the first one tells on which side the root is
_STRIDE = 3.0  # longest first Newton step in log s^2; doubled while the direction stays


class Points:
    """Points at which to solve, and the equations there; arrays of shape (n_points,).

    The equations are in x = log s^2 and y = log theta. Residuals are logarithms of quotients that
    should be 1, chosen so that nothing cancels near alpha = 1. With r = gamma_ext / theta and
    gap = 1 - slope, equation (20) is slope + r = alpha, or gap = 1 - alpha + r. For alpha < 1 the
    second residual is the difference of the log odds, nearly linear in y at both ends; else it is
    the second form, r = alpha - 1 + gap. The first residual adds (19) to what (20) and Stein's
    identity E[(x_hat - x)^2] = E[(x_hat - z)^2] + (2 slope - 1) s^2 make of it, (gap + r) s^2 =
    sigma_0^2 + E[(x_hat - z)^2]: where (20) holds both sides of both differ by the same amount,
    small beside alpha or beside gap + r.

    Parameters
    ----------
    lines : HalfLines
        Of all problems.
    problem : array of int
        The problem that each point is of.
    alpha, noise, ridge : array
        Without ridge alpha is less than 1.
    """

    def __init__(
        self,
        lines: HalfLines,
        problem: np.ndarray,
        alpha: np.ndarray,
        noise: np.ndarray,
        ridge: np.ndarray,
    ) -> None:
        self.lines, self.problem = lines, problem
        self.alpha, self.noise, self.ridge = alpha, noise, ridge

    def __getitem__(self, i: np.ndarray) -> Points:
        """Return points i."""
        return Points(self.lines, self.problem[i], self.alpha[i], self.noise[i], self.ridge[i])

    def moments(
        self, s2: np.ndarray, theta: np.ndarray, rule: QuadratureRule = STANDARD
    ) -> Moments:
        """Return the expectations at each point's s^2 and theta, and their derivatives."""
        return moments(self.lines, s2, theta, rule, self.problem)

    def expectations(
        self, s2: np.ndarray, theta: np.ndarray, rule: QuadratureRule = STANDARD
    ) -> Expectations:
        """Return the expectations alone."""
        return expectations(self.lines, s2, theta, rule, self.problem)

    def linearise(
        self, s2: np.ndarray, theta: np.ndarray, m: Moments
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals (2, n) and their Jacobian (2, 2, n) in x and y from the moments `m`."""
        alpha, ridge = self.alpha, self.ridge / theta
        total, left, slope = self.noise + m.error, self.noise + m.shrinkage, m.slope + ridge
        slope_x, slope_y = s2 * m.slope_s2, theta * m.slope_theta
        share, few, rest = m.gap + ridge, alpha < 1.0, np.abs(1.0 - alpha)
        jacobian = [
            [
                s2 * m.error_s2 / total + s2 * m.shrinkage_s2 / left - 2.0 + slope_x / share,
                theta * m.error_theta / total
                + theta * m.shrinkage_theta / left
                + (slope_y + ridge) / share,
            ],
            [
                np.where(few, slope_x / slope + slope_x / m.gap, slope_x / (rest + m.gap)),
                np.where(
                    few,
                    (slope_y - ridge) / slope + slope_y / m.gap - ridge / (rest + ridge),
                    slope_y / (rest + m.gap) - 1.0,
                ),
            ],
        ]
        return self._logarithms(*self._quotients(s2, theta, m)), np.array(jacobian)

    def step(
        self, s2: np.ndarray, theta: np.ndarray, rule: QuadratureRule = STANDARD
    ) -> tuple[Moments, np.ndarray, np.ndarray]:
        """Return the moments, the Newton step (2, n) in x and y, and its Jacobian's inverse."""
        m = self.moments(s2, theta, rule)
        residual, jacobian = self.linearise(s2, theta, m)
        inverse = _inverse(jacobian)
        return m, _newton(inverse, residual), inverse

    def residuals(
        self, s2: np.ndarray, theta: np.ndarray, m: Moments | Expectations
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the residuals of `linearise`, and the largest relative one of both equations.

        That is the largest distance to 1 of a quotient, in both forms of either equation.
        """
        quotients = self._quotients(s2, theta, m)
        largest = np.max(np.abs(np.array(quotients) - 1.0), axis=0)
        return self._logarithms(*quotients), largest

    def _quotients(self, s2, theta, m):
        """Return what should be 1: (19), (19) with Stein's identity, (20), and its second form."""
        ridge, rest, few = self.ridge / theta, np.abs(1.0 - self.alpha), self.alpha < 1.0
        noise = (self.noise + m.error) / (self.alpha * s2)
        left = (self.noise + m.shrinkage) / ((m.gap + ridge) * s2)
        slope = (m.slope + ridge) / self.alpha
        gap = np.where(few, m.gap / (rest + ridge), ridge / (rest + m.gap))
        return noise, left, slope, gap

    def _logarithms(self, noise, left, slope, gap):
        """Return the two residuals, shape (2, n)."""
        second = np.log(np.where(self.alpha < 1.0, slope / gap, gap))
        return np.array([np.log(noise) + np.log(left), second])

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (x, y) near the solution.

        On a ladder of s^2, from that of the estimate 0 down to where even the smallest sqrt(k) acts
        as a ridge, the first residual says between which rungs it has its root.
        """
        scale = np.minimum.reduceat(self.lines.a, self.lines.first[:-1])[self.problem]
        x = self._rungs(scale)
        y = self._log_theta(x, scale)
        rungs = self[np.tile(np.arange(self.alpha.size), len(x))]
        s2, theta = np.exp(x.ravel()), np.exp(y.ravel())
        residual, jacobian = rungs.linearise(s2, theta, rungs.moments(s2, theta, _ROUGH))
        (_, f_y), (_, g_y) = jacobian
        step = -residual[1] / g_y  # to the curve on which (20) holds
        value = (residual[0] + f_y * step).reshape(x.shape)
        longest = 2.0 * _STRIDE
        return _crossing(value, x, y + np.clip(step, -longest, longest).reshape(y.shape))

    def _rungs(self, scale: np.ndarray) -> np.ndarray:
        """Return log s^2 on a ladder from where all is noise down to a penalty's scale, (3, n)."""
        # A half line carries half of its mass.
        moment = 0.5 * self.lines.mass * (self.lines.mean**2 + self.lines.variance)
        moment = np.add.reduceat(moment, self.lines.first[:-1])[self.problem]
        high = np.log((self.noise + moment) / self.alpha)
        with np.errstate(divide="ignore"):
            low = np.logaddexp(2.0 * np.log(2.0 * scale), np.log(self.noise / self.alpha))
        low = np.clip(low, _DEEPEST, high)
        return np.stack([high, (high + low) / 2.0, low])

    def _log_theta(self, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return log theta at which about the share alpha of coordinates pass the denoiser."""
        s, alpha = np.exp(x / 2.0), np.minimum(self.alpha, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            cut = s * _exceeded(alpha / 2.0)
            # A threshold for s far above the scale, a factor of the linear denoiser far below.
            factor = (1.0 / alpha - 1.0) ** (scale / (scale + s))
            theta = 2.0 * cut / dual(cut, 2.0 * scale) * factor
        return np.log(np.where(self.alpha < 1.0, theta, 0.0) + self.ridge / self.alpha)


def _exceeded(p):
    """Return what a normal variable exceeds with probability p <= 1/2, to three digits.

    Abramowitz & Stegun, equation 26.2.23: for a start, without a library to load.
    """
    t = np.sqrt(-2.0 * np.log(p))
    above = 2.515517 + t * (0.802853 + t * 0.010328)
    return np.maximum(t - above / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))), 1e-3)


def _inverse(jacobian):
    """Return the inverses of matrices, shape (2, 2, n)."""
    (f_x, f_y), (g_x, g_y) = jacobian
    return np.array([[g_y, -f_y], [-g_x, f_x]]) / (f_x * g_y - f_y * g_x)


def _newton(inverse, residual):
    """Return the Newton step in x and y, shape (2, n)."""
    return -np.einsum("ijn,jn->in", inverse, residual)


def _crossing(values, x, y):
    """Return x and y where values, rising along the first axis, change their sign, or the end."""
    values = np.nan_to_num(values, nan=np.inf)  # so deep that nothing can be computed
    above = values > 0.0
    last = np.where(above.any(axis=0), above.argmax(axis=0), len(values) - 1)
    point = np.arange(last.size)
    lower, upper = np.maximum(last - 1, 0), last
    left, right = values[lower, point], values[upper, point]
    crosses = (left < 0.0) & (right > 0.0)
    share = np.where(crosses, left / np.where(crosses, left - right, 1.0), 1.0)
    return tuple(v[lower, point] + share * (v[upper, point] - v[lower, point]) for v in (x, y))


def solve(points: Points) -> np.ndarray:
    """Return error, s^2, theta, residual and expectation error, shape (5, n_points)."""
    values = np.empty((5, points.alpha.size))
    # In parts, so that memory does not grow with the number of points.
    for part in np.array_split(np.arange(points.alpha.size), -(-points.alpha.size // _POINTS) or 1):
        # What leaves floating point ends as a residual that is not a number, and raises.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            values[:, part] = _solve(points[part])
    return values


def _solve(points):
    """Solve with few nodes first, end with many: for integrands as smooth as most.

    A rough rule finds where to start and a coarse one the solution to 1e-7; one Newton step more
    doubles the digits. A finer rule, which took no part in it, says how well that went.
    """
    s2, theta = np.exp(_Search(points, *points.start(), 4.0, COARSE, _NEAR).run(40, finish=True))
    values = _confirmed(points, s2, theta, STANDARD, FINE)
    for method in (_finest, _careful, _finest):
        left = _doubt(values) > _GOOD
        if not left.any():
            break
        values[:, left] = _better(values[:, left], method(points[left], *values[1:3, left]))
    return values


def _doubt(values):
    """Return the larger of residual and error of expectation, infinite if one is no number."""
    return np.nan_to_num(np.max(values[3:], axis=0), nan=np.inf)


def _better(some, others):
    """Return those columns of two solutions of which less is in doubt."""
    return np.where(_doubt(some) <= _doubt(others), some, others)


def _finest(points, s2, theta):
    return _confirmed(points, s2, theta, FINE, FINEST)


def _confirmed(points, s2, theta, rule, finer):
    """Take a Newton step, and check where it ends by a finer quadrature rule."""
    m, step, inverse = points.step(s2, theta, rule)
    s2, theta = s2 * np.exp(step[0]), theta * np.exp(step[1])
    fine = points.expectations(s2, theta, finer)
    residual, largest = points.residuals(s2, theta, fine)
    step = _newton(inverse, residual)
    change = s2 * m.error_s2 * step[0] + theta * m.error_theta * step[1]
    distance = np.max(np.abs([change / fine.error, *step]), axis=0)
    return np.stack([fine.error, s2, theta, largest, distance])


def _careful(points, s2, theta):
    """Solve with many nodes, from (s2, theta) or, where these are far off, from the start."""
    x, y = np.log([s2, theta])
    # The second, slower search solves (20) tightly at every s^2: its brackets cannot be wrong.
    for inner, max_steps in ((0.1, 60), (_ON_THE_CURVE, 1000)):
        residual = _outcome(points, np.exp(x), np.exp(y))[1]
        left = ~(residual <= TOLERANCE)  # or no number
        if not left.any():
            break
        lost = ~(residual < 1.0)
        if lost.any():
            x[lost], y[lost] = points[lost].start()
        search = _Search(points[left], x[left], y[left], inner, STANDARD, _NEWTON_TOLERANCE)
        x[left], y[left] = search.run(max_steps)
    s2, theta = _polish(points, np.exp(x), np.exp(y))
    error, residual = _outcome(points, s2, theta)
    return np.stack([error, s2, theta, residual, _distance(points, s2, theta, error)])


def _outcome(points, s2, theta):
    """Return E_gen and the largest relative residual."""
    m = points.expectations(s2, theta, STANDARD)
    return m.error, points.residuals(s2, theta, m)[1]


def _polish(points, s2, theta):
    """Take a last Newton step on s^2 and theta, whose logarithms are less precise than they are."""
    _, steps, _ = points.step(s2, theta, STANDARD)
    longest = 1e-9  # a longer one is no last step
    return tuple(
        value * (1.0 + np.where(np.abs(step) < longest, step, 0.0))
        for value, step in zip((s2, theta), steps, strict=True)
    )


def _distance(points, s2, theta, error):
    """Return how far the solution under the finer quadrature rule is, relatively: a Newton step."""
    m, step, _ = points.step(s2, theta, FINE)
    change = m.error - error + s2 * m.error_s2 * step[0] + theta * m.error_theta * step[1]
    return np.max(np.abs([change / error, *step]), axis=0)


class _Bracket:
    """Intervals that hold the roots of decreasing functions of a logarithm."""

    widest = 1e3  # e^1000 is beyond floating point

    def __init__(self, size):
        self.low, self.high = np.full(size, -self.widest), np.full(size, self.widest)

    def reset(self, i):
        """Forget what is known at points i."""
        self.low[i], self.high[i] = -self.widest, self.widest

    def narrow(self, i, z, value):
        """Note that the functions take `value` at z."""
        positive = value > 0.0
        self.low[i] = np.where(positive, z, self.low[i])
        self.high[i] = np.where(positive, self.high[i], z)

    def confine(self, i, z):
        """Return z, or the middle of the interval where z is outside."""
        low, high = self.low[i], self.high[i]
        return np.where((low < z) & (z < high), z, (low + high) / 2.0)


class _Search:
    """Guarded Newton iteration in (x, y) = (log s^2, log theta), at all points at once.

    While the second residual is larger than `inner`, only y moves: at fixed x that residual falls
    with y. Else both take a Newton step along the curve on which it vanishes; there the first
    residual has one root in x, and its sign says on which side.
    """

    def __init__(self, points, x, y, inner, rule, tolerance):
        self.points, self.x, self.y, self.inner = points, x, y, inner
        self.rule, self.tolerance = rule, tolerance
        self.x_bracket, self.y_bracket = _Bracket(x.size), _Bracket(x.size)
        self.stride = np.full(x.size, _STRIDE)
        self.side = np.zeros(x.size)

    def run(self, max_steps, finish=False):
        """Iterate until every point has converged or `max_steps` are spent; return (x, y).

        With `finish` points that have converged take a last step, by the derivatives at hand.
        """
        live = np.arange(self.x.size)
        for _ in range(max_steps):
            residual, jacobian = self._linearise(live)
            open_ = np.abs(residual).max(axis=0) > self.tolerance
            if finish and not open_.all():
                self._finish(*_at(~open_, live, residual, jacobian))
            if not open_.any():
                break
            live, residual, jacobian = _at(open_, live, residual, jacobian)
            near = np.abs(residual[1]) < self.inner
            if not near.all():
                i, residuals, jacobians = _at(~near, live, residual, jacobian)
                self._step_y(i, residuals[1], jacobians[1, 1])
            if near.any():
                self._step_both(*_at(near, live, residual, jacobian))
        return self.x, self.y

    def _linearise(self, i):
        points, s2, theta = self.points[i], np.exp(self.x[i]), np.exp(self.y[i])
        return points.linearise(s2, theta, points.moments(s2, theta, self.rule))

    def _finish(self, i, residual, jacobian):
        step = _newton(_inverse(jacobian), residual)
        self.x[i] += step[0]
        self.y[i] += step[1]

    def _step_y(self, i, residual, derivative):
        self.y_bracket.narrow(i, self.y[i], residual)
        step = _newton_step(residual, derivative, 2.0 * _STRIDE)
        self.y[i] = self.y_bracket.confine(i, self.y[i] + step)

    def _step_both(self, i, residual, jacobian):
        (f_x, f_y), (g_x, g_y) = jacobian
        # The first residual on the curve, to first order, and its derivative along the curve.
        value = residual[0] - f_y / g_y * residual[1]
        derivative = f_x - f_y * g_x / g_y
        # Off the curve second-order terms may change the sign: a bracket could lose the root.
        if self.inner <= _ON_THE_CURVE:
            self.x_bracket.narrow(i, self.x[i], value)
        same = np.sign(value) == self.side[i]
        self.side[i] = np.sign(value)
        self.stride[i] = np.where(same, 2.0 * self.stride[i], _STRIDE)
        x = self.x[i] + _newton_step(value, derivative, self.stride[i])
        move = self.x_bracket.confine(i, x) - self.x[i]
        step = -(residual[1] + g_x * move) / g_y
        # Both are shortened alike: x alone, far from its y, would leave the curve.
        longest = np.maximum(4.0 * _STRIDE, self.stride[i])
        short = np.minimum(longest / np.maximum(np.abs(step), longest), 1.0)
        self.x[i] += short * move
        self.y[i] += short * step
        self.y_bracket.reset(i)


def _at(where, *arrays):
    """Return arrays where a condition on their last axis holds: themselves, if throughout."""
    return arrays if where.all() else tuple(array[..., where] for array in arrays)


def _newton_step(value, derivative, longest):
    """Return a Newton step towards the root of a decreasing function, no longer than `longest`."""
    step = np.full_like(value, np.inf)
    np.divide(np.abs(value), -derivative, out=step, where=derivative < 0.0)
    return np.sign(value) * np.minimum(step, longest)
