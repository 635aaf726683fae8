"""The ends k -> 0 and k -> inf of the theory in their known forms.

As k -> inf the penalty is z^2 / (2 sqrt(k)), its minimiser the interpolator of minimum l2 norm. As
k -> 0 it is (|z| / 4) log(1 / k) to leading order, its minimiser basis pursuit (minimum l1 norm);
the denoiser is soft thresholding and the fixed point the state evolution of Donoho, Maleki and
Montanari (2009), with their phase transition between exact recovery and error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from .channel import Group, checked_groups

__all__ = ["basis_pursuit", "basis_pursuit_transition", "minimum_norm"]

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
        min over nu of rho (1 + nu^2) + (1 - rho) E[soft(V, nu)^2] (Donoho, Maleki and Montanari
        2009), which is the Donoho-Tanner transition.
    """
    rho = errors.number("rho", rho, 0.0, 1.0, open_low=True, open_high=True)
    result = scipy.optimize.minimize_scalar(
        lambda nu: rho * (1.0 + nu * nu) + (1.0 - rho) * _null_risk(nu),
        bounds=(0.0, 40.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(result.fun)


def _null_risk(nu):
    """Return E[soft(V, nu)^2] of standard normal V."""
    tail = np.exp(-0.5 * nu * nu) / np.sqrt(2.0 * np.pi)
    mills = np.sqrt(np.pi / 2.0) * scipy.special.erfcx(nu / np.sqrt(2.0))
    return 2.0 * tail * ((1.0 + nu * nu) * mills - nu)


def basis_pursuit(
    groups: Sequence[Group], alpha: float, noise: float = 0.0, n_nodes: int = 64
) -> tuple[float, float]:
    """Return the error of basis pursuit, min ||beta||_1 subject to X beta = y (k -> 0).

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

    Returns
    -------
    error, s2 : float
        E_gen and the effective noise. Without label noise both are 0 above the phase transition.
    """
    alpha = errors.number("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    noise = errors.number("noise", noise, 0.0)
    share, mean, variance = _components(groups)
    channel = _SoftThreshold(share, mean, variance, n_nodes)
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


def _components(groups):
    """Return shares, means and variances of all components of the groups' priors."""
    rows = [
        (probability * weight, mean, variance)
        for probability, _, prior in checked_groups(groups, ends=None)
        for weight, mean, variance in zip(prior.weights, prior.means, prior.variances, strict=True)
    ]
    return np.array(rows).T


def _log_sum_exp(terms):
    largest = terms.max()
    return largest + np.log(np.exp(terms - largest).sum())


class _SoftThreshold:
    """Soft thresholding of z = x + s V at nu s, for teachers of a mixture of Gaussians.

    Every expectation is a sum of positive terms, so that none loses digits near alpha = 0 or 1.
    """

    def __init__(self, share, mean, variance, n_nodes):
        self.share, self.mean, self.variance = share, mean, variance
        self.second_moment = share @ (mean**2 + variance)
        self.nodes, self.weights = np.polynomial.legendre.leggauss(n_nodes)

    def recovers(self, alpha):
        """Tell whether noiseless basis pursuit finds the teacher."""
        active = self.share[(self.mean != 0.0) | (self.variance != 0.0)].sum()
        return active == 0.0 or (active < 1.0 and alpha >= basis_pursuit_transition(active))

    def _below(self, nu, s):
        """Return nodes z with |z| < nu s and the logarithms of their masses, (n_components, n)."""
        tau = np.sqrt(self.variance + s * s)
        # Where the threshold is far below a mean, what mass there is lies next to the threshold.
        high = np.minimum(nu * s, self.mean + _REACH * tau)
        low = np.maximum(-nu * s, np.minimum(high, self.mean) - _REACH * tau)
        half = ((high - low) / 2.0)[:, None]
        z = ((high + low) / 2.0)[:, None] + half * self.nodes
        tau, mean, share = tau[:, None], self.mean[:, None], self.share[:, None]
        factor = share * half * self.weights / (np.sqrt(2.0 * np.pi) * tau)
        return z, np.log(np.maximum(factor, _TINY)) - 0.5 * ((z - mean) / tau) ** 2

    def _tails(self, nu, s):
        """Return (nu s - x) / tau for both tails' ends, shape (2, n_components)."""
        return (nu * s + np.stack([-self.mean, self.mean])) / np.sqrt(self.variance + s * s)

    def threshold(self, alpha, s):
        """Return nu such that the mean slope P(|z| > nu s) is alpha, equation (20)."""
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
        w = self.variance / tau2
        z, log_mass = self._below(nu, s)
        missed = (self.mean + w * (z.T - self.mean)).T / s
        a, size = self._tails(nu, s), s / np.sqrt(tau2)
        density = np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi)
        # The integral of (size t - nu)^2 over the normal density from a to infinity
        above = (
            size**2 * (a * density + scipy.special.ndtr(-a))
            - 2.0 * size * nu * density
            + nu**2 * scipy.special.ndtr(-a)
        )
        return self.share @ (w + above.sum(axis=0)) + (np.exp(log_mass) * missed**2).sum()

    def excess(self, alpha, s, noise):
        """Return a function of s with the sign of noise + error - alpha s^2, where (20) holds."""
        nu = self.threshold(alpha, s)
        if alpha < 0.5:
            return np.log((noise / s**2 + self.error(nu, s)) / alpha)
        # By Stein's lemma error / s^2 is 2 alpha - 1 + E[min(|z|, nu s)^2] / s^2.
        z, log_mass = self._below(nu, s)
        clipped = (np.exp(log_mass) * (z / s) ** 2).sum() + nu * nu * alpha
        return np.log((noise / s**2 + clipped) / (1.0 - alpha))
