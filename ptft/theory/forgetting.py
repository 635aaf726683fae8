"""What fine-tuning leaves of the old task, where it starts anew on pretrained features.

The paper's networks are re-balanced and lose their readout before they are fine-tuned. Their
penalty knows the size of a pretrained coefficient and not its sign, so what they learn is the same
for any signs; how far they end from the old coefficients is not. Both errors follow from the fixed
point of equations (19) and (20): a coordinate ends at x_hat(x + s V; theta, k), and the error on
the old task is E[(x_hat - beta_0)^2]. Beyond the paper; `ptft.theory.trained_start` has networks
that go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.penalty import sqrt_k
from ..model.tasks import Prior, Task
from .channel import Group
from .features import component_moments
from .replica import fixed_point
from .trained_start import (
    ContinualCurve,
    StartedGroup,
    checked_problem,
    joint_groups,
    tasks_curve,
)

__all__ = ["restarted_curve", "restarted_fixed_point"]


def restarted_curve(
    task: Task,
    init: Initialization,
    alpha: ArrayLike,
    noise: float = 0.0,
    ridge: float = 0.0,
    *,
    correlation: float = 0.0,
) -> ContinualCurve:
    """Return errors on both tasks for the paper's networks: re-balanced, with a new readout.

    Parameters
    ----------
    task, alpha, noise, ridge, correlation
        As in `continual_curve`.
    init : Initialization
        Of numbers, not arrays.

    Returns
    -------
    ContinualCurve
        Its `error` is that of `learning_curve`, whatever the correlation.

    Examples
    --------
    >>> from ptft import Initialization, Task
    >>> from ptft.theory import restarted_curve
    >>> task = Task(rho_pt=0.1, rho_ft=0.1, overlap=1.0, prior="signs")
    >>> network = Initialization(1e-3, -0.9, 0.0)
    >>> same, opposite = (
    ...     restarted_curve(task, network, alpha=0.1, correlation=r) for r in (1.0, -1.0)
    ... )
    >>> same.error == opposite.error, bool(same.forgetting < opposite.forgetting)
    (True, True)
    """
    errors.instance("init", init, Initialization)
    for name in ("c_pt", "lambda_pt", "gamma_ft"):
        errors.number(name, getattr(init, name))
    groups = joint_groups(task, lambda beta: float(sqrt_k(beta, init)), correlation)
    return restarted_fixed_point(groups, alpha, noise, ridge)


def restarted_fixed_point(
    groups: Sequence[StartedGroup], alpha: ArrayLike, noise: float = 0.0, ridge: float = 0.0
) -> ContinualCurve:
    """Solve equations (19) and (20) for groups whose start counts for forgetting alone.

    Parameters
    ----------
    groups : list of StartedGroup
        Probabilities sum to 1.
    alpha, noise, ridge
        As in `continual_curve`.

    Returns
    -------
    ContinualCurve

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If a residual stays above 1e-12.
    """
    groups, points, noise, ridge = checked_problem(groups, alpha, noise, ridge)
    symmetric = [
        Group(g.probability, g.sqrt_k, Prior((1.0,), (abs(g.mean),), (g.variance,))) for g in groups
    ]
    curve = fixed_point(symmetric, points, noise, ridge)
    forgetting = sum(g.probability * _distances(g, curve) for g in groups)
    columns = np.array([curve.error, forgetting, curve.s2, curve.theta, curve.residual])
    return tasks_curve(alpha, columns, groups, curve.status)


def _distances(group, curve):
    """Return E[(x_hat - beta_0)^2] of one group along a curve."""
    law = (group.sqrt_k, group.mean, group.variance)
    return component_moments(*law, curve.s2, curve.theta, origin=group.start)[2]
