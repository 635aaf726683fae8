"""Values that hold arrays: frozen, equal by content, and checked like every other argument."""

from types import SimpleNamespace

import numpy as np
import pytest

import ptft
from ptft import Group, Initialization, Prior, Task, Weights, balanced, errors
from ptft.theory.channel import checked_groups

TASK, INIT = Task(0.1, 0.1, 0.5), Initialization(1e-3, 0.0)
WEIGHTS = ptft.pretrained_weights(np.array([1.0, 0.0]), INIT)


def test_an_initialization_keeps_what_it_was_made_from():
    scales = np.array([1e-3, 1e-2])
    init = Initialization(scales, 0.0)
    scales[0] = 7.0
    assert init.c_pt.tolist() == [1e-3, 1e-2]
    with pytest.raises(ValueError, match="read-only"):
        init.c_pt[0] = 7.0


def test_weights_keep_what_they_were_made_from():
    w = np.ones(3)
    weights = Weights(w, w, w, w)
    w[0] = 7.0
    assert weights.beta.tolist() == [0.0] * 3


def test_values_are_equal_by_content():
    one, same = (Initialization(np.array([1e-3, 1e-2]), 0.0) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Initialization(np.array([1e-3, 1e-1]), 0.0)
    assert one != Initialization(1e-3, 0.0)
    assert one != "another class"
    curves = [ptft.learning_curve(TASK, INIT, [0.1, 0.2]) for _ in range(2)]
    assert curves[0] == curves[1]
    assert curves[0] != ptft.learning_curve(TASK, INIT, [0.1, 0.3])
    assert len({Initialization(0.1, 0.0), Initialization(0.1, -0.0)}) == 1


def test_values_within_values_are_compared():
    X = np.array([[1.0, 2.0, 0.0]])
    flows = [ptft.pretrain(X, [y], Initialization(0.1, 0.0)) for y in (1.0, 1.0, 2.0)]
    assert flows[0] == flows[1] != flows[2]


def test_masked_entries_are_refused():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    with pytest.raises(ValueError, match="x must be a real number or array"):
        errors.real("x", masked)


def test_a_mask_that_hides_nothing_is_no_matter():
    assert errors.real("x", np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [2.7, 0, -1, True, np.inf, "3", [3], None])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="n must be"):
        errors.whole("n", value)


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.float32(3)])
def test_whole_numbers(value):
    found = errors.whole("n", value)
    assert found == 3
    assert isinstance(found, int)


@pytest.mark.parametrize("tolerance", [np.inf, 1.0, 0.0, -1e-3, np.nan, None])
@pytest.mark.parametrize(
    "solve",
    [
        ptft.implicit_bias,
        ptft.approximate_message_passing,
        lambda X, y, k, tolerance: ptft.pretrain(X, y, INIT, tolerance=tolerance),
        lambda X, y, k, tolerance: ptft.training.implicit_biases(
            X, y[:, None], np.full((3, 1), k), tolerance=tolerance
        ),
    ],
)
def test_a_tolerance_that_allows_anything_is_refused(solve, tolerance):
    X = np.array([[1.0, 2.0, 0.0]])
    with pytest.raises(ValueError, match="tolerance must be"):
        solve(X, np.ones(1), 1.0, tolerance=tolerance)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: ptft.sqrt_k(1.0, (1e-3, 0.0, 0.0)), "init"),
        (lambda: ptft.l_order(1.0, 1.0, {"c_pt": 1.0}), "init"),
        (lambda: ptft.kappa(1.0, None), "init"),
        (lambda: ptft.pretraining_dependence(1.0, 1.0, 1e-3), "init"),
        (lambda: ptft.initial_weights((1e-3, 0.0)), "init"),
        (lambda: ptft.pretrained_weights(1.0, (1e-3, 0.0)), "init"),
        (lambda: ptft.pretrain(np.ones((1, 2)), [1.0], "II"), "init"),
        (lambda: ptft.learning_curve(TASK, "II", 0.1), "init"),
        (lambda: ptft.learning_curve((0.1, 0.1, 0.5), INIT, 0.1), "task"),
        (lambda: ptft.penalised_groups(INIT, TASK), "task"),
        (lambda: ptft.rebalance(np.ones(3), 0.0), "weights"),
        (lambda: ptft.conserved_quantities({}), "weights"),
        (lambda: ptft.fine_tune(np.ones((1, 2)), [1.0], (1, 2, 3, 4)), "weights"),
        (lambda: ptft.sample_inputs(2, 3, 0), "rng"),
        (lambda: ptft.noisy_labels(np.ones((1, 2)), [1.0, 1.0], 0.1, 0), "rng"),
        (lambda: TASK.sample_teachers(3, np.random), "rng"),
        (lambda: Prior.zero().sample(3, None), "rng"),
        (lambda: ptft.fixed_point([(1.0, 1.0, "gaussian")], 0.1), "prior"),
        (lambda: ptft.fixed_point(TASK.groups(), 0.1), "groups"),
        (lambda: ptft.fixed_point(None, 0.1), "groups"),
        (lambda: ptft.state_evolution(7, 0.1), "groups"),
        (lambda: balanced.learn((np.eye(2), np.eye(2)), np.eye(2), [0.0]), "network"),
        (lambda: ptft.theory.monte_carlo_curve(TASK, INIT, [0.1], settings={"a": 1}), "settings"),
    ],
)
def test_another_class_is_refused_by_name(call, name):
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        call()


def test_a_look_alike_is_refused():
    with pytest.raises(ValueError, match="init must be of class Initialization"):
        ptft.sqrt_k(1.0, SimpleNamespace(c_pt=1.0, lambda_pt=0.0, gamma_ft=0.0))


# --- Shares --------------------------------------------------------------------------------------


def test_shares_from_single_precision_are_taken_and_made_to_sum_to_one():
    shares = np.array([0.3, 0.6, 0.1], dtype=np.float32)
    assert abs(shares.astype(float).sum() - 1.0) > 1e-9
    assert sum(Prior(shares, (0.0, 1.0, 2.0), (0.0, 0.0, 0.0)).weights) == pytest.approx(
        1, abs=1e-15
    )
    groups = [Group(share, 1.0, Prior.signs(1.0)) for share in shares]
    assert sum(group.probability for group in checked_groups(groups)) == pytest.approx(1, abs=1e-15)
    assert ptft.fixed_point(groups, 0.3).error == pytest.approx(
        ptft.fixed_point([Group(1.0, 1.0, Prior.signs(1.0))], 0.3).error, rel=1e-12
    )


@pytest.mark.parametrize("off", [1e-2, -1e-2, 2e-6, -2e-6])
def test_shares_that_do_not_sum_to_one_are_refused(off):
    with pytest.raises(ValueError, match="weights must sum to 1, got"):
        Prior((0.5, 0.5 + off), (0.0, 1.0), (0.0, 0.0))
    groups = [Group(p, 1.0, Prior.signs(1.0)) for p in (0.5, 0.5 + off)]
    for solve in (ptft.fixed_point, ptft.state_evolution, ptft.theory.basis_pursuit):
        with pytest.raises(ValueError, match="the groups' probabilities must sum to 1, got"):
            solve(groups, 0.3)
