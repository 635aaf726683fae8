"""Intervals over networks and pairs: against scipy where it has them, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptft.vision import crossed, results
from ptft.vision.crossed import Crossed, analyse, bootstrap, mean_squares

RNG = np.random.default_rng(0)

# Standard deviations of networks, pairs and rest.
LAWS = [
    (1.0, 1.0, 1.0),
    (1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0),
    (0.0, 0.0, 1.0),
    (0.3, 0.3, 1.0),
    (0.5, 0.2, 1.0),
    (1.0, 1.0, 0.01),
    (0.1, 1.0, 0.5),
]


def tables(law, shape=(4, 12), n=1000, seed=1):
    """Draw tables of mean 0 by a two-way law."""
    rng, (networks, pairs) = np.random.default_rng(seed), shape
    effects = (
        deviation * rng.standard_normal((n, *size))
        for deviation, size in zip(law, ((networks, 1), (1, pairs), shape), strict=True)
    )
    return sum(effects)


def held(low, high, truth=0.0):
    """Return how often intervals hold the truth, and how many deviations that is from 95%."""
    inside = (low <= truth) & (truth <= high)
    return inside.mean(), (inside.mean() - 0.95) / np.sqrt(0.95 * 0.05 / inside.size)


# --- Mean squares and intervals ------------------------------------------------------------------


def test_mean_squares_are_those_of_least_squares():
    """By the sums of squares that each factor takes away from a regression's residual."""
    values = RNG.standard_normal((4, 6))
    rows, columns = (index.ravel() for index in np.indices(values.shape))
    networks, pairs = (np.eye(n)[i] for n, i in zip(values.shape, (rows, columns), strict=True))

    def residual(*parts):
        X = np.hstack([np.ones((values.size, 1)), *parts])
        fitted = X @ np.linalg.lstsq(X, values.ravel(), rcond=None)[0]
        return ((values.ravel() - fitted) ** 2).sum()

    whole, rest = residual(), residual(networks, pairs)
    expected = (whole - residual(networks)) / 3, (whole - residual(pairs)) / 5, rest / 15
    assert mean_squares(values) == pytest.approx(expected, rel=1e-12)


def test_one_network_is_a_t_test_over_pairs():
    values = RNG.standard_normal(12) + 0.3
    for table, status in ((values[None], "one network: its"), (values[:, None], "one pair: net")):
        found = analyse(table)
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        assert found.status.startswith(status)
        assert found.network is None
        assert found.pair is None
        assert found.rest == pytest.approx(values.std(ddof=1))
        assert found.networks_needed(0.1) is None


def test_networks_that_differ_alike_on_all_pairs_are_a_t_test_over_networks():
    networks = RNG.standard_normal(5)
    found = analyse(np.repeat(networks[:, None], 7, axis=1))
    interval = stats.ttest_1samp(networks, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.network == pytest.approx(networks.std(ddof=1))
    assert (found.pair, found.rest) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert found.status == "networks and pairs"


def test_one_value_has_no_interval():
    found = analyse([[0.3]])
    assert found.mean == 0.3
    assert found.low is found.high is found.standard_error is None
    assert found.status == "one value: no interval"
    assert found.smallest_effect() is None


def test_equal_values_have_an_interval_of_no_length():
    found = analyse(np.full((4, 12), 0.25))
    assert found.low == found.high == found.mean == 0.25
    assert found.smallest_effect() == 0.0
    assert bootstrap(np.full((4, 12), 0.25)) == pytest.approx((0.25, 0.25))


def test_networks_and_pairs_may_change_places():
    values = RNG.standard_normal((4, 12))
    one, other = analyse(values), analyse(values.T)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))
    assert (one.network, one.pair) == pytest.approx((other.pair, other.network))


@pytest.mark.parametrize("law", LAWS)
def test_components_are_unbiased_before_they_are_cut_at_zero(law):
    A, B, E = mean_squares(tables(law, n=4000))
    for part, expected in (((A - E) / 12, law[0]), ((B - E) / 4, law[1]), (E, law[2])):
        error = part.std() / np.sqrt(len(part))
        assert abs(part.mean() - expected**2) < 4 * error


@pytest.mark.parametrize("law", LAWS)
def test_the_interval_holds_the_truth(law):
    """At 4 networks and 12 pairs: 94.3% to 99.2% of tables, as the module says."""
    found = analyse(tables(law))
    share, z = held(found.low, found.high)
    assert z > -3.0
    assert share < 0.998
    assert np.isfinite(found.low).all()


