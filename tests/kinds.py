"""Many kinds of X for `implicit_bias`, each against a solution in high precision.

python tests/kinds.py [n_seeds]

The measure is the problem's own conditioning: how far the exact solution moves when every number
of X and y is moved by half a unit in its last place.
"""

import sys

import mpmath
import numpy as np

import ptft

DIGITS = 300
N_SAMPLES, N_DIMS = 4, 9
EPS = np.finfo(float).eps


def _spread(rng, size, decades):
    return 10.0 ** rng.uniform(-decades, decades, size)


def _graded(rng, decades):
    """Return a matrix whose singular values fall by so many decades."""
    left = np.linalg.qr(rng.normal(size=(N_SAMPLES, N_SAMPLES)))[0]
    right = np.linalg.qr(rng.normal(size=(N_DIMS, N_SAMPLES)))[0]
    return left * np.logspace(0.0, -decades, N_SAMPLES) @ right.T


def _near(rng, distance):
    """Return a matrix with two rows that nearly agree."""
    X = rng.normal(size=(N_SAMPLES, N_DIMS))
    X[1] = X[0] + distance * X[1]
    return X


def _with_columns(rng, change):
    X = rng.normal(size=(N_SAMPLES, N_DIMS))
    change(X)
    return X


def _twin(X):
    X[:, 1] = X[:, 0]


def _opposite(X):
    X[:, 1] = -X[:, 0]


def _zero_column(X):
    X[:, 3] = 0.0


def _zero_row(X):
    X[2] = 0.0


def _one_large_entry(X):
    X[1, 2] = 1e20


def _one_small_row(X):
    X[1] *= 1e-16


def _dependent(X):
    X[3] = 2.0 * X[0]  # exact, so that the labels agree to the last bit


KINDS = {
    "Gaussian": lambda rng: rng.normal(size=(N_SAMPLES, N_DIMS)),
    "uniform, positive": lambda rng: rng.uniform(size=(N_SAMPLES, N_DIMS)),
    "signs": lambda rng: rng.choice([-1.0, 1.0], (N_SAMPLES, N_DIMS)) + np.eye(N_SAMPLES, N_DIMS),
    "small integers": lambda rng: rng.integers(-3, 4, (N_SAMPLES, N_DIMS)) + 4.0 * np.eye(4, 9),
    "sparse": lambda rng: np.eye(4, 9) + rng.normal(size=(4, 9)) * (rng.random((4, 9)) < 0.3),
    "Cauchy": lambda rng: rng.standard_cauchy((N_SAMPLES, N_DIMS)),
    "log-normal": lambda rng: np.exp(8.0 * rng.normal(size=(N_SAMPLES, N_DIMS))),
    "log-normal with signs": lambda rng: (
        np.exp(8.0 * rng.normal(size=(4, 9))) * rng.choice([-1.0, 1.0], (4, 9))
    ),
    "Vandermonde": lambda rng: np.vander(rng.uniform(0.5, 1.5, N_SAMPLES), N_DIMS),
    "Hilbert": lambda rng: 1.0 / (1.0 + np.add.outer(np.arange(4), np.arange(9)) + rng.random()),
    "cosines": lambda rng: np.cos(np.outer(rng.uniform(0.0, np.pi, 4), np.arange(9))),
    "Toeplitz": lambda rng: (
        rng.uniform(0.5, 0.99) ** np.abs(np.subtract.outer(np.arange(4), np.arange(9)))
    ),
    "triangular": lambda rng: np.triu(rng.normal(size=(4, 9))) + np.eye(4, 9),
    "identity": lambda rng: np.eye(N_SAMPLES, N_DIMS)[:, rng.permutation(N_DIMS)],
    "orthogonal rows": lambda rng: np.linalg.qr(rng.normal(size=(9, 4)))[0].T,
    "singular values over 4 decades": lambda rng: _graded(rng, 4),
    "singular values over 9 decades": lambda rng: _graded(rng, 9),
    "correlated columns": lambda rng: rng.normal(size=(4, 1)) + 1e-3 * rng.normal(size=(4, 9)),
    "nearly equal rows, 1e-5": lambda rng: _near(rng, 1e-5),
    "nearly equal rows, 1e-10": lambda rng: _near(rng, 1e-10),
    "dependent rows": lambda rng: _with_columns(rng, _dependent),
    "equal columns": lambda rng: _with_columns(rng, _twin),
    "opposite columns": lambda rng: _with_columns(rng, _opposite),
    "a zero column": lambda rng: _with_columns(rng, _zero_column),
    "a zero row": lambda rng: _with_columns(rng, _zero_row),
    "one entry of 1e20": lambda rng: _with_columns(rng, _one_large_entry),
    "one row of 1e-16": lambda rng: _with_columns(rng, _one_small_row),
    "rows from 1e-30 to 1e30": lambda rng: rng.normal(size=(4, 9)) * _spread(rng, (4, 1), 30),
    "columns from 1e-30 to 1e30": lambda rng: rng.normal(size=(4, 9)) * _spread(rng, 9, 30),
    "rows and columns from 1e-15 to 1e15": lambda rng: (
        rng.normal(size=(4, 9)) * _spread(rng, (4, 1), 15) * _spread(rng, 9, 15)
    ),
    "one sample": lambda rng: rng.normal(size=(1, N_DIMS)),
    "one free dimension": lambda rng: rng.normal(size=(N_DIMS - 1, N_DIMS)),
    "as many samples as dimensions": lambda rng: rng.normal(size=(N_DIMS, N_DIMS)),
}

