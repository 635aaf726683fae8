"""Exact dynamics of lambda-balanced networks: against integration, descent and many digits."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from ptft.balanced import (
    Network,
    balanced_network,
    converged_grams,
    correlation,
    kernel_movement,
    learn,
    semantic_tree,
    tangent_kernel,
    whiten,
)

BALANCES = (-5.0, -1.0, 0.0, 1.0, 5.0)
SHAPES = {
    "square": (5, 5, 5),
    "tall": (3, 3, 7),
    "wide": (7, 3, 3),
    "bottleneck": (6, 2, 5),
    "between, more outputs": (3, 5, 7),
    "between, more inputs": (7, 5, 3),
    "overcomplete": (3, 9, 4),
}
TIMES = np.linspace(0.0, 10.0, 21)


def is_feasible(shape, balance):
    n_in, n_hidden, n_out = shape
    return not (balance < 0 and n_hidden > n_in) and not (balance > 0 and n_hidden > n_out)


FEASIBLE = [
    pytest.param(shape, balance, id=f"{name}, {balance:g}")
    for name, shape in SHAPES.items()
    for balance in BALANCES
    if is_feasible(shape, balance)
]


def random_target(shape, seed=1):
    return np.random.default_rng(seed).normal(size=(shape[2], shape[0])) / 2.0


def problem(shape, balance, seed=3):
    return balanced_network(shape, balance, seed=seed), random_target(shape)


def velocity(w1, w2, target):
    error = target - w2 @ w1
    return w2.T @ error, error @ w1.T


def gram(w1, w2):
    q = np.concatenate([np.swapaxes(w1, -1, -2), w2], axis=-2)
    return q @ q.swapaxes(-1, -2)


def integrated(network, target, times):
    """Return Q Q^T by an adaptive Runge-Kutta method of order 8 on the weights themselves."""
    cut = network.w1.size

    def layers(state):
        return state[:cut].reshape(network.w1.shape), state[cut:].reshape(network.w2.shape)

    def flow(_, state):
        return np.concatenate([part.ravel() for part in velocity(*layers(state), target)])

    states = [np.concatenate([network.w1.ravel(), network.w2.ravel()])]
    for span in itertools.pairwise(times):  # interpolation between steps would lose digits
        result = integrate.solve_ivp(flow, span, states[-1], "DOP853", rtol=3e-14, atol=1e-16)
        states.append(result.y[:, -1])
    return np.array([gram(*layers(state)) for state in states])


def descended(network, target, time, n_steps):
    w1, w2 = network.w1, network.w2
    for _ in range(n_steps):
        first, second = velocity(w1, w2, target)
        w1, w2 = w1 + time / n_steps * first, w2 + time / n_steps * second
    return gram(w1, w2)


def with_many_digits(network, target, balance, time):
    """Return Q Q^T by the paper's formula; the integral is a block of a matrix exponential."""
    n_in, n_hidden, n_out = network.shape
    n = n_in + n_out
    with mpmath.workdps(150):
        half = mpmath.mpf(balance) / 2
        F = mpmath.diag([-half] * n_in + [half] * n_out)
        for i in range(n_out):
            for j in range(n_in):
                F[n_in + i, j] = F[j, n_in + i] = mpmath.mpf(target[i, j])
        Q = mpmath.matrix(np.vstack([network.w1.T, network.w2]).tolist())
        block = mpmath.zeros(2 * n)
        block[:n, :n] = 2 * F
        block[:n, n:] = mpmath.eye(n)
        integral = mpmath.expm(block * time)[:n, n:]
        grown = mpmath.expm(F * time) * Q
        middle = mpmath.eye(n_hidden) + Q.T * integral * Q
        exact = grown * mpmath.inverse(middle) * grown.T
        return np.array(exact.tolist(), dtype=float)


@pytest.mark.parametrize(("shape", "balance"), FEASIBLE)
def test_against_integration(shape, balance):
    network, target = problem(shape, balance)
    path = learn(network, target, TIMES)
    assert np.abs(path.gram - integrated(network, target, TIMES)).max() <= 2e-13


