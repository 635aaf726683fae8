"""The generalization error in high dimension (Section 4.2, Appendices C and E.2)."""

from .bayes import BayesCurve, BayesThresholds, bayes_curve, bayes_thresholds
from .best import BestInitialization, best_initialization
from .channel import FINE, STANDARD, Group, Moments, QuadratureRule, moments
from .features import Features, features_used
from .forgetting import restarted_curve, restarted_fixed_point
from .imperfect import imperfect_curve, imperfect_groups, pretraining_curve
from .limits import (
    PretrainingValue,
    basis_pursuit,
    basis_pursuit_transition,
    minimum_norm,
    pretraining_value,
    recovery_threshold,
)
from .monte_carlo import MonteCarloBranch, MonteCarloCurve, MonteCarloSettings, monte_carlo_curve
from .posterior import information, mmse
from .replica import LearningCurve, fixed_point, learning_curve, learning_curves, penalised_groups
from .sensitivities import Gradient, Sensitivities
from .state_evolution import StateEvolution, state_evolution
from .trained_start import (
    ContinualCurve,
    StartedGroup,
    continual_curve,
    continual_fixed_point,
    continual_threshold,
    joint_groups,
)

__all__ = [
    "FINE",
    "STANDARD",
    "BayesCurve",
    "BayesThresholds",
    "BestInitialization",
    "ContinualCurve",
    "Features",
    "Gradient",
    "Group",
    "LearningCurve",
    "Moments",
    "MonteCarloBranch",
    "MonteCarloCurve",
    "MonteCarloSettings",
    "PretrainingValue",
    "QuadratureRule",
    "Sensitivities",
    "StartedGroup",
    "StateEvolution",
    "basis_pursuit",
    "basis_pursuit_transition",
    "bayes_curve",
    "bayes_thresholds",
    "best_initialization",
    "continual_curve",
    "continual_fixed_point",
    "continual_threshold",
    "features_used",
    "fixed_point",
    "imperfect_curve",
    "imperfect_groups",
    "information",
    "joint_groups",
    "learning_curve",
    "learning_curves",
    "minimum_norm",
    "mmse",
    "moments",
    "monte_carlo_curve",
    "penalised_groups",
    "pretraining_curve",
    "pretraining_value",
    "recovery_threshold",
    "restarted_curve",
    "restarted_fixed_point",
    "state_evolution",
]