PENALTIES = {
    "1": lambda rng: np.ones(N_DIMS),
    "1e-3": lambda rng: np.full(N_DIMS, 1e-3),
    "1e-10": lambda rng: np.full(N_DIMS, 1e-10),
    "1e6": lambda rng: np.full(N_DIMS, 1e6),
    "1e-30 to 1e30": lambda rng: _spread(rng, N_DIMS, 30),
}


def problem(kind, scale, seed):
    """Return X, y, sqrt_k; the labels are those of coefficients, half of them 0."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), list(PENALTIES).index(scale)])
    X = np.asarray(KINDS[kind](rng), dtype=float)
    beta = rng.normal(size=N_DIMS) * (rng.random(N_DIMS) < 0.5)
    beta[0] = 1.0
    with mpmath.workdps(DIGITS):
        y = _matrix(X) * _matrix(beta)
        return X, np.array([float(v) for v in y]), PENALTIES[scale](rng)


def _matrix(array):
    return mpmath.matrix(np.asarray(array, dtype=float).tolist())


class Exact:
    """Damped Newton on the dual function, in high precision; the rows must be independent."""

    def __init__(self, X, y, sqrt_k):
        self.X, self.y, self.k = X, y, [mpmath.mpf(float(v)) for v in sqrt_k]

    def _beta(self, nu):
        u = self.X.T * nu
        return mpmath.matrix([k / 2 * mpmath.sinh(2 * v) for k, v in zip(self.k, u, strict=True)])

    def _dual(self, nu):
        u = self.X.T * nu
        terms = [k / 4 * (mpmath.cosh(2 * v) - 1) for k, v in zip(self.k, u, strict=True)]
        return (nu.T * self.y)[0] - mpmath.fsum(terms)

    def _direction(self, nu):
        """Return Newton's step, whose system is divided by its diagonal, and the residuals."""
        weight = [k * mpmath.cosh(2 * v) for k, v in zip(self.k, self.X.T * nu, strict=True)]
        missing = self.y - self.X * self._beta(nu)
        gram = self.X * mpmath.diag(weight) * self.X.T
        unit = mpmath.diag([1 / mpmath.sqrt(gram[i, i]) for i in range(gram.rows)])
        return unit * mpmath.lu_solve(unit * gram * unit, unit * missing), missing

    def solve(self):
        """Return beta."""
        nu = mpmath.zeros(self.X.rows, 1)
        for _ in range(2000):
            step, missing = self._direction(nu)
            slope, reach = (step.T * missing)[0], mpmath.norm(self.X.T * step, mpmath.inf)
            if reach < mpmath.mpf(10) ** (-DIGITS // 3):
                return self._beta(nu + step)
            length, value = min(mpmath.mpf(1), 1 / reach), self._dual(nu)
            while self._dual(nu + length * step) < value + slope * length / 10:
                length /= 2
            nu = nu + length * step
        raise RuntimeError("no convergence in high precision")


def independent(X, y):
    """Return the rows that the others do not give: what `KINDS` makes dependent is known."""
    keep = [i for i in range(len(y)) if X[i].any()]
    for i in list(keep):
        if any(j < i and np.array_equal(X[i], 2.0 * X[j]) for j in keep):
            keep.remove(i)
    return keep


def exact(X, y, sqrt_k, nudge=0.0):
    """Return the solution, of numbers that are nudged by relative amounts where asked for."""
    keep = independent(X, y)
    with mpmath.workdps(DIGITS):
        numbers = np.column_stack([X, y])[keep]
        shift = np.broadcast_to(nudge, (len(y), N_DIMS + 1))[keep]
        moved = mpmath.matrix(numbers.tolist())
        for i, d in np.ndindex(*numbers.shape):
            moved[i, d] *= 1 + mpmath.mpf(float(shift[i, d]))
        return Exact(moved[:, :N_DIMS], moved[:, N_DIMS], sqrt_k).solve()


def measure(kind, scale, seed):
    """Return the largest error over what the conditioning excuses, or None where it is refused."""
    X, y, sqrt_k = problem(kind, scale, seed)
    try:
        found = ptft.implicit_bias(X, y, sqrt_k)
    except ptft.ConvergenceError:
        return None
    truth, rng = exact(X, y, sqrt_k), np.random.default_rng(seed)
    excused = EPS * _floats(truth)
    for _ in range(3):
        nudge = EPS / 2.0 * rng.choice([-1.0, 1.0], (len(y), N_DIMS + 1))
        excused = np.maximum(excused, _floats(exact(X, y, sqrt_k, nudge) - truth))
    wrong = _floats(_matrix(found.beta[:, None]) - truth)
    return float(np.max(wrong / np.maximum(excused, np.finfo(float).tiny)))


def _floats(vector):
    return np.array([abs(float(v)) for v in vector])


def main(n_seeds):
    for kind in KINDS:
        for scale in PENALTIES:
            found = [measure(kind, scale, seed) for seed in range(n_seeds)]
            solved = [value for value in found if value is not None]
            worst = f"{max(solved):.1f}" if solved else "-"
            refused = len(found) - len(solved)
            print(f"{kind:38s} sqrt(k) {scale:14s} refused {refused}, worst {worst}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
