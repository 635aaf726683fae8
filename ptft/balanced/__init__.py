"""The second paper: exact dynamics of lambda-balanced linear networks (arXiv 2409.14623)."""

from .data import correlation, semantic_tree, whiten
from .modes import aligned_mode, mode_time
from .network import Network, balanced_network
from .trajectory import Trajectory, converged_grams, kernel_movement, learn, tangent_kernel

__all__ = [
    "Network",
    "Trajectory",
    "aligned_mode",
    "balanced_network",
    "converged_grams",
    "correlation",
    "kernel_movement",
    "learn",
    "mode_time",
    "semantic_tree",
    "tangent_kernel",
    "whiten",
]
