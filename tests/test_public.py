"""Public names are typed, their types can be looked up, and what calls return is of those types."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Sequence

import numpy as np
import pytest

import ptft
from ptft import balanced, model, theory, training

PACKAGES = (model, theory, training, balanced)


def _modules():
    """Return the packages with public names, and the modules in them."""
    yield from (ptft, ptft.errors)
    for package in PACKAGES:
        yield package
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            yield importlib.import_module(info.name)


def _public():
    """Return the public functions and classes by their full names."""
    objects = [getattr(module, name) for module in _modules() for name in module.__all__]
    return {f"{o.__module__}.{o.__qualname__}": o for o in objects if hasattr(o, "__qualname__")}


PUBLIC = _public()
CLASSES = {name: o for name, o in PUBLIC.items() if inspect.isclass(o)}


def _functions(cls):
    """Return a class's own public functions, behind whatever decorator they are."""
    for name, member in vars(cls).items():
        generated = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.init
        if name.startswith("_") and (name != "__init__" or generated):
            continue
        if isinstance(member, property | functools.cached_property):
            member = member.fget if isinstance(member, property) else member.func
        member = inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(member):
            yield f"{cls.__module__}.{cls.__qualname__}.{name}", member


FUNCTIONS = {name: o for name, o in PUBLIC.items() if inspect.isfunction(o)}
FUNCTIONS |= {name: o for cls in CLASSES.values() for name, o in _functions(cls)}


def _hints(thing):
    # `Initialization` is imported for the type checker alone where it would be a circular import
    return typing.get_type_hints(thing, localns=vars(ptft))


def _bare(hint):
    """Tell whether a hint is, or holds, a container that does not say of what."""
    if hint in (tuple, list, dict, Sequence):
        return True
    return any(_bare(part) for part in typing.get_args(hint) if part is not Ellipsis)


def test_all_kinds_of_public_names_are_found():
    assert {"ptft.model.penalty.sqrt_k", "ptft.training.flow.fine_tune"} <= set(FUNCTIONS)
    assert {"ptft.model.tasks.Prior.signs", "ptft.model.tasks.Task.__init__"} <= set(FUNCTIONS)
    assert {
        "ptft.balanced.trajectory.Trajectory.loss",
        "ptft.errors.ConvergenceError.__init__",
    } <= (set(FUNCTIONS))
    assert {"ptft.theory.channel.Group", "ptft.theory.replica.LearningCurve"} <= set(CLASSES)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_argument_and_result_has_a_type(name):
    function = FUNCTIONS[name]
    hints = _hints(function)
    signature = inspect.signature(function)
    expected = {argument for argument in signature.parameters if argument not in ("self", "cls")}
    assert set(hints) == expected | {"return"}
    assert not [argument for argument, hint in hints.items() if _bare(hint)]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_field_says_what_it_holds(name):
    hints = _hints(CLASSES[name])
    assert not [field for field, hint in hints.items() if _bare(hint)]