@pytest.mark.parametrize(("shape", "balance"), FEASIBLE)
def test_against_gradient_descent(shape, balance):
    """Descent in n steps is off by a series in 1/n; four lengths remove its first three terms."""
    network, target = problem(shape, balance)
    estimates = [descended(network, target, 1.5, 500 * 2**i) for i in range(4)]
    for order in (1, 2, 3):
        pairs = itertools.pairwise(estimates)
        estimates = [b + (b - a) / (2**order - 1) for a, b in pairs]
    path = learn(network, target, [1.5])
    np.testing.assert_allclose(path.gram[0], estimates[0], atol=2e-10)


@pytest.mark.parametrize("time", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("balance", [-1.0, 0.0, 5.0])
@pytest.mark.parametrize("shape", [(3, 3, 3), (2, 2, 4), (4, 2, 3), (3, 1, 2)])
def test_against_many_digits(shape, balance, time):
    network, target = problem(shape, balance, seed=4)
    path = learn(network, target, [time], balance=balance)
    exact = with_many_digits(network, target, balance, time)
    assert path.trapped == 0
    np.testing.assert_allclose(path.gram[0], exact, atol=1e-13)
    np.testing.assert_allclose(path.function[0], exact[shape[0] :, : shape[0]], atol=1e-13)


@pytest.mark.parametrize(("shape", "balance"), FEASIBLE)
def test_the_balance_is_conserved(shape, balance):
    network, target = problem(shape, balance)
    path = learn(network, target, [0.0, 0.3, 2.0, 100.0])
    for index in range(4):
        now = path.network(index)
        assert now.shape == shape
        assert now.imbalance < 1e-13
        assert abs(now.balance - balance) < 1e-12
    np.testing.assert_allclose(path.gram[0], gram(network.w1, network.w2), atol=1e-13)


@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    balance=st.floats(-20, 20),
    scale=st.floats(1e-3, 3),
    times=st.tuples(st.floats(0, 3), st.floats(0, 3)),
    seed=st.integers(0, 2**20),
)
def test_flow_composes_and_lowers_the_loss(shape, balance, scale, times, seed):
    """Twice a while is one longer while, whatever rotation the hidden units are left in."""
    if not is_feasible(shape, balance):
        balance = -balance if is_feasible(shape, -balance) else 0.0
    network = balanced_network(shape, balance, seed=seed, singular_values=scale)
    target = random_target(shape, seed)
    path = learn(network, target, [0.0, times[0], sum(times), 1e3])
    onward = learn(path.network(1), target, [times[1]], balance=path.balance)
    np.testing.assert_allclose(onward.gram[0], path.gram[2], atol=1e-9)
    assert np.all(np.diff(path.loss) < 1e-12)
    assert np.all(path.loss >= path.limit_loss - 1e-10)
    assert np.all(np.linalg.eigvalsh(path.gram) > -1e-10)


@pytest.mark.parametrize(("shape", "balance"), [p.values for p in FEASIBLE if "over" not in p.id])
def test_convergence(shape, balance):
    network, target = problem(shape, balance)
    path = learn(network, target, [1e6])
    assert abs(path.loss[0] - path.limit_loss) < 1e-20 + 1e-12 * path.limit_loss
    if shape[1] == min(shape[0], shape[2]) and not path.trapped:
        assert path.status == "learns the target"
        for grams, limit in zip(
            (path.input_gram, path.output_gram), converged_grams(target, balance), strict=True
        ):
            np.testing.assert_allclose(grams[0], limit, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES.values())
@pytest.mark.parametrize("balance", [-1e3, -1e-9, 0.0, 1e-9, 1e3])
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e3])
def test_extremes(shape, balance, scale):
    """Finite, without warnings (they are errors in these tests)."""
    if not is_feasible(shape, balance):
        return
    network = balanced_network(shape, balance, seed=0, singular_values=scale)
    for target in (random_target(shape), np.zeros((shape[2], shape[0]))):
        path = learn(network, target, [0.0, 1e-12, 1.0, 1e3, 1e6])
        assert np.all(np.isfinite(path.gram))
        assert path.loss[-1] <= path.loss[0] * (1.0 + 1e-12) + 1e-20


