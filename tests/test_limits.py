"""The ends of the theory against independent computations, and what they refuse."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from ptft import ConvergenceError, Group, Prior, Task, fixed_point
from ptft.theory.limits import (
    basis_pursuit,
    basis_pursuit_transition,
    minimum_norm,
    pretraining_value,
    recovery_threshold,
)


def sparse(rho, kind, size=1.0):
    """Groups of a teacher with a share rho of active coefficients and E[x^2] = size^2."""
    prior = {"gaussian": Prior.gaussian(size**2 / rho), "signs": Prior.signs(size * rho**-0.5)}
    groups = [Group(rho, 0.0, prior[kind])]
    return groups if rho == 1.0 else [*groups, Group(1.0 - rho, 0.0, Prior.zero())]


# --- Minimum norm ---------------------------------------------------------------------------------


def test_minimum_norm_is_a_projection():
    """The interpolator of minimum norm is the teacher's projection on the rows of X."""
    rng = np.random.default_rng(7)
    n_dims, alpha, noise, n_seeds = 200, 0.4, 0.5, 40
    errors = []
    for _ in range(n_seeds):
        x = rng.standard_normal((int(alpha * n_dims), n_dims)) / np.sqrt(n_dims)
        teacher = 1.3 * rng.choice([-1.0, 1.0], n_dims)
        labels = x @ teacher + np.sqrt(noise) * rng.standard_normal(len(x))
        errors.append(np.mean((np.linalg.pinv(x) @ labels - teacher) ** 2))
    standard_error = np.std(errors, ddof=1) / np.sqrt(n_seeds)
    # At finite size alpha / (1 - alpha) is N / (D - N - 1).
    n_samples = alpha * n_dims
    exact = (1.0 - alpha) * 1.3**2 + noise * n_samples / (n_dims - n_samples - 1.0)
    assert abs(np.mean(errors) - exact) < 4.0 * standard_error
    assert minimum_norm(1.3**2, alpha, noise) == pytest.approx(exact, rel=0.01)


def test_minimum_norm_takes_arrays_and_ends():
    alpha = np.array([1e-12, 0.5, 1.0 - 1e-12])
    np.testing.assert_allclose(minimum_norm(2.0, alpha), 2.0 * (1.0 - alpha), rtol=1e-15)
    assert minimum_norm(0.0, 0.5, 1.0) == 1.0


# --- Basis pursuit --------------------------------------------------------------------------------


def components(groups):
    for probability, _, prior in groups:
        for weight, mean, variance in zip(prior.weights, prior.means, prior.variances, strict=True):
            yield mp.mpf(probability) * weight, mp.mpf(mean), mp.mpf(variance)


def mean_slope(groups, s, cut):
    """P(|z| > cut) in mpmath."""
    total = mp.mpf(0)
    for mass, mean, variance in components(groups):
        tau = mp.sqrt(variance + s**2)
        total += mass * (mp.ncdf((mean - cut) / tau) + mp.ncdf((-mean - cut) / tau))
    return total


def soft_risk(x, s, cut):
    """E[(soft(x + s V, cut) - x)^2] in closed form, in mpmath (Donoho and Johnstone 1994)."""
    mu, nu = x / s, cut / s
    risk = 1 + nu**2 + (mu**2 - 1 - nu**2) * (mp.ncdf(nu - mu) - mp.ncdf(-nu - mu))
    return s**2 * (risk - (nu - mu) * mp.npdf(nu + mu) - (nu + mu) * mp.npdf(nu - mu))


def mean_risk(groups, s, cut):
    """The same, averaged over teachers by quadrature over x itself."""
    total = mp.mpf(0)
    for mass, mean, variance in components(groups):
        if not variance:
            total += mass * soft_risk(mean, s, cut)
            continue
        spread = mp.sqrt(variance)
        bend = min((cut + 6 * s) / spread, mp.mpf(4))
        total += mass * mp.quad(
            lambda t, m=mean, d=spread: mp.npdf(t) * soft_risk(m + d * t, s, cut),
            [-9, -bend, 0, bend, 9],
        )
    return total