def _is_a(value, hint):
    if hint is typing.Any:
        return True
    if hint is float:
        return isinstance(value, float | int)  # as type checkers have it
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is_a(value, part) for part in parts)
    if origin is Sequence:
        return isinstance(value, Sequence) and all(_is_a(item, parts[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is_a(item, parts[1]) for item in value.values())
    if origin is tuple:
        return len(value) == len(parts) and all(map(_is_a, value, parts))
    return isinstance(value, hint)


TASK = ptft.Task(rho_pt=0.1, rho_ft=0.1, overlap=0.5)
INIT = ptft.Initialization(c_pt=1e-2, lambda_pt=0.0)
GROUPS = ptft.penalised_groups(TASK, INIT)
X, Y = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), np.array([2.0, 1.0])
RESULTS = {
    "Task": lambda: TASK,
    "TaskGroup": lambda: TASK.groups()[0],
    "Prior": lambda: ptft.Prior([1], [0], [2]),
    "Initialization": lambda: ptft.Initialization(1, 0),
    "Initialization of arrays": lambda: ptft.Initialization([1, 2], 0),
    "Regime": lambda: ptft.REGIMES["I"],
    "Group": lambda: GROUPS[0],
    "Moments": lambda: theory.moments(theory.channel.half_lines(GROUPS), np.ones(2), np.ones(2)),
    "Expectations": lambda: theory.channel.expectations(
        theory.channel.half_lines(GROUPS), np.ones(2), np.ones(2)
    ),
    "LineMoments": lambda: theory.channel.line_moments(
        theory.channel.half_lines(GROUPS), np.ones(2), np.ones(2)
    ),
    "Sensitivities": lambda: theory.sensitivities.sensitivities(TASK, INIT, [0.2, 0.4]),
    "Gradient at one alpha": lambda: theory.sensitivities.sensitivities(TASK, INIT, 0.2).error,
    "LearningCurve": lambda: ptft.learning_curve(TASK, INIT, [0.2, 0.4]),
    "LearningCurve at one alpha": lambda: ptft.learning_curve(TASK, INIT, 0.2),
    "StateEvolution": lambda: ptft.state_evolution(GROUPS, 0.2, n_iterations=2),
    "MonteCarloCurve": lambda: theory.monte_carlo_curve(
        TASK, INIT, [0.2], settings=theory.MonteCarloSettings(n_samples=100, max_iterations=2)
    ),
    "PretrainingValue": lambda: theory.pretraining_value(TASK),
    "BayesCurve": lambda: theory.bayes_curve(TASK, [0.2, 0.4]),
    "BayesCurve at one alpha": lambda: theory.bayes_curve(TASK, 0.2, 0.1),
    "BayesThresholds": lambda: theory.bayes_thresholds(TASK),
    "Features": lambda: theory.features_used(
        TASK, INIT, ptft.learning_curve(TASK, INIT, [0.2, 0.4]), 0.5
    ),
    "Features at one alpha": lambda: theory.features_used(
        TASK, INIT, ptft.learning_curve(TASK, INIT, 0.2), 0.5
    ),
    "family": lambda: model.family(0.1, 0.5),
    "Flow": lambda: ptft.pretrain(X, Y, INIT),
    "Flow of the weights": lambda: ptft.pretrain(X, Y, INIT, coordinates="weights"),
    "BestInitialization": lambda: ptft.best_initialization(TASK, 0.1),
    "BestInitialization of a limit": lambda: ptft.best_initialization(TASK, 0.3),
    "Tuned": lambda: ptft.tune(X, Y, [1.0, 0.0, 1.0]),
    "ImplicitBias": lambda: ptft.implicit_bias(X, Y, 1e-3),
    "ImplicitBias of zero labels": lambda: ptft.implicit_bias(X, 0 * Y, 1e-3),
    "ImplicitBiases": lambda: training.implicit_biases(X, Y[:, None], np.ones((3, 1))),
    "MessagePassing": lambda: ptft.approximate_message_passing(X[:1], Y[:1], 1.0),
    "Network": lambda: balanced.balanced_network((2, 2, 2), 1, seed=0),
    "Trajectory": lambda: balanced.learn(
        balanced.balanced_network((2, 2, 2), 1, seed=0), np.eye(2), 1
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_fields_and_properties_are_of_their_types(name):
    result = RESULTS[name]()
    wrong = {
        field: (hint, type(getattr(result, field)))
        for field, hint in _hints(type(result)).items()
        if not _is_a(getattr(result, field), hint)
    }
    properties = [
        (key, member)
        for key, member in vars(type(result)).items()
        if isinstance(member, property | functools.cached_property) and not key.startswith("_")
    ]
    for key, member in properties:
        hint = _hints(getattr(member, "fget", None) or member.func)["return"]
        if not _is_a(getattr(result, key), hint):
            wrong[key] = (hint, type(getattr(result, key)))
    assert not wrong


BROADCASTING = {
    "sqrt_k": lambda z: ptft.sqrt_k(z, INIT),
    "sqrt_k_single_task": ptft.sqrt_k_single_task,
    "penalty": lambda z: ptft.penalty(z, 1.0),
    "penalty_gradient": lambda z: ptft.penalty_gradient(z, 1.0),
    "penalty_curvature": lambda z: ptft.penalty_curvature(z, 1.0),
    "denoise": lambda z: ptft.denoise(z, 1.0, 1.0),
    "denoiser_slope": lambda z: ptft.denoiser_slope(z, 1.0, 1.0),
    "kappa": lambda z: ptft.kappa(z, INIT),
    "l_order": lambda z: ptft.l_order(z, 1.0, INIT),
    "pretraining_dependence": lambda z: ptft.pretraining_dependence(z, 1.0, INIT),
    "minimum_norm": lambda alpha: theory.minimum_norm(1.0, alpha),
    "mmse": lambda s2: theory.mmse(0.1, 1.0, s2),
    "information": lambda s2: theory.information(0.1, 1.0, s2),
    "family": lambda z: model.family(z, 2.0 * np.asarray(z)).c_pt,
    "family_range": lambda z: model.family_range(z, 1.0)[0],
    "two_numbers": lambda c: model.two_numbers(ptft.Initialization(c, 0.0))[0],
    "aligned_mode": lambda t: balanced.aligned_mode(t, 1.0, 0.1, 0.0),
    "mode_time": lambda fraction: balanced.mode_time(fraction, 1.0, 0.1, 0.0),
    "beta": lambda z: ptft.pretrained_weights(z, INIT).beta,
}


@pytest.mark.parametrize("name", BROADCASTING)
def test_a_number_gives_a_number_and_a_list_an_array(name):
    assert isinstance(BROADCASTING[name](0.5), float)
    assert isinstance(BROADCASTING[name]([0.5, 0.25]), np.ndarray)
