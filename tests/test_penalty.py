"""The penalty, its derivatives and its denoiser against mpmath, over sixty orders of magnitude."""

import re

import mpmath as mp
import numpy as np
import pytest

import ptft

N_POINTS = 10_000
TOLERANCE = 1e-13  # relative
TINY, HUGE = 1e-300, 1e300  # the sizes that are allowed
OF_Z = [ptft.penalty, ptft.penalty_gradient, ptft.penalty_curvature]


def log_uniform(rng, low, high, size=N_POINTS):
    return 10.0 ** rng.uniform(np.log10(low), np.log10(high), size)


def exact(*values):
    return [mp.mpf(float(value)) for value in values]


def relative_error(value, reference):
    if reference == 0:
        return 0.0 if value == 0.0 else np.inf
    return float(abs(mp.mpf(float(value)) / reference - 1))


def textbook(z, scale):
    """Return q_k, q_k' and q_k'' as equation (13) writes them; they cancel unless digits abound."""
    zeta = 2 * z / scale
    root, asinh = mp.sqrt(1 + zeta**2), mp.asinh(zeta)
    return scale / 4 * (1 - root + zeta * asinh), asinh / 2, 1 / (scale * root)


def test_penalty_and_derivatives():
    """At zeta = 1e-60 formula (13) loses 120 digits to cancellation: 160 leave 40."""
    rng = np.random.default_rng(1)
    z = log_uniform(rng, 1e-30, 1e12) * rng.choice([-1.0, 1.0], N_POINTS)
    z[:100] = 0.0
    scale = log_uniform(rng, 1e-30, 1e30)
    values = np.stack([function(z, scale) for function in OF_Z], axis=1)
    with mp.workdps(160):
        worst = max(
            relative_error(value, reference)
            for row, *point in zip(values, z, scale, strict=True)
            for value, reference in zip(row, textbook(*exact(*point)), strict=True)
        )
    assert worst < TOLERANCE


def test_sqrt_k():
    rng = np.random.default_rng(2)
    beta = log_uniform(rng, 1e-12, 1e12) * rng.choice([-1.0, 1.0], N_POINTS)
    beta[:100] = 0.0
    # Down to the float next to -1, up to 1, and in between.
    relative = np.clip(log_uniform(rng, 1.2e-16, 2.0) - 1.0, np.nextafter(-1.0, 0.0), 1.0)
    readout = log_uniform(rng, 1e-8, 1e4) * rng.choice([0.0, 1.0], N_POINTS)
    init = ptft.Initialization(log_uniform(rng, 1e-8, 1e8), relative, readout)
    values = ptft.sqrt_k(beta, init)
    worst = 0.0
    with mp.workdps(50):
        for value, *point in zip(values, beta, init.c_pt, relative, readout, strict=True):
            b, c, lam, g = exact(*point)
            reference = 2 * c * (1 + lam) * (1 + mp.sqrt(1 + (b / c) ** 2)) + g**2
            worst = max(worst, relative_error(value, reference))
    assert worst < TOLERANCE
    np.testing.assert_array_equal(ptft.sqrt_k_single_task(init.c_pt), 2.0 * init.c_pt)


def everywhere(rng):
    """Return z, theta and sqrt(k), each anywhere."""
    return (log_uniform(rng, 1e-30, 1e30) for _ in range(3))


def where_it_is_hard(rng):
    """Return z, theta and sqrt(k) where the estimate is a small rest and u is up to 140.

    There x_hat = (sqrt(k) / 2) sinh(u) is u times as sensitive as u.
    """
    scale, theta = log_uniform(rng, 1e-30, 1e-10), log_uniform(rng, 1e-10, 1e30)
    u = rng.uniform(0.0, 1.0, N_POINTS) * np.arcsinh(np.minimum(1e30, 300.0 * theta) / scale)
    z = np.minimum(scale / 2.0 * np.sinh(u) + theta / 2.0 * u, 1e30)
    return z, theta, scale