@pytest.mark.parametrize("kind", ["gaussian", "signs"])
@pytest.mark.parametrize(
    ("rho", "alpha", "noise"),
    [
        (0.1, 0.2, 0.0),
        (0.1, 0.31, 0.0),
        (0.5, 0.3, 0.2),
        (0.1, 0.9, 0.1),
        (1e-4, 1e-3, 0.1),
        (0.9, 0.99, 0.0),
        (0.3, 1e-6, 0.0),
        (1.0, 1.0 - 1e-6, 0.0),
    ],
)
def test_state_evolution_against_mpmath(kind, rho, alpha, noise):
    """The error is a root of the two equations, evaluated from their definitions."""
    groups = sparse(rho, kind)
    error, s2 = basis_pursuit(groups, alpha, noise)
    with mp.workdps(25):
        s = mp.sqrt(s2)
        # Between these the slope falls from 1 to less than any of the alphas.
        low, high = mp.log(s) - 30, mp.log(10 * (s + 1 / mp.sqrt(rho)))
        for _ in range(80):
            middle = (low + high) / 2
            below = mean_slope(groups, s, mp.exp(middle)) < alpha
            low, high = (low, middle) if below else (middle, high)
        cut = mp.exp(low)
        exact = mean_risk(groups, s, cut)
        assert error == pytest.approx(float(exact), rel=1e-10)
        residual = (noise + exact) / (alpha * s**2) - 1
        # The terms that must agree are of the order of 1 - alpha.
        assert abs(residual) < 1e-11 * (1.0 - alpha) + 1e-14


@pytest.mark.parametrize("kind", ["gaussian", "signs"])
@pytest.mark.parametrize("rho", [1e-8, 1e-3, 0.3, 1.0 - 1e-6, 1.0])
@pytest.mark.parametrize("alpha", [1e-12, 1e-3, 0.5, 1.0 - 1e-9])
@pytest.mark.parametrize("noise", [0.0, 1e-200, 1e-6, 10.0])
def test_quadrature_has_converged_everywhere(kind, rho, alpha, noise):
    coarse = basis_pursuit(sparse(rho, kind), alpha, noise)
    fine = basis_pursuit(sparse(rho, kind), alpha, noise, n_nodes=120)
    np.testing.assert_allclose(coarse, fine, rtol=1e-10)


def test_linear_programs_at_finite_size():
    rho, alpha, n_dims, n_seeds = 0.2, 0.3, 300, 12
    groups = sparse(rho, "signs")
    errors = []
    for seed in np.random.SeedSequence(11).spawn(n_seeds):
        rng = np.random.default_rng(seed)
        # Exactly the share rho is active, so that only X is random.
        teacher = np.where(np.arange(n_dims) < rho * n_dims, rho**-0.5, 0.0)
        x = rng.standard_normal((int(alpha * n_dims), n_dims)) / np.sqrt(n_dims)
        program = linprog(np.ones(2 * n_dims), A_eq=np.hstack([x, -x]), b_eq=x @ teacher)
        found = program.x[:n_dims] - program.x[n_dims:]
        errors.append(np.mean((found - teacher) ** 2))
    standard_error = np.std(errors, ddof=1) / np.sqrt(n_seeds)
    assert abs(np.mean(errors) - basis_pursuit(groups, alpha)[0]) < 4.0 * standard_error


@settings(max_examples=30)
@given(alpha=st.floats(0.01, 0.99), size=st.floats(-6.0, 6.0), noise=st.floats(0.01, 3.0))
def test_basis_pursuit_scales(alpha, size, noise):
    size = 10.0**size
    error, s2 = basis_pursuit(sparse(0.2, "signs"), alpha, noise)
    scaled = basis_pursuit(sparse(0.2, "signs", size), alpha, noise * size**2)
    np.testing.assert_allclose(scaled, [size**2 * error, size**2 * s2], rtol=1e-9)


@pytest.mark.parametrize("kind", ["gaussian", "signs"])
def test_transition_separates_error_from_recovery(kind):
    transition = basis_pursuit_transition(0.1)
    assert basis_pursuit(sparse(0.1, kind), transition) == (0.0, 0.0)
    assert basis_pursuit(sparse(0.1, kind), 0.99) == (0.0, 0.0)
    errors = [basis_pursuit(sparse(0.1, kind), transition - h)[0] for h in (1e-2, 1e-4, 1e-8)]
    assert errors[0] > errors[1] > errors[2] > 0.0
    # A rounding below it the root may lie at zero, but is found.
    assert 0.0 <= basis_pursuit(sparse(0.1, kind), np.nextafter(transition, 0.0))[0] < errors[2]


