"""Many learning curves at once: each point as if it were alone, whatever the shapes."""

import re
import tracemalloc

import numpy as np
import pytest
import robustness

import ptft
from ptft import REGIMES, Initialization, Task, learning_curve, learning_curves
from ptft.theory import replica, solver

TASKS = [
    Task(0.1, 0.1, 0.7),
    Task(0.3, 0.1, 0.9, prior="signs"),
    Task(0.1, 0.1, 0.0),
    Task(0.1, 0.5, 0.1, amplitude_pt=3.0),
]
INITS = [regime.init for regime in REGIMES.values()]
ALPHAS = np.array([0.05, 0.3, 0.95, 1.5])
COLUMNS = ("alpha", *replica._COLUMNS)


def values(curve):
    return np.array([curve.error, curve.s2, curve.theta])


def networks(inits):
    return np.array(inits)[:, None]


@pytest.mark.parametrize("more", [{}, {"noise": 0.1}, {"noise": 0.1, "ridge": 1e-3}])
def test_a_map_is_its_curves(more):
    together = learning_curves(TASKS[0], networks(INITS), ALPHAS, **more)
    assert together.error.shape == (4, 4)
    assert together.status == "16 of 16 points converged"
    assert together.converged.all()
    assert together.residual.max() <= 1e-12
    for init, row in zip(INITS, np.moveaxis(values(together), 1, 0), strict=True):
        alone = learning_curve(TASKS[0], init, ALPHAS, **more)
        np.testing.assert_allclose(row, values(alone), rtol=1e-11)


def test_all_arguments_broadcast():
    """Tasks, networks, alpha, noise and ridge on an axis of their own each."""
    noise, ridge = np.array([0.0, 0.3]), np.array([1e-6, 0.1, 1.0])
    tasks = np.array(TASKS)[:, None, None, None, None]
    inits = np.array(INITS[1:3])[:, None, None, None]
    curves = learning_curves(tasks, inits, ALPHAS[:, None, None], noise[:, None], ridge)
    assert curves.error.shape == (4, 2, 4, 2, 3)
    rng = np.random.default_rng(3)
    for index in rng.integers(0, curves.error.shape, (12, 5)):
        t, i, a, n, r = index
        alone = learning_curve(TASKS[t], INITS[1:3][i], ALPHAS[a], noise[n], ridge[r])
        np.testing.assert_allclose(values(curves)[:, t, i, a, n, r], values(alone), rtol=1e-11)
        assert curves.alpha[tuple(index)] == ALPHAS[a]


def test_sequences_meet_alpha_on_the_last_axis():
    """Four tasks, four networks, four alphas: four points."""
    curves = learning_curves(TASKS, INITS, ALPHAS, noise=0.1)
    alone = [learning_curve(*point, noise=0.1) for point in zip(TASKS, INITS, ALPHAS, strict=True)]
    np.testing.assert_allclose(values(curves).T, [values(curve) for curve in alone], rtol=1e-11)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_kinds_of_sequences(kind):
    curves = learning_curves(kind(TASKS[:2]), kind(INITS[:2]), 0.3)
    expected = learning_curves(np.array(TASKS[:2]), np.array(INITS[:2]), kind([0.3, 0.3]))
    assert curves == expected


def test_one_initialization_of_arrays():
    c, balance = np.array([1e-6, 1e-2])[:, None], np.array([-0.5, 0.0, 1.0])
    curves = learning_curves(TASKS[0], Initialization(c, balance, 0.1), 0.3)
    assert curves.error.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        init = Initialization(c[i, 0], balance[j], 0.1)
        assert curves.error[i, j] == pytest.approx(learning_curve(TASKS[0], init, 0.3).error)


def test_a_single_point_gives_numbers():
    curve = learning_curves(TASKS[0], INITS[0], 0.3)
    assert all(type(getattr(curve, column)) is float for column in COLUMNS)
    assert curve.converged
    assert values(curve) == pytest.approx(values(learning_curve(TASKS[0], INITS[0], 0.3)))


def test_a_problem_is_set_up_once():
    """Equal tasks and networks share their lines, so many sizes of samples need no more memory."""
    alpha = np.linspace(0.01, 1.2, 20_000)
    tracemalloc.start()
    curves = learning_curves(TASKS[0], INITS[1], alpha)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert curves.converged.all()
    assert peak < 4e7
    few = learning_curve(TASKS[0], INITS[1], alpha[::1999])
    np.testing.assert_allclose(values(curves)[:, ::1999], values(few), rtol=1e-11)


