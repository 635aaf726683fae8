"""The Bayes floor against 30 digits, its own thermodynamics, and message passing."""

import mpmath as mp
import numpy as np
import pytest

from ptft import REGIMES, Initialization, Task, learning_curve, noisy_labels, sample_inputs
from ptft.theory.bayes import bayes_curve, bayes_thresholds, information, mmse

CASES = [
    (rho, g)
    for rho in (1e-12, 1e-3, 0.1, 0.5, 0.99, 1.0 - 1e-9)
    for g in (1e-18, 1e-2, 1.0, 30.0, 1e4, 1e15)
]


def exact(rho, g):
    """The mmse at variance 1, from E[x^2] - E[E[x | z]^2] over z, and I from densities."""
    with mp.workdps(60):
        rho, s2 = mp.mpf(rho), 1 / mp.mpf(g)
        wide = 1 + s2
        turn = mp.sqrt(max(mp.mpf(0), 2 * s2 * wide * mp.log((1 - rho) / rho * mp.sqrt(wide / s2))))

        def parts(z):
            idle = (1 - rho) * mp.npdf(z, 0, mp.sqrt(s2))
            active = rho * mp.npdf(z, 0, mp.sqrt(wide))
            return idle, active

        def square(z):
            idle, active = parts(z)
            return active * (active / (idle + active)) * (z / wide) ** 2

        def log_density(z):
            return -sum(parts(z)) * mp.log(sum(parts(z)))

        s, tau = mp.sqrt(s2), mp.sqrt(wide)
        near = [turn + k * s2 / (turn + s) for k in (-40, -8, -2, 2, 8, 40)]
        knots = {k * unit for unit in (s, tau) for k in (0, 1, 3, 6, 10, 16)}
        knots = sorted({0, *knots, *(k for k in near if k > 0)})
        error = rho - 2 * mp.quad(square, knots)
        entropy = 2 * mp.quad(log_density, knots)
        return error, entropy - mp.log(2 * mp.pi * mp.e * s2) / 2


@pytest.mark.parametrize(("rho", "g"), CASES)
def test_mmse_and_information_against_mpmath(rho, g):
    error, nats = exact(rho, g)
    assert mmse(rho, 1.0, 1.0 / g) == pytest.approx(float(error), rel=2e-13)
    # A difference of entropies: its error is a rounding of theirs.
    entropy = -rho * np.log(rho) - (1.0 - rho) * np.log1p(-rho)
    deviation = abs(information(rho, 1.0, 1.0 / g) - float(nats))
    assert deviation < 1e-13 * float(nats) + 1e-15 * entropy


def exact_signs(rho, h):
    """The same for signs, a = 1 and s = 1 / h, over u = z / s."""
    with mp.workdps(60):
        rho, h = mp.mpf(rho), mp.mpf(h)

        def parts(u):
            means = ((0, 1 - rho), (1, rho / 2), (-1, rho / 2))
            return [(x, weight * mp.npdf(u, x * h, 1)) for x, weight in means]

        def square(u):
            total = sum(p for _, p in parts(u))
            return sum(x * p for x, p in parts(u)) ** 2 / total

        def log_density(u):
            total = sum(p for _, p in parts(u))
            return -total * mp.log(total)

        turn = h / 2 + (mp.log(2 * (1 - rho) / rho) / h if rho < 1 else 0)
        near = [place + k / h for place in (0, turn) for k in (-40, -8, -2, 0, 2, 8, 40)]
        knots = [place + k for place in (0, h) for k in (0, -16, -10, -6, -3, 3, 6, 10, 16)]
        knots = sorted({k for k in (*near, *knots) if 0 <= k <= h + 16})
        error = rho - 2 * mp.quad(square, knots)
        return error, 2 * mp.quad(log_density, knots) - mp.log(2 * mp.pi * mp.e) / 2


