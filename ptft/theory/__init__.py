"""The generalization error in high dimension (Section 4.2, Appendices C and E.2)."""

from .channel import FINE, STANDARD, Group, Moments, QuadratureRule, moments
from .limits import basis_pursuit, basis_pursuit_transition, minimum_norm
from .monte_carlo import MonteCarloBranch, MonteCarloCurve, MonteCarloSettings, monte_carlo_curve
from .replica import LearningCurve, fixed_point, learning_curve, learning_curves, penalised_groups
from .sensitivities import Gradient, Sensitivities
from .state_evolution import StateEvolution, state_evolution

__all__ = [
    "FINE",
    "STANDARD",
    "Gradient",
    "Group",
    "LearningCurve",
    "Moments",
    "MonteCarloBranch",
    "MonteCarloCurve",
    "MonteCarloSettings",
    "QuadratureRule",
    "Sensitivities",
    "StateEvolution",
    "basis_pursuit",
    "basis_pursuit_transition",
    "fixed_point",
    "learning_curve",
    "learning_curves",
    "minimum_norm",
    "moments",
    "monte_carlo_curve",
    "penalised_groups",
    "state_evolution",
]