def test_transition_at_its_ends():
    # Known expansions: 2 rho log(1 / rho) for few, 1 - (2 / pi)(1 - rho)^2 for many active.
    assert basis_pursuit_transition(1e-100) == pytest.approx(2e-100 * np.log(1e100), rel=0.02)
    rest = 1e-3
    assert 1.0 - basis_pursuit_transition(1.0 - rest) == pytest.approx(
        2.0 / np.pi * rest**2, rel=5e-3
    )
    assert basis_pursuit_transition(np.nextafter(1.0, 0.0)) == 1.0


def test_nothing_to_recover():
    nothing = [Group(1.0, 0.0, Prior.zero())]
    assert basis_pursuit(nothing, 0.3) == (0.0, 0.0)
    error, s2 = basis_pursuit(nothing, 0.3, noise=0.5)
    assert error == pytest.approx(0.3 * s2 - 0.5, rel=1e-12)


def test_many_samples_and_dense_teachers():
    """Near alpha = 1 a dense Gaussian teacher leaves E_gen of order 1 - alpha."""
    errors = [basis_pursuit(sparse(1.0, "gaussian"), 1.0 - h)[0] for h in (1e-4, 1e-8)]
    assert errors[1] == pytest.approx(1e-4 * errors[0], rel=0.01)


@pytest.mark.parametrize("kind", ["gaussian", "signs"])
def test_fixed_point_hands_over_to_the_limits(kind):
    groups = sparse(0.1, kind)
    curve = fixed_point(groups, np.array([0.2, 0.5]), noise=0.1)
    for i, alpha in enumerate(curve.alpha):
        # `fixed_point` takes more nodes.
        np.testing.assert_allclose(
            (curve.error[i], curve.s2[i]), basis_pursuit(groups, alpha, 0.1), rtol=1e-12
        )
    infinite = [group._replace(sqrt_k=np.inf) for group in groups]
    assert fixed_point(infinite, 0.2, noise=0.1).error == pytest.approx(
        minimum_norm(1.0, 0.2, 0.1), rel=1e-14
    )


# --- Weights --------------------------------------------------------------------------------------


def weighted(task, ratio):
    """Return a task's groups and weights: `ratio` where pretraining was active, else 1."""
    groups = [Group(group.probability, 0.0, group.prior) for group in task.groups()]
    return groups, [ratio if group.beta_pt else 1.0 for group in task.groups()]


HALF = Task(0.1, 0.1, 0.5)
BEST = pretraining_value(HALF)


def test_equal_weights_change_nothing():
    groups, _ = weighted(HALF, 1.0)
    for alpha, noise in ((0.2, 0.0), (0.2, 0.1), (0.7, 0.1)):
        plain = basis_pursuit(groups, alpha, noise)
        np.testing.assert_allclose(
            basis_pursuit(groups, alpha, noise, weights=[7.0] * 4), plain, rtol=1e-12
        )
    assert recovery_threshold(groups) == basis_pursuit_transition(0.1)


def near_limit(groups, weights, depth, alpha, noise, size=1e95):
    """Return the error at penalties 10^(-depth w), in units in which these are not too small."""
    mine = [
        Group(
            share,
            size * 10.0 ** (-depth * w / max(weights)),
            Prior(x.weights, np.multiply(size, x.means), np.multiply(size**2, x.variances)),
        )
        for (share, _, x), w in zip(groups, weights, strict=True)
    ]
    try:
        curve = fixed_point(mine, alpha, noise * size**2)
    except ConvergenceError as error:  # log s^2 is so large here that it leaves fewer digits
        curve = error.partial
        assert curve.residual < 1e-10
    return curve.error / size**2


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
@pytest.mark.parametrize("ratio", [0.3, 0.6, 3.0])
@pytest.mark.parametrize(("alpha", "noise"), [(0.1, 0.0), (0.2, 0.1), (0.6, 0.1)])
def test_weights_are_the_limit_of_small_k(prior, ratio, alpha, noise):
    """The error is a smooth function of h = 1 / log(1 / L), and is extrapolated to h = 0."""
    groups, weights = weighted(Task(0.1, 0.1, 0.5, prior=prior), ratio)
    h = np.linspace(1.0 / 190.0, 1.0 / 60.0, 6)
    errors = [near_limit(groups, weights, 1.0 / x, alpha, noise) for x in h]
    # Lagrange's polynomial at 0
    others = [np.delete(h, i) for i in range(h.size)]
    at_zero = [np.prod(rest / (rest - x)) for rest, x in zip(others, h, strict=True)]
    exact, _ = basis_pursuit(groups, alpha, noise, weights=weights)
    assert abs(np.dot(at_zero, errors) / exact - 1.0) < 1e-7
    assert abs(errors[0] / exact - 1.0) > 5e-4  # it needs the extrapolation


