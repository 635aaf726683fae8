"""Gradient flow: its two coordinate systems, its end, closed forms, and gradient descent."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import integrate

from ptft import (
    ConvergenceError,
    Initialization,
    Task,
    Weights,
    conserved_quantities,
    fine_tune,
    implicit_bias,
    initial_weights,
    noisy_labels,
    penalty_gradient,
    pretrain,
    pretrained_weights,
    rebalance,
    sample_inputs,
    sqrt_k,
)
from ptft.training import flow as flows_module
from ptft.training.descent import gradient_descent

SETTINGS = [
    (1e-3, 0.0, 0.0),
    (1e-3, -0.99, 0.0),
    (1e-2, 0.9, 0.0),
    (1e-2, -1.0, 0.3),
    (1.0, 0.5, 0.0),
    (1.0, -0.5, 1.0),
    (10.0, 0.0, 3.0),
    (1e-3, 0.0, 10.0),
]


def problem(seed, n_samples=12, n_dims=30):
    """Inputs and labels of both tasks, and the pretraining teacher."""
    rng = np.random.default_rng(seed)
    beta_pt, beta_ft = Task(rho_pt=0.3, rho_ft=0.3, overlap=0.5).sample_teachers(n_dims, rng)
    inputs_pt = sample_inputs(n_dims + 10, n_dims, rng)
    inputs_ft = sample_inputs(n_samples, n_dims, rng)
    return inputs_pt, inputs_pt @ beta_pt, inputs_ft, inputs_ft @ beta_ft, beta_pt


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize(("seed", "setting"), list(enumerate(SETTINGS)))
def test_both_flows_end_at_the_implicit_bias(seed, setting):
    """Pretraining, re-balancing and fine-tuning, all integrated, against Theorem 4.1."""
    init = Initialization(*setting)
    X_pt, y_pt, X, y, beta_pt = problem(seed)
    exact = implicit_bias(X, y, sqrt_k(beta_pt, init)).beta
    for coordinates in ("dual", "weights"):
        pretrained = pretrain(X_pt, y_pt, init, coordinates=coordinates)
        assert distance(pretrained.beta, beta_pt) < 1e-10
        start = rebalance(pretrained.weights, init.gamma_ft)
        tuned = fine_tune(X, y, start, coordinates=coordinates, rtol=1e-12)
        assert tuned.residual <= 1e-12
        assert tuned.n_evaluations >= tuned.n_steps
        assert distance(tuned.beta, exact) < 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_plain_flow_at_a_random_setting(seed):
    """Other networks and sizes; every stage integrated in the weights themselves."""
    rng = np.random.default_rng([1, seed])
    gamma_ft = rng.choice([0.0, 10.0 ** rng.uniform(-1.0, 1.0)])
    init = Initialization(10.0 ** rng.uniform(-3.0, 1.0), rng.uniform(-0.999, 0.99), gamma_ft)
    n_dims = int(rng.integers(20, 61))
    n_samples = int(rng.integers(5, n_dims - 5))
    X_pt, y_pt, X, y, beta_pt = problem(100 + seed, n_samples, n_dims)
    pretrained = pretrain(X_pt, y_pt, init, coordinates="weights")
    start = rebalance(pretrained.weights, init.gamma_ft)
    tuned = fine_tune(X, y, start, coordinates="weights", rtol=1e-12)
    exact = implicit_bias(X, y, sqrt_k(beta_pt, init)).beta
    assert distance(tuned.beta, exact) < 1e-10  # 1.7e-11 was the largest


@pytest.mark.parametrize("setting", SETTINGS[:4])
def test_the_two_coordinates_give_the_same_path(setting):
    _, _, X, y, beta_pt = problem(3)
    init = Initialization(*setting)
    start = rebalance(pretrained_weights(beta_pt, init), init.gamma_ft)
    times = [0.0, 0.1, 1.0, 3.0, 10.0, 1e6]
    dual, plain = (
        fine_tune(X, y, start, coordinates=c, times=times, rtol=1e-12) for c in ("dual", "weights")
    )
    assert dual.time >= 1e6
    assert dual.trajectory.w_plus.shape == (len(times), X.shape[1])
    for name in ("w_plus", "w_minus", "v_plus", "v_minus"):
        difference = getattr(dual.trajectory, name) - getattr(plain.trajectory, name)
        assert np.abs(difference).max() < 1e-8
    np.testing.assert_allclose(dual.trajectory.w_plus[0], start.w_plus, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dual.trajectory.beta[-1], dual.beta, atol=1e-10)


def test_conserved_quantities_and_their_drift():
    _, _, X, y, _ = problem(5)
    init = Initialization(1e-2, 0.3)
    dual = pretrain(X, y, init)
    plain = pretrain(X, y, init, coordinates="weights")
    assert dual.drift < 1e-14
    assert 0.0 < plain.drift < 1e-7
    end = conserved_quantities(plain.weights)
    size = np.square(plain.weights.w_plus) + np.square(plain.weights.w_minus)
    assert np.all(np.abs(end["scale"] - 1e-2) < 1e-7 * (1.0 + size))
    assert plain.nu is None


def test_dual_variable_is_the_multiplier():
    _, _, X, y, _ = problem(6)
    flow = pretrain(X, y, Initialization(0.1, -0.4))
    np.testing.assert_allclose(X.T @ flow.nu, penalty_gradient(flow.beta, 0.2), atol=1e-12)


def test_relative_scale_does_not_matter_from_scratch():
    _, _, X, y, _ = problem(7)
    flows = [pretrain(X, y, Initialization(0.05, lam, 1.0)) for lam in (-1.0, 0.0, 1.0)]
    for flow in flows[1:]:
        np.testing.assert_array_equal(flow.beta, flows[0].beta)
    assert distance(flows[0].beta, implicit_bias(X, y, 0.1).beta) < 1e-10


@pytest.mark.parametrize("coordinates", ["dual", "weights"])
def test_one_coordinate_by_quadrature(coordinates):
    """d beta / dt = sqrt(k + 4 beta^2) (y - beta): the time to reach beta is an integral."""
    y, scale = 1.5, 0.02
    start = Weights(*(np.array([0.1]) for _ in range(4)))  # sqrt(k) = 2 (w^2 + v^2) = 0.04
    times = [1.0, 2.0, 4.0]
    flow = fine_tune([[1.0]], [y], start, times=times, coordinates=coordinates, rtol=1e-12)
    for time, beta in zip(times, flow.trajectory.beta[:, 0], strict=True):
        spent, _ = integrate.quad(
            lambda b: 1.0 / ((y - b) * np.hypot(2.0 * scale, 2.0 * b)), 0.0, beta, epsrel=1e-12
        )
        assert abs(spent - time) < 1e-8


def test_without_rebalancing_the_bias_starts_from_the_pretrained_map():
    """From unequal pathways: q'(beta) - q'(beta_start) is in the row space of X."""
    X_pt, y_pt, X, y, _ = problem(8)
    pretrained = pretrain(X_pt, y_pt, Initialization(0.1, 0.2))
    flows = [fine_tune(X, y, pretrained.weights, coordinates=c) for c in ("dual", "weights")]
    assert distance(flows[0].beta, flows[1].beta) < 1e-9
    moved = penalty_gradient(flows[0].beta, 0.2) - penalty_gradient(pretrained.beta, 0.2)
    np.testing.assert_allclose(X.T @ flows[0].nu, moved, atol=1e-10)


def test_labels_that_nothing_fits_give_least_squares():
    rng = np.random.default_rng(9)
    X = sample_inputs(40, 15, rng)
    y = noisy_labels(X, rng.standard_normal(15), 0.3, rng)
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    for coordinates in ("dual", "weights"):
        flow = pretrain(X, y, Initialization(0.1, 0.0), coordinates=coordinates)
        np.testing.assert_allclose(flow.beta, expected, atol=1e-9)


def test_dependent_rows():
    _, _, X, y, _ = problem(10)
    once = pretrain(X, y, Initialization(0.1, 0.0))
    twice = pretrain(np.vstack([X, X]), np.append(y, y), Initialization(0.1, 0.0))
    assert distance(twice.beta, once.beta) < 1e-10
    assert 1.9 < once.time / twice.time < 2.1  # twice the loss: twice the speed


@pytest.mark.parametrize("coordinates", ["dual", "weights"])
def test_units_of_the_inputs_change_the_time_alone(coordinates):
    _, _, X, y, _ = problem(10)
    for unit in (1e-40, 1e40):
        once, scaled = (
            pretrain(
                u * X, u * y, Initialization(0.1, 0.0), coordinates=coordinates, times=[1 / u**2]
            )
            for u in (1.0, unit)
        )
        assert distance(scaled.beta, once.beta) < 1e-10
        assert distance(scaled.trajectory.beta, once.trajectory.beta) < 1e-8


def test_zero_inputs_do_not_move():
    flow = pretrain(np.zeros((2, 3)), np.ones(2), Initialization(0.1, 0.0), times=[1.0])
    assert not flow.trajectory.beta.any()
    assert flow.residual == 0.0


def test_zero_labels_stay_at_zero():
    _, _, X, y, _ = problem(11)
    flow = pretrain(X, 0.0 * y, Initialization(1e-3, 0.0), times=[0.0, 1.0])
    assert not flow.beta.any()
    assert not flow.trajectory.beta.any()
    assert flow.residual == 0.0


def test_initialization_arrays():
    _, _, X, y, _ = problem(12)
    c = np.geomspace(1e-3, 1.0, X.shape[1])
    flow = pretrain(X, y, Initialization(c, 0.0))
    assert distance(flow.beta, implicit_bias(X, y, 2.0 * c).beta) < 1e-9


def test_gives_up_with_the_result_so_far():
    _, _, X, y, _ = problem(13)
    with pytest.raises(ConvergenceError, match="after 5 steps") as caught:
        pretrain(X, y, Initialization(1e-3, 0.0), max_steps=5)
    assert caught.value.partial.n_steps == 5
    assert np.all(np.isfinite(caught.value.partial.beta))


def test_failure_of_the_integrator_is_an_error_not_a_warning():
    """Labels of 1e-9 from weights of 0.3: the weights cannot hold beta to twelve digits."""
    with pytest.raises(ConvergenceError, match="not converged"):
        pretrain(np.eye(2, 3), [1e-9, 2e-9], Initialization(0.1, 0.0), coordinates="weights")


def test_stops_at_rounding_level():
    _, _, X, y, _ = problem(14, n_samples=3, n_dims=6)
    with pytest.raises(ConvergenceError, match="not converged") as caught:
        pretrain(X, y, Initialization(0.1, 0.0), tolerance=1e-40)
    assert caught.value.partial.residual < 1e-14


X, Y = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]]), np.array([1.0, 2.0])
START = initial_weights(Initialization(0.1, 0.0))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[0], Y, START), {}, "X must be a non-empty array"),
        ((X, Y[:1], START), {}, "y must have shape"),
        ((X * np.nan, Y, START), {}, "X must be finite"),
        ((X, [1.0, np.inf], START), {}, "y must be finite"),
        ((X, Y, Weights(*np.ones((4, 5)))), {}, "weights must have shape"),
        ((X, Y, Weights(np.nan, 1.0, 1.0, 1.0)), {}, "w_plus must be finite"),
        ((X, Y, Weights(0.0, 0.0, 0.0, 0.0)), {}, "weights must not be 0"),
        ((X, Y, START), {"coordinates": "polar"}, "coordinates must be"),
        ((X, Y, START), {"tolerance": 0.0}, "tolerance must be"),
        ((X, Y, START), {"rtol": 1.0}, "rtol must be"),
        ((X, Y, START), {"times": [2.0, 1.0]}, "times must be .* ascending"),
        ((X, Y, START), {"times": [-1.0]}, "times must be"),
        ((X, Y, START), {"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fine_tune(*arguments, **options)


def test_initialization_of_the_wrong_shape():
    with pytest.raises(ValueError, match="init must hold numbers or arrays"):
        pretrain(X, Y, Initialization(np.ones(4), 0.0))


# --- Gradient descent -----------------------------------------------------------------------------


def batch(n_seeds=3):
    data = [problem(seed)[2:] for seed in range(n_seeds)]
    X, y, beta_pt = (np.stack(arrays) for arrays in zip(*data, strict=True))
    init = Initialization(0.05, 0.0, 0.3)
    start = rebalance(pretrained_weights(beta_pt, init), init.gamma_ft)
    return X, y, start, sqrt_k(beta_pt, init)


def test_descent_approaches_the_flow_linearly_in_the_rate():
    X, y, start, scale = batch()
    exact = np.stack([implicit_bias(*each).beta for each in zip(X, y, scale, strict=True)])
    errors = []
    for rate in (0.4, 0.2):
        descent = gradient_descent(X, y, start, learning_rate=rate, threshold=1e-14)
        assert descent.loss.max() <= 1e-14
        errors.append(np.linalg.norm(descent.beta - exact))
    assert 1.8 < errors[0] / errors[1] < 2.2


def test_descent_treats_problems_separately():
    X, y, start, _ = batch()
    together = gradient_descent(X, y, start)
    for i in range(len(X)):
        weights = Weights(
            *(getattr(start, n)[i] for n in ("w_plus", "w_minus", "v_plus", "v_minus"))
        )
        alone = gradient_descent(X[i], y[i], weights)
        np.testing.assert_allclose(alone.beta, together.beta[i], atol=1e-12)
        assert alone.epochs == together.epochs[i]
        assert alone.loss.shape == ()


def test_descent_stops_in_the_first_epoch_below_the_threshold():
    X, y, start, _ = batch(1)
    reached = gradient_descent(X, y, start, threshold=1e-3)
    before = int(reached.epochs[0]) - 1
    with pytest.raises(ConvergenceError) as caught:
        gradient_descent(X, y, start, threshold=1e-3, max_epochs=before)
    assert reached.loss[0] <= 1e-3 < caught.value.partial.loss[0]
    assert caught.value.partial.epochs[0] == before


def test_descent_that_diverges():
    X, y, _, _ = batch(2)
    start = Weights(*np.full((4, 2, X.shape[-1]), 10.0))
    with pytest.raises(ConvergenceError, match="2 diverged") as caught:
        gradient_descent(X, y, start, learning_rate=5.0)
    assert np.all(np.isfinite(caught.value.partial.beta))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": X[0]}, "X must be"),
        ({"y": Y[:1]}, "y must have shape"),
        ({"weights": Weights(*np.ones((4, 7)))}, "weights must broadcast"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"threshold": -1.0}, "threshold must be"),
        ({"max_epochs": 0}, "max_epochs must be"),
    ],
)
def test_descent_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        gradient_descent(**({"X": X, "y": Y, "weights": START} | change))


def test_descent_takes_its_step_in_double_precision():
    X, y, start = np.array([[1.0, 0.3]]), np.array([1.0]), initial_weights(Initialization(0.5, 0.1))
    rate = 0.1  # not a number of single precision
    with pytest.raises(ConvergenceError) as caught:
        gradient_descent(X, y, start, learning_rate=rate, threshold=1e-30, max_epochs=1)
    stepped = start.w_plus + start.v_plus * 2.0 * rate * X[0]
    np.testing.assert_allclose(caught.value.partial.weights.w_plus, stepped, rtol=1e-15)


def test_integrations_in_threads_do_not_disturb_each_other():
    X, y = sample_inputs(8, 20, np.random.default_rng(0)), np.ones(8)
    inits = [Initialization(c, 0.0) for c in np.geomspace(1e-3, 1.0, 8)]
    alone = [pretrain(X, y, init).beta for init in inits]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda init: pretrain(X, y, init).beta, inits))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("c_pt", [1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("shape", [(60, 50), (49, 50), (220, 200)])
def test_tiny_scale_where_the_samples_fix_every_coefficient(shape, c_pt):
    """The slowest rate is 4 c: near the end rounding errors are larger than the usual tolerance."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=shape) / np.sqrt(shape[1])
    target = (rng.random(shape[1]) < 0.1).astype(float)
    flow = pretrain(X, X @ target, Initialization(c_pt, 0.0))
    assert flow.residual <= 1e-12
    assert flow.drift < 1e-10
    assert flow.n_steps < 10_000  # without easing, 200,000 are not enough
    if shape[0] >= shape[1]:
        np.testing.assert_allclose(flow.beta, target, atol=1e-10)


@pytest.mark.parametrize("coordinates", ["dual", "weights"])
def test_derivatives_of_the_velocity(coordinates):
    """A wrong one costs the integrator steps and no more, so that no solution shows it."""
    _, _, X, y, beta_pt = problem(3)
    start = rebalance(pretrained_weights(beta_pt, Initialization(0.1, 0.3)), 0.2)
    system = flows_module._COORDINATES[coordinates](X, y, start)
    rng = np.random.default_rng(3)
    state = system.start + 0.1 * rng.standard_normal(system.start.size)
    step = 1e-5
    columns = [
        (system.velocity(0.0, state + e) - system.velocity(0.0, state - e)) / (2.0 * step)
        for e in step * np.eye(state.size)
    ]
    exact = system.jacobian(0.0, state)
    np.testing.assert_allclose(np.transpose(columns), exact, atol=1e-8 * np.abs(exact).max())
    if coordinates == "dual":
        shift, shortest = system.noise(state)
        rounding = np.finfo(float).eps * np.abs(y).max()
        assert shift == pytest.approx(rounding * np.linalg.norm(np.linalg.inv(exact), 2))
        assert shortest == pytest.approx(1.0 / np.linalg.norm(exact, 2))
