"""The explorer computes in the browser what the package computes."""

import itertools

import numpy as np
import port
import pytest

import ptft
from ptft import REGIMES, balanced

pytestmark = pytest.mark.skipif(port.NODE is None, reason="needs node")
CURVE = ("rho_pt", "rho_ft", "overlap", "c_pt", "lambda_pt", "gamma_ft")
SAMPLE_SIZES = [i / 80 for i in range(1, 41)]
TASKS = [(0.1, 0.1, 0.0), (0.1, 0.1, 0.5), (0.1, 0.1, 1.0), (0.1, 0.01, 1.0), (0.1, 0.9, 0.0)]


def close(found, expected, tolerance):
    np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=tolerance)


def test_random_settings():
    """`python tests/port.py` does 2,000."""
    assert port.differences(200).max() < 1e-8


def test_curves_that_readers_see_first():
    settings = [
        dict(zip(CURVE, (*task, *numbers(regime.init)), strict=True))
        | {"noise": noise, "alpha": SAMPLE_SIZES}
        for regime, task, noise in itertools.product(REGIMES.values(), TASKS, (0.0, 0.1))
    ]
    expected = [port.by_the_package(one) for one in settings]
    close(port.in_javascript("curve", settings), expected, 1e-8)


def numbers(init):
    return init.c_pt, init.lambda_pt, init.gamma_ft


def names(init):
    return dict(zip(("c_pt", "lambda_pt", "gamma_ft"), numbers(init), strict=True))


def test_penalty_and_its_denoiser():
    rng = np.random.default_rng(1)
    z = rng.choice([-1.0, 1.0], 500) * 10.0 ** rng.uniform(-6, 4, 500)
    theta, root = 10.0 ** rng.uniform(-12, 6, (2, 500))
    close(
        port.in_javascript("penalty", np.stack([z, root], axis=1).tolist()),
        ptft.penalty(z, root),
        1e-9,
    )
    close(
        port.in_javascript("denoise", np.stack([z, theta, root], axis=1).tolist()),
        ptft.denoise(z, theta, root),
        1e-9,
    )


def test_orders():
    rng = np.random.default_rng(2)
    inits = [port.robustness.random_initialization(rng) for _ in range(300)]
    beta_ft, beta_pt = 10.0 ** rng.uniform(-4, 4, (2, 300))
    beta_pt[:30] = 0.0
    rows = list(zip(beta_ft, beta_pt, inits, strict=True))
    expected = [
        (ptft.l_order(*row), ptft.pretraining_dependence(*row), ptft.sqrt_k(*row[1:]))
        for row in rows
    ]
    asked = [(ft, pt, names(init)) for ft, pt, init in rows]
    orders = port.in_javascript("orders", asked)
    roots = port.in_javascript("sqrtK", [one[1:] for one in asked])
    close([(*pair, root) for pair, root in zip(orders, roots, strict=True)], expected, 1e-12)


def test_impossible_overlaps_are_those_that_the_package_refuses():
    shares = (0.05, 0.1, 0.5, 0.9)
    pairs = list(itertools.product(shares, shares))
    for (rho_pt, rho_ft), ends in zip(pairs, port.in_javascript("overlaps", pairs), strict=True):
        for end, outside in zip(ends, (-1e-6, 1e-6), strict=True):
            ptft.Task(rho_pt, rho_ft, end)
            with pytest.raises(ValueError, match="overlap"):
                ptft.Task(rho_pt, rho_ft, end + outside)


def test_modes():
    rng = np.random.default_rng(3)
    t, s, start = 10.0 ** rng.uniform([[-3], [-2], [-10]], [[2], [2], [1]], (3, 500))
    balance = rng.choice([0.0, 1.0, -1.0], 500) * 10.0 ** rng.uniform(-3, 3, 500)
    rows = np.stack([t, s, start, balance], axis=1).tolist()
    close(
        port.in_javascript("alignedMode", rows), balanced.aligned_mode(t, s, start, balance), 1e-10
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 10.0])
def test_kernel_movement(value):
    target, start, times = np.diag([2.8, 2.0, 1.4]), [1e-2] * 3, [0.0, 0.3, 1.0, 3.0, 30.0]
    network = balanced.balanced_network(
        (3, 3, 3), value, seed=0, singular_values=start, target=target
    )
    path = balanced.learn(network, target, times, balance=value)
    modes = [np.diag(function).tolist() for function in path.function]
    found = port.in_javascript("kernelMovement", [(start, now, value) for now in modes])
    np.testing.assert_allclose(found, path.kernel_movement, rtol=1e-9, atol=1e-12)