@pytest.mark.parametrize("draw", [everywhere, where_it_is_hard])
def test_denoiser_and_its_slope(draw):
    """The root of (17) lies within the tolerance of `denoise`: there its left side changes sign."""
    rng = np.random.default_rng(3)
    z, theta, scale = draw(rng)
    signs = rng.choice([-1.0, 1.0], N_POINTS)
    x = signs * ptft.denoise(signs * z, theta, scale)
    slopes = ptft.denoiser_slope(signs * x, theta, scale)
    worst = 0.0
    with mp.workdps(110):
        below, above = 1 - mp.mpf(TOLERANCE), 1 + mp.mpf(TOLERANCE)
        for slope, *point in zip(slopes, x, z, theta, scale, strict=True):
            x_hat, z_i, theta_i, scale_i = exact(*point)

            def left_side(x, z=z_i, theta=theta_i, scale=scale_i):
                return x - z + theta / 2 * mp.asinh(2 * x / scale)

            value = left_side(x_hat)
            assert left_side(x_hat * (above if value < 0 else below)) * value <= 0
            # One Newton step squares the error: it is the root to 25 digits.
            inverse = 1 + theta_i / mp.sqrt(scale_i**2 + 4 * x_hat**2)
            root = x_hat - value / inverse
            reference = 1 / (1 + theta_i / mp.sqrt(scale_i**2 + 4 * root**2))
            worst = max(worst, relative_error(slope, reference))
    assert worst < TOLERANCE


def test_denoiser_minimises():
    """The definition (17): no other x does better."""
    rng = np.random.default_rng(4)
    z, theta, scale = (log_uniform(rng, 1e-3, 1e3, (1, 200)) for _ in range(3))

    def objective(x):
        return (x - z) ** 2 / (2.0 * theta) + ptft.penalty(x, scale)

    x = ptft.denoise(z, theta, scale)
    others = x + z * np.linspace(-1.5, 1.5, 301)[:, None]
    assert np.all(objective(others) >= objective(x) * (1.0 - 1e-13))


def test_denoiser_slope_is_the_derivative():
    rng = np.random.default_rng(5)
    z, theta, scale = (log_uniform(rng, 1e-2, 1e2, 200) for _ in range(3))
    step = 1e-4 * np.minimum(z, theta + scale)
    difference = ptft.denoise(z + step, theta, scale) - ptft.denoise(z - step, theta, scale)
    slope = ptft.denoiser_slope(ptft.denoise(z, theta, scale), theta, scale)
    np.testing.assert_allclose(difference / (2.0 * step), slope, rtol=1e-7)


def test_symmetry():
    rng = np.random.default_rng(6)
    z, theta, scale = (log_uniform(rng, 1e-30, 1e30, 1000) for _ in range(3))
    for even in (ptft.penalty, ptft.penalty_curvature):
        np.testing.assert_array_equal(even(-z, scale), even(z, scale))
    np.testing.assert_array_equal(
        ptft.penalty_gradient(-z, scale), -ptft.penalty_gradient(z, scale)
    )
    x = ptft.denoise(z, theta, scale)
    np.testing.assert_array_equal(ptft.denoise(-z, theta, scale), -x)
    np.testing.assert_array_equal(
        ptft.denoiser_slope(-x, theta, scale), ptft.denoiser_slope(x, theta, scale)
    )


def test_at_zero():
    scale = np.array([1e-30, 1.0, 1e30])
    assert np.all(ptft.penalty(0.0, scale) == 0.0)
    assert np.all(ptft.penalty_gradient(0.0, scale) == 0.0)
    np.testing.assert_allclose(ptft.penalty_curvature(0.0, scale), 1.0 / scale, rtol=1e-15)
    assert np.all(ptft.denoise(0.0, [[0.0], [1.0], [1e30]], scale) == 0.0)


