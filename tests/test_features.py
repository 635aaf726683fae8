"""What each group holds: sums against the solver, and networks against the theory."""

import numpy as np
import pytest

from ptft import REGIMES, Initialization, Task, implicit_bias, learning_curve, sample_inputs, sqrt_k
from ptft.theory import features_used

ALPHA = np.linspace(0.01, 0.95, 20)
NETWORKS = {numeral: regime.init for numeral, regime in REGIMES.items()}
NETWORKS |= {"tiny": Initialization(1e-20, 0.5, 0.0), "huge": Initialization(1e10, 0.0, 1e10)}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("prior", ["gaussian", "signs"])
@pytest.mark.parametrize(("noise", "ridge"), [(0.0, 0.0), (0.1, 0.0), (0.1, 1.0)])
def test_groups_sum_to_the_whole(name, prior, noise, ridge):
    for overlap in (0.0, 0.5, 1.0):
        task, init = Task(0.1, 0.1, overlap, prior=prior), NETWORKS[name]
        curve = learning_curve(task, init, ALPHA, noise, ridge)
        used = features_used(task, init, curve, threshold=0.3)
        share = used.probability
        np.testing.assert_allclose(share @ used.error, curve.error, rtol=1e-11)
        np.testing.assert_allclose(share @ used.slope + ridge / curve.theta, ALPHA, rtol=1e-12)
        idle = [name in ("pretraining only", "neither") for name in used.groups]
        np.testing.assert_allclose(used.second_moment[idle], used.error[idle], rtol=1e-10)


def test_second_moment_of_a_gaussian_teacher():
    """By Stein's lemma E[x_hat x] is the variance times the mean slope."""
    task, init = Task(0.1, 0.1, 0.5), Initialization(0.1, 0.0)
    used = features_used(task, init, learning_curve(task, init, ALPHA), 1.0)
    active = [name in ("shared", "new") for name in used.groups]
    expected = used.error + 2.0 * 10.0 * used.slope - 10.0
    np.testing.assert_allclose(used.second_moment[active], expected[active], rtol=1e-11, atol=1e-12)


def test_shares_at_the_ends_of_the_threshold():
    task, init = Task(0.1, 0.1, 0.5), NETWORKS["IV"]
    curve = learning_curve(task, init, 0.2)
    all_of_them, none = (features_used(task, init, curve, t) for t in (1e-200, 1e6))
    np.testing.assert_allclose(all_of_them.selected, 1.0)
    assert all_of_them.false_discoveries == pytest.approx(0.9)
    assert all_of_them.true_positives == pytest.approx(1.0)
    assert none.false_discoveries == none.true_positives == 0.0
    assert not none.selected.any()


def simulated(task, init, alpha, n_dims, threshold, rng):
    """Return errors, second moments and shares selected in each group of one trained network."""
    beta_pt, teacher = task.sample_teachers(n_dims, rng)
    inputs = sample_inputs(round(alpha * n_dims), n_dims, rng)
    beta = implicit_bias(inputs, inputs @ teacher, sqrt_k(beta_pt, init)).beta
    rows = []
    for group in task.groups():
        mine = (beta_pt != 0.0) == (group.beta_pt != 0.0)
        mine &= (teacher != 0.0) == (group.prior.second_moment > 0.0)
        found, true = beta[mine], teacher[mine]
        rows.append([np.mean((found - true) ** 2), np.mean(found**2)])
        rows[-1].append(np.mean(np.abs(found) > threshold))
    large = np.abs(beta) > threshold
    false = np.mean(teacher[large] == 0.0), np.mean(large[teacher != 0.0])
    return np.concatenate([np.ravel(rows), false])


@pytest.mark.parametrize("name", ["II", "IV"])
def test_networks_use_what_the_theory_says(name):
    task, init, alpha, threshold = Task(0.2, 0.2, 0.6), NETWORKS[name], 0.3, 0.5
    used = features_used(task, init, learning_curve(task, init, alpha), threshold)
    rows = np.stack([used.error, used.second_moment, used.selected], axis=1)
    theory = np.append(np.ravel(rows), (used.false_discoveries, used.true_positives))
    seeds = np.random.SeedSequence(3).spawn(40)
    runs = [
        simulated(task, init, alpha, 400, threshold, np.random.default_rng(seed)) for seed in seeds
    ]
    score = (np.mean(runs, axis=0) - theory) / (np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs)))
    assert np.abs(score).max() < 4.0
    assert np.mean(np.abs(score) < 2.0) > 0.7


def test_bad_input():
    task, init = Task(0.1, 0.1, 0.5), NETWORKS["II"]
    curve = learning_curve(task, init, 0.2)
    with pytest.raises(ValueError, match="threshold must be finite and in"):
        features_used(task, init, curve, 0.0)
    with pytest.raises(ValueError, match="curve must be of class LearningCurve"):
        features_used(task, init, 0.2, 0.5)
    with pytest.raises(ValueError, match="curve must be the learning curve of task and init"):
        features_used(task, NETWORKS["I"], curve, 0.5)
    with pytest.raises(ValueError, match="curve must have 0 < theta < inf"):
        features_used(task, init, learning_curve(task, init, 1.2, noise=0.1), 0.5)
