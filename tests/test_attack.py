"""Every argument of every public function against values it cannot take: refused by name.

Never an answer, never a NaN, never another kind of error, and (as everywhere here) never a warning.
"""

import numpy as np
import pytest

import ptft
from ptft import Group, Initialization, Prior, Task, Weights, balanced, model, theory, training

RNG = np.random.default_rng(0)
TASK, INIT = Task(0.1, 0.1, 0.5), Initialization(1e-3, 0.0)
GROUPS = ptft.penalised_groups(TASK, INIT)
X = RNG.standard_normal((2, 4))
Y = np.array([1.0, -1.0])
START = ptft.rebalance(ptft.pretrained_weights(np.array([1.0, 0.0, 0.0, -1.0]), INIT), 0.1)
NETWORK = balanced.balanced_network((2, 2, 2), 1.0, seed=0)
MASKED = np.ma.array([1.0, 2.0], mask=[True, False])

NOT_NUMBERS = [None, "1", "text", b"1", np.nan, np.inf, -np.inf, 1j, {}, object(), MASKED]
NOT_NUMBERS += [np.datetime64("2026-01-01"), [[1.0], [1.0, 2.0]], [None], lambda: 1.0, Task]
NOT_ONE = [[0.1, 0.2], np.ones((1, 1)), []]
NOT_WHOLE = [2.5, True, *NOT_ONE]
NOT_MATRICES = [1.0, [1.0, 2.0], np.ones((1, 1, 1)), np.ones((0, 2)), np.ones((2, 0))]
OTHERS = [None, 1.0, "II", (0.1, 0.1, 0.5), {}, [1.0], np.ones(4), object(), Task, Prior.zero()]


def number(*outside, one=True):
    """Values that an argument cannot take that is a number (or `one` number) in a range."""
    return [*NOT_NUMBERS, *outside, *(NOT_ONE if one else [])]


def whole(*outside):
    return [*NOT_NUMBERS, *NOT_WHOLE, *outside]


SMALL = number(0.0, 1.0, -1e-9, 2.0)  # for a tolerance
POSITIVE, NOT_NEGATIVE = number(0.0, -1.0), number(-1e-300, -1.0)
ARRAY = number(one=False)
MATRIX = [*NOT_NUMBERS, *NOT_MATRICES]
ALPHAS = number(0.0, -0.1, np.ones((1, 1)), [], one=False)
GROUP_LISTS = [None, 1.0, "groups", [], [1.0], [(1.0, 1.0)], TASK, GROUPS[:1]]
GROUP_LISTS += [[Group(p, 1.0, Prior.zero())] for p in (0.5, 1.01, -1.0, np.nan, "1", None)]
GROUP_SCALES = [[Group(1.0, k, Prior.signs(1.0))] for k in (-1.0, np.nan, "1", None, [1.0, 2.0])]
GROUP_LISTS += GROUP_SCALES
GROUP_LISTS += [[Group(1.0, 1.0, prior)] for prior in (None, "gaussian", 1.0, Prior)]

WEIGHTS = [v for v in NOT_NUMBERS if v is not None] + [[1.0], 1.0]
STARTS = [v for v in NOT_NUMBERS if v is not None] + [np.ones(3), 1.0]
SOLVED = ptft.implicit_bias(X, Y, 1.0)
CURVE = ptft.learning_curve(TASK, INIT, 0.2)

A_CURVE = {"task": TASK, "init": INIT, "alpha": 0.2, "noise": 0.0, "ridge": 0.0}
BAD_CURVE = {
    "task": OTHERS,
    "init": [*OTHERS, Initialization([1e-3, 1e-2], 0.0)],
    "alpha": ALPHAS,
    "noise": NOT_NEGATIVE,
    "ridge": NOT_NEGATIVE,
}