def test_the_target_has_rank_one():
    target = np.outer([1.0, 2.0, 3.0], [1.0, 0.0, -1.0])
    for balance in (-1.0, 0.0, 1.0):
        network = balanced_network((3, 3, 3), balance, seed=7)
        path = learn(network, target, TIMES)
        assert np.abs(path.gram - integrated(network, target, TIMES)).max() <= 2e-13


# --- Singular starts ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_plateau_of_square_networks_at_balance_zero(n, seed):
    """Wherever det(W2 W1) and det(Sigma) differ in sign, the weakest mode is never learned."""
    network = balanced_network((n, n, n), 0.0, seed=seed)
    target = random_target((n, n, n), seed)
    strengths = np.linalg.svd(target, compute_uv=False)
    path = learn(network, target, [0.0, 1e3, 1e6])
    opposed = np.linalg.det(network.function) * np.linalg.det(target) < 0.0
    assert path.trapped == int(opposed)
    expected = strengths[-1] ** 2 / 2.0 if opposed else 0.0
    assert abs(path.limit_loss - expected) < 1e-14
    np.testing.assert_allclose(path.loss[1:], expected, atol=1e-14)
    assert ("plateau" in path.status) == opposed


def test_a_plateau_that_ends():
    """The smaller the balance, the longer the plateau, by a logarithm."""
    target = np.diag([2.0, 1.0])
    start = balanced_network((2, 2, 2), 0.0, seed=0, target=np.diag([1.0, -1.0])).function
    leaves = []
    for balance in (1e-2, 1e-4, 1e-6):
        network = balanced_network((2, 2, 2), balance, seed=0, target=np.diag([2.0, -1.0]))
        path = learn(network, target, np.linspace(0.0, 40.0, 4001), balance=balance)
        assert path.trapped == 0
        leaves.append(path.times[np.argmax(path.loss < 0.25)])
    assert np.linalg.det(start) < 0.0
    np.testing.assert_allclose(np.diff(leaves), np.log(100.0), atol=0.03)


def test_zero_weights_never_learn():
    path = learn(Network(np.zeros((2, 3)), np.zeros((4, 2))), random_target((3, 2, 4)), [1e3])
    assert path.trapped == 2
    assert np.all(path.gram == 0.0)


def test_bottleneck_keeps_the_strongest_modes():
    network, target = problem((6, 2, 5), 1.0)
    path = learn(network, target, [1e3])
    left, strengths, right = np.linalg.svd(target, full_matrices=False)
    best = (left[:, :2] * strengths[:2]) @ right[:2]
    np.testing.assert_allclose(path.function[0], best, atol=1e-12)
    assert path.status == "learns 2 of 5 modes, one for each hidden unit"
    assert abs(path.limit_loss - np.sum(strengths[2:] ** 2) / 2.0) < 1e-14


@pytest.mark.parametrize(("balance", "accuracy"), [(1e-2, 1e-13), (1e-6, 1e-10), (1e-8, 1e-7)])
def test_nearly_singular_starts(balance, accuracy):
    """A rounding error of the start shifts the end of the plateau, and the status says so."""
    target = np.diag([2.0, 1.0])
    network = balanced_network((2, 2, 2), balance, seed=0, target=np.diag([2.0, -1.0]))
    for time in (5.0, 12.0, 20.0):
        path = learn(network, target, [time], balance=balance)
        exact = with_many_digits(network, target, balance, time)
        assert np.abs(path.gram[0] - exact).max() < accuracy
    assert ("nearly singular" in path.status) == (balance == 1e-8)


# --- Networks and data ----------------------------------------------------------------------------


@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    balance=st.floats(-1e3, 1e3),
    scale=st.floats(0, 10),
)
def test_drawn_networks_are_balanced_or_refused(shape, balance, scale):
    if not is_feasible(shape, balance):
        with pytest.raises(ValueError, match="hidden units would need"):
            balanced_network(shape, balance, seed=0, singular_values=scale)
        return
    network = balanced_network(shape, balance, seed=0, singular_values=scale)
    size = abs(balance) + scale
    assert network.shape == shape
    assert abs(network.balance - balance) <= 1e-13 * size
    assert network.imbalance <= 1e-13
    strengths = np.linalg.svd(network.function, compute_uv=False)[: min(shape)]
    np.testing.assert_allclose(strengths, scale, atol=1e-13 * size)


