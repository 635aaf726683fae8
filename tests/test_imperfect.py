"""Fine-tuning after pretraining on few or noisy samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ptft import (
    REGIMES,
    Initialization,
    Task,
    implicit_bias,
    learning_curve,
    sample_inputs,
    sqrt_k,
)
from ptft.theory import fixed_point, imperfect_curve, imperfect_groups, pretraining_curve
from ptft.theory.imperfect import dual_nodes

FULL, RICH = Task(0.1, 0.1, 1.0), Initialization(1e-3, -0.9)


@pytest.mark.parametrize(
    ("alpha_pt", "alpha", "pretraining", "error"),
    [
        (0.1, 0.1, 0.096, 0.8266),
        (0.2, 0.1, 0.077, 0.7223),
        (0.3, 0.05, 0.051, 0.8206),
        (0.3, 0.2, 0.051, 0.2146),
    ],
)
def test_an_independent_computation(alpha_pt, alpha, pretraining, error):
    """By Gauss-Hermite quadrature over 61 nodes, to the digits that are told."""
    assert round(imperfect_curve(FULL, RICH, alpha, alpha_pt).error, 4) == error
    assert round(pretraining_curve(FULL, RICH, alpha_pt).error, 3) == pretraining


@pytest.mark.parametrize("numeral", REGIMES)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_enough_samples_make_it_perfect(numeral, overlap):
    task, init = Task(0.1, 0.1, overlap, amplitude_pt=0.7), REGIMES[numeral].init
    perfect = learning_curve(task, init, [0.1, 0.3]).error
    assert_allclose(imperfect_curve(task, init, [0.1, 0.3], 1.5).error, perfect, rtol=1e-12)
    many = imperfect_curve(task, init, [0.1, 0.3], 1e12, noise_pt=1e-6)
    assert_allclose(many.error, perfect, rtol=1e-3)


@pytest.mark.parametrize("numeral", REGIMES)
@pytest.mark.parametrize(("alpha_pt", "noise_pt"), [(0.2, 0.0), (0.5, 0.5), (2.0, 0.5)])
def test_nodes_suffice(numeral, alpha_pt, noise_pt):
    task, init = Task(0.1, 0.1, 0.5), REGIMES[numeral].init
    coarse, fine = (
        fixed_point(imperfect_groups(task, init, alpha_pt, noise_pt, n_nodes=n), 0.2).error
        for n in (6, 12)
    )
    assert_allclose(coarse, fine, rtol=1e-9)


@pytest.mark.parametrize(("alpha_pt", "noise_pt"), [(0.1, 0.0), (0.3, 0.0), (0.5, 0.5)])
def test_both_stages_simulated(alpha_pt, noise_pt):
    """Errors over the drawn teacher's mean square, 30 draws at 800 dimensions, both tasks."""
    task, n_dims, alpha = Task(0.1, 0.1, 1.0, prior="signs"), 800, 0.15
    draws = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        old = sample_inputs(round(alpha_pt * n_dims), n_dims, rng)
        new = sample_inputs(round(alpha * n_dims), n_dims, rng)
        first, second = np.zeros((2, n_dims))
        first[:80] = rng.choice([-1.0, 1.0], 80)
        second[:80] = rng.choice([-1.0, 1.0], 80) / np.sqrt(0.1)
        labels = old @ first + np.sqrt(noise_pt) * rng.normal(size=len(old))
        pretrained = implicit_bias(old, labels, 2.0 * RICH.c_pt).beta
        tuned = implicit_bias(new, new @ second, sqrt_k(pretrained, RICH)).beta
        draws.append((np.mean((pretrained - first) ** 2), np.mean((tuned - second) ** 2)))
    theory = (
        pretraining_curve(task, RICH, alpha_pt, noise_pt).error,
        imperfect_curve(task, RICH, alpha, alpha_pt, noise_pt).error,
    )
    mean, spread = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(30)
    assert np.all(np.abs(mean - theory) < 3.5 * spread + 0.01 * np.array(theory))


def test_better_pretraining_helps_where_features_are_shared():
    errors = [imperfect_curve(FULL, RICH, 0.1, a).error for a in (0.1, 0.2, 0.3, 0.5, 1.0)]
    assert np.all(np.diff(errors) <= 1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imperfect_groups(1, RICH, 0.5), "task must be"),
        (lambda: imperfect_groups(FULL, None, 0.5), "init must be"),
        (lambda: imperfect_groups(FULL, RICH, 0.0), "alpha_pt must be"),
        (lambda: imperfect_groups(FULL, RICH, [0.5, 0.6]), "alpha_pt must be"),
        (lambda: imperfect_groups(FULL, RICH, 0.5, -1.0), "noise_pt must be"),
        (lambda: imperfect_groups(FULL, RICH, 0.5, n_nodes=0), "n_nodes must be"),
        (lambda: pretraining_curve(FULL, RICH, -1.0), "alpha_pt must be"),
        (lambda: pretraining_curve(FULL, RICH, 1.0, 0.5), "alpha must not be 1"),
        (lambda: imperfect_curve(FULL, RICH, -0.5, 0.5), "alpha must be"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("mean", np.linspace(-1.0, 1.0, 9))
def test_panels_are_no_longer_than_one(mean):
    """In u, in which the integrands change by factors of e; the range of z must not matter."""
    nodes, lengths = dual_nodes(10.0 * mean, 1.0, 1e-6, 0.05, n_nodes=1)
    assert np.all(lengths <= 1.0 + 1e-12)
    assert np.all(np.diff(nodes) > 0.0)
    x = 1e-6 * np.sinh(nodes[[0, -1]])
    assert x[1] - x[0] > 10.0
