"""The network's weights and the tasks: against mpmath, against sampling, and bad input."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

import ptft
from ptft import Initialization, Prior, Task, Weights
from ptft.model.tasks import TaskGroup

NAMES = ("w_plus", "w_minus", "v_plus", "v_minus")
HUGE = 1e300


def logarithmic(low, high):
    return st.floats(np.log10(low), np.log10(high)).map(lambda exponent: 10.0**exponent)


def signed(magnitudes):
    return st.tuples(magnitudes, st.sampled_from([-1.0, 1.0])).map(np.prod).map(float)


scales = logarithmic(1e-8, 1e4)
relatives = st.floats(-1.0, 1.0)
coefficients = st.just(0.0) | signed(logarithmic(1e-12, 1e12))
readouts = st.just(0.0) | logarithmic(1e-6, 1e3)


def network(c, lam):
    """Return an Initialization; gamma matters only where lambda = -1."""
    return Initialization(c, lam, 1.0)


def exact_weights(beta, c, lam):
    """Return w+, w-, v+, v- as hyperbolic functions of s = asinh(beta / c) / 2, in mpmath."""
    beta, c, lam = mp.mpf(beta), mp.mpf(c), mp.mpf(lam)
    w, v = mp.sqrt(c * (1 + lam) / 2), mp.sqrt(c * (1 - lam) / 2)
    s = mp.asinh(beta / c) / 2
    cosh, sinh = mp.cosh(s), mp.sinh(s)
    return w * cosh + v * sinh, w * cosh - v * sinh, v * cosh + w * sinh, v * cosh - w * sinh


def as_mpf(weights):
    return Weights(*(mp.mpf(float(getattr(weights, name))) for name in NAMES))


# --- Weights --------------------------------------------------------------------------------------


@given(scales, relatives)
def test_initial_weights_have_the_scales_of_equations_2_and_3(c, lam):
    weights = ptft.initial_weights(network(c, lam))
    assert (weights.w_plus, weights.v_plus) == (weights.w_minus, weights.v_minus)
    w2, v2 = weights.w_plus**2, weights.v_plus**2
    assert w2 + v2 == pytest.approx(c, rel=1e-15)
    assert w2 - v2 == pytest.approx(lam * c, rel=1e-15, abs=4e-16 * c)
    assert weights.beta == 0.0


@given(coefficients, scales, relatives)
def test_pretrained_weights_agree_with_fifty_digits(beta, c, lam):
    with mp.workdps(50):
        found = as_mpf(ptft.pretrained_weights(beta, network(c, lam)))
        exact = exact_weights(beta, c, lam)
        size = max(map(abs, exact))
        for name, value in zip(NAMES, exact, strict=True):
            assert abs(getattr(found, name) - value) <= 1e-14 * size, name


@given(coefficients, scales, relatives)
def test_pretrained_weights_compute_beta_and_keep_what_is_conserved(beta, c, lam):
    """Relative to the terms that are added up: for large beta the weights cannot say more."""
    weights = ptft.pretrained_weights(beta, network(c, lam))
    terms = sum(getattr(weights, name) ** 2 for name in NAMES)
    assert abs(weights.beta - beta) <= 1e-13 * terms
    for name, value in ptft.conserved_quantities(weights).items():
        expected = c if name == "scale" else lam * c
        assert abs(value - expected) <= 1e-13 * terms, name


@given(signed(logarithmic(1e-12, 1e2)), logarithmic(1e-2, 1e2), relatives)
def test_where_terms_are_of_one_size_conservation_holds_relatively(beta, c, lam):
    """With |beta| <= 1e4 c the largest term is at most 1e4 times what is conserved."""
    kept = ptft.conserved_quantities(ptft.pretrained_weights(beta, network(c, lam)))
    assert kept["scale"] == pytest.approx(c, rel=1e-11)
    for name in ("imbalance_plus", "imbalance_minus"):
        assert kept[name] == pytest.approx(lam * c, rel=0.0, abs=1e-11 * c)


@given(coefficients, scales, relatives)
def test_closed_forms_of_appendix_b1(beta, c, lam):
    weights = ptft.pretrained_weights(beta, network(c, lam))
    growth = np.hypot(1.0, beta / c)  # cosh 2s
    size = c * (growth + 1.0)
    w2 = weights.w_plus**2 + weights.w_minus**2
    assert w2 == pytest.approx(c * (growth + lam), rel=0.0, abs=1e-13 * size)
    product = weights.w_plus * weights.w_minus
    assert product == pytest.approx(c * (1.0 + lam * growth) / 2.0, rel=0.0, abs=1e-13 * size)


@given(coefficients, scales, relatives)
def test_opposite_coefficients_exchange_the_pathways(beta, c, lam):
    one = ptft.pretrained_weights(beta, network(c, lam))
    other = ptft.pretrained_weights(-beta, network(c, lam))
    size = max(abs(getattr(one, name)) for name in NAMES)
    for plus, minus in (("w_plus", "w_minus"), ("v_plus", "v_minus")):
        assert abs(getattr(one, plus) - getattr(other, minus)) <= 1e-14 * size


@given(coefficients, scales, relatives, readouts)
def test_rebalancing_gives_a_network_that_computes_zero(beta, c, lam, gamma):
    trained = ptft.pretrained_weights(beta, network(c, lam))
    start = ptft.rebalance(trained, gamma)
    assert start.beta == 0.0
    assert start.w_plus == start.w_minus == trained.w_plus + trained.w_minus
    assert start.v_plus**2 + start.v_minus**2 == pytest.approx(gamma**2, rel=1e-15)


@given(coefficients, scales, relatives, readouts)
def test_sqrt_k_is_twice_the_squared_weights_before_fine_tuning(beta, c, lam, gamma):
    if lam == -1.0 and gamma == 0.0:
        gamma = 1.0
    init = Initialization(c, lam, gamma)
    trained = ptft.pretrained_weights(beta, init)
    start = ptft.rebalance(trained, gamma)
    # w+ and w- may be large and cancel; then their sum knows fewer digits than they do
    lost = 1e-15 * (abs(trained.w_plus) + abs(trained.w_minus))
    slack = 4.0 * lost * (2.0 * abs(start.w_plus) + lost)
    scale = ptft.sqrt_k(beta, init)
    assert abs(2.0 * (start.w_plus**2 + start.v_plus**2) - scale) <= 1e-13 * scale + slack


def test_without_first_layer_rebalancing_forgets_the_pretrained_coefficient():
    init = Initialization(0.5, -1.0, 0.3)
    beta = np.array([-1e6, -1.0, 0.0, 1e-3, 2.0])
    trained = ptft.pretrained_weights(beta, init)
    start = ptft.rebalance(trained, init.gamma_ft)
    assert np.all(np.abs(start.w_plus) <= 1e-15 * np.abs(trained.v_plus))
    np.testing.assert_allclose(ptft.sqrt_k(beta, init), 0.3**2, rtol=1e-15)


def test_weights_stay_finite_where_beta_over_c_overflows():
    with mp.workdps(50):
        found = as_mpf(ptft.pretrained_weights(HUGE, network(1e-300, 0.5)))
        exact = exact_weights(HUGE, 1e-300, 0.5)
        for name, value in zip(NAMES, exact, strict=True):
            assert abs(getattr(found, name) - value) <= 1e-12 * abs(exact[0])


def test_arrays_broadcast_and_scalars_stay_scalars():
    init = Initialization(np.array([[0.1], [1.0]]), np.array([-0.5, 0.0, 0.5]), 0.2)
    beta = np.array([1.0, -2.0, 0.0])
    weights = ptft.pretrained_weights(beta, init)
    assert weights.beta.shape == (2, 3)
    one = ptft.pretrained_weights(-2.0, Initialization(1.0, 0.0, 0.2))
    assert np.ndim(one.beta) == 0
    assert one.w_plus == weights.w_plus[1, 1]
    gammas = np.array([0.0, 1.0, 2.0, 3.0])
    start = ptft.rebalance(one, gammas)
    assert start.w_plus.shape == start.v_plus.shape == (4,)
    assert ptft.rebalance(one, 1.0).v_plus == pytest.approx(np.sqrt(0.5), rel=1e-15)


# --- Tasks ----------------------------------------------------------------------------------------

probabilities = st.floats(1e-3, 1.0 - 1e-3)


def tasks(**options):
    return st.builds(
        lambda rho_pt, shared, new: Task(rho_pt, rho_shared=shared, rho_new=new, **options),
        probabilities,
        st.floats(1e-3, 1.0),
        st.floats(0.0, 1.0 - 1e-3),
    )


@given(tasks())
def test_group_probabilities_have_the_task_as_margins(task):
    share = {group.name: group.probability for group in task.groups()}
    get = share.get
    assert sum(share.values()) == pytest.approx(1.0, rel=1e-15)
    assert get("shared", 0) + get("pretraining only", 0) == pytest.approx(task.rho_pt, rel=1e-13)
    assert get("shared", 0) + get("new", 0) == pytest.approx(task.rho_ft, rel=1e-13)
    assert get("shared", 0) == pytest.approx(task.overlap * task.rho_ft, rel=1e-13)


@given(tasks())
def test_both_constructors_agree(task):
    again = Task(task.rho_pt, task.rho_ft, task.overlap)
    assert again.rho_shared == pytest.approx(task.rho_shared, rel=1e-13)
    assert again.rho_new == pytest.approx(task.rho_new, rel=1e-10, abs=1e-13)
    one, other = ({g.name: g.probability for g in t.groups()} for t in (task, again))
    for name in one.keys() | other.keys():  # a group of 1e-150 may round to an empty one
        assert one.get(name, 0.0) == pytest.approx(other.get(name, 0.0), rel=1e-10, abs=1e-13)


@given(probabilities, probabilities, st.floats(0.0, 1.0))
def test_feasible_overlaps_are_those_between_the_bounds(rho_pt, rho_ft, overlap):
    low, high = max(0.0, 1.0 - (1.0 - rho_pt) / rho_ft), min(1.0, rho_pt / rho_ft)
    if low <= overlap <= high:
        task = Task(rho_pt, rho_ft, overlap)
        assert 0.0 <= task.rho_shared <= 1.0
        assert 0.0 <= task.rho_new <= 1.0
    elif not low - 1e-9 <= overlap <= high + 1e-9:
        with pytest.raises(ValueError, match=r"overlap = .* is impossible"):
            Task(rho_pt, rho_ft, overlap)


@given(tasks(prior="gaussian") | tasks(prior="signs"))
def test_a_teacher_coefficient_has_unit_second_moment(task):
    second = sum(group.probability * group.prior.second_moment for group in task.groups())
    assert second == pytest.approx(1.0, rel=1e-13)


def test_empty_groups_are_left_out():
    names = [group.name for group in Task(0.1, 0.1, 1.0).groups()]
    assert names == ["shared", "neither"]  # 0.1 / 0.1 rounds to 1 exactly
    assert isinstance(Task(0.1, 0.1, 0.5).groups()[0], TaskGroup)


def z_score(count, n_trials, probability):
    return (count - n_trials * probability) / np.sqrt(n_trials * probability * (1.0 - probability))


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
def test_sampled_groups_have_their_frequencies(prior):
    task, n_dims = Task(0.3, 0.2, 0.6, amplitude_pt=2.5, prior=prior), 400_000
    beta_pt, beta_ft = task.sample_teachers(n_dims, np.random.default_rng(5))
    pt, ft = beta_pt != 0.0, beta_ft != 0.0
    members = {
        "shared": pt & ft,
        "new": ~pt & ft,
        "pretraining only": pt & ~ft,
        "neither": ~pt & ~ft,
    }
    for group in task.groups():
        score = z_score(members[group.name].sum(), n_dims, group.probability)
        assert abs(score) < 4.0, group.name
    assert abs(z_score((beta_pt > 0.0).sum(), pt.sum(), 0.5)) < 4.0
    np.testing.assert_array_equal(np.abs(beta_pt[pt]), 2.5)
    # signs of the two teachers are independent of each other
    assert abs(z_score((beta_pt * beta_ft > 0.0).sum(), (pt & ft).sum(), 0.5)) < 4.0
    assert abs(mean_z_score(beta_ft**2, 1.0)) < 4.0


def mean_z_score(sample, mean):
    return (sample.mean() - mean) / (sample.std() / np.sqrt(sample.size))


def test_sampled_priors_have_their_distribution():
    rng = np.random.default_rng(6)
    prior = Prior(weights=(0.25, 0.75), means=(2.0, 0.0), variances=(0.5, 0.1))
    sample = prior.sample(400_000, rng)
    assert prior.second_moment == pytest.approx(0.25 * 4.5 + 0.75 * 0.1, rel=1e-15)
    assert abs(mean_z_score(sample**2, prior.second_moment)) < 4.0
    spread = np.sqrt(0.5)
    above = 0.25 * (norm.sf(1.5, 2.0, spread) + norm.sf(1.5, -2.0, spread)) / 2
    above += 0.75 * norm.sf(1.5, 0.0, np.sqrt(0.1))
    for side in (sample > 1.5, sample < -1.5):
        assert abs(z_score(side.sum(), sample.size, above)) < 4.0
    assert Prior.zero().sample(3, rng).tolist() == [0.0, 0.0, 0.0]
    assert Prior.zero().sample(0, rng).size == 0


def test_inputs_and_labels_have_their_variances():
    rng = np.random.default_rng(7)
    inputs = ptft.sample_inputs(500, 200, rng)
    assert abs(mean_z_score(200 * inputs.ravel() ** 2, 1.0)) < 4.0
    beta = rng.standard_normal(200)
    np.testing.assert_array_equal(ptft.noisy_labels(inputs, beta, 0.0, rng), inputs @ beta)
    many = ptft.sample_inputs(100_000, 2, rng)
    noise = ptft.noisy_labels(many, [1.0, -1.0], 0.3, rng) - many @ [1.0, -1.0]
    assert abs(mean_z_score(noise**2, 0.3)) < 4.0


def test_the_same_seed_gives_the_same_teachers():
    one, other = (Task(0.1, 0.1, 0.5).sample_teachers(50, np.random.default_rng(1)) for _ in "ab")
    np.testing.assert_array_equal(one, other)


# --- Bad input ------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
GOOD = Weights(1.0, 1.0, 0.5, 0.5)
BAD_INPUT = {
    "c_pt zero": (lambda: Initialization(0.0, 0.0), "c_pt", "0.0"),
    "c_pt negative": (lambda: Initialization(-1.0, 0.0), "c_pt", "-1"),
    "c_pt NaN": (lambda: Initialization(np.nan, 0.0), "c_pt", "nan"),
    "c_pt text": (lambda: Initialization("large", 0.0), "c_pt", "large"),
    "lambda_pt": (lambda: Initialization(1.0, 1.5), "lambda_pt", "1.5"),
    "lambda_pt in an array": (lambda: Initialization(1.0, [0.0, -2.0]), "lambda_pt", "-2"),
    "gamma_ft negative": (lambda: Initialization(1.0, 0.0, -0.1), "gamma_ft", "-0.1"),
    "k would be zero": (lambda: Initialization(1.0, -1.0, 0.0), "gamma_ft", "gamma_ft = 0"),
    "shapes": (lambda: Initialization([1.0, 2.0], [0.0, 0.0, 0.0]), "c_pt (2,)", "lambda_pt (3,)"),
    "beta_pt infinite": (
        lambda: ptft.pretrained_weights(np.inf, Initialization(1.0, 0.0)),
        "beta_pt",
        "inf",
    ),
    "beta_pt's shape": (
        lambda: ptft.pretrained_weights([1.0, 2.0], Initialization([1.0] * 3, 0.0)),
        "beta_pt (2,)",
        "c_pt (3,)",
    ),
    "rebalance's gamma_ft": (lambda: ptft.rebalance(GOOD, -1.0), "gamma_ft", "-1.0"),
    "rebalance's weights": (
        lambda: ptft.rebalance(Weights(np.nan, 1.0, 1.0, 1.0), 0.0),
        "w_plus",
        "nan",
    ),
    "rebalance's shapes": (
        lambda: ptft.rebalance(Weights(*[np.ones(2)] * 4), np.ones(3)),
        "gamma_ft (3,)",
        "weights (2,)",
    ),
    "conserved_quantities' shapes": (
        lambda: ptft.conserved_quantities(Weights(np.ones(2), np.ones(3), 1.0, 1.0)),
        "w_plus (2,)",
        "w_minus (3,)",
    ),
    "rho_pt": (lambda: Task(0.0, 0.1, 0.5), "rho_pt", "0.0"),
    "rho_ft": (lambda: Task(0.1, 1.0, 0.5), "rho_ft", "1.0"),
    "rho_ft array": (lambda: Task(0.1, [0.1, 0.2], 0.5), "rho_ft", "(2,)"),
    "overlap": (lambda: Task(0.1, 0.1, 1.2), "overlap", "1.2"),
    "impossible overlap": (lambda: Task(0.1, 0.9, 0.5), "overlap = 0.5", "[0, 0.111111]"),
    "rho_shared": (lambda: Task(0.1, rho_shared=-0.5, rho_new=0.1), "rho_shared", "-0.5"),
    "rho_new": (lambda: Task(0.1, rho_shared=0.5, rho_new=2.0), "rho_new", "2.0"),
    "nothing active": (lambda: Task(0.1, rho_shared=0.0, rho_new=0.0), "rho_shared", "rho_ft = 0"),
    "all active": (lambda: Task(0.1, rho_shared=1.0, rho_new=1.0), "rho_new", "rho_ft = 1"),
    "neither pair": (lambda: Task(0.1), "rho_ft and overlap", "rho_ft=None"),
    "both pairs": (
        lambda: Task(0.1, 0.1, 0.5, rho_shared=0.5, rho_new=0.1),
        "rho_shared and rho_new",
        "rho_shared=0.5",
    ),
    "amplitude_pt": (lambda: Task(0.1, 0.1, 0.5, amplitude_pt=0.0), "amplitude_pt", "0.0"),
    "prior": (lambda: Task(0.1, 0.1, 0.5, prior="laplace"), "prior", "laplace"),
    "weights' sum": (lambda: Prior((0.5, 0.4), (0, 0), (1, 1)), "weights", "0.9"),
    "weights' lengths": (lambda: Prior((0.5, 0.5), (0,), (1, 1)), "means", "'means': 1"),
    "variances": (lambda: Prior((1.0,), (0.0,), (-1.0,)), "variances", "-1.0"),
    "means": (lambda: Prior.signs(-2.0), "means", "-2.0"),
    "size": (lambda: Prior.zero().sample(-1, RNG), "size", "-1"),
    "n_dims": (lambda: Task(0.1, 0.1, 0.5).sample_teachers(2.5, RNG), "n_dims", "2.5"),
    "n_samples": (lambda: ptft.sample_inputs(0, 3, RNG), "n_samples", "0"),
    "n_samples bool": (lambda: ptft.sample_inputs(True, 3, RNG), "n_samples", "True"),
    "n_samples None": (lambda: ptft.sample_inputs(None, 3, RNG), "n_samples", "None"),
    "noise": (lambda: ptft.noisy_labels(np.eye(2), [1.0, 1.0], -0.1, RNG), "noise", "-0.1"),
    "labels' shapes": (
        lambda: ptft.noisy_labels(np.eye(2), [1.0] * 3, 0.0, RNG),
        "beta of shape",
        "(2, 2) and (3,)",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_named_with_its_value(case):
    call, argument, value = BAD_INPUT[case]
    with pytest.raises(ValueError, match=r"must|give|impossible") as caught:
        call()
    assert argument in str(caught.value)
    assert value in str(caught.value)


def test_a_task_says_what_it_was_made_of():
    task = Task(0.1, 0.3, 0.25)
    assert (task.rho_pt, task.rho_ft, task.overlap, task.amplitude_pt) == (0.1, 0.3, 0.25, 1.0)
    again = Task(0.1, rho_shared=task.rho_shared, rho_new=task.rho_new)
    assert again.rho_ft == pytest.approx(0.3, rel=1e-14)
    assert again.overlap == pytest.approx(0.25, rel=1e-14)


def test_shares_that_rounding_puts_above_1_are_1():
    """0.7 / 0.7 and the like may exceed 1 by a rounding."""
    for rho in np.linspace(0.01, 0.99, 99):
        assert Task(rho, rho, 1.0).rho_shared == 1.0
        assert Task(rho, 1.0 - rho, 0.0).rho_new <= 1.0


def test_a_prior_is_of_sizes_whose_squares_are_numbers():
    with pytest.raises(ValueError, match="means must be"):
        Prior([1.0], [1e151], [0.0])
