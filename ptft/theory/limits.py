"""The ends k -> 0 and k -> inf of the theory in their known forms.

As k -> inf the penalty is z^2 / (2 sqrt(k)), its minimiser the interpolator of minimum l2 norm. As
k -> 0 it is (|z| / 4) log(1 / k) to leading order, its minimiser basis pursuit (minimum l1 norm);
the denoiser is soft thresholding and the fixed point the state evolution of Donoho, Maleki and
Montanari (2009), with their phase transition between exact recovery and error. Where groups of
coordinates have sqrt(k_g) = L^w_g and L -> 0, the norm is weighted by the w_g. What the best
weights save, `pretraining_value`, is what pretraining can be worth in samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..model.tasks import Task
from .channel import Group, checked_groups, gauss_legendre

__all__ = [
    "PretrainingValue",
    "basis_pursuit",
    "basis_pursuit_transition",
    "minimum_norm",
    "pretraining_value",
    "recovery_threshold",
    "weighted_transition",
]

_REACH = 9.0  # standard deviations that are integrated over
_SMALLEST = -350.0  # log s below which s^2 leaves floating point: exact recovery
_TINY = np.finfo(float).tiny


def minimum_norm(second_moment: float, alpha: ArrayLike, noise: float = 0.0) -> float | np.ndarray:
    """Return the error of the minimum l2 norm interpolator (k -> inf).

    Parameters
    ----------
    second_moment : float
        E[x^2] of a teacher coefficient; at least 0.
    alpha : float or array
        Samples per dimension; in (0, 1).
    noise : float
        Label noise variance; at least 0.

    Returns
    -------
    float or array
        (1 - alpha) E[x^2] + alpha noise / (1 - alpha), of the shape of `alpha`.
    """
    second_moment = errors.number("second_moment", second_moment, 0.0)
    alpha = errors.real("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    noise = errors.number("noise", noise, 0.0)
    return (1.0 - alpha) * second_moment + noise * alpha / (1.0 - alpha)


def basis_pursuit_transition(rho: float) -> float:
    """Return the alpha above which basis pursuit recovers a teacher exactly.

    Parameters
    ----------
    rho : float
        Share of active coefficients; in (0, 1).

    Returns
    -------
    float
        M(rho) = min over nu of rho (1 + nu^2) + (1 - rho) E[soft(V, nu)^2] (Donoho, Maleki and
        Montanari 2009), which is the Donoho-Tanner transition.
    """
    rho = errors.number("rho", rho, 0.0, 1.0, open_low=True, open_high=True)
    return weighted_transition(np.array([rho]), np.array([1.0 - rho]), np.ones(1))[0]


def recovery_threshold(groups: Sequence[Group], weights: Sequence[float] | None = None) -> float:
    """Return the alpha above which weighted basis pursuit recovers a teacher exactly.

    Parameters
    ----------
    groups : list of Group
        Of any sqrt_k: only probabilities, which sum to 1, and the priors' shares of zeros enter.
    weights : sequence of float, optional
        One for each group; at least 0, not all 0. Only their ratios matter. Equal by default.

    Returns
    -------
    float
        min over t of the sum over groups of p_g m(rho_g, t w_g), with their shares rho_g of active
        coefficients and m(rho, t) = rho (1 + t^2) + (1 - rho) E[soft(V, t)^2]. It is the value at
        the one root of the derivative by t.
    """
    share, mean, variance, weight = _components(groups, weights)
    return _threshold_of(share, (mean != 0.0) | (variance != 0.0), weight)


def _threshold_of(share, active, weight):
    """Return the transition for components, of which some hold no zeros."""
    if not active.any():
        return 0.0
    return weighted_transition(np.where(active, share, 0.0), np.where(active, 0.0, share), weight)[
        0
    ]


def weighted_transition(
    active: np.ndarray, idle: np.ndarray, weight: np.ndarray
) -> tuple[float, float]:
    """Return min over t of sum active (1 + (t w)^2) + idle E[soft(V, t w)^2], and the t.

    Parameters
    ----------
    active, idle, weight : array, shape (n,)
        Shares of coefficients that are and are not 0, and their weights w; at least 0.

    Returns
    -------
    alpha, t : float
    """
    # The sum is convex in t. Its derivative is 2 t sum active w^2 - 4 sum idle w G(t w) with G(t) =
    # phi(t) - t Phi(-t) falling; the logarithm of the quotient has one root in log t.
    curvature, pull = active @ weight**2, idle * weight
    if curvature == 0.0:  # active coefficients cost nothing: the others can be set to 0
        return float(active.sum() + idle[weight == 0.0].sum()), np.inf
    if not pull.any():
        return float(active.sum() + idle.sum()), 0.0
    unit, used = np.sqrt(curvature / active.sum()), pull > 0.0
    pull, scaled = pull[used] / unit, weight[used] / unit

    def excess(x):
        t = np.exp(x)
        down = np.log(pull) + _log_pull(t * scaled)
        return x + np.log(active.sum()) - np.log(2.0) - _log_sum_exp(down)

    low = high = 0.0
    while excess(low) > 0.0:
        low -= 1.0
    while excess(high) < 0.0:
        high += 1.0
    t = np.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-14, rtol=1e-14)) / unit
    alpha = active @ (1.0 + (t * weight) ** 2) + idle @ _null_risk(t * weight)
    return float(min(alpha, active.sum() + idle.sum())), float(t)


def _log_pull(nu):
    """Return log(phi(nu) - nu Phi(-nu)), for nu >= 0."""
    mills = np.sqrt(np.pi / 2.0) * scipy.special.erfcx(nu / np.sqrt(2.0))
    # 1 - nu mills cancels for large nu; there it is this series up to nu^-8.
    far = np.maximum(nu, 30.0) ** -2.0
    series = far * (1.0 - 3.0 * far * (1.0 - 5.0 * far * (1.0 - 7.0 * far)))
    rest = np.where(nu < 30.0, 1.0 - nu * mills, series)
    return np.log(rest) - 0.5 * nu * nu - 0.5 * np.log(2.0 * np.pi)


class PretrainingValue(NamedTuple):
    """What pretraining can save a rich network, in samples per dimension.

    `best`: the alpha above which the best initialisation recovers the fine-tuning teacher exactly,
    from noiseless data, in the limit sqrt(k_g) = L^w_g, L -> 0; `scratch`: the same without
    pretraining; `value` = `scratch` - `best`. `weight_ratio`: w_active / w_inactive of the best
    initialisation, 0 where it is a limit; `any_weights`: what an l1 norm of any weights would need,
    less than `best` where the overlap is below chance, omega < rho_PT: no initialisation makes
    pretrained dimensions dearer than others.
    """

    best: float
    scratch: float
    value: float
    weight_ratio: float
    any_weights: float


def pretraining_value(task: Task) -> PretrainingValue:
    """Return the number of samples that pretraining is worth, for exact recovery.

    With free weights the groups decouple, alpha*_best = rho_PT M(rho_shared) + (1 - rho_PT)
    M(rho_new), where M is `basis_pursuit_transition`. It is concave, so this is at most
    alpha*_scratch = M(rho_FT). The order of weights that an initialisation can have,
    w_active <= w_inactive, is that of the best weights from chance overlap on, omega >= rho_PT;
    below chance equal weights are the best within reach, because the threshold is convex in the
    pair of weights.

    Parameters
    ----------
    task : Task

    Returns
    -------
    PretrainingValue
    """
    errors.instance("task", task, Task)
    scratch, _ = _single(task.rho_ft)
    shared, t_shared = _single(task.rho_shared)
    new, t_new = _single(task.rho_new)
    free = min(task.rho_pt * shared + (1.0 - task.rho_pt) * new, scratch)
    if task.rho_shared > task.rho_new:
        return PretrainingValue(free, scratch, scratch - free, t_shared / t_new, free)
    return PretrainingValue(scratch, scratch, 0.0, 1.0, free)


def _single(rho):
    """Return M(rho) and the threshold that attains it, for rho in [0, 1]."""
    if rho == 0.0:
        return 0.0, np.inf
    return weighted_transition(np.array([rho]), np.array([1.0 - rho]), np.ones(1))


def _null_risk(nu):
    """Return E[soft(V, nu)^2] of standard normal V."""
    tail = np.exp(-0.5 * nu * nu) / np.sqrt(2.0 * np.pi)
    mills = np.sqrt(np.pi / 2.0) * scipy.special.erfcx(nu / np.sqrt(2.0))
    return 2.0 * tail * ((1.0 + nu * nu) * mills - nu)


def basis_pursuit(
    groups: Sequence[Group],
    alpha: float,
    noise: float = 0.0,
    n_nodes: int = 64,
    *,
    weights: Sequence[float] | None = None,
) -> tuple[float, float]:
    """Return the error of basis pursuit, min ||beta||_1 subject to X beta = y (k -> 0).

    With weights, of the minimum of sum_d w_d |beta_d|: the limit L -> 0 of sqrt(k_d) = L^w_d.

    Parameters
    ----------
    groups : list of Group
        Of any sqrt_k: only probabilities, which sum to 1, and priors enter.
    alpha : float
        Samples per dimension; in (0, 1).
    noise : float
        Label noise variance; at least 0.
    n_nodes : int
        Gauss-Legendre nodes below the threshold.
    weights : sequence of float, optional
        One for each group; larger than 0. Only their ratios matter. Equal by default.

    Returns
    -------
    error, s2 : float
        E_gen and the effective noise. Without label noise both are 0 above the phase transition,
        `recovery_threshold`.
    """
    alpha = errors.number("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    noise = errors.number("noise", noise, 0.0)
    if weights is not None:
        errors.positive("weights", weights)
    channel = _SoftThreshold(_components(groups, weights), n_nodes)
    if noise == 0.0 and channel.recovers(alpha):
        return 0.0, 0.0

    def excess(log_s):
        return channel.excess(alpha, np.exp(log_s), noise)

    high = low = 0.5 * np.log((noise + channel.second_moment) / alpha)
    while excess(high) > 0.0:
        high += 1.0
    step = 1.0
    while excess(low) <= 0.0:
        if low == _SMALLEST:  # alpha is the transition, to rounding
            return 0.0, 0.0
        low, step = max(low - step, _SMALLEST), 2.0 * step
    s = np.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-14, rtol=1e-14))
    return float(s * s * channel.error(channel.threshold(alpha, s), s)), float(s * s)


def _components(groups, weights=None):
    """Return shares, means, variances and weights of all components of the groups' priors.

    Weights are relative to the largest.
    """
    checked_groups(groups, ends=None)
    n_groups = len(groups)
    weights = np.ones(n_groups) if weights is None else errors.vector("weights", weights, 0.0)
    if weights.size != n_groups or not weights.any():
        raise ValueError(
            f"weights must be one for each of the {n_groups} groups, not all 0, got {weights!r}"
        )
    weights = (weights / weights.max()).tolist()
    # What `checked_groups` drops must not shift the weights: they ride in the place of sqrt_k.
    riders = [Group(g[0], w, g[2]) for g, w in zip(groups, weights, strict=True)]
    rows = [
        (probability * share, mean, variance, weight)
        for probability, weight, prior in checked_groups(riders, ends=None)
        for share, mean, variance in zip(prior.weights, prior.means, prior.variances, strict=True)
    ]
    return np.array(rows).T


def _log_sum_exp(terms):
    largest = terms.max()
    return largest + np.log(np.exp(terms - largest).sum())


class _SoftThreshold:
    """Soft thresholding of z = x + s V at nu w s, for teachers of a mixture of Gaussians.

    Every expectation is a sum of positive terms, so that none loses digits near alpha = 0 or 1.
    """

    def __init__(self, components, n_nodes):
        share, mean, variance, _ = self.share, self.mean, self.variance, self.weight = components
        self.second_moment = share @ (mean**2 + variance)
        self.nodes, self.weights = gauss_legendre(n_nodes)

    def recovers(self, alpha):
        """Tell whether noiseless basis pursuit finds the teacher."""
        active = (self.mean != 0.0) | (self.variance != 0.0)
        return not active.all() and alpha >= _threshold_of(self.share, active, self.weight)

    def _below(self, nu, s):
        """Return nodes |z| < nu w s and the logarithms of their masses, (n_components, n)."""
        tau, cut = np.sqrt(self.variance + s * s), nu * s * self.weight
        # Where the threshold is far below a mean, what mass there is lies next to the threshold.
        high = np.minimum(cut, self.mean + _REACH * tau)
        low = np.maximum(-cut, np.minimum(high, self.mean) - _REACH * tau)
        half = ((high - low) / 2.0)[:, None]
        z = ((high + low) / 2.0)[:, None] + half * self.nodes
        tau, mean, share = tau[:, None], self.mean[:, None], self.share[:, None]
        factor = share * half * self.weights / (np.sqrt(2.0 * np.pi) * tau)
        return z, np.log(np.maximum(factor, _TINY)) - 0.5 * ((z - mean) / tau) ** 2

    def _tails(self, nu, s):
        """Return (nu w s - x) / tau for both tails' ends, shape (2, n_components)."""
        tau = np.sqrt(self.variance + s * s)
        return (nu * s * self.weight + np.stack([-self.mean, self.mean])) / tau

    def threshold(self, alpha, s):
        """Return nu such that the mean slope P(|z| > nu w s) is alpha, equation (20)."""
        odds = np.log(alpha) - np.log1p(-alpha)

        def excess(log_nu):
            nu = np.exp(log_nu)
            above = scipy.special.log_ndtr(-self._tails(nu, s)) + np.log(self.share)
            return _log_sum_exp(above) - _log_sum_exp(self._below(nu, s)[1]) - odds

        high = 0.0
        while excess(high) > 0.0:
            high += 1.0
        return np.exp(scipy.optimize.brentq(excess, -60.0, high, xtol=1e-14, rtol=1e-14))

    def error(self, nu, s):
        """Return E[(x_hat - x)^2] / s^2.

        Given z, x has the mean m + w (z - m) and the variance w s^2, w = variance / tau^2.
        """
        tau2 = self.variance + s * s
        w, cut = self.variance / tau2, nu * self.weight
        z, log_mass = self._below(nu, s)
        missed = (self.mean + w * (z.T - self.mean)).T / s
        a, size = self._tails(nu, s), s / np.sqrt(tau2)
        density = np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi)
        # The integral of (size t - cut)^2 over the normal density from a to infinity
        above = (
            size**2 * (a * density + scipy.special.ndtr(-a))
            - 2.0 * size * cut * density
            + cut**2 * scipy.special.ndtr(-a)
        )
        return self.share @ (w + above.sum(axis=0)) + (np.exp(log_mass) * missed**2).sum()

    def excess(self, alpha, s, noise):
        """Return a function of s with the sign of noise + error - alpha s^2, where (20) holds."""
        nu = self.threshold(alpha, s)
        if alpha < 0.5:
            return np.log((noise / s**2 + self.error(nu, s)) / alpha)
        # By Stein's lemma error / s^2 is 2 alpha - 1 + E[min(|z|, nu w s)^2] / s^2.
        z, log_mass = self._below(nu, s)
        above = self.share * scipy.special.ndtr(-self._tails(nu, s)).sum(axis=0)
        clipped = (np.exp(log_mass) * (z / s) ** 2).sum() + nu * nu * (above @ self.weight**2)
        return np.log((noise / s**2 + clipped) / (1.0 - alpha))
