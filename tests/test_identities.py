"""Every identity of the theory holds, to an explicit bound, and would notice if not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ptft
from ptft import Group, Initialization, Prior, Task, denoise, fixed_point
from ptft.companion import identities
from ptft.model.penalty import denoiser_slope, penalty

Z = np.concatenate([-np.geomspace(5.0, 1e-3, 20), np.geomspace(1e-3, 5.0, 20)])[:, None, None]
THETA = np.array([1e-2, 1.0, 30.0])[:, None]
SQRT_K = np.array([1e-12, 1e-3, 1.0, 1e4])

PROBLEMS = {
    "baseline": ptft.penalised_groups(Task(0.1, 0.1, 0.5), Initialization(1e-3, 0.0, 0.0)),
    "signs": ptft.penalised_groups(
        Task(0.2, 0.3, 0.5, prior="signs"), Initialization(0.3, 0.5, 0.2)
    ),
    "rich": ptft.penalised_groups(Task(0.1, 0.1, 0.0), Initialization(1e-6, -0.99, 0.0)),
    "one group": [Group(1.0, 2.0, Prior((0.3, 0.7), (0.0, 1.5), (1.0, 0.25)))],
}
SAMPLES = {
    "noiseless": {"alpha": 0.2},
    "label noise": {"alpha": 0.3, "noise": 0.1},
    "ridge": {"alpha": 0.3, "noise": 0.1, "ridge": 0.05},
    "alpha > 1": {"alpha": 1.5, "noise": 0.1, "ridge": 0.05},
}


def table(names):
    return pytest.mark.parametrize("name", names)


@pytest.mark.parametrize(
    ("identity", "bound"),
    [
        (identities.denoiser_optimality, 2e-15),
        (identities.denoiser_derivative, 1e-11),
        (identities.moreau_decomposition, 2e-15),
        (identities.moreau_envelope, 2e-15),
        (identities.moreau_derivative, 1e-11),
    ],
)
def test_denoiser(identity, bound):
    assert identity(Z, THETA, SQRT_K) <= bound


def test_fenchel_young():
    assert identities.fenchel_young(Z, SQRT_K) <= 2e-15


@given(
    ratio=st.floats(-3.0, 3.0),
    theta=st.floats(-8.0, 8.0),
    sqrt_k=st.floats(-30.0, 30.0),
    sign=st.sampled_from([-1.0, 1.0]),
)
def test_denoiser_over_all_scales(ratio, theta, sqrt_k, sign):
    theta, sqrt_k = 10.0**theta, 10.0**sqrt_k
    point = (sign * (theta + sqrt_k) * 10.0**ratio, theta, sqrt_k)
    assert identities.denoiser_optimality(*point) <= 1e-14
    assert identities.moreau_decomposition(*point) <= 1e-14
    assert identities.moreau_envelope(*point) <= 1e-14
    assert identities.denoiser_derivative(*point) <= 1e-10
    assert identities.moreau_derivative(*point) <= 1e-10


@given(
    x=st.floats(-5.0, 5.0),
    s=st.floats(0.05, 3.0),
    theta=st.floats(0.05, 3.0),
    sqrt_k=st.floats(-20.0, 3.0),
)
def test_stein_lemma(x, s, theta, sqrt_k):
    assert identities.stein_lemma(x, s, theta, 10.0**sqrt_k) <= 1e-10


@table(PROBLEMS)
@pytest.mark.parametrize(("s2", "theta"), [(0.3, 0.2), (3.0, 0.02), (1e-3, 1.0), (5.0, 50.0)])
def test_channel_moments(name, s2, theta):
    assert identities.channel_moments(PROBLEMS[name], s2, theta) <= 1e-12


@table(PROBLEMS)
@pytest.mark.parametrize("samples", SAMPLES)
def test_fixed_point(name, samples):
    groups, samples = PROBLEMS[name], SAMPLES[samples]
    assert identities.noise_balance(groups, **samples) <= 1e-11
    assert identities.saddle_point(groups, **samples) <= 1e-11
    assert identities.scaling(groups, **samples, factor=37.0) <= 1e-11


@given(
    alpha=st.floats(0.01, 0.99),
    noise=st.floats(0.0, 2.0),
    ridge=st.floats(0.0, 1.0),
    rho=st.floats(0.01, 0.99),
    sqrt_k=st.floats(-6.0, 3.0),
    spread=st.floats(0.0, 3.0),
)
def test_noise_balance_of_random_problems(alpha, noise, ridge, rho, sqrt_k, spread):
    pair = 10.0**sqrt_k, 10.0 ** (sqrt_k - spread)
    groups = [
        Group(rho, pair[0], Prior.gaussian(1.0 / rho)),
        Group(1.0 - rho, pair[1], Prior.signs(0.1)),
    ]
    assert identities.noise_balance(groups, alpha, noise, ridge) <= 1e-9


@table(PROBLEMS)
@given(direction=st.floats(0.0, 2.0 * np.pi))
def test_potential_is_a_saddle(name, direction):
    """Convex in s at fixed b = s / theta, concave in b at fixed s, along any stretch of either."""
    groups = PROBLEMS[name]

    def value(s, b):
        return identities.potential(groups, s * s, s / b, alpha=0.3, noise=0.1)

    s, b, distance = 1.0 + 0.5 * np.cos(direction), 1.0 + 0.5 * np.sin(direction), 0.3
    assert value(s - distance, b) + value(s + distance, b) > 2.0 * value(s, b)
    assert value(s, b - distance) + value(s, b + distance) < 2.0 * value(s, b)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sqrt_k", [1e-9, 1e-3, 1.0, 1e6])
def test_overlap_needs_unequal_penalties(overlap, sqrt_k):
    alpha = np.array([0.05, 0.2, 0.5, 0.9])
    # Where recovery is nearly exact, E_gen takes up the residual's 1e-12 many times over.
    assert identities.equal_penalties(0.1, 0.1, overlap, sqrt_k, alpha) <= 1e-9


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_minimum_norm_limit(noise):
    alpha = np.array([1e-3, 0.1, 0.5, 0.9, 0.999])
    for groups in PROBLEMS.values():
        assert identities.minimum_norm_limit(groups, alpha, 1e9, noise) <= 1e-11


def test_minimum_norm_is_approached_as_one_over_k():
    deviations = [identities.minimum_norm_limit(PROBLEMS["signs"], 0.3, k) for k in (1e2, 1e3)]
    assert deviations[1] == pytest.approx(deviations[0] / 100.0, rel=0.05)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("shrinkage", [1e-2, 1.0, 100.0])
def test_ridge_regression(alpha, noise, shrinkage):
    assert identities.ridge_risk(1.7, alpha, noise, shrinkage) <= 1e-11


def test_full_sampling_limit():
    groups = [Group(0.3, 1.0, Prior.signs(1.0)), Group(0.7, 0.2, Prior.signs(0.4))]
    assert identities.full_sampling_limit(groups, 1.0 - 1e-7) <= 1e-5
    # and it is approached in proportion to 1 - alpha
    coarse, fine = (identities.full_sampling_limit(groups, 1.0 - h) for h in (1e-3, 1e-4))
    assert fine == pytest.approx(coarse / 10.0, rel=0.1)


@table(["baseline", "signs"])
@pytest.mark.parametrize(("alpha", "noise"), [(0.1, 0.0), (0.2, 0.1), (0.6, 0.1)])
def test_basis_pursuit_limit(name, alpha, noise):
    assert identities.basis_pursuit_limit(PROBLEMS[name], alpha, noise) <= 1e-6


def test_basis_pursuit_limit_needs_the_extrapolation():
    groups = PROBLEMS["baseline"]
    deviations = [identities.basis_pursuit_limit(groups, 0.1, n_points=n) for n in (2, 4, 6)]
    assert deviations[0] > 1e-4
    assert deviations[1] < deviations[0] / 30.0
    assert deviations[2] < deviations[1] / 10.0


@given(rho=st.floats(-6.0, 6.0))
def test_donoho_tanner(rho):
    assert identities.donoho_tanner(1.0 / (1.0 + np.exp(-rho))) <= 1e-9


def wrong_denoise(z, theta, sqrt_k):
    return denoise(z, 1.001 * theta, sqrt_k)


def wrong_penalty(z, sqrt_k):
    return 1.001 * penalty(z, sqrt_k)


def wrong_slope(x, theta, sqrt_k):
    return denoiser_slope(x, 1.001 * theta, sqrt_k)


def wrong_fixed_point(groups, alpha, noise=0.0, ridge=0.0):
    return fixed_point(groups, 1.001 * np.asarray(alpha), noise, ridge)


@pytest.mark.parametrize(
    ("identity", "replaced", "wrong", "arguments"),
    [
        ("denoiser_optimality", "denoise", wrong_denoise, (Z, THETA, SQRT_K)),
        ("moreau_decomposition", "denoise", wrong_denoise, (Z, THETA, SQRT_K)),
        ("moreau_envelope", "penalty", wrong_penalty, (1.0, 1.0, 1.0)),
        ("denoiser_derivative", "denoiser_slope", wrong_slope, (Z, THETA, SQRT_K)),
        ("moreau_derivative", "denoise", wrong_denoise, (1.0, 1.0, 1.0)),
        ("stein_lemma", "denoiser_slope", wrong_slope, (1.0, 1.0, 1.0, 1.0)),
        ("channel_moments", "denoise", wrong_denoise, (PROBLEMS["signs"], 1.0, 1.0)),
        ("noise_balance", "fixed_point", wrong_fixed_point, (PROBLEMS["signs"], 0.3)),
        ("saddle_point", "fixed_point", wrong_fixed_point, (PROBLEMS["signs"], 0.3)),
        ("minimum_norm_limit", "fixed_point", wrong_fixed_point, (PROBLEMS["signs"], 0.3)),
        ("ridge_risk", "fixed_point", wrong_fixed_point, (1.0, 0.3, 0.1, 0.1)),
    ],
)
def test_identities_notice_an_error(monkeypatch, identity, replaced, wrong, arguments):
    monkeypatch.setattr(identities, replaced, wrong)
    assert getattr(identities, identity)(*arguments) > 1e-6