def test_aligned_networks():
    target = random_target((4, 3, 5))
    network = balanced_network((4, 3, 5), 0.5, seed=1, singular_values=[3, 2, 1], target=target)
    left, _, right = np.linalg.svd(target)
    np.testing.assert_allclose(
        left.T @ network.function @ right.T, np.diag([3.0, 2.0, 1.0, 0.0, 0.0])[:, :4], atol=1e-14
    )


def test_draws_depend_on_the_seed_alone():
    first, again, other = (balanced_network((3, 3, 3), 1.0, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.w1, again.w1)
    assert not np.allclose(first.w1, other.w1)


def test_one_unit_everywhere():
    network = balanced_network((1, 1, 1), 2.0, seed=0)
    assert abs(learn(network, [[1.0]], 50.0).function[0, 0, 0] - 1.0) < 1e-14


@pytest.mark.parametrize(
    ("shape", "balance", "message"),
    [
        ((3, 4, 5), -1.0, r"at least 0 for shape \(3, 4, 5\), got -1: 4 hidden .* first .* 3 at"),
        ((5, 4, 3), 1.0, r"at most 0 for shape \(5, 4, 3\), got 1: 4 hidden .* second .* 3 at"),
        ((3, 6, 5), 1.0, "must be 0 for shape"),
        ((3, 0, 5), 0.0, "three integers"),
        ((3, 2.0, 5), 0.0, "three integers"),
        ((3, 2), 0.0, "n_in, n_hidden, n_out"),
        ((3, 2, 3), np.nan, "balance must be finite"),
        ((3, 2, 3), [1.0], "single number"),
    ],
)
def test_infeasible_networks(shape, balance, message):
    with pytest.raises(ValueError, match=message):
        balanced_network(shape, balance, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"singular_values": -1.0}, r"singular_values must be finite and in \[0"),
        ({"singular_values": [1.0, 1.0]}, r"of shape \(3,\)"),
        ({"target": np.eye(2)}, r"target must be of shape \(3, 3\)"),
    ],
)
def test_bad_network_options(options, message):
    with pytest.raises(ValueError, match=message):
        balanced_network((3, 3, 3), 0.0, seed=0, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": np.eye(2)}, r"target must be of shape \(3, 3\)"),
        ({"target": np.full((3, 3), np.nan)}, "target must be finite"),
        ({"times": [-1.0]}, "times must be finite and in"),
        ({"times": [np.inf]}, "times must be finite and in"),
        ({"times": [[1.0]]}, "times must be a non-empty 1-d array"),
        ({"balance": 1.1}, "balance must be the network's, 1, got 1.1"),
        ({"network": Network(np.eye(3), np.diag([1.0, 2.0, 1.0]))}, "network must be balanced"),
    ],
)
def test_bad_problems(arguments, message):
    good = {"network": balanced_network((3, 3, 3), 1.0, seed=0), "target": np.eye(3), "times": 1.0}
    with pytest.raises(ValueError, match=message):
        learn(**(good | arguments))


def test_layers_must_fit():
    with pytest.raises(ValueError, match="one for each hidden unit"):
        Network(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="w1 must be a non-empty matrix"):
        Network(np.ones(3), np.ones((3, 3)))


