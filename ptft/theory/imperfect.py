"""Fine-tuning after a pretraining that saw few or noisy samples.

With alpha_PT samples a dimension, pretraining from scratch ends at beta_PT = x_hat(beta* + s V;
theta, (2 c)^2), where V is Gaussian and (s, theta) solve the fixed-point equations of pretraining
alone. So sqrt(k) of fine-tuning varies from coordinate to coordinate, independently of the teacher
that fine-tuning has, given what pretraining's teacher was. Every group of a task is cut into many
groups of one sqrt(k) each; these are solved as always (`fixed_point`). Beyond the paper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.penalty import signed_dual_denoiser, sqrt_k, sqrt_k_single_task
from ..model.tasks import Prior, Task
from .channel import Group, gauss_legendre
from .replica import LearningCurve, fixed_point, penalised_groups

__all__ = ["dual_nodes", "imperfect_curve", "imperfect_groups", "pretraining_curve"]

_V = np.linspace(-9.5, 9.5, 39)  # in standard deviations: panels that resolve the Gaussian
_RARE = 1e-17  # share of coordinates that is left out
_TINIEST = 1e-100  # sqrt(k) that the solver takes


def pretraining_curve(
    task: Task, init: Initialization, alpha_pt: ArrayLike, noise_pt: float = 0.0
) -> LearningCurve:
    """Return the generalization error of pretraining alone.

    Parameters
    ----------
    task : Task
        Of which the pretraining teacher counts: coefficients 0 and +-amplitude_pt.
    init : Initialization
        Of which c counts: sqrt(k) is 2 c.
    alpha_pt : float or array, shape (n_alpha,)
        Pretraining samples per dimension; larger than 0.
    noise_pt : float
        Variance of the noise in pretraining's labels; at least 0.

    Returns
    -------
    LearningCurve
    """
    errors.instance("task", task, Task)
    errors.instance("init", init, Initialization)
    errors.vector("alpha_pt", alpha_pt, 0.0, open_low=True)
    noise_pt = errors.number("noise_pt", noise_pt, 0.0)
    scale = float(sqrt_k_single_task(errors.number("c_pt", init.c_pt)))
    shares = (task.rho_pt, Prior.signs(task.amplitude_pt)), (1.0 - task.rho_pt, Prior.zero())
    groups = [Group(share, scale, prior) for share, prior in shares]
    return fixed_point(groups, alpha_pt, noise_pt)


def imperfect_groups(
    task: Task,
    init: Initialization,
    alpha_pt: float,
    noise_pt: float = 0.0,
    *,
    n_nodes: int = 6,
) -> list[Group]:
    """Return the groups of a task after such a pretraining, each with the penalty it was given.

    Parameters
    ----------
    task : Task
    init : Initialization
        Of numbers, not arrays.
    alpha_pt, noise_pt : float
        As for `pretraining_curve`.
    n_nodes : int
        Nodes a panel; panels are half a standard deviation of V wide at most, and narrower where
        the denoiser bends.

    Returns
    -------
    list of Group

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    alpha_pt = errors.number("alpha_pt", alpha_pt, 0.0, open_low=True)
    n_nodes = errors.whole("n_nodes", n_nodes, 1)
    perfect = penalised_groups(task, init)
    curve = pretraining_curve(task, init, alpha_pt, noise_pt)
    if curve.s2 == 0.0:  # all samples that are needed, and no noise
        return perfect
    found = []
    for group, whole in zip(task.groups(), perfect, strict=True):
        beta_pt, shares = _pretrained(group.beta_pt, curve, init.c_pt, n_nodes)
        scales = np.maximum(sqrt_k(beta_pt, init), _TINIEST)
        pairs = zip((whole.probability * shares).tolist(), scales.tolist(), strict=True)
        found += [Group(p, scale, whole.prior) for p, scale in pairs if p > _RARE]
    total = sum(group.probability for group in found)
    return [group._replace(probability=group.probability / total) for group in found]


def _pretrained(target, curve, c_pt, n_nodes):
    """Return coefficients that pretraining ends at for one target, and their shares."""
    tau, b = np.sqrt(curve.s2), curve.theta / 2.0
    u, weights = dual_nodes(target, tau, c_pt, b, n_nodes=n_nodes)
    beta, rise = c_pt * np.sinh(u), c_pt * np.cosh(u) + b
    shares = weights * rise * np.exp(-0.5 * ((beta + b * u - target) / tau) ** 2)
    return beta, shares / shares.sum()


def dual_nodes(
    mean: float, tau: float, a: float, b: float, n_nodes: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes in u and weights, for integrals over u of functions of z ~ N(mean, tau^2).

    Panels are no wider than 1, nor than half a tau of z = a sinh(u) + b u.

    Parameters
    ----------
    mean, tau : float
        Of z.
    a, b : float
        sqrt(k) / 2 and theta / 2.
    n_nodes : int
        A panel's.

    Returns
    -------
    nodes, weights : array, shape (n,)
    """
    edges = signed_dual_denoiser(mean + tau * _V, a, b)
    edges = np.union1d(edges, np.arange(np.ceil(edges[0]), edges[-1]))
    half = np.diff(edges)[:, None] / 2.0
    middle = (edges[1:] + edges[:-1])[:, None] / 2.0
    x, weights = gauss_legendre(n_nodes)
    return (middle + half * x).ravel(), (half * weights).ravel()


def imperfect_curve(
    task: Task,
    init: Initialization,
    alpha: ArrayLike,
    alpha_pt: float,
    noise_pt: float = 0.0,
    noise: float = 0.0,
    ridge: float = 0.0,
) -> LearningCurve:
    """Return the generalization error of fine-tuning after an imperfect pretraining.

    Parameters
    ----------
    task, init, alpha_pt, noise_pt
        As for `imperfect_groups`.
    alpha, noise, ridge
        As for `learning_curve`.

    Returns
    -------
    LearningCurve

    Examples
    --------
    >>> from ptft import Initialization, Task
    >>> from ptft.theory import imperfect_curve
    >>> task, init = Task(rho_pt=0.1, rho_ft=0.1, overlap=1.0), Initialization(1e-3, -0.9)
    >>> round(imperfect_curve(task, init, alpha=0.1, alpha_pt=0.2).error, 4)
    0.7223
    """
    return fixed_point(imperfect_groups(task, init, alpha_pt, noise_pt), alpha, noise, ridge)
