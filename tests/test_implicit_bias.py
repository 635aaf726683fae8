"""The exact interpolator: optimality, independent solvers, hard inputs, symmetries."""

import kinds
import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from ptft import (
    REGIMES,
    ConvergenceError,
    Task,
    implicit_bias,
    penalty,
    penalty_curvature,
    penalty_gradient,
    sample_inputs,
    sqrt_k,
)


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def gaussian(seed, n_samples, n_dims, density=0.3):
    rng = np.random.default_rng(seed)
    X = sample_inputs(n_samples, n_dims, rng)
    return X, X @ (rng.standard_normal(n_dims) * (rng.random(n_dims) < density)), rng


def check(X, y, scale, result, *, residual=1e-12, optimality=1e-9):
    """Recompute what certifies the minimiser: it fits, and q'(beta) is in the row space of X."""
    assert np.linalg.norm(X @ result.beta - y) <= residual * np.linalg.norm(y)
    assert result.residual <= residual
    slope = penalty_gradient(result.beta, scale)
    assert np.abs(X.T @ result.nu - slope).max() <= optimality * np.abs(slope).max()
    assert result.optimality <= optimality
    assert result.gap <= 1e-9


@pytest.mark.parametrize("numeral", REGIMES)
@pytest.mark.parametrize("n_samples", [25, 125, 250, 450])
def test_regimes(numeral, n_samples):
    rng = np.random.default_rng(n_samples)
    beta_pt, beta_ft = Task(0.1, 0.1, 0.5).sample_teachers(500, rng)
    X = sample_inputs(n_samples, 500, rng)
    scale = sqrt_k(beta_pt, REGIMES[numeral].init)
    result = implicit_bias(X, X @ beta_ft, scale)
    check(X, X @ beta_ft, scale, result, residual=1e-13, optimality=1e-12)
    assert result.iterations <= 40


@pytest.mark.parametrize("seed", range(4))
def test_against_fifty_digits(seed):
    """Newton's method in mpmath on rows (n_samples,) of the dual equation."""
    X, y, rng = gaussian(seed, 4, 12)
    scale = 10.0 ** rng.uniform(-8.0, 2.0, 12)
    result = implicit_bias(X, y, scale)
    with mpmath.workdps(50):
        rows, half = mpmath.matrix(X.tolist()), [mpmath.mpf(s) / 2 for s in scale]

        def beta(nu):
            return mpmath.matrix(
                [h * mpmath.sinh(2 * u) for h, u in zip(half, rows.T * nu, strict=True)]
            )

        def missing(*nu):
            return list(rows * beta(mpmath.matrix(nu)) - mpmath.matrix(y.tolist()))

        nu = mpmath.findroot(missing, result.nu.tolist(), tol=1e-40)
        exact = np.array([float(b) for b in beta(nu)])
    assert distance(result.beta, exact) < 1e-13


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_against_a_general_minimiser(scale):
    """Q_k itself, minimised by trust regions over the affine space of interpolators."""
    X, y, _ = gaussian(7, 5, 12)
    origin, null = np.linalg.lstsq(X, y, rcond=None)[0], scipy.linalg.null_space(X)
    found = optimize.minimize(
        lambda t: penalty(origin + null @ t, scale).sum(),
        np.zeros(null.shape[1]),
        jac=lambda t: null.T @ penalty_gradient(origin + null @ t, scale),
        hess=lambda t: (null.T * penalty_curvature(origin + null @ t, scale)) @ null,
        method="trust-exact",
        options={"gtol": 1e-12},
    )
    assert distance(implicit_bias(X, y, scale).beta, origin + null @ found.x) < 1e-8


def test_large_k_gives_the_minimum_norm():
    X, y, _ = gaussian(8, 20, 50)
    assert distance(implicit_bias(X, y, 1e6).beta, np.linalg.pinv(X) @ y) < 1e-10