def test_without_regularisation_the_denoiser_does_nothing():
    rng = np.random.default_rng(7)
    z, scale = log_uniform(rng, 1e-30, 1e30), log_uniform(rng, 1e-30, 1e30)
    np.testing.assert_array_equal(ptft.denoise(-z, 0.0, scale), -z)
    assert np.all(ptft.denoiser_slope(z, 0.0, scale) == 1.0)


def test_broadcasting():
    z, theta, scale = np.ones((3, 1)), np.ones(4), np.ones((2, 1, 1))
    for function in OF_Z:
        assert function(z, scale).shape == (2, 3, 1)
        assert function([1.0, 2.0], 3.0).shape == (2,)
    for function in (ptft.denoise, ptft.denoiser_slope):
        assert function(z, theta, scale).shape == (2, 3, 4)
        assert function(1.0, [1.0, 2.0], 3.0).shape == (2,)
        assert function([], 1.0, 1.0).shape == (0,)
    init = ptft.Initialization(np.ones((3, 1)), 0.0, np.ones(2))
    assert ptft.sqrt_k(np.ones((4, 1, 1)), init).shape == (4, 3, 2)


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float32, np.array])
def test_scalar_in_scalar_out(kind):
    one, two, three = (kind(value) for value in (1, 2, 3))
    results = [function(one, two) for function in OF_Z]
    results += [function(one, two, three) for function in (ptft.denoise, ptft.denoiser_slope)]
    results += [ptft.sqrt_k(one, ptft.Initialization(two, kind(0), three))]
    results += [ptft.sqrt_k_single_task(three)]
    assert all(isinstance(result, float) for result in results)


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64, object, bool])
def test_results_are_double_precision(dtype):
    array = np.ones(3, dtype=dtype)
    assert all(function(array, array).dtype == np.float64 for function in OF_Z)
    assert ptft.denoise(array, array, array).dtype == np.float64
    np.testing.assert_array_equal(ptft.denoise(array, array, array), ptft.denoise(1.0, 1.0, 1.0))


CORNERS = [TINY, 1e-150, 1e-30, 1.0, 1e30, 1e150, HUGE]


@pytest.mark.parametrize("scale", CORNERS)
def test_penalty_in_the_corners(scale):
    """Finite and right where z / sqrt(k) is up to 1e600; 0 where the result underflows."""
    z = np.array([0.0, 5e-324, *CORNERS])
    values = np.stack([function(z, scale) for function in OF_Z], axis=1)
    assert np.all(np.isfinite(values))
    with mp.workdps(1300):
        for row, z_i in zip(values, z, strict=True):
            for value, reference in zip(row, textbook(*exact(z_i, scale)), strict=True):
                spacing = 2e-322  # of the smallest floats: what underflows is that coarse
                assert abs(value - reference) <= TOLERANCE * abs(reference) + spacing


@pytest.mark.parametrize("scale", CORNERS)
def test_denoiser_in_the_corners(scale):
    """Up to u = 1400, which costs the estimate three digits."""
    z, theta = np.meshgrid([0.0, 5e-324, *CORNERS], [0.0, *CORNERS])
    x = ptft.denoise(z, theta, scale)
    slope = ptft.denoiser_slope(x, theta, scale)
    assert np.all((x >= 0.0) & (x <= z) & (slope >= 0.0) & (slope <= 1.0))
    with mp.workdps(640):
        for x_i, *point in zip(x.flat, z.flat, theta.flat, strict=True):
            z_i, theta_i, scale_i = exact(*point, scale)
            low, high = x_i * (1 - mp.mpf("1e-12")) - 2e-322, x_i * (1 + mp.mpf("1e-12")) + 2e-322
            low, high = (x - z_i + theta_i / 2 * mp.asinh(2 * x / scale_i) for x in (low, high))
            assert low <= 0 <= high


