"""State evolution: what approximate message passing does in the limit of many dimensions.

The error of its estimate and the noise in what it denoises follow a recursion of two numbers, whose
fixed point solves equations (19) and (20) of the replica theory. In each step theta solves (20),
E[d x_hat / d z] + ridge / theta = alpha, for the noise s^2 = (noise + error) / alpha of (19).

Donoho, Maleki and Montanari, PNAS 106 (2009) 18914. The algorithm is
`ptft.training.message_passing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import errors
from ..values import Value
from .channel import Group, checked_groups, half_lines, moments

__all__ = ["StateEvolution", "check_sample_size", "solve_theta", "state_evolution"]


@dataclass(frozen=True, eq=False)
class StateEvolution(Value):
    """Error, effective noise and regularisation of each iteration; arrays of shape (n_iterations,).

    Parameters
    ----------
    s2, theta : array
        Variance of the noise in h, and the theta chosen for it.
    error : array
        E[(x_hat - x)^2] after the iteration.
    """

    s2: np.ndarray
    theta: np.ndarray
    error: np.ndarray


def state_evolution(
    groups: Sequence[Group],
    alpha: float,
    noise: float = 0.0,
    ridge: float = 0.0,
    *,
    n_iterations: int = 100,
) -> StateEvolution:
    """Predict the iterates of approximate message passing in the limit of many dimensions.

    Parameters
    ----------
    groups : list of Group
        Coordinates with 0 < sqrt_k < inf, as from `penalised_groups`.
    alpha : float
        Samples per dimension; larger than 0, and less than 1 without ridge.
    noise : float
        Variance of the label noise; at least 0.
    ridge : float
        gamma_ext; at least 0.
    n_iterations : int
        At least 1.

    Returns
    -------
    StateEvolution

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    groups = checked_groups(groups)
    alpha = errors.number("alpha", alpha, 0.0, open_low=True)
    noise, ridge = errors.number("noise", noise, 0.0), errors.number("ridge", ridge, 0.0)
    n_iterations = errors.whole("n_iterations", n_iterations)
    check_sample_size(alpha, ridge)
    error = sum(group.probability * group.prior.second_moment for group in groups)
    theta = max(group.sqrt_k for group in groups) + np.sqrt((noise + error) / alpha)
    rows, lines = [], half_lines(groups)
    for _ in range(n_iterations):
        s2 = (noise + error) / alpha
        theta = _theta_of(lines, s2, alpha, ridge, theta)
        error = moments(lines, np.array([s2]), np.array([theta])).error[0]
        rows.append((s2, theta, error))
    return StateEvolution(*np.array(rows).T)


def check_sample_size(alpha: float, ridge: float) -> None:
    """Raise a ValueError where the samples alone determine the coefficients."""
    if alpha >= 1.0 and not ridge:
        raise ValueError(
            "n_samples must be less than n_dims without ridge (the samples alone determine beta "
            f"otherwise), got alpha = {alpha:g}"
        )


def _theta_of(lines, s2, alpha, ridge, start):
    def slope(theta):
        m = moments(lines, np.array([s2]), np.array([theta]))
        return m.slope[0], m.gap[0], m.slope_theta[0]

    return solve_theta(slope, alpha, ridge, start)


def solve_theta(
    slope: Callable[[float], tuple[float, float, float]],
    alpha: float,
    ridge: float,
    theta: float,
    accuracy: float = 1e-14,
) -> float:
    """Solve mean slope + ridge / theta = alpha, whose left side falls with theta.

    Parameters
    ----------
    slope : callable
        Returns the mean slope, 1 minus it, and its derivative, at theta.
    alpha, ridge : float
    theta : float
        Where Newton's method in log(theta) starts.
    accuracy : float
        Relative, of the equation.
    """
    x, low, high = np.log(theta), -np.inf, np.inf
    for _ in range(200):
        theta = np.exp(x)
        value, gap, derivative = slope(theta)
        # Without ridge, the difference of log odds: nearly linear in x at both ends.
        f = np.log((value + ridge / theta) / alpha)
        df = (theta * derivative - ridge / theta) / (value + ridge / theta)
        if not ridge:
            f -= np.log(gap / (1.0 - alpha))
            df += theta * derivative / gap
        if abs(f) <= accuracy:
            break
        low, high = (x, high) if f > 0.0 else (low, x)
        x = _confined(x - np.clip(f / df, -5.0, 5.0), low, high)
        if x in (low, high):
            break
    return theta


def _confined(x, low, high):
    """Return x, or the middle of the interval where x is outside."""
    return x if low < x < high else (low + high) / 2.0