def test_small_k_gives_the_least_absolute_values():
    """Where these are attained by a teacher that is sparse enough to be recovered."""
    X, _, _ = gaussian(9, 15, 40)
    teacher = np.zeros(40)
    teacher[:3] = 1.0, -2.0, 0.5
    program = optimize.linprog(np.ones(80), A_eq=np.hstack([X, -X]), b_eq=X @ teacher)
    assert program.fun == pytest.approx(3.5, rel=1e-10)
    assert distance(implicit_bias(X, X @ teacher, 1e-25).beta, teacher) < 1e-8


def few(value, others, count):
    def scales(rng, n_samples, n_dims):
        return np.where(np.arange(n_dims) < count * n_samples, value, others)

    return scales


SCALES = {
    "18 decades": lambda rng, n, d: 10.0 ** rng.uniform(-12.0, 6.0, d),
    "1e-12": lambda rng, n, d: 1e-12,
    "1e6": lambda rng, n, d: 1e6,
    "few lazy": few(1e6, 1e-12, 0.1),
    "few rich": few(1e-12, 1e6, 0.5),
}
INPUTS = {
    "gaussian": lambda rng, X: X,
    "columns": lambda rng, X: X * 10.0 ** rng.uniform(-4.0, 4.0, X.shape[1]),
    "rows": lambda rng, X: X * 10.0 ** rng.uniform(-6.0, 6.0, (len(X), 1)),
    "repeated rows": lambda rng, X: np.repeat(X[::2], 2, axis=0),
    "repeated columns": lambda rng, X: np.repeat(X[:, ::2], 2, axis=1),
    "empty columns": lambda rng, X: X * (rng.random(X.shape[1]) < 0.8),
    "not centred": lambda rng, X: X + 5.0,
    "binary": lambda rng, X: 1.0 * (X * np.sqrt(X.shape[1]) > 1.5),
    "heavy tails": lambda rng, X: rng.standard_cauchy(X.shape),
    "singular values to 1e-8": lambda rng, X: (
        np.logspace(0.0, -8.0, len(X))[:, None] * scipy.linalg.orth(X.T).T
    ),
}


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("n_samples", [30, 90])
def test_hard_inputs(inputs, scales, n_samples):
    X, _, rng = gaussian(n_samples, n_samples, 120)
    X = INPUTS[inputs](rng, X)
    y = X @ (rng.standard_normal(120) * (rng.random(120) < 0.2))
    scale = SCALES[scales](rng, *X.shape)
    result = implicit_bias(X, y, scale)
    tolerance = 1e-7 if inputs == "columns" else 1e-10
    check(X, y, scale, result, residual=1e-11, optimality=tolerance)


def test_messages_and_newton_agree():
    rng = np.random.default_rng(11)
    beta_pt, beta_ft = Task(0.1, 0.1, 0.5).sample_teachers(1500, rng)
    X = sample_inputs(400, 1500, rng)
    scale = sqrt_k(beta_pt, REGIMES["II"].init)
    results = {
        method: implicit_bias(X, X @ beta_ft, scale, method=method)
        for method in ("auto", "newton", "message passing")
    }
    assert results["auto"].method == "message passing and Newton"
    check(X, X @ beta_ft, scale, results["auto"])
    assert distance(results["auto"].beta, results["newton"].beta) < 1e-13
    assert distance(results["message passing"].beta, results["newton"].beta) < 1e-8


def test_large_inputs_that_defeat_message_passing():
    X, _, rng = gaussian(12, 500, 1000)
    X = X + 1.0
    result = implicit_bias(X, X @ rng.standard_normal(1000), 1e-3)
    assert result.method == "Newton"
    check(X, X @ result.beta, 1e-3, result)


def test_as_many_samples_as_dimensions_and_more():
    rng = np.random.default_rng(13)
    beta = rng.standard_normal(20)
    for n_samples in (20, 35):
        X = sample_inputs(n_samples, 20, rng)
        result = implicit_bias(X, X @ beta, 1e-3)
        assert distance(result.beta, beta) < 1e-11
        check(X, X @ beta, 1e-3, result)