def test_weights_have_converged():
    groups, weights = weighted(HALF, 0.05)
    for alpha in (0.02, 0.2, 0.9):
        coarse = basis_pursuit(groups, alpha, 0.01, weights=weights)
        fine = basis_pursuit(groups, alpha, 0.01, n_nodes=150, weights=weights)
        np.testing.assert_allclose(coarse, fine, rtol=1e-10)


def test_weighted_transition_separates_error_from_recovery():
    groups, weights = weighted(HALF, BEST.weight_ratio)
    threshold = recovery_threshold(groups, weights)
    assert threshold == pytest.approx(BEST.best, rel=1e-14)
    assert basis_pursuit(groups, threshold + 1e-12, weights=weights) == (0.0, 0.0)
    errors = [basis_pursuit(groups, threshold - h, weights=weights)[0] for h in (1e-2, 1e-4, 1e-6)]
    assert errors[0] > errors[1] > errors[2] > 0.0


def test_zeros_without_weight_need_samples_too():
    """Where active coefficients cost nothing, zeros that cost nothing either stay undetermined."""
    half = Prior((0.5, 0.5), (0.0, 1.0), (0.0, 0.0))
    idle, active = Group(0.7, 1.0, Prior.zero()), Group(0.3, 1.0, Prior.signs(1.0))
    mixed = Group(0.3, 1.0, half)
    assert recovery_threshold([mixed, idle], [0.0, 1.0]) == pytest.approx(0.3, rel=1e-15)
    assert recovery_threshold([active, idle], [1.0, 0.0]) == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("ratio", [0.0, 1e-6, 0.2, 0.7, 1.0, 5.0])
def test_recovery_threshold_against_mpmath(ratio):
    """Minimised over t in 40 digits, from the definition."""
    groups, weights = weighted(HALF, ratio)

    def sum_at(t):
        total = mp.mpf(0)
        for (share, _, prior), w in zip(groups, weights, strict=True):
            cut = t * mp.mpf(w)
            null = 2 * ((1 + cut**2) * mp.ncdf(-cut) - cut * mp.npdf(cut))
            total += mp.mpf(share) * (1 + cut**2 if prior.second_moment else null)
        return total

    with mp.workdps(40):
        root = mp.findroot(lambda x: mp.diff(sum_at, x), (mp.mpf("0.3"), mp.mpf("2.5")))
        exact = sum_at(root)
    assert recovery_threshold(groups, weights) == pytest.approx(float(exact), rel=4e-16)


# Computed elsewhere in four digits: alpha* of the best initialisation and from scratch, the ratio.
VALUES = [
    ((0.1, 0.1, 1.0), 0.1, 0.3288, 0.0),
    ((0.1, 0.1, 0.5), 0.2808, 0.3288, 0.321),
    ((0.1, 0.1, 0.1), 0.3288, 0.3288, 1.0),
    ((0.1, 0.1, 0.0), 0.3288, 0.3288, 1.0),
    ((0.1, 0.04, 1.0), 0.0750, 0.1738, 0.0),
    ((0.1, 0.01, 1.0), 0.0329, 0.0612, 0.0),
    ((0.3, 0.1, 1.0), 0.2050, 0.3288, 0.0),
]


@pytest.mark.parametrize(("task", "best", "scratch", "ratio"), VALUES)
def test_pretraining_value(task, best, scratch, ratio):
    found = pretraining_value(Task(*task))
    assert found.best == pytest.approx(best, abs=5e-5)
    assert found.scratch == pytest.approx(scratch, abs=5e-5)
    assert found.weight_ratio == pytest.approx(ratio, abs=5e-4)
    assert found.value == found.scratch - found.best >= 0.0


def test_below_chance_overlap():
    found = pretraining_value(Task(0.1, 0.1, 0.0))
    assert found.any_weights == pytest.approx(0.3173, abs=5e-5)
    assert found.value == 0.0
    # All weights within reach, w_active <= w_inactive, need more.
    for ratio in (0.1, 0.5, 0.9):
        assert recovery_threshold(*weighted(Task(0.1, 0.1, 0.0), ratio)) > found.best
    assert recovery_threshold(*weighted(Task(0.1, 0.1, 0.0), 1e3)) < found.best