@pytest.mark.parametrize(("shape", "least"), [((3, 12), 0.93), ((2, 12), 0.885), ((8, 24), 0.945)])
def test_the_interval_with_other_numbers_of_networks(shape, least):
    intervals = [analyse(tables(law, shape, n=4000)) for law in LAWS]
    shares = [held(found.low, found.high)[0] for found in intervals]
    assert min(shares) > least - 0.012  # four deviations
    assert min(shares) < 0.96


def test_an_interval_over_pairs_alone_is_too_short():
    """What a table of four networks would give if its 48 cells were taken for independent."""
    values = tables(LAWS[0]).reshape(1000, 1, -1)
    found = analyse(values)
    assert held(found.low, found.high)[0] < 0.6


@pytest.mark.parametrize(
    ("shape", "least", "most"), [((4, 12), 0.84, 0.995), ((3, 12), 0.79, 0.995)]
)
def test_the_bootstraps_interval_is_short_with_few_networks(shape, least, most):
    shares = [held(*bootstrap(tables(law, shape), 500))[0] for law in LAWS]
    assert least < min(shares) < 0.89
    assert 0.97 < max(shares) < most + 0.005


def test_the_bootstraps_interval_with_many_of_both():
    share, z = held(*bootstrap(tables((0.3, 0.3, 1.0), (40, 40), n=500), 400))
    assert abs(share - 0.95) < 0.03
    assert abs(z) < 4


def test_the_bootstraps_variance_is_exact():
    """That of a bilinear form in two independent multinomials."""
    values, n_draws = RNG.standard_normal((4, 6)), 200_000
    C_rows, C_columns = ((np.eye(n) - 1.0 / n) / n**2 for n in values.shape)
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    expected = rows @ C_rows @ rows + columns @ C_columns @ columns
    expected += (C_rows * (values @ C_columns @ values.T)).sum()
    found = crossed._resampled(values, n_draws, 0).var(ddof=1)
    assert found == pytest.approx(expected, rel=4 * np.sqrt(2.0 / n_draws))


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((0, 3)), [[0.0, np.nan]]])
def test_bad_values(bad):
    with pytest.raises(ValueError, match="values must"):
        analyse(bad)


# --- Power ---------------------------------------------------------------------------------------


def true(law, shape=(4, 12)):
    """Return an analysis whose estimates are the truth."""
    found = Crossed(0.0, *[None] * 4, *law, *shape, "networks and pairs")
    variance, degrees = found._expected(shape[0])
    return Crossed(0.0, np.sqrt(variance), degrees, 0.0, 0.0, *law, *shape, found.status)


def seen(law, shape, effect, n=3000):
    found = analyse(tables(law, shape, n) + effect)
    return ((found.low > 0.0) | (found.high < 0.0)).mean()