SIGNS = [(rho, h) for rho in (1e-9, 1e-3, 0.1, 0.5, 0.99, 1.0) for h in (1e-6, 0.1, 1.0, 6.0)]
SIGNS += [(0.1, 20.0)]


@pytest.mark.parametrize(("rho", "h"), SIGNS)
def test_signs_against_mpmath(rho, h):
    error, nats = exact_signs(rho, h)
    assert mmse(rho, 4.0, 4.0 / h**2, prior="signs") == pytest.approx(4.0 * float(error), rel=2e-13)
    entropy = float(rho * mp.log(2 / mp.mpf(rho)) - ((1 - rho) * mp.log1p(-rho) if rho < 1 else 0))
    deviation = abs(information(rho, 4.0, 4.0 / h**2, prior="signs") - float(nats))
    assert deviation < 1e-13 * float(nats) + 3e-15 * entropy


def test_known_ends_of_signs():
    s2 = np.array([1e-8, 1.0, 1e12])
    for rho in (0.3, 1.0):
        found = mmse(rho, 2.0, s2, prior="signs")
        assert found[0] == 0.0  # below the smallest number
        assert found[2] == pytest.approx(2.0 * rho, rel=1e-11)
        entropy = information(rho, 2.0, 1e-8, prior="signs")
        idle = (1.0 - rho) * np.log(1.0 - rho) if rho < 1.0 else 0.0
        assert entropy == pytest.approx(rho * np.log(2.0 / rho) - idle, rel=1e-14)
    assert not mmse(0.0, 2.0, s2, prior="signs").any()
    assert not information(0.0, 2.0, s2, prior="signs").any()


def test_known_ends():
    s2 = np.array([1e-8, 1.0, 1e8])
    np.testing.assert_allclose(mmse(1.0, 2.0, s2), 2.0 * s2 / (2.0 + s2), rtol=1e-14)
    np.testing.assert_allclose(information(1.0, 2.0, s2), 0.5 * np.log1p(2.0 / s2), rtol=1e-14)
    assert not mmse(0.0, 2.0, s2).any()
    assert not information(0.0, 2.0, s2).any()
    assert mmse(0.3, 2.0, 1e12) == pytest.approx(0.6, rel=1e-10)
    assert mmse(0.3, 2.0, 1e-14) == pytest.approx(0.3e-14, rel=1e-4)  # it knows which are active


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
@pytest.mark.parametrize("rho", [1e-4, 0.1, 0.7])
def test_information_is_the_integral_of_the_mmse(rho, prior):
    """Guo, Shamai and Verdu 2005: dI / d(1 / s^2) = mmse / 2."""
    x, weights = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(np.log(1e-6), np.log(1e6), 200)
    half = np.diff(edges)[:, None] / 2.0
    log_s2 = edges[:-1, None] + half * (1.0 + x)
    errors = mmse(rho, 3.0, np.exp(log_s2), prior=prior)
    integral = np.sum(weights * half * errors * np.exp(-log_s2)) / 2.0
    change = information(rho, 3.0, 1e-6, prior=prior) - information(rho, 3.0, 1e6, prior=prior)
    assert integral == pytest.approx(change, rel=1e-12)


# The task, alpha, and both errors in four digits, computed elsewhere.
TABLE = [
    ((0.1, 0.1, 0.5), 0.03, 0.9182, 0.9668),
    ((0.1, 0.1, 0.5), 0.1, 0.6886, 0.8126),
    ((0.1, 0.1, 0.5), 0.2, 0.0, 0.3005),
    ((0.1, 0.1, 1.0), 0.03, 0.7, 0.9668),
    ((0.1, 0.04, 0.5), 0.03, 0.8897, 0.9450),
    ((0.1, 0.1, 0.0), 0.1, 0.7978, 0.8126),
]


