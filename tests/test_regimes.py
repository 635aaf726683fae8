"""l-order, PD and kappa: against mpmath, against their definitions, within bounds, in limits."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ptft

ROUNDING = 4 * np.finfo(float).eps
NAMES = ("c_pt", "lambda_pt", "gamma_ft", "beta_pt", "beta_ft")
CORNERS = {"I": (1.0, 0.0), "II": (2.0, -1.0), "III": (2.0, 0.0)}


def log_uniform(rng, low, high, size):
    return 10.0 ** rng.uniform(low, high, size)


def random_points(size, seed):
    """Return points over the whole range, with the ends of each range among them."""
    rng = np.random.default_rng(seed)
    near_minus_one = -1.0 + log_uniform(rng, -15, 0, size)
    lambda_pt = np.where(rng.random(size) < 0.5, near_minus_one, rng.uniform(-1, 1, size))
    gamma_ft = log_uniform(rng, -8, 3, size)
    gamma_ft[rng.random(size) < 0.3] = 0.0
    beta_pt = log_uniform(rng, -12, 12, size) * rng.choice(
        [-1.0, 0.0, 1.0], size, p=[0.4, 0.2, 0.4]
    )
    lambda_pt[:3], gamma_ft[:3] = [-1.0, 1.0, -1.0], [1e-3, 0.0, 1e3]
    signs = rng.choice([-1.0, 1.0], size)
    c_pt = log_uniform(rng, -8, 4, size)
    return dict(
        zip(
            NAMES,
            (c_pt, lambda_pt, gamma_ft, beta_pt, signs * log_uniform(rng, -12, 12, size)),
            strict=True,
        )
    )


def quantities(c_pt, lambda_pt, gamma_ft, beta_pt, beta_ft):
    init = ptft.Initialization(c_pt, lambda_pt, gamma_ft)
    return {
        "l_order": ptft.l_order(beta_ft, beta_pt, init),
        "kappa": ptft.kappa(beta_pt, init),
        "pretraining_dependence": ptft.pretraining_dependence(beta_ft, beta_pt, init),
    }


def rows(points):
    return zip(*(map(mp.mpf, points[name].tolist()) for name in NAMES), strict=True)


def exact_sqrt_k(c, lam, gamma, beta_pt):
    """Equation (14)."""
    return 2 * c * (1 + lam) * (1 + mp.sqrt(1 + (beta_pt / c) ** 2)) + gamma**2


def exact_r(zeta):
    """Equation (22), as it stands: the caller supplies the digits that cancel."""
    return 1 - mp.sqrt(1 + zeta**2) + zeta * mp.asinh(zeta)


def exact_quantities(c, lam, gamma, beta_pt, beta_ft):
    """Equations (24), (23) and (25) as the paper prints them, to 40 digits."""
    zeta = 2 * abs(beta_ft) / exact_sqrt_k(c, lam, gamma, beta_pt)
    with mp.workdps(40 + 2 * max(0, int(-mp.log10(zeta)))):
        scale = exact_sqrt_k(c, lam, gamma, beta_pt)
        zeta = 2 * abs(beta_ft) / scale
        order = zeta * mp.asinh(zeta) / exact_r(zeta)
        kappa = 2 * (1 + lam) * beta_pt**2 / (c * mp.sqrt(1 + (beta_pt / c) ** 2) * scale)
        return order, kappa, kappa * (1 - order)


def log_penalty(c, lam, gamma, beta_pt, beta_ft):
    """Equation (13)."""
    scale = exact_sqrt_k(c, lam, gamma, beta_pt)
    return mp.log(scale / 4 * exact_r(2 * abs(beta_ft) / scale))


def assert_close(computed, exact, tolerance=1e-13):
    computed, exact = np.asarray(computed), np.array([float(value) for value in exact])
    assert np.all(np.abs(computed - exact) <= tolerance * np.abs(exact))


@pytest.fixture(scope="module")
def closed_forms():
    """10,000 points with what ptft and mpmath make of them."""
    points = random_points(10_000, seed=51)
    exact = zip(*(exact_quantities(*row) for row in rows(points)), strict=True)
    return quantities(**points), dict(
        zip(("l_order", "kappa", "pretraining_dependence"), exact, strict=True)
    )


@pytest.mark.parametrize("name", ["l_order", "kappa", "pretraining_dependence"])
def test_closed_form_agrees_with_mpmath(closed_forms, name):
    computed, exact = closed_forms
    assert_close(computed[name], exact[name])


# What each derivative multiplies by a common factor: (c, lambda, gamma, beta_PT, beta_FT).
MOVES = {
    "l_order": lambda p, f: (p[0], p[1], p[2], p[3], p[4] * f),
    "pretraining_dependence": lambda p, f: (p[0], p[1], p[2], p[3] * f, p[4]),
    "initialisation": lambda p, f: (p[0] * f, p[1], p[2] * mp.sqrt(f), p[3], p[4]),
}


@pytest.fixture(scope="module")
def definitions():
    """1,000 points, and the logarithmic slopes of q_k there from central differences."""
    points = random_points(1_000, seed=52)
    with mp.workdps(200):
        step = mp.mpf(10) ** -40
        up, down = mp.exp(step), mp.exp(-step)

        def slope(point, move):
            difference = log_penalty(*move(point, up)) - log_penalty(*move(point, down))
            return difference / (2 * step)

        exact = {
            name: [slope(point, move) for point in rows(points)] for name, move in MOVES.items()
        }
    return quantities(**points), exact


@pytest.mark.parametrize("name", ["l_order", "pretraining_dependence"])
def test_closed_form_is_the_derivative_that_defines_it(definitions, name):
    computed, exact = definitions
    assert_close(computed[name], exact[name])


def test_third_weight_is_the_dependence_on_the_initialisation(definitions):
    # q_k is homogeneous of degree 1 in (beta_FT, beta_PT, c, gamma^2): Euler's relation.
    computed, exact = definitions
    weights = ptft.regime_weights(computed["l_order"], computed["pretraining_dependence"])
    expected = -np.array([float(value) for value in exact["initialisation"]])
    assert np.max(np.abs(weights[:, 2] - expected)) < 1e-14


sizes = st.floats(-12, 12).map(lambda exponent: 10.0**exponent) | st.just(0.0)
signed = st.builds(np.copysign, sizes, st.sampled_from([-1.0, 1.0]))
scales = st.floats(-8, 4).map(lambda exponent: 10.0**exponent)
relative = st.floats(-1, 1) | st.floats(-16, 0).map(lambda exponent: -1.0 + 10.0**exponent)
readouts = st.floats(0, 1e3) | st.floats(-8, 3).map(lambda exponent: 10.0**exponent)
inits = (
    st.tuples(scales, relative, readouts)
    .filter(lambda values: values[1] > -1.0 or values[2] > 1e-100)
    .map(lambda values: ptft.Initialization(*values))
)


def assert_within_the_triangle(order, kappa, dependence):
    """Assert equations (27), (28), the sums to within rounding."""
    assert np.all((order >= 1.0) & (order <= 2.0))
    assert np.all((kappa >= 0.0) & (kappa <= 1.0))
    assert np.all((dependence >= -1.0) & (dependence <= 0.0))
    assert np.all((order + dependence >= 1.0 - ROUNDING) & (order + dependence <= 2.0))
    weights = ptft.regime_weights(order, dependence)
    assert np.all(weights >= -ROUNDING)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=0, atol=ROUNDING)


@given(beta_ft=signed, beta_pt=signed, init=inits)
def test_bounds(beta_ft, beta_pt, init):
    assert_within_the_triangle(
        ptft.l_order(beta_ft, beta_pt, init),
        ptft.kappa(beta_pt, init),
        ptft.pretraining_dependence(beta_ft, beta_pt, init),
    )


def test_bounds_at_a_million_points():
    assert_within_the_triangle(*quantities(**random_points(1_000_000, seed=53)).values())


@given(beta_ft=signed, exponent=st.floats(-30, 30))
def test_bounds_whatever_k(beta_ft, exponent):
    # With lambda = -1 the penalty parameter is sqrt(k) = gamma^2.
    init = ptft.Initialization(1.0, -1.0, 10.0 ** (exponent / 2))
    assert 1.0 < ptft.l_order(beta_ft, 1.0, init) <= 2.0
    assert ptft.pretraining_dependence(beta_ft, 1.0, init) == 0.0


@given(beta_ft=signed, beta_pt=signed, init=inits)
def test_signs_do_not_matter(beta_ft, beta_pt, init):
    for function in (ptft.l_order, ptft.pretraining_dependence):
        assert function(beta_ft, beta_pt, init) == function(-beta_ft, -beta_pt, init)


@given(beta_ft=signed, beta_pt=signed, init=inits, power=st.integers(-20, 20))
def test_only_ratios_matter(beta_ft, beta_pt, init, power):
    # A power of four leaves every rounding as it was.
    factor = 4.0**power
    scaled = ptft.Initialization(factor * init.c_pt, init.lambda_pt, 2.0**power * init.gamma_ft)
    for function in (ptft.l_order, ptft.pretraining_dependence):
        before = function(beta_ft, beta_pt, init)
        assert function(factor * beta_ft, factor * beta_pt, scaled) == before


@given(beta_ft=signed, init=inits)
def test_inactive_dimensions_do_not_depend_on_pretraining(beta_ft, init):
    dependence = ptft.pretraining_dependence(beta_ft, 0.0, init)
    assert ptft.kappa(0.0, init) == 0.0
    assert str(dependence) == "0.0"  # and not -0.0


PATHS = {
    "lambda_pt": np.linspace(-0.99, 1.0, 50),
    "c_pt": np.geomspace(1e-6, 1e2, 50),
    "gamma_ft": np.geomspace(1e-2, 1e2, 50),
}


@pytest.mark.parametrize("parameter", PATHS)
def test_l_order_rises_with_every_parameter(parameter):
    path = {"c_pt": 0.01, "lambda_pt": -0.5, "gamma_ft": 0.1, parameter: PATHS[parameter]}
    for beta_pt in (0.0, 1.0):
        assert np.all(np.diff(ptft.l_order(1.0, beta_pt, ptft.Initialization(**path))) > 0)


@pytest.mark.parametrize(("parameter", "sign"), [("lambda_pt", 1), ("c_pt", -1), ("gamma_ft", -1)])
def test_pretraining_dependence_is_monotonic(parameter, sign):
    path = {"c_pt": 0.01, "lambda_pt": -0.5, "gamma_ft": 0.1, parameter: PATHS[parameter]}
    size = -ptft.pretraining_dependence(1.0, 1.0, ptft.Initialization(**path))
    assert np.all(sign * np.diff(size) > 0)


@pytest.mark.parametrize(
    ("numeral", "beta_ft", "init", "tolerance"),
    [
        # 1/log(1/k) is all that regime I offers, so k has to be extreme.
        ("I", 1e12, ptft.Initialization(1e-8, -1.0 + 2.0**-52, 0.0), 0.03),
        ("I", 1e12, ptft.Initialization(1.0, -1.0, 1e-100), 0.005),
        ("II", 1e-4, ptft.Initialization(1e-8, 1.0, 0.0), 1e-7),
        ("III", 1.0, ptft.Initialization(1e4, 0.0, 0.0), 1e-8),
        ("III", 1.0, ptft.Initialization(1e-3, 0.0, 1e3), 1e-5),
    ],
)
def test_limits_of_the_regimes(numeral, beta_ft, init, tolerance):
    order = ptft.l_order(beta_ft, 1.0, init)
    dependence = ptft.pretraining_dependence(beta_ft, 1.0, init)
    assert np.hypot(order - CORNERS[numeral][0], dependence - CORNERS[numeral][1]) < tolerance
    assert ptft.REGIMES[numeral].corner == CORNERS[numeral]


def test_small_coefficients_are_penalised_quadratically():
    init = ptft.Initialization(1.0, 0.0, 0.0)
    zeta = np.array([0.0, 5e-324, 1e-200, 1e-9, 1e-3])
    np.testing.assert_allclose(ptft.l_order(2.0 * zeta, 0.0, init), 2.0, rtol=0, atol=1e-6)
    assert np.all(ptft.l_order(2.0 * zeta[:4], 0.0, init) == 2.0)
    # 2 - zeta^2 / 6 to the next order
    assert ptft.l_order(2e-3, 0.0, init) == pytest.approx(2.0 - 1e-6 / 6.0, abs=1e-12)


def test_large_coefficients_approach_order_one_logarithmically():
    init = ptft.Initialization(1.0, -1.0, 1e-10)  # sqrt(k) = 1e-20
    beta_ft = np.geomspace(1e-10, 1e12, 12)
    slowness = np.log(4.0 * beta_ft / 1e-20)
    np.testing.assert_allclose(
        ptft.l_order(beta_ft, 0.0, init), slowness / (slowness - 1.0), rtol=1e-9
    )


def test_farthest_corner_at_equal_magnitudes():
    # c -> 0, lambda = 1, gamma = 0 and beta_FT = beta_PT: zeta = 1/2 and kappa = 1.
    golden = np.log((1.0 + np.sqrt(5.0)) / 2.0)
    expected = golden / (golden + 2.0 - np.sqrt(5.0))
    init = ptft.Initialization(1e-12, 1.0, 0.0)
    assert ptft.l_order(1.0, 1.0, init) == pytest.approx(expected, rel=1e-11)
    assert ptft.pretraining_dependence(1.0, 1.0, init) == pytest.approx(1.0 - expected, rel=1e-11)


def test_extreme_quotients_do_not_overflow():
    init = ptft.Initialization(1.0, -1.0, 1e-140)
    assert 1.0 < ptft.l_order(1e300, 1.0, init) < 1.001
    assert ptft.pretraining_dependence(1e300, 1.0, init) == 0.0


def test_a_number_in_gives_a_number_out():
    init = ptft.Initialization(1e-3, 0.0, 0.0)
    for value in (
        ptft.kappa(1, init),
        ptft.l_order(1, 1, init),
        ptft.l_order(0, 0, init),
        ptft.pretraining_dependence(1, 1, init),
    ):
        assert isinstance(value, np.float64)
    assert ptft.regime_weights(1.5, -0.25).shape == (3,)


def test_arrays_broadcast():
    init = ptft.Initialization(1e-3, np.linspace(-0.9, 1.0, 4), np.ones((5, 1, 1)))
    beta_ft, beta_pt = np.ones((3, 1)), np.ones((2, 1, 1, 1))
    assert ptft.kappa(beta_pt, init).shape == (2, 5, 1, 4)
    assert ptft.l_order(beta_ft, beta_pt, init).shape == (2, 5, 3, 4)
    dependence = ptft.pretraining_dependence(beta_ft, beta_pt, init)
    assert dependence.shape == (2, 5, 3, 4)
    single = ptft.Initialization(1e-3, np.linspace(-0.9, 1.0, 4)[2], 1.0)
    assert dependence[1, 3, 2, 2] == ptft.pretraining_dependence(1.0, 1.0, single)
    assert ptft.regime_weights(np.ones((2, 1)), np.zeros(3)).shape == (2, 3, 3)


@pytest.mark.parametrize("function", [ptft.l_order, ptft.pretraining_dependence])
@pytest.mark.parametrize("bad", [np.nan, np.inf, "one", None, 1j, [1.0, np.nan]])
@pytest.mark.parametrize("name", ["beta_ft", "beta_pt"])
def test_bad_coefficients_are_named(function, name, bad):
    arguments = {"beta_ft": 1.0, "beta_pt": 1.0, name: bad}
    with pytest.raises(ValueError, match=name):
        function(**arguments, init=ptft.Initialization(1e-3, 0.0, 0.0))


def test_bad_shapes_are_named():
    init = ptft.Initialization([1e-3, 1.0], 0.0, 0.0)
    with pytest.raises(ValueError, match=r"beta_pt \(3,\).*c_pt \(2,\)"):
        ptft.kappa(np.ones(3), init)
    with pytest.raises(ValueError, match=r"beta_ft \(3,\)"):
        ptft.l_order(np.ones(3), np.ones(2), init)


@pytest.mark.parametrize("name", ["l_order", "pretraining_dependence"])
def test_bad_coordinates_of_the_triangle_are_named(name):
    with pytest.raises(ValueError, match=name):
        ptft.regime_weights(**{"l_order": 1.5, "pretraining_dependence": -0.2, name: np.nan})


def test_regime_weights_at_corners_and_centre():
    for position, corner in enumerate(CORNERS.values()):
        assert str(ptft.regime_weights(*corner)) == str(np.eye(3)[position])  # no negative zero
    np.testing.assert_allclose(ptft.regime_weights(5 / 3, -1 / 3), 1 / 3, rtol=1e-15)


@pytest.mark.parametrize("numeral", ["I", "II", "III", "IV"])
def test_representatives_lie_in_their_regime(numeral):
    init = ptft.REGIMES[numeral].init
    weights = ptft.regime_weights(
        ptft.l_order(1.0, 1.0, init), ptft.pretraining_dependence(1.0, 1.0, init)
    )
    if numeral == "IV":
        assert np.all(weights[:2] > 0.2)
    else:
        assert weights[("I", "II", "III").index(numeral)] > 0.88