def test_zero_labels():
    X, y, _ = gaussian(14, 5, 9)
    result = implicit_bias(X, 0.0 * y, 1.0)
    assert not result.beta.any()
    assert result.residual == result.optimality == result.gap == 0.0


def test_one_sample_in_closed_form():
    """X = (1, ..., 1): all coordinates with one k share the label."""
    np.testing.assert_allclose(implicit_bias(np.ones((1, 5)), [2.0], 1e-9).beta, 0.4, rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_no_interpolator_is_better(seed):
    X, y, rng = gaussian(seed, 10, 25)
    scale = 10.0 ** rng.uniform(-3.0, 3.0, 25)
    best = implicit_bias(X, y, scale).beta
    for step in scipy.linalg.null_space(X).T:
        for length in (1e-3, -1e-3, 1.0):
            assert penalty(best + length * step, scale).sum() > penalty(best, scale).sum()


SEEDS = st.integers(0, 10_000)


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n_dims = int(rng.integers(4, 25))
    X = sample_inputs(int(rng.integers(1, n_dims)), n_dims, rng)
    return X, X @ rng.standard_normal(n_dims), 10.0 ** rng.uniform(-9.0, 4.0, n_dims), rng


@settings(max_examples=30)
@given(SEEDS)
def test_order_and_signs_of_coordinates(seed):
    X, y, scale, rng = random_problem(seed)
    order, signs = rng.permutation(X.shape[1]), rng.choice([-1.0, 1.0], X.shape[1])
    beta = implicit_bias(X, y, scale).beta
    moved = implicit_bias((X * signs)[:, order], y, scale[order]).beta
    assert distance(moved, (signs * beta)[order]) < 1e-9


@settings(max_examples=30)
@given(SEEDS)
def test_mixing_the_samples_changes_nothing(seed):
    X, y, scale, rng = random_problem(seed)
    mix = rng.standard_normal((len(y), len(y))) + 3.0 * np.eye(len(y))
    beta = implicit_bias(X, y, scale).beta
    mixed = implicit_bias(mix @ X, mix @ y, scale, tolerance=1e-9).beta
    assert distance(mixed, beta) < 1e-8


@settings(max_examples=30)
@given(SEEDS, st.floats(-6.0, 6.0))
def test_beta_and_sqrt_k_scale_together(seed, decades):
    X, y, scale, _ = random_problem(seed)
    factor = 10.0**decades
    beta = implicit_bias(X, y, scale).beta
    assert distance(implicit_bias(X, factor * y, factor * scale).beta / factor, beta) < 1e-9
    assert distance(implicit_bias(factor * X, factor * y, scale).beta, beta) < 1e-9


X, Y = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]]), np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[0], Y, 1.0), {}, "X must be a non-empty array"),
        ((np.empty((0, 3)), [], 1.0), {}, "X must be a non-empty array"),
        ((X, Y[:1], 1.0), {}, "y must have shape"),
        ((X + np.inf, Y, 1.0), {}, "X must be finite"),
        ((X, Y * np.nan, 1.0), {}, "y must be finite"),
        ((X, Y, 0.0), {}, "sqrt_k must be .* got 0.0"),
        ((X, Y, [1.0, -1.0, 1.0]), {}, "sqrt_k must be .* got -1.0"),
        ((X, Y, [1.0, 1.0]), {}, "sqrt_k must be a number or of shape"),
        ((X, Y, 1.0), {"tolerance": 0.0}, "tolerance must be"),
        ((X, Y, 1.0), {"method": "magic"}, "method must be"),
        ((np.vstack([X, X[:1]]), [1.0, 2.0, 3.0], 1.0), {}, "y must be X beta for some beta"),
        ((np.zeros((2, 3)), Y, 1.0), {}, "y must be X beta for some beta"),
        ((X.T, [1.0, 2.0, 3.0], 1.0), {}, "y must be X beta for some beta"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        implicit_bias(*arguments, **options)


def test_raises_with_the_result_so_far():
    X, y, _ = gaussian(15, 30, 60)
    with pytest.raises(ConvergenceError, match="tolerance 1e-40") as caught:
        implicit_bias(X, y, 0.3, tolerance=1e-40)
    check(X, y, 0.3, caught.value.partial)


# --- Rows, columns and penalties of any size ------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-300, 1e-100, 1e-30, 1e-16, 1e-5, 1e5, 1e16, 1e30, 1e100])
def test_a_row_counts_whatever_its_size(factor):
    X, y = np.array([[1.0, 2.0, 1.0], [1.0, 1.0, 3.0]]), np.array([2.0, 3.0])
    scale = np.array([1.0, factor])
    found = implicit_bias(X * scale[:, None], y * scale, 0.1)
    np.testing.assert_allclose(found.beta, implicit_bias(X, y, 0.1).beta, rtol=1e-14)
    assert found.row_residual < 1e-15
    np.testing.assert_allclose(
        (X * scale[:, None]).T @ found.nu, penalty_gradient(found.beta, 0.1), rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("decades", [3, 15, 30])
def test_rows_and_columns_of_mixed_sizes(seed, decades):
    """Columns times c and sqrt_k over c: coefficients over c, as q_{k/c^2}(z/c) = q_k(z) / c."""
    rng = np.random.default_rng(seed)
    G, common = rng.standard_normal((5, 12)), 10.0 ** rng.uniform(-decades / 2, decades / 2)
    y, rows = G @ rng.standard_normal(12), 10.0 ** rng.uniform(-decades, decades, 5)
    plain = implicit_bias(G, y, 0.1)
    mixed = implicit_bias(G * rows[:, None] * common, y * rows, 0.1 / common)
    np.testing.assert_allclose(mixed.beta * common, plain.beta, rtol=1e-10, atol=1e-13)
    columns = 10.0 ** rng.uniform(-decades / 4, decades / 4, 12)
    both = implicit_bias(G * columns * rows[:, None], y * rows, 0.1 / columns)
    alone = implicit_bias(G * columns, y, 0.1 / columns)
    np.testing.assert_allclose(both.beta, alone.beta, rtol=1e-9, atol=1e-12 * abs(alone.beta).max())


def test_small_labels_beside_large_ones_are_met_in_their_own_units():
    X = np.zeros((2, 4))
    X[0, :2] = X[1, 2:] = [1.0, 2.0]
    found = implicit_bias(X, [1e10, 1e-10], 1e-3)
    alone = implicit_bias(X[1:, 2:], [1e-10], 1e-3)
    np.testing.assert_allclose(found.beta[2:], alone.beta, rtol=1e-12)


@pytest.mark.parametrize("sqrt_k", [1e-10, 1e-20, 1e-30, 1e-60])
@pytest.mark.parametrize(("n_samples", "n_dims", "n_active"), [(4, 9, 1), (4, 9, 2), (10, 30, 2)])
def test_tiny_penalties_with_few_active_coefficients(sqrt_k, n_samples, n_dims, n_active):
    """Basis pursuit's solution is the teacher here or not; the labels are met to rounding."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X, teacher = rng.standard_normal((n_samples, n_dims)), np.zeros(n_dims)
        teacher[:n_active] = rng.standard_normal(n_active)
        found = implicit_bias(X, X @ teacher, sqrt_k)
        assert found.residual < 1e-12
        assert found.optimality < 1e-8
        assert "converged: relative residual" in found.status


@pytest.mark.parametrize("scale", kinds.PENALTIES)
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_kinds_of_inputs(kind, scale):
    """Right to the problem's own conditioning or, where sizes are far apart, refused."""
    times = kinds.measure(kind, scale, seed=0)
    if times is None:
        assert "to 1e" in kind or "to 1e" in scale
    else:
        assert times < 1e4