def test_from_data_to_the_whole_course():
    """Descent on the samples themselves, with whitened inputs, follows the exact solution."""
    rng = np.random.default_rng(0)
    X = whiten(rng.normal(size=(30, 3)) @ rng.normal(size=(3, 3)))
    Y = rng.normal(size=(30, 4))
    network = balanced_network((3, 2, 4), 0.5, seed=1)
    cut = network.w1.size

    def flow(_, state):
        w1, w2 = state[:cut].reshape(2, 3), state[cut:].reshape(4, 2)
        error = (Y - X @ w1.T @ w2.T).T / len(X)
        return np.concatenate([(w2.T @ error @ X).ravel(), (error @ (X @ w1.T)).ravel()])

    start = np.concatenate([network.w1.ravel(), network.w2.ravel()])
    end = integrate.solve_ivp(flow, (0.0, 5.0), start, "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    function = end[cut:].reshape(4, 2) @ end[:cut].reshape(2, 3)
    path = learn(network, correlation(X, Y), 5.0)
    np.testing.assert_allclose(path.function[0], function, atol=1e-10)


def test_inputs_must_be_whitened():
    X = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match=r"X must be whitened.*use whiten\(X\)"):
        correlation(X, X)
    np.testing.assert_allclose(correlation(whiten(X), whiten(X)), np.eye(3), atol=1e-14)
    with pytest.raises(ValueError, match="one row for each row"):
        correlation(whiten(X), X[1:])
    with pytest.raises(ValueError, match="rank 3"):
        whiten(np.ones((5, 3)))
    with pytest.raises(ValueError, match="rank 3"):
        whiten(X[:2])


def test_semantic_tree():
    tree = semantic_tree(3)
    assert tree.shape == (8, 8)
    np.testing.assert_array_equal(tree @ tree.T, np.diag([8.0, 8.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0]))
    similarity = tree.T @ tree
    np.testing.assert_array_equal(similarity[0], [4.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    for depth in (0, 11, 1.5):
        with pytest.raises(ValueError, match="depth must be a whole number"):
            semantic_tree(depth)


# --- Kernels --------------------------------------------------------------------------------------


def test_the_tangent_kernel_is_that_of_the_gradients():
    rng = np.random.default_rng(2)
    network, X = balanced_network((3, 2, 4), 1.0, seed=0), rng.normal(size=(5, 3))
    step = 1e-6

    def outputs(state):
        return (X @ state[:6].reshape(2, 3).T @ state[6:].reshape(4, 2).T).T.ravel()

    state = np.concatenate([network.w1.ravel(), network.w2.ravel()])
    jacobian = np.array(
        [(outputs(state + step * e) - outputs(state - step * e)) / (2 * step) for e in np.eye(14)]
    ).T
    kernel = tangent_kernel(network.w1.T @ network.w1, network.w2 @ network.w2.T, X)
    np.testing.assert_allclose(kernel, jacobian @ jacobian.T, atol=1e-8)


@given(seed=st.integers(0, 2**20), distance=st.floats(1e-9, 1.0))
def test_kernel_movement_is_an_angle(seed, distance):
    rng = np.random.default_rng(seed)
    roots = [rng.normal(size=(n, n)) for n in (3, 3, 2, 2)]
    a, da, b, db = (root @ root.T for root in roots)
    moved = kernel_movement(a, b, a + distance * da, b + distance * db)
    X = np.linalg.qr(rng.normal(size=(4, 3)))[0] * 2.0  # whitened
    old, new = (tangent_kernel(a + d * da, b + d * db, X) for d in (0.0, distance))
    cosine = np.sum(old * new) / np.linalg.norm(old) / np.linalg.norm(new)
    assert abs(moved - (1.0 - cosine)) < 1e-14
    assert (
        abs(moved - kernel_movement(3.0 * a, 3.0 * b, a + distance * da, b + distance * db)) < 1e-14
    )


def test_kernel_movement_along_a_path():
    network, target = problem((4, 4, 4), 1e3)
    moved = learn(network, target, [0.0, 1.0, 1e6]).kernel_movement
    assert moved[0] == 0.0
    assert 0.0 < moved[1] <= moved[2] < 1e-9


def test_bad_kernels():
    with pytest.raises(ValueError, match="must not both be 0"):
        kernel_movement(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="X must have 2 columns"):
        tangent_kernel(np.eye(2), np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="input_gram must be of shape"):
        tangent_kernel(np.ones((2, 3)), np.eye(3))
    with pytest.raises(ValueError, match="balance must be finite"):
        converged_grams(np.eye(2), np.inf)
