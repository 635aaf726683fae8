"""Leave-one-out errors against refits, and the initialisation that they choose."""

import numpy as np
import pytest

import ptft
from ptft import leave_one_out, tune
from ptft.companion import results
from ptft.sweeps import provenance
from ptft.training.tuning import Search, _penalised

N_DIMS = 150


def problem(alpha=0.3, noise=0.0, overlap=0.8, seed=0, n_dims=N_DIMS):
    rng = np.random.default_rng(seed)
    beta_pt, teacher = ptft.Task(0.1, 0.1, overlap).sample_teachers(n_dims, rng)
    X = ptft.sample_inputs(int(alpha * n_dims), n_dims, rng)
    return X, ptft.noisy_labels(X, teacher, noise, rng), beta_pt, teacher


def solved(X, y, scale, ridge):
    if ridge:
        beta = _penalised(X, y, scale, ridge)
        return beta, (y - X @ beta) / ridge
    found = ptft.implicit_bias(X, y, scale)
    return found.beta, found.nu


def refitted(X, y, scale, ridge):
    """Return the residual of each sample in a fit without it."""
    residuals = []
    for i in range(len(y)):
        beta, _ = solved(np.delete(X, i, 0), np.delete(y, i), scale, ridge)
        residuals.append(y[i] - X[i] @ beta)
    return np.array(residuals)


SMOOTH, BENT = ptft.Initialization(1.0, 0.0, 100.0), ptft.Initialization(0.02, -0.8, 0.1)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_residuals_are_exact_for_a_quadratic_penalty(ridge):
    X, y, beta_pt, _ = problem(noise=0.1)
    scale = ptft.sqrt_k(beta_pt, SMOOTH)
    found = leave_one_out(X, *solved(X, y, scale, ridge), scale, ridge)
    np.testing.assert_allclose(found, refitted(X, y, scale, ridge), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("ridge", "close"), [(0.0, 0.35), (0.1, 0.1)])
def test_residuals_are_near_refits_and_corrections_nearer(ridge, close):
    X, y, beta_pt, _ = problem(noise=0.1)
    scale = ptft.sqrt_k(beta_pt, BENT)
    true = refitted(X, y, scale, ridge)
    beta, nu = solved(X, y, scale, ridge)
    first = leave_one_out(X, beta, nu, scale, ridge)
    better = leave_one_out(X, beta, nu, scale, ridge, corrections=20)
    size = np.linalg.norm(true)
    assert np.linalg.norm(first - true) < close * size
    assert np.linalg.norm(better - true) < 1e-4 * size


def test_many_gaussian_inputs_meet_the_replica_theory():
    ratios = []
    for seed in range(6):
        X, y, beta_pt, _ = problem(noise=0.2, overlap=0.5, seed=seed, n_dims=1000)
        scale = ptft.sqrt_k(beta_pt, BENT)
        residuals = leave_one_out(X, *solved(X, y, scale, 0.0), scale)
        curve = ptft.learning_curve(ptft.Task(0.1, 0.1, 0.5), BENT, 0.3, noise=0.2)
        ratios.append(np.mean(residuals**2) / (0.2 + curve.error))
    deviation = np.mean(ratios) - 1.0
    assert abs(deviation) < 3.0 * np.std(ratios) / np.sqrt(5.0) + 0.05


def test_the_penalised_solution_is_stationary():
    X, y, beta_pt, _ = problem(noise=0.1)
    scale = ptft.sqrt_k(beta_pt, BENT)
    for ridge in (1e-3, 1.0, 100.0):
        beta = _penalised(X, y, scale, ridge)
        slope = ptft.penalty_gradient(beta, scale)
        np.testing.assert_allclose(slope, X.T @ (y - X @ beta) / ridge, atol=1e-9)


def test_the_choice_is_near_the_best_candidate():
    excess, default = [], []
    for seed in range(4):
        X, y, beta_pt, teacher = problem(noise=0.1, overlap=0.6, seed=seed, n_dims=300)
        tuned = tune(X, y, beta_pt)
        search = Search(X, y, beta_pt)
        search.grid(0.0)
        best = min(np.mean((one.beta - teacher) ** 2) for one in search.found.values())
        error = np.mean((tuned.beta - teacher) ** 2)
        excess.append(error / best - 1.0)
        scale = ptft.sqrt_k(beta_pt, ptft.Initialization(1e-3, -0.999999, 1e-6))
        other = ptft.implicit_bias(X, y, scale).beta
        default.append(np.mean((other - teacher) ** 2) / best - 1.0)
    assert np.mean(excess) < 0.15
    assert np.mean(excess) < np.mean(default)


def test_the_search_ends_where_no_neighbour_is_better():
    """Along both coordinates, and along their sum, in which errors change least."""
    X, y, beta_pt, _ = problem(noise=0.1, overlap=0.6, n_dims=100, seed=2)
    search = Search(X, y, beta_pt)
    search.grid(0.0)
    search.around_best(0.5)
    scale, height, *rest = search.best.place
    assert 0.125 <= height <= max(search.heights) - 0.125  # no move is cut short
    far, up = 0.5 * np.log(10.0), 0.125
    for right, rise in ((far, 0), (-far, 0), (0, up), (0, -up), (far, up), (-far, -up)):
        neighbour = search.found[scale + right, height + rise, *rest]
        assert neighbour.error >= search.best.error