# Name, bounds and the bad values of every argument of a function.
Z = ("z", "[-1e+300, 1e+300]", [np.nan, np.inf, -np.inf, 1.1e300, [1.0, np.nan]])
SCALE = ("sqrt_k", "[1e-300, 1e+300]", [np.nan, np.inf, 0.0, -1.0, 5e-324, [1.0, -1.0], 0])
THETA = ("theta", "[0, 1e+300]", [np.nan, np.inf, -1e-300, -1.0, [[1.0], [np.nan]]])
X = ("x", *Z[1:])
BETA = ("beta_pt", "(-inf, inf)", [np.nan, np.inf, [1.0, -np.inf]])
C = ("c_pt", "[1e-300, 1e+300]", [np.nan, np.inf, 0.0, -1.0])


def with_init(beta_pt):
    return ptft.sqrt_k(beta_pt, ptft.Initialization(1.0, 0.0))


ARGUMENTS = [
    *((function, (Z, SCALE)) for function in OF_Z),
    (ptft.denoise, (Z, THETA, SCALE)),
    (ptft.denoiser_slope, (X, THETA, SCALE)),
    (with_init, (BETA,)),
    (ptft.sqrt_k_single_task, (C,)),
]
BAD_NUMBERS = [
    pytest.param(function, len(names), i, *names[i], id=f"{function.__name__}-{names[i][0]}")
    for function, names in ARGUMENTS
    for i in range(len(names))
]


@pytest.mark.parametrize(("function", "n", "i", "name", "allowed", "values"), BAD_NUMBERS)
def test_bad_numbers(function, n, i, name, allowed, values):
    """The message names the argument, what is allowed and the first value that is not."""
    for value in values:
        arguments = [1.0] * n
        arguments[i] = value
        low, high = (float(bound) for bound in allowed.strip("()[]").split(","))
        flat = np.ravel(np.asarray(value, dtype=float))
        offender = next(v for v in flat if not (np.isfinite(v) and low <= v <= high))
        message = f"{name} must be finite and in {allowed}, got {float(offender)!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            function(*arguments)


@pytest.mark.parametrize(("function", "n", "i", "name", "allowed", "values"), BAD_NUMBERS)
@pytest.mark.parametrize(
    "value", ["1.5", b"1", None, 1j, [1.0, 1j], [1.0, [2.0, 3.0]], {}, np.datetime64("2026-01-01")]
)
def test_what_is_no_number(function, n, i, name, allowed, values, value):
    arguments = [1.0] * n
    arguments[i] = value
    message = f"{name} must be a real number or array, got {value!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments)


def test_shapes_that_do_not_broadcast():
    two, three = np.ones(2), np.ones(3)
    for function in OF_Z:
        with pytest.raises(ValueError, match=r"got z \(2,\), sqrt_k \(3,\)"):
            function(two, three)
    for function, name in ((ptft.denoise, "z"), (ptft.denoiser_slope, "x")):
        with pytest.raises(ValueError, match=rf"got {name} \(2,\), theta \(3,\), sqrt_k \(\)"):
            function(two, three, 1.0)
    with pytest.raises(ValueError, match=r"beta_pt \(2,\), c_pt \(3,\)"):
        ptft.sqrt_k(two, ptft.Initialization(three, 0.0, 1.0))


@pytest.mark.parametrize(
    ("beta_pt", "init"),
    [
        (1e308, ptft.Initialization(1e308, 1.0, 0.0)),
        (0.0, ptft.Initialization(1.0, 0.0, 1e200)),
        (0.0, ptft.Initialization(1.0, -1.0, 1e-200)),
        (0.0, ptft.Initialization(5e-324, -0.5, 0.0)),
    ],
)
def test_sqrt_k_outside_floating_point(beta_pt, init):
    with pytest.raises(ValueError, match=r"sqrt_k must be finite and in \[1e-300, 1e\+300\]"):
        ptft.sqrt_k(beta_pt, init)
