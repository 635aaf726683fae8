"""The best initialisation against brute force, known limits and the table of best errors."""

import numpy as np
import pytest

import ptft
from ptft import Task, best_initialization
from ptft.companion import results
from ptft.model import two_numbers
from ptft.sweeps import provenance
from ptft.theory import basis_pursuit, pretraining_value
from ptft.theory.covering import Covering, _lowest
from ptft.theory.surface import Surface

HALF = Task(0.1, 0.1, 0.5)


def grid_least(tasks, alpha, noise, size=30):
    surface = Surface(tasks, alpha, noise)
    inactive = np.log(surface.scale) + np.linspace(-30.0, 8.0, size)
    height = np.logaddexp(0.0, np.log(4.0 * tasks[0].amplitude_pt) - inactive)
    below = np.expm1(np.linspace(0.0, 1.0, size)[:, None] * np.log1p(height))
    pairs = np.broadcast_arrays(inactive, inactive + height - below)
    return surface.interior(*(x.ravel() for x in pairs))


@pytest.mark.parametrize(
    ("task", "alpha", "error", "kind"),
    [
        (HALF, 0.03, 0.9184, "interior"),
        (HALF, 0.1, 0.6964, "interior"),
        (Task(0.1, 0.1, 1.0), 0.03, 0.7043, "bound"),
        (Task(0.1, 0.04, 0.5), 0.03, 0.8912, "interior"),
        (Task(0.1, 0.1, 0.0), 0.1, 0.8193, "equal numbers"),
    ],
)
def test_the_best_errors_of_an_independent_search(task, alpha, error, kind):
    best = best_initialization(task, alpha)
    assert best.error == pytest.approx(error, abs=5.1e-5)
    assert best.kind == kind
    assert best.attained == (kind != "bound")
    assert 0.0 <= best.certified <= 1e-3
    assert best.init_error == pytest.approx(best.error, rel=1e-4)
    for name, regime in ptft.REGIMES.items():
        other = ptft.learning_curve(task, regime.init, alpha).error
        assert best.regret[name] == pytest.approx(other - best.error, abs=1e-9)
        assert best.regret[name] > 0.0


@pytest.mark.parametrize("seed", range(4))
def test_no_grid_holds_a_lower_error(seed):
    rng = np.random.default_rng(seed)
    rho_pt, rho_ft = rng.uniform(0.02, 0.4, 2)
    overlap = min(1.0, rho_pt / rho_ft) * rng.uniform(0.3, 1.0)
    prior = ("gaussian", "signs")[seed % 2]
    task = Task(rho_pt, rho_ft, overlap, 10.0 ** rng.uniform(-1, 1), prior)
    alpha, noise = rng.uniform(0.05, 0.6), rng.choice([0.0, 0.3])
    best = best_initialization(task, alpha, noise)
    least = grid_least([task], alpha, noise).min()
    assert best.error <= least * (1.0 + 1e-9)
    assert best.error >= least * 0.97  # which the grid's resolution explains


def test_the_family_has_one_error():
    best = best_initialization(HALF, 0.1)
    errors = ptft.learning_curves(HALF, best.family, 0.1).error
    np.testing.assert_allclose(errors, best.error, rtol=1e-9)
    assert np.ptp(best.family.gamma_ft) > 0.1
    np.testing.assert_allclose(two_numbers(best.init), best.sqrt_k, rtol=1e-9)
    assert np.linalg.eigvalsh(best.curvature).min() > 0.0
    assert np.all(best.within[:, 0] < best.sqrt_k)
    assert np.all(best.sqrt_k < best.within[:, 1])


def test_the_curvature_tells_how_the_error_rises():
    best = best_initialization(HALF, 0.1)
    move = np.array([0.2, -0.1])
    surface = Surface([HALF], 0.1, 0.0)
    risen = surface.interior(*(np.log(best.sqrt_k) + move)[:, None])[0, 0]
    expected = move @ best.curvature @ move / 2.0
    assert np.log(risen / best.error) == pytest.approx(expected, rel=0.2)


def test_recovery_is_a_limit():
    value = pretraining_value(HALF)
    best = best_initialization(HALF, value.best + 1e-3)
    assert (best.error, best.certified, best.attained) == (0.0, 0.0, False)
    assert best.kind == "weighted basis pursuit"
    assert best.weight_ratio == value.weight_ratio
    assert "no network attains" in best.status
    below = best_initialization(HALF, value.best - 1e-2)
    assert below.kind == "weighted basis pursuit"
    assert 0.0 < below.error < below.init_error
    assert below.weight_ratio == pytest.approx(value.weight_ratio, abs=0.05)


def test_below_chance_pretraining_is_best_forgotten():
    best = best_initialization(Task(0.3, 0.1, 0.1), 0.1, noise=0.1)
    assert best.kind == "equal numbers"
    assert np.all(best.family.lambda_pt == -1.0)
    assert np.all(best.pretraining_dependence == 0.0)


def test_much_noise_asks_for_the_minimum_norm():
    task = Task(0.3, 0.9, 0.3)
    best = best_initialization(task, 0.5, noise=50.0)
    assert best.error <= 0.5 + 50.0 + 1e-9
    assert best.init_error == pytest.approx(best.error, rel=1e-3)


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_limit_of_small_scales_is_weighted_basis_pursuit(prior, noise):
    task = Task(0.1, 0.1, 0.5, prior=prior)
    surface, ratio = Surface([task], 0.2, noise), np.array([0.3, 0.7, 1.0])
    groups = ptft.penalised_groups(task, ptft.Initialization(1.0, 0.0))
    active = [group.sqrt_k > 4.5 for group in groups]
    expected = [
        basis_pursuit(groups, 0.2, noise, 90, weights=np.where(active, w, 1.0))[0] for w in ratio
    ]
    limit = surface.pursuit(ratio)[0]
    np.testing.assert_allclose(limit, expected, rtol=1e-11)
    far = [surface.interior(np.full(3, -d), -d * ratio)[0] - limit for d in (100.0, 200.0)]
    np.testing.assert_allclose(far[0], 2.0 * far[1], atol=2e-3)