def test_what_is_returned_belongs_together():
    X, y, beta_pt, _ = problem(noise=0.1)
    tuned = tune(X, y, beta_pt, ridge=[0.0, 0.3])
    scale = ptft.sqrt_k(beta_pt, tuned.init)
    np.testing.assert_allclose(tuned.beta, solved(X, y, scale, tuned.ridge)[0], atol=1e-7)
    assert tuned.predicted_error == tuned.candidate_error.min()
    assert tuned.predicted_error == pytest.approx(np.mean(tuned.residuals**2))
    best = int(np.argmin(tuned.candidate_error))
    assert tuned.candidates.c_pt[best] == tuned.init.c_pt
    assert tuned.candidate_ridge[best] == tuned.ridge
    assert set(tuned.candidate_ridge) == {0.0, 0.3}
    assert tuned.candidates.c_pt.shape == tuned.candidate_error.shape
    assert tuned.intercept == 0.0
    assert tuned.standard_error > 0.0
    assert str(tuned.candidate_error.size) in tuned.status


def test_units_do_not_matter():
    X, y, beta_pt, _ = problem(noise=0.1)
    one, other = tune(X, y, beta_pt), tune(1e3 * X, 5.0 * y, beta_pt / 200.0)
    np.testing.assert_allclose(other.beta * 200.0, one.beta, rtol=1e-5, atol=1e-7)


def test_a_constant_is_found():
    X, y, beta_pt, teacher = problem(alpha=0.4)
    tuned = tune(X, y + 3.0, beta_pt, intercept=True)
    assert tuned.intercept == pytest.approx(3.0, abs=0.1)
    assert np.mean((tuned.beta - teacher) ** 2) < 0.1 * np.mean(teacher**2)
    np.testing.assert_allclose(X @ tuned.beta + tuned.intercept, y + 3.0, atol=1e-6)


def test_more_samples_than_dimensions_with_a_ridge():
    X, y, beta_pt, teacher = problem(alpha=1.5, noise=0.2, n_dims=60)
    tuned = tune(X, y, beta_pt, ridge=[0.1, 1.0])
    plain = np.linalg.lstsq(X, y, rcond=None)[0]
    assert np.sum((tuned.beta - teacher) ** 2) < np.sum((plain - teacher) ** 2)


def test_any_pretrained_coefficients():
    X, y, beta_pt, teacher = problem(noise=0.1)
    rough = beta_pt * np.exp(0.3 * np.random.default_rng(1).standard_normal(N_DIMS))
    tuned = tune(X, y, rough)
    assert np.mean((tuned.beta - teacher) ** 2) < 0.5 * np.mean(teacher**2)
    nothing = tune(X, y, np.zeros(N_DIMS))
    assert np.all(nothing.candidates.lambda_pt == -1.0)


def log_ratios(table, other):
    """Return mean and standard error of log(tuned / other)."""
    logs = np.log(table.tuned / table[other])
    return logs.mean(), logs.std() / np.sqrt(len(logs))


def test_the_table_of_simulated_tasks():
    table, facts = provenance.read_table(results.path("tuning_simulated.csv"))
    assert "tuning_table.py simulated" in facts["command"]
    table = table[table.oracle > 1e-3]  # the others are recovered: errors are far below all peers'
    assert len(table) > 50
    for peer in ("default", "lasso", "ridge"):
        mean, error = log_ratios(table, peer)
        assert mean < -2.0 * error, peer
    for peer in ("theory", "adaptive lasso"):  # no worse than these, which it does not beat either
        mean, error = log_ratios(table, peer)
        assert abs(mean) < 2.0 * error, peer
    assert log_ratios(table, "oracle")[0] < np.log(1.2)


def test_the_table_of_patients():
    table, _ = provenance.read_table(results.path("tuning_diabetes.csv"))
    for peer in ("lasso", "ridge", "mean"):
        mean, error = log_ratios(table, peer)
        assert mean < -2.0 * error, peer
    assert abs(log_ratios(table, "adaptive lasso")[0]) < 0.05
    # Nothing that starts from zero on 40 patients does as well as not learning anew.
    assert log_ratios(table, "pretrained")[0] > 0.0


X, Y, BETA_PT, _ = problem()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"X": X[0]}, "X"),
        ({"y": Y[1:]}, "y must have shape"),
        ({"y": 0.0 * Y}, "y must not be all zero"),
        ({"beta_pt": BETA_PT[1:]}, "beta_pt must have shape"),
        ({"ridge": -1.0}, "ridge"),
        ({"X": X[:, :40], "beta_pt": BETA_PT[:40]}, "X must have fewer rows"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        tune(**({"X": X, "y": Y, "beta_pt": BETA_PT} | arguments))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"beta": BETA_PT[1:]}, "beta must have shape"),
        ({"sqrt_k": -1.0}, "sqrt_k"),
        ({"ridge": -1.0}, "ridge"),
        ({"corrections": 0.5}, "corrections"),
        ({"X": X.T, "nu": BETA_PT, "beta": Y}, "X must not have more rows"),
    ],
)
def test_bad_arguments_of_residuals_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        leave_one_out(**({"X": X, "beta": BETA_PT, "nu": Y, "sqrt_k": 1.0} | arguments))


def test_the_size_of_a_coefficient():
    """Labels by inputs, both as root mean squares over samples; an intercept takes the mean off."""
    X, y, beta_pt, _ = problem()
    plain, shifted = (Search(X, y + 3.0, beta_pt, intercept) for intercept in (False, True))
    assert plain.size == pytest.approx(np.linalg.norm(y + 3.0) / np.linalg.norm(X))
    assert shifted.size == pytest.approx(np.linalg.norm(y - y.mean()) / np.linalg.norm(X))


def test_small_rows_are_no_dependent_rows():
    """Orthogonal samples at beta = 0: each residual is nu_i times sqrt(k) |X_i|^2."""
    size, nu = np.array([1.0, 1e-5, 1e-10]), np.array([1.0, -2.0, 3.0])
    found = leave_one_out(np.diag(size), np.zeros(3), nu, 0.5)
    np.testing.assert_allclose(found, nu * 0.5 * size**2, rtol=1e-12)