@pytest.mark.parametrize(("task", "alpha", "known", "scratch"), TABLE)
def test_known_values(task, alpha, known, scratch):
    task = Task(*task)
    curve = bayes_curve(task, alpha)
    assert curve.error == pytest.approx(known, abs=5e-5)
    assert bayes_curve(task, alpha, pretraining=False).error == pytest.approx(scratch, abs=5e-5)
    assert isinstance(curve.error, float)
    assert isinstance(curve.hard, bool)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-3, 0.2])
@pytest.mark.parametrize("prior", ["gaussian", "signs"])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_order_and_residuals(noise, overlap, prior):
    task, alpha = Task(0.1, 0.1, overlap, prior=prior), np.linspace(0.01, 1.3, 60)
    known = bayes_curve(task, alpha, noise)
    scratch = bayes_curve(task, alpha, noise, pretraining=False)
    for curve in (known, scratch):
        np.testing.assert_array_equal(curve.alpha, alpha)
        assert curve.residual.max() < 1e-13
        assert np.all(curve.information_error <= curve.error)
        assert np.array_equal(curve.hard, curve.information_s2 < curve.s2)
        assert np.all(np.diff(curve.error) <= 0.0)
    assert np.all(known.error <= scratch.error * (1.0 + 1e-13))
    assert np.all(known.information_error <= scratch.information_error * (1.0 + 1e-13))


@pytest.mark.parametrize("prior", ["gaussian", "signs"])
def test_no_network_beats_it(prior):
    alpha = np.array([0.02, 0.1, 0.25, 0.6])
    for overlap in (0.0, 0.5, 1.0):
        task = Task(0.1, 0.1, overlap, prior=prior)
        for noise in (0.0, 0.1):
            floor = bayes_curve(task, alpha, noise).error
            for init in [*(r.init for r in REGIMES.values()), Initialization(0.05, -0.6, 0.2)]:
                assert np.all(floor <= learning_curve(task, init, alpha, noise).error)


@pytest.mark.parametrize("noise", [1e-10, 1e-5, 1e-3])
def test_the_best_solution_follows_the_equal_area_rule(noise):
    """At the jump of the information limit, the areas between a(x) and alpha are the same."""
    task = Task(0.1, 0.1, 0.5)
    low, high = 0.05, 0.25
    for _ in range(50):
        middle = (low + high) / 2.0
        curve = bayes_curve(task, middle, noise)
        below = curve.hard or curve.error < 0.01  # the small solution is the best
        low, high = (low, middle) if below else (middle, high)
    jump = bayes_curve(task, high, noise)
    assert jump.hard
    x, weights = np.polynomial.legendre.leggauss(200)
    ends = np.log([jump.information_s2, jump.s2])
    half = np.diff(ends)[0] / 2.0
    s2 = np.exp(ends[0] + half * (1.0 + x))
    error = sum(p * mmse(rho, 10.0, s2) for p, rho in ((0.1, task.rho_shared), (0.9, task.rho_new)))
    area = np.sum(weights * half * ((noise + error) / s2 - high))
    assert abs(area) < 1e-9


@pytest.mark.parametrize(("prior", "possible"), [("gaussian", 0.1), ("signs", 0.0)])
def test_thresholds(prior, possible):
    """Signs are finitely many: in principle few samples tell them all, if an algorithm had time."""
    task = Task(0.1, 0.1, 0.5, prior=prior)
    found = bayes_thresholds(task)
    assert found.information == possible
    above, below = found.message_passing * np.array([1.0 + 1e-9, 1.0 - 1e-9])
    assert bayes_curve(task, above).error == 0.0
    middle = bayes_curve(task, below)
    assert middle.hard
    assert middle.error > 0.01
    assert middle.information_error == 0.0
    assert found.message_passing < bayes_thresholds(task, pretraining=False).message_passing


def test_with_the_same_features_in_both_tasks_nothing_is_hard():
    """Least squares on them."""
    assert bayes_thresholds(Task(0.1, 0.1, 1.0)) == (0.1, pytest.approx(0.1, abs=1e-12))