@pytest.mark.parametrize("law", [LAWS[0], LAWS[4], LAWS[5]])
def test_the_smallest_effect_is_seen_four_times_in_five(law):
    assert seen(law, (4, 12), true(law).smallest_effect()) == pytest.approx(0.8, abs=0.05)
    assert seen(law, (4, 12), true(law).smallest_effect(power=0.5)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("effect", [1.0, -0.8, 0.6])
def test_enough_networks_and_one_fewer(effect):
    law = LAWS[5]
    needed = true(law).networks_needed(effect)
    assert seen(law, (needed, 12), effect) > 0.78
    assert seen(law, (needed - 1, 12), effect) < 0.8
    assert true(law, (needed, 12)).smallest_effect() <= abs(effect)


def test_no_number_of_networks_makes_up_for_few_pairs():
    assert true(LAWS[0]).networks_needed(0.5) is None
    assert true(LAWS[0]).networks_needed(0.0) is None
    assert true(LAWS[1]).networks_needed(0.1) > 500


@pytest.mark.parametrize("degrees", [3.0, 11.5, 200.0])
def test_power_is_the_noncentral_ts(degrees):
    """Where scipy's is defined."""
    shift = crossed._noncentrality(degrees, 0.8, 0.05)
    bound = stats.t.ppf(0.975, degrees)
    law = stats.nct(degrees, shift)
    assert law.sf(bound) + law.cdf(-bound) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("options", [{"power": 1.0}, {"power": 0.01}, {"level": 0.0}])
def test_bad_power(options):
    with pytest.raises(ValueError, match="must be"):
        true(LAWS[0]).smallest_effect(**options)


# --- Tables of networks --------------------------------------------------------------------------


def rows(values, base, initialisations=None, split=0, kappa=2.0):
    """Return a table of one setting and the baseline from arrays, networks by pairs."""
    found = []
    for name, array in ((kappa, values), (1.0, base)):
        for (i, j), value in np.ndenumerate(np.asarray(array, dtype=float)):
            i = i if initialisations is None else initialisations[i]
            job = {"initialisation": i, "split": split, "first": 0, "second": j + 1}
            setting = {"n_samples": 20, "kappa": name, "c": 1.0, "gamma": 1.0, "d": 1.0}
            found.append(job | setting | {"accuracy": value})
    return pd.DataFrame(found)


VALUES, BASE = RNG.uniform(size=(2, 4, 12))


def test_differences_are_within_a_network():
    found = results.differences(rows(VALUES, BASE), "accuracy").set_index("kappa").loc[2.0]
    expected = analyse(VALUES - BASE)
    for name in ("standard_error", "degrees", "low", "high", "network", "pair", "rest"):
        assert found[name] == pytest.approx(float(getattr(expected, name)))
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx(bootstrap(VALUES - BASE))
    assert found.smallest_effect == pytest.approx(expected.smallest_effect())
    assert (found.n_networks, found.n_pairs, found.n_lost) == (4, 12, 0)
    assert (found["mean"], found.baseline) == pytest.approx((VALUES.mean(), BASE.mean()))
    assert found.status == "networks and pairs"


def test_differences_say_how_many_networks_an_effect_needs():
    found = results.differences(rows(VALUES, BASE), "accuracy", effect=0.2).set_index("kappa")
    expected = analyse(VALUES - BASE).networks_needed(0.2)
    assert found.networks_needed[2.0] == expected > 1
    found = results.differences(rows(VALUES[:1], BASE[:1]), "accuracy", effect=0.2)
    assert found.networks_needed.isna().all()


def test_order_of_rows_does_not_matter():
    table = rows(VALUES, BASE)
    shuffled = table.sample(frac=1.0, random_state=0)
    found = [results.differences(t, "accuracy") for t in (table, shuffled)]
    pd.testing.assert_frame_equal(*found)


def test_a_lost_network_is_left_out_and_counted():
    """Otherwise every pair would be missing from it."""
    values = VALUES.copy()
    values[2] = np.nan
    values[0, 5] = np.nan
    found = results.differences(rows(values, BASE), "accuracy").set_index("kappa").loc[2.0]
    kept = np.delete(np.delete(VALUES - BASE, 2, axis=0), 5, axis=1)
    assert (found.n_networks, found.n_pairs, found.n_lost) == (3, 11, 48 - 33)
    assert found.difference == pytest.approx(kept.mean())
    assert found.low == pytest.approx(float(analyse(kept).low))


def test_one_network_says_what_it_can():
    found = results.differences(rows(VALUES[:1], BASE[:1]), "accuracy").set_index("kappa").loc[2.0]
    interval = stats.ttest_rel(VALUES[0], BASE[0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.status == "one network: its pairs alone"
    assert found.network is pd.NA
    assert np.isfinite([found.bootstrap_low, found.bootstrap_high, found.smallest_effect]).all()


def test_means_of_splits_are_independent():
    """A split's pairs are of its own classes, so the splits are the sample."""
    parts = [rows(v, b, split=i) for i, (v, b) in enumerate(RNG.uniform(size=(3, 2, 2, 5)))]
    found = results.differences(pd.concat(parts), "accuracy").set_index("kappa").loc[2.0]
    changes = [part.groupby("kappa").accuracy.mean() for part in parts]
    changes = [change[2.0] - change[1.0] for change in changes]
    interval = stats.ttest_1samp(changes, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.n_networks, found.n_pairs, found.status) == (6, 15, "splits")


def test_a_baseline_of_another_table():
    """As where kappa is compared with the early learning rate that it amounts to."""
    table, other = rows(VALUES, BASE), rows(BASE, BASE + 0.1)
    ones = other[other.kappa == 1.0]
    found = results.differences(table[table.kappa == 2.0], "accuracy", baseline=ones)
    assert found.difference.tolist() == pytest.approx([(VALUES - BASE - 0.1).mean()])
    with pytest.raises(ValueError, match="baseline must be of one setting"):
        results.differences(table, "accuracy", baseline=other)


def test_tables_of_initialisations_are_joined():
    parts = [rows(VALUES[i : i + 1], BASE[i : i + 1], [i]) for i in (2, 0, 3, 1)]
    found = results.differences(results.joined(parts), "accuracy")
    pd.testing.assert_frame_equal(found, results.differences(rows(VALUES, BASE), "accuracy"))
    with pytest.raises(ValueError, match="tables must not share rows, got 24 twice, such as"):
        results.joined([parts[0], parts[1], parts[0]])


def test_published_tables_have_their_initialisation(repository):
    folder = repository / "ptft" / "companion" / "results"
    for name, initialisation in (("vision_natural", 0), ("vision_natural_again", 1)):
        table, _ = results.read_table(folder / f"{name}.csv")
        assert (table.initialisation == initialisation).all()