def test_random_problems():
    """Wide-range tasks and networks in one call, each as if it were alone."""
    rng = np.random.default_rng(7)
    tasks = [robustness.random_task(rng) for _ in range(60)]
    inits = [robustness.random_initialization(rng) for _ in range(60)]
    alpha = 10.0 ** rng.uniform(-2.5, 0.0, 60)
    together = learning_curves(tasks, inits, alpha)
    assert together.residual.max() <= 1e-12
    assert together.expectation_error.max() < 1e-9
    for i in range(60):
        alone = learning_curve(tasks[i], inits[i], alpha[i])
        np.testing.assert_allclose(values(together)[:, i], values(alone), rtol=1e-10)


@pytest.mark.parametrize("nodes", [2, 4])
def test_a_bad_search_is_made_good(monkeypatch, nodes):
    """A coarse rule that is far off, or a check that is never content, costs time and no digit."""
    good = learning_curves(TASKS, networks(INITS), 0.4)
    for name in ("_ROUGH", "COARSE"):
        monkeypatch.setattr(solver, name, solver.COARSE._replace(n_nodes=nodes))
    bad = learning_curves(TASKS, networks(INITS), 0.4)
    assert bad.residual.max() <= 1e-12
    np.testing.assert_allclose(values(bad), values(good), rtol=1e-11)
    monkeypatch.setattr(solver, "_GOOD", 0.0)
    never = learning_curves(TASKS, networks(INITS), 0.4)
    np.testing.assert_allclose(values(never), values(good), rtol=1e-11)


def test_convergence_error_keeps_the_other_points(monkeypatch):
    with pytest.raises(ptft.ConvergenceError, match="at alpha = 1e-300 the relat") as caught:
        learning_curves(TASKS[0], networks(INITS), [0.3, 1e-300])
    partial = caught.value.partial
    assert partial.converged[:, 0].all()
    assert not partial.converged[:, 1].any()
    assert partial.status.startswith("4 of 8 points converged")
    expected = learning_curves(TASKS[0], INITS, 0.3)
    np.testing.assert_allclose(partial.error[:, 0], expected.error, rtol=1e-13)
    monkeypatch.setattr(solver, "TOLERANCE", 0.0)
    with pytest.raises(ptft.ConvergenceError):
        learning_curves(TASKS, INITS, 0.3)


GOOD = {"tasks": TASKS, "inits": INITS, "alpha": 0.3}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tasks", "task", "tasks must be of class Task, got 'task'"),
        ("tasks", [TASKS[0], None], "tasks must be of class Task, got None"),
        ("inits", [INITS[0], 1.0], "inits must be of class Initialization, got 1.0"),
        ("inits", [Initialization([1.0, 2.0], 0.0)], "c_pt of each of inits must be a single num"),
        ("inits", Initialization(1e-110, -1.0, 1e-60), "sqrt_k must be finite and in [1e-100"),
        ("tasks", [], "tasks must not be empty, got the shape (0,)"),
        ("alpha", [], "alpha must not be empty, got the shape (0,)"),
        ("alpha", [0.1, 0.2, 0.0, 0.3], "alpha must be finite and in (0, inf), got 0.0"),
        ("alpha", [0.1, 0.2], "shapes must broadcast together, got tasks (4,), inits (4,), alpha"),
        ("noise", [0.1, -0.2, 0.1, 0.1], "noise must be finite and in [0, inf), got -0.2"),
        ("ridge", np.nan, "ridge must be finite and in [0, inf), got nan"),
        ("noise", "much", "noise must be a real number or array, got 'much'"),
    ],
)
def test_bad_input(name, value, message):
    arguments = {**GOOD, name: value}
    if name == "inits" and isinstance(value, list | Initialization):
        arguments |= {"tasks": TASKS[0]}
    with pytest.raises(ValueError, match=re.escape(message)):
        learning_curves(**arguments)


def test_full_sampling_with_noise_diverges():
    with pytest.raises(ValueError, match="alpha must not be 1 with noise and without ridge"):
        learning_curves(TASKS, INITS, 1.0, noise=[0.0, 0.0, 0.1, 0.0])
    curves = learning_curves(TASKS[0], INITS[0], 1.0, [0.0, 0.1], [0.0, 1e-3])
    assert curves.error[0] == 0.0 < curves.error[1]