def test_with_few_samples_the_law_of_the_coefficients_hardly_matters():
    signs, gaussian = (
        bayes_curve(Task(0.1, 0.1, 0.5, prior=prior), 0.02).error for prior in ("signs", "gaussian")
    )
    assert signs == pytest.approx(gaussian, rel=0.05)


def posterior(z, s2, rho, task):
    """Return the posterior mean and its slope, its variance over s^2."""
    a = (1.0 / task.rho_ft) ** 0.5
    if task.prior == "signs":
        plus, minus = (0.5 * rho * np.exp((sign * a * z - 0.5 * a * a) / s2) for sign in (1, -1))
        total = 1.0 - rho + plus + minus
        mean, square = a * (plus - minus) / total, a * a * (plus + minus) / total
        return mean, (square - mean**2) / s2
    g = a * a / s2
    odds = np.log(rho / (1.0 - rho)) - 0.5 * np.log1p(g) + 0.5 * z**2 / s2 * g / (1.0 + g)
    active, mean = 1.0 / (1.0 + np.exp(-odds)), z * g / (1.0 + g)
    return active * mean, active * (g / (1.0 + g) + (1.0 - active) * mean**2 / s2)


def message_passing(task, alpha, noise, n_dims, rng):
    """Return the error of approximate message passing with the posterior mean.

    Each group has its exact share of dimensions: chance would add to the error at finite size.
    """
    counts = [round(group.probability * n_dims) for group in task.groups()]
    beta_pt = np.repeat([group.beta_pt for group in task.groups()], counts)
    priors = [group.prior for group in task.groups()]
    samples = [prior.sample(n, rng) for prior, n in zip(priors, counts, strict=True)]
    teacher = np.concatenate(samples)
    inputs = sample_inputs(round(alpha * n_dims), n_dims, rng)
    labels = noisy_labels(inputs, teacher, noise, rng)
    rho = np.where(beta_pt != 0.0, task.rho_shared, task.rho_new)
    beta, residual, slope = np.zeros(n_dims), 0.0, 0.0
    for _ in range(30):
        residual = labels - inputs @ beta + slope * residual / alpha
        s2 = np.mean(residual**2) / alpha
        beta, slopes = posterior(beta + inputs.T @ residual / alpha, s2, rho, task)
        slope = np.mean(slopes)
    return np.mean((beta - teacher) ** 2)


@pytest.mark.parametrize(("prior", "alpha"), [("gaussian", 0.3), ("signs", 0.15)])
def test_message_passing_reaches_it(prior, alpha):
    task, noise = Task(0.1, 0.1, 0.5, prior=prior), 0.05
    rngs = [np.random.default_rng(seed) for seed in np.random.SeedSequence(5).spawn(12)]
    errors = [message_passing(task, alpha, noise, 2000, rng) for rng in rngs]
    standard_error = np.std(errors, ddof=1) / np.sqrt(len(errors))
    assert abs(np.mean(errors) - bayes_curve(task, alpha, noise).error) < 4.0 * standard_error
    assert standard_error < 0.1 * np.mean(errors)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (mmse, (-0.1, 1.0, 1.0), "rho must be finite and in"),
        (mmse, (0.1, 0.0, 1.0), "variance must be"),
        (mmse, (0.1, 1.0, [1.0, 0.0]), "s2 must be"),
        (information, (0.1, 1.0, -1.0), "s2 must be"),
        (bayes_curve, (Task(0.1, 0.1, 0.5), 0.0), "alpha must be"),
        (bayes_curve, (Task(0.1, 0.1, 0.5), 0.1, -1.0), "noise must be"),
        (bayes_curve, (Task(0.1, 0.1, 0.5), 0.1, 1e-30), "noise must be 0 or at least 1e-19"),
        (bayes_curve, (None, 0.1), "task must be of class Task"),
        (bayes_thresholds, (None,), "task must be of class Task"),
    ],
)
def test_bad_input(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