# Function, arguments that it takes, and for each attacked one the values that it does not take.
TABLE = [
    (
        Initialization,
        {"c_pt": 1e-3, "lambda_pt": 0.0, "gamma_ft": 0.0},
        {
            "c_pt": number(0.0, -1.0, one=False),
            "lambda_pt": number(1.1, -1.1, one=False),
            "gamma_ft": number(-1.0, one=False),
        },
    ),
    (
        Task,
        {"rho_pt": 0.1, "rho_ft": 0.1, "overlap": 0.5, "amplitude_pt": 1.0, "prior": "signs"},
        {
            "rho_pt": number(0.0, 1.0, -0.1),
            "rho_ft": [v for v in number(0.0, 1.0, -0.1) if v is not None],
            "overlap": [v for v in number(1.1, -0.1) if v is not None],
            "amplitude_pt": POSITIVE,
            "prior": [None, 1.0, "uniform", Prior.zero(), ["signs"]],
        },
    ),
    (
        Prior,
        {"weights": [1.0], "means": [0.0], "variances": [1.0]},
        {
            "weights": [*NOT_NUMBERS, [0.5], [1.1], [0.5, 0.5], [], [[1.0]], [0.0, 1.0]],
            "means": [*NOT_NUMBERS, [-1.0], [1.0, 2.0], [], 1e200],
            "variances": [*NOT_NUMBERS, [-1.0], [1.0, 2.0], []],
        },
    ),
    (Prior.signs, {"amplitude": 1.0}, {"amplitude": number(-1.0, 1e200)}),
    (Prior.gaussian, {"variance": 1.0}, {"variance": number(-1.0)}),
    (ptft.sqrt_k, {"beta_pt": 1.0, "init": INIT}, {"beta_pt": ARRAY, "init": OTHERS}),
    (ptft.kappa, {"beta_pt": 1.0, "init": INIT}, {"beta_pt": ARRAY, "init": OTHERS}),
    (ptft.sqrt_k_single_task, {"c_pt": 1.0}, {"c_pt": number(0.0, -1.0, one=False)}),
    *(
        (f, {"z": 1.0, "sqrt_k": 1.0}, {"z": ARRAY, "sqrt_k": number(0.0, -1.0, one=False)})
        for f in (ptft.penalty, ptft.penalty_gradient, ptft.penalty_curvature)
    ),
    *(
        (
            f,
            {first: 1.0, "theta": 1.0, "sqrt_k": 1.0},
            {
                first: ARRAY,
                "theta": number(-1.0, one=False),
                "sqrt_k": number(0.0, -1.0, one=False),
            },
        )
        for f, first in ((ptft.denoise, "z"), (ptft.denoiser_slope, "x"))
    ),
    *(
        (
            f,
            {"beta_ft": 1.0, "beta_pt": 1.0, "init": INIT},
            {"beta_ft": ARRAY, "beta_pt": ARRAY, "init": OTHERS},
        )
        for f in (ptft.l_order, ptft.pretraining_dependence)
    ),
    (
        ptft.regime_weights,
        {"l_order": 1.5, "pretraining_dependence": -0.2},
        {"l_order": ARRAY, "pretraining_dependence": ARRAY},
    ),
    (ptft.initial_weights, {"init": INIT}, {"init": OTHERS}),
    (ptft.pretrained_weights, {"beta_pt": 1.0, "init": INIT}, {"beta_pt": ARRAY, "init": OTHERS}),
    (
        ptft.rebalance,
        {"weights": START, "gamma_ft": 0.1},
        {"weights": OTHERS, "gamma_ft": number(-1.0, one=False)},
    ),
    (ptft.conserved_quantities, {"weights": START}, {"weights": OTHERS}),
    (
        ptft.sample_inputs,
        {"n_samples": 2, "n_dims": 3, "rng": RNG},
        {"n_samples": whole(0, -1), "n_dims": whole(0, -1), "rng": [*OTHERS, 0, np.random]},
    ),
    (
        ptft.noisy_labels,
        {"inputs": X, "beta": np.ones(4), "noise": 0.1, "rng": RNG},
        {
            "inputs": [*MATRIX, np.ones((2, 3))],
            "beta": [*NOT_NUMBERS, np.ones(3), np.ones((4, 1)), []],
            "noise": NOT_NEGATIVE,
            "rng": [*OTHERS, 0],
        },
    ),
    (ptft.penalised_groups, {"task": TASK, "init": INIT}, {"task": OTHERS, "init": OTHERS}),
    (
        ptft.learning_curve,
        A_CURVE,
        BAD_CURVE,
    ),
    (
        ptft.learning_curves,
        {"tasks": [TASK], "inits": [INIT], "alpha": [0.2], "noise": 0.0, "ridge": 0.0},
        {
            "tasks": [*OTHERS, [], [TASK, None], [TASK, [TASK]], {TASK}],
            "inits": [*OTHERS, [], [INIT, None], [Initialization([1e-3, 1e-2], 0.0)]],
            "alpha": number(0.0, -0.1, [], [0.1, -0.1], one=False),
            "noise": number(-1e-300, -1.0, [], one=False),
            "ridge": number(-1e-300, -1.0, [], one=False),
        },
    ),
    (
        theory.sensitivities.sensitivities,
        A_CURVE,
        BAD_CURVE | {"alpha": [*ALPHAS, 1.0, [0.5, 2.0]]},
    ),
    (
        ptft.best_initialization,
        {"task": TASK, "alpha": 0.1, "noise": 0.0, "criterion": "mean", "tolerance": 0.1},
        {
            "task": [*OTHERS, [], [TASK, None]],
            "alpha": number(0.0, 1.0, -0.1),
            "noise": NOT_NEGATIVE,
            "weights": [v for v in NOT_NUMBERS if v is not None] + [[0.5], [0.5, 0.5], []],
            "criterion": [None, "median", 1.0, ["mean"]],
            "tolerance": SMALL,
        },
    ),
    (
        theory.pretraining_curve,
        {"task": TASK, "init": INIT, "alpha_pt": 0.5, "noise_pt": 0.0},
        {
            "task": OTHERS,
            "init": [*OTHERS, Initialization([1e-3, 1e-2], 0.0)],
            "alpha_pt": ALPHAS,
            "noise_pt": NOT_NEGATIVE,
        },
    ),
    (
        theory.imperfect_curve,
        {"task": TASK, "init": INIT, "alpha": 0.2, "alpha_pt": 0.5, "noise_pt": 0.0},
        BAD_CURVE | {"alpha_pt": POSITIVE, "noise_pt": NOT_NEGATIVE},
    ),
    (
        theory.continual_threshold,
        {"groups": [theory.StartedGroup(1.0, 1.0, 1.0, 1.0, 0.0)]},
        {"groups": [None, 1.0, "g", [], [1.0], [theory.StartedGroup(0.5, 1.0, 1.0, 1.0, 0.0)]]},
    ),
    *(
        (
            curve,
            A_CURVE | {"correlation": 0.0},
            BAD_CURVE | {"alpha": [*ALPHAS, 1.0, [0.5, 2.0]], "correlation": [*OTHERS, 0.5, -2.0]},
        )
        for curve in (theory.continual_curve, theory.restarted_curve)
    ),
    (
        ptft.fixed_point,
        {"groups": GROUPS, "alpha": 0.2, "noise": 0.0, "ridge": 0.0},
        {
            "groups": GROUP_LISTS,
            "alpha": ALPHAS,
            "noise": NOT_NEGATIVE,
            "ridge": NOT_NEGATIVE,
        },
    ),
    (
        ptft.state_evolution,
        {"groups": GROUPS, "alpha": 0.2, "noise": 0.0, "ridge": 0.0, "n_iterations": 2},
        {
            "groups": GROUP_LISTS,
            "alpha": POSITIVE,
            "noise": NOT_NEGATIVE,
            "ridge": NOT_NEGATIVE,
            "n_iterations": whole(0, -1),
        },
    ),
    (
        theory.basis_pursuit,
        {"groups": GROUPS, "alpha": 0.2, "noise": 0.1},
        {
            "weights": [*WEIGHTS, np.zeros(len(GROUPS))],
            "groups": [value for value in GROUP_LISTS if value not in GROUP_SCALES],
            "alpha": number(0.0, 1.0, -1.0),
            "noise": NOT_NEGATIVE,
        },
    ),
    (
        theory.recovery_threshold,
        {"groups": GROUPS, "weights": np.ones(len(GROUPS))},
        {
            "groups": [value for value in GROUP_LISTS if value not in GROUP_SCALES],
            "weights": [*WEIGHTS, -np.ones(len(GROUPS)), np.zeros(len(GROUPS))],
        },
    ),
    (theory.pretraining_value, {"task": TASK}, {"task": OTHERS}),
    *(
        (
            f,
            {"rho": 0.1, "variance": 1.0, "s2": 0.5, "prior": "signs"},
            {
                "rho": number(-0.1, 1.1),
                "variance": POSITIVE,
                "s2": number(0.0, -1.0, one=False),
                "prior": [*OTHERS, "cauchy"],
            },
        )
        for f in (theory.mmse, theory.information)
    ),
    (
        theory.bayes_curve,
        {"task": TASK, "alpha": 0.2, "noise": 0.0},
        {"task": OTHERS, "alpha": ALPHAS, "noise": [*NOT_NEGATIVE, 1e-30]},
    ),
    (theory.bayes_thresholds, {"task": TASK}, {"task": OTHERS}),
    (
        theory.features_used,
        {"task": TASK, "init": INIT, "curve": CURVE, "threshold": 0.5},
        {
            "task": OTHERS,
            "init": OTHERS,
            "curve": [*OTHERS, ptft.learning_curve(TASK, INIT, 1.2, noise=0.1)],
            "threshold": POSITIVE,
        },
    ),
    (
        model.two_numbers,
        {"init": INIT, "amplitude": 1.0},
        {"init": OTHERS, "amplitude": POSITIVE},
    ),
    *(
        (
            f,
            {"sqrt_k_inactive": 0.1, "sqrt_k_active": 0.5, "amplitude": 1.0},
            {
                "sqrt_k_inactive": number(0.0, -1.0, 0.6, one=False),
                "sqrt_k_active": number(0.0, -1.0, 0.05, 4.2, one=False),
                "amplitude": POSITIVE,
            },
        )
        for f in (model.family, model.family_range)
    ),
    (theory.basis_pursuit_transition, {"rho": 0.1}, {"rho": number(0.0, 1.0, -1.0)}),
    (
        theory.minimum_norm,
        {"second_moment": 1.0, "alpha": 0.2, "noise": 0.0},
        {
            "second_moment": NOT_NEGATIVE,
            "alpha": number(0.0, 1.0, -1.0, one=False),
            "noise": NOT_NEGATIVE,
        },
    ),
    (
        ptft.implicit_bias,
        {"X": X, "y": Y, "sqrt_k": 1.0, "method": "newton", "tolerance": 1e-10},
        {
            "X": MATRIX,
            "y": [*NOT_NUMBERS, [1.0], np.ones(3), np.ones((2, 1))],
            "sqrt_k": number(0.0, -1.0, np.ones(3), np.ones((4, 1)), one=False),
            "start": STARTS,
            "method": [None, "best", 1.0, ["newton"]],
            "tolerance": SMALL,
        },
    ),
    (
        ptft.leave_one_out,
        {"X": X, "beta": SOLVED.beta, "nu": SOLVED.nu, "sqrt_k": 1.0, "ridge": 0.0},
        {
            "X": MATRIX,
            "beta": [*NOT_NUMBERS, np.ones(3), 1.0],
            "nu": [*NOT_NUMBERS, np.ones(3), 1.0],
            "sqrt_k": number(0.0, -1.0, np.ones(3), one=False),
            "ridge": NOT_NEGATIVE,
            "corrections": whole(-1),
        },
    ),
    (
        ptft.tune,
        {"X": X, "y": Y, "beta_pt": np.array([1.0, 0.0, 0.0, 0.0])},
        {
            "X": MATRIX,
            "y": [*NOT_NUMBERS, [1.0], np.ones(3), np.zeros(2)],
            "beta_pt": [*NOT_NUMBERS, np.ones(3), [], np.ones((4, 1))],
            "ridge": number(-1.0, np.ones((1, 1)), [], one=False),
        },
    ),
    (
        training.implicit_biases,
        {
            "X": X,
            "Y": Y[:, None],
            "sqrt_k": np.ones((4, 1)),
            "tolerance": 1e-9,
            "max_iterations": 9,
        },
        {
            "X": [*MATRIX, np.ones((4, 4)), np.ones((2, 3))],
            "Y": [*NOT_NUMBERS, Y, np.ones((3, 1))],
            "sqrt_k": [*NOT_NUMBERS, 1.0, np.ones((3, 1)), np.zeros((4, 1)), -np.ones((4, 1))],
            "tolerance": SMALL,
            "max_iterations": whole(0, -1),
        },
    ),
    (
        ptft.approximate_message_passing,
        {"X": X, "y": Y, "sqrt_k": 1.0, "ridge": 0.1, "tolerance": 1e-9, "max_iterations": 2000},
        {
            "X": MATRIX,
            "y": [*NOT_NUMBERS, [1.0], np.ones(3)],
            "sqrt_k": number(0.0, -1.0, np.ones(3), one=False),
            "ridge": NOT_NEGATIVE,
            "start": STARTS,
            "teacher": [v for v in NOT_NUMBERS if v is not None] + [np.ones(3), 1.0],
            "tolerance": SMALL,
            "max_iterations": whole(0, -1),
        },
    ),
    (
        ptft.pretrain,
        {"X": X, "y": Y, "init": INIT},
        {
            "X": MATRIX,
            "y": [*NOT_NUMBERS, [1.0]],
            "init": [*OTHERS, Initialization(np.ones(3), 0.0)],
        },
    ),
    (
        ptft.fine_tune,
        {"X": X, "y": Y, "weights": START, "tolerance": 1e-9},
        {
            "X": [*MATRIX, np.ones((2, 3))],
            "y": [*NOT_NUMBERS, [1.0]],
            "weights": [*OTHERS, Weights(1.0, 1.0, -1.0, 1.0), Weights(np.ones(3), 1.0, 1.0, 1.0)],
            "coordinates": [None, "primal", 1.0],
            "tolerance": SMALL,
            "times": [*NOT_NUMBERS, [2.0, 1.0], [-1.0], np.ones((2, 2))],
            "rtol": number(0.0, 1.0, 1e-20),
            "max_steps": whole(0, -1),
        },
    ),
    (
        ptft.gradient_descent,
        {"X": X, "y": Y, "weights": START, "threshold": 1e-3},
        {
            "X": [*NOT_NUMBERS, 1.0, [1.0], np.ones((0, 2))],
            "y": [*NOT_NUMBERS, [1.0], np.ones((2, 1))],
            "weights": [*OTHERS, Weights(np.ones(3), 1.0, 1.0, 1.0)],
            "learning_rate": POSITIVE,
            "threshold": POSITIVE,
            "max_epochs": whole(0, -1),
        },
    ),
    (
        balanced.balanced_network,
        {"shape": (2, 2, 2), "balance": 1.0, "seed": 0, "singular_values": 0.1},
        {
            "shape": [None, 3, (2, 3), (2, 0, 2), (2.5, 3, 2), "223", (2, 3, 2, 2)],
            "balance": number(),
            "singular_values": number(-1.0, one=False),
            "target": [v for v in NOT_NUMBERS if v is not None] + [np.ones((3, 3)), [1.0]],
        },
    ),
    (
        balanced.learn,
        {"network": NETWORK, "target": np.eye(2), "times": [0.0, 1.0]},
        {
            "network": OTHERS,
            "target": [*NOT_NUMBERS, np.ones((3, 3)), [1.0], 1.0],
            "times": [*NOT_NUMBERS, [-1.0], np.ones((2, 2)), []],
            "balance": [v for v in number(7.0) if v is not None],
        },
    ),
    (balanced.whiten, {"X": X.T}, {"X": [*NOT_NUMBERS, 1.0, [1.0], np.ones((3, 2)), X]}),
    (
        balanced.correlation,
        {"X": balanced.whiten(X.T), "Y": np.ones((4, 1)), "tolerance": 1e-8},
        {
            "X": [*NOT_NUMBERS, 1.0, [1.0], 2.0 * X.T],
            "Y": [*NOT_NUMBERS, 1.0, [1.0], np.ones((3, 1))],
            "tolerance": NOT_NEGATIVE,
        },
    ),
    (balanced.semantic_tree, {"depth": 2}, {"depth": [*whole(0, -1, 11)]}),
    *(
        (
            f,
            {first: 0.5, "strength": 1.0, "start": 0.1, "balance": 0.5},
            {
                first: number(-1.0, one=False),
                "strength": number(-1.0, one=False),
                "start": ARRAY,
                "balance": number(one=False),
            },
        )
        for f, first in ((balanced.aligned_mode, "times"), (balanced.mode_time, "fraction"))
    ),
]
ATTACKS = [
    pytest.param(function, valid, name, bad, id=f"{function.__qualname__}-{name}")
    for function, valid, attacks in TABLE
    for name, bad in attacks.items()
]


