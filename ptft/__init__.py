"""How pretraining shapes what fine-tuning finds, in diagonal linear networks (arXiv 2602.20062)."""

from .channel import Group
from .descent import gradient_descent
from .dynamics import fine_tune, pretrain
from .errors import ConvergenceError
from .implicit_bias import implicit_bias
from .message_passing import approximate_message_passing, state_evolution
from .network import (
    Initialization,
    Weights,
    conserved_quantities,
    initial_weights,
    pretrained_weights,
    rebalance,
)
from .penalty import (
    denoise,
    denoiser_slope,
    penalty,
    penalty_curvature,
    penalty_gradient,
    sqrt_k,
    sqrt_k_single_task,
)
from .regimes import REGIMES, Regime, kappa, l_order, pretraining_dependence, regime_weights
from .replica import LearningCurve, fixed_point, learning_curve, penalised_groups
from .tasks import Prior, Task, noisy_labels, sample_inputs

__version__ = "0.1.0"
__all__ = [
    "REGIMES",
    "ConvergenceError",
    "Group",
    "Initialization",
    "LearningCurve",
    "Prior",
    "Regime",
    "Task",
    "Weights",
    "approximate_message_passing",
    "conserved_quantities",
    "denoise",
    "denoiser_slope",
    "fine_tune",
    "fixed_point",
    "gradient_descent",
    "implicit_bias",
    "initial_weights",
    "kappa",
    "l_order",
    "learning_curve",
    "noisy_labels",
    "penalised_groups",
    "penalty",
    "penalty_curvature",
    "penalty_gradient",
    "pretrain",
    "pretrained_weights",
    "pretraining_dependence",
    "rebalance",
    "regime_weights",
    "sample_inputs",
    "sqrt_k",
    "sqrt_k_single_task",
    "state_evolution",
]
