"""Diagonal linear networks, their tasks, and what training leaves them with (Sections 3 to 5.1)."""

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
from .tasks import Prior, Task, TaskGroup, noisy_labels, sample_inputs
from .wedge import family, family_range, two_numbers

__all__ = [
    "REGIMES",
    "Initialization",
    "Prior",
    "Regime",
    "Task",
    "TaskGroup",
    "Weights",
    "conserved_quantities",
    "denoise",
    "denoiser_slope",
    "family",
    "family_range",
    "initial_weights",
    "kappa",
    "l_order",
    "noisy_labels",
    "penalty",
    "penalty_curvature",
    "penalty_gradient",
    "pretrained_weights",
    "pretraining_dependence",
    "rebalance",
    "regime_weights",
    "sample_inputs",
    "sqrt_k",
    "sqrt_k_single_task",
    "two_numbers",
]