@given(rho_pt=st.floats(0.01, 0.9), rho_shared=st.floats(0.0, 1.0), rho_new=st.floats(0.001, 0.999))
def test_no_weights_are_better(rho_pt, rho_shared, rho_new):
    task = Task(rho_pt, rho_shared=rho_shared, rho_new=rho_new)
    found = pretraining_value(task)
    assert found.any_weights <= found.best <= found.scratch
    for ratio in (0.01, 0.3, 0.8, 1.0):
        assert recovery_threshold(*weighted(task, ratio)) >= found.best * (1.0 - 1e-14)
    if 0.0 < found.weight_ratio < 1.0:
        near = recovery_threshold(*weighted(task, found.weight_ratio))
        assert near == pytest.approx(found.best, rel=1e-13)


def test_linear_programs_with_weights():
    groups, weights = weighted(Task(0.2, 0.2, 0.6, prior="signs"), 0.4)
    alpha, n_dims, n_seeds = 0.3, 300, 12
    errors = []
    for seed in np.random.SeedSequence(12).spawn(n_seeds):
        rng = np.random.default_rng(seed)
        counts = [round(group.probability * n_dims) for group in groups]
        teacher = np.repeat([group.prior.means[0] for group in groups], counts)
        cost = np.tile(np.repeat(weights, counts), 2)
        x = rng.standard_normal((int(alpha * n_dims), n_dims)) / np.sqrt(n_dims)
        program = linprog(cost, A_eq=np.hstack([x, -x]), b_eq=x @ teacher)
        errors.append(np.mean((program.x[:n_dims] - program.x[n_dims:] - teacher) ** 2))
    standard_error = np.std(errors, ddof=1) / np.sqrt(n_seeds)
    assert abs(np.mean(errors) - basis_pursuit(groups, alpha, weights=weights)[0]) < (
        4.0 * standard_error
    )


# --- Bad input ------------------------------------------------------------------------------------

GROUPS = sparse(0.1, "signs")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (minimum_norm, (-1.0, 0.5), r"second_moment must be .*\[0, inf\), got .*-1\.0"),
        (minimum_norm, ([1.0, 2.0], 0.5), "second_moment must be a single number"),
        (minimum_norm, (1.0, 0.0), r"alpha must be finite and in \(0, 1\), got .*0\.0"),
        (minimum_norm, (1.0, [0.5, 1.0]), r"alpha must be finite and in \(0, 1\), got .*1\.0"),
        (minimum_norm, (1.0, 0.5, -0.1), r"noise must be .*got .*-0\.1"),
        (minimum_norm, (1.0, "half"), "alpha must be a real number or array, got 'half'"),
        (basis_pursuit_transition, (0.0,), r"rho must be finite and in \(0, 1\), got .*0\.0"),
        (basis_pursuit_transition, (1.0,), r"rho must be finite and in \(0, 1\), got .*1\.0"),
        (basis_pursuit_transition, (np.nan,), "rho must be finite"),
        (basis_pursuit_transition, ([0.1, 0.2],), "rho must be a single number"),
        (basis_pursuit, (GROUPS, 1.0), r"alpha must be finite and in \(0, 1\), got .*1\.0"),
        (basis_pursuit, (GROUPS, -0.2), r"alpha must be .*got .*-0\.2"),
        (basis_pursuit, (GROUPS, [0.1, 0.2]), "alpha must be a single number"),
        (basis_pursuit, (GROUPS, 0.5, -1.0), r"noise must be .*got .*-1\.0"),
        (basis_pursuit, (GROUPS, 0.5, np.inf), "noise must be finite"),
        (basis_pursuit, (GROUPS[:1], 0.5), r"probabilities must sum to 1, got 0\.1"),
        (basis_pursuit, ([], 0.5), "groups must hold at least one Group"),
    ],
)
def test_bad_input(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "weights must be one for each of the 2 groups, not all 0"),
        ([1.0, -1.0], "weights must be finite and in"),
        ([0.0, 0.0], "weights must be"),
        ([[1.0, 1.0]], "weights must be a non-empty 1-d array"),
        ([1.0, np.nan], "weights must be finite"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        recovery_threshold(GROUPS, weights)
    with pytest.raises(ValueError, match="weights must be"):
        basis_pursuit(GROUPS, 0.2, weights=weights)


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"weights must be .*\(0, inf\), got 0\.0"):
        basis_pursuit(GROUPS, 0.2, weights=[0.0, 1.0])
    with pytest.raises(ValueError, match="task must be of class Task"):
        pretraining_value(0.1)