def test_the_attack_covers_the_public_functions():
    attacked = {function.__qualname__ for function, *_ in TABLE}
    classes = {"ConvergenceError", "Group", "Regime", "Weights", "REGIMES"}
    classes |= {"BestInitialization", "LearningCurve", "Tuned"}
    assert set(ptft.__all__) - classes <= attacked


@pytest.mark.parametrize(("function", "valid"), [row[:2] for row in TABLE])
def test_what_is_attacked_works(function, valid):
    function(**valid)


@pytest.mark.parametrize(("function", "valid", "name", "bad"), ATTACKS)
def test_bad_values_are_refused_by_name(function, valid, name, bad):
    for value in bad:
        with pytest.raises((ValueError, TypeError)) as caught:
            print(f"{value!r} gives", function(**valid | {name: value}))
        assert _named(name) & set(_words(str(caught.value))), (value, str(caught.value))


def _words(text):
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


def _named(name):
    """Return the names under which an argument may be spoken of: its own and its parts'."""
    parts = {
        "groups": {"groups", "probability", "probabilities", "sqrt_k", "prior"},
        "weights": {"weights", "w_plus", "w_minus", "v_plus", "v_minus"},
        "init": {"init", "c_pt"},
        "amplitude": {"amplitude", "means"},
        "variance": {"variance", "variances"},
        "overlap": {"overlap", "rho_shared", "rho_new"},
    }
    return parts.get(name, {name})