def test_few_samples_freeze_what_pretraining_did_not_use():
    surface = Surface([HALF], 0.05, 0.0)
    near = surface.interior(np.array([-60.0]), np.array([0.5]))
    np.testing.assert_allclose(surface.frozen(np.array([0.5])), near, rtol=1e-12)
    many = Surface([HALF], 0.2, 0.0)
    np.testing.assert_allclose(many.frozen(np.zeros(1)), many.pursuit(np.zeros(1)))


def test_an_uncertain_overlap():
    tasks = [Task(0.1, 0.1, overlap) for overlap in (0.1, 0.5, 0.9)]
    weights = np.array([0.2, 0.5, 0.3])
    values = grid_least(tasks, 0.1, 0.0)
    mean = best_initialization(tasks, 0.1, weights=weights)
    worst = best_initialization(tasks, 0.1, criterion="worst")
    for best, least in ((mean, (weights @ values).min()), (worst, values.max(axis=0).min())):
        assert least * 0.98 <= best.error <= least * (1.0 + 1e-9)
        assert best.certified <= 2e-3
    assert mean.error < worst.error
    assert best_initialization([HALF], 0.1) == best_initialization(HALF, 0.1)


def test_a_covering_bounds_from_below():
    def bumps(p, q):
        return 1.0 + (p - 0.3) ** 2 + (q - 0.6) ** 2 + 0.2 * np.cos(9.0 * p * q)[None]

    covering = Covering(bumps, (4, 4), 10.0)
    assert covering.bound < covering.least
    covering.polish()
    covering.refine(0.999 * covering.least, 5000)
    fine = np.linspace(0.0, 1.0, 800)
    true = bumps(*np.meshgrid(fine, fine)).min()
    assert 0.999 * covering.least <= covering.bound <= true
    assert covering.least == pytest.approx(true, rel=1e-5)


def test_polish_looks_at_the_largest_of_several_functions():
    """The first alone would lead away from where the two cross."""

    def crossing(p, q):
        return np.stack([1.0 + p + (q - 0.37) ** 2, 2.2 - p + (q - 0.37) ** 2])

    covering = Covering(crossing, (4, 4), 10.0)
    before = covering.least
    covering.polish()
    assert covering.least < before
    assert covering.least == pytest.approx(1.6, abs=6e-5)  # 1e-4 off where the first leads
    assert covering.place == pytest.approx((0.6, 0.37), abs=1e-3)


def test_a_place_that_rounding_put_beside_the_edge_is_on_it():
    """At 1 a coordinate means a limit, not a number near it."""
    nodes = np.meshgrid(*2 * [np.array([0.75, 0.875, 1.0 - 1e-15])], indexing="ij")
    assert _lowest(nodes, -nodes[0] - nodes[1]).tolist() == [1.0, 1.0]


def test_a_covering_needs_no_reserve_where_nothing_bends():
    """Second differences are taken of -log(1/f + 1/ceiling); here it is linear."""

    def linear(p, q):
        return 1.0 / (np.exp(1.0 + p + 2.0 * q) - 0.1)[None]

    covering = Covering(linear, (4, 4), 10.0)
    assert covering.least == pytest.approx(1.0 / (np.exp(4.0) - 0.1), rel=1e-14)
    assert covering.bound == pytest.approx(covering.least, rel=1e-12)


def test_the_table_of_random_tasks_holds_no_excess():
    table, facts = provenance.read_table(results.path("best_initialization.csv"))
    assert len(table) == 20
    assert "100 x 100" in facts["settings"]
    assert table.excess.max() <= 0.0
    assert table.certified.max() <= 1e-3
    assert table.seconds.median() < 0.5


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"alpha": 1.0}, "alpha must be less than 1"),
        ({"alpha": 1.5, "noise": 0.1}, "alpha must be less than 1"),
        ({"alpha": 0.0}, "alpha"),
        ({"noise": -1.0}, "noise"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"task": 3}, "task"),
        ({"task": []}, "task"),
        ({"task": [HALF, Task(0.1, 0.1, 0.5, 2.0)]}, "amplitude_pt"),
        ({"weights": [0.5, 0.5]}, "weights"),
        ({"weights": [2.0]}, "weights"),
        ({"criterion": "median"}, "criterion"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        best_initialization(**({"task": HALF, "alpha": 0.1} | arguments))


@pytest.mark.parametrize("low", [(0.2, 0.5), (0.75, 0.75)])
@pytest.mark.parametrize("least", [(0.3, 0.6), (0.9, 0.95), (2.0, 2.0), (-1.0, -1.0)])
def test_the_least_place_of_a_quadratic(low, least):
    """Within a square of side 1/4, to its 64th part."""
    low, least = np.array(low), np.array(least)
    nodes = np.meshgrid(*(x + np.array([0.0, 0.125, 0.25]) for x in low), indexing="ij")
    p, q = (x - c for x, c in zip(nodes, least, strict=True))
    place = _lowest(nodes, 3.0 + p**2 + 0.1 * p * q + 2.0 * q**2)
    inside = np.clip(least, low, low + 0.25)
    if np.array_equal(inside, least) or (least == 2.0).all() or (least == -1.0).all():
        np.testing.assert_allclose(place, inside, atol=0.25 / 64.0)
    else:
        assert np.all((low <= place) & (place <= low + 0.25))
