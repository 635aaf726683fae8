"""The ends k -> 0 and k -> inf of the theory in their known forms.

As k -> inf the penalty is z^2 / (2 sqrt(k)), its minimiser the interpolator of minimum l2 norm. As
k -> 0 it is (|z| / 4) log(1 / k) to leading order, its minimiser basis pursuit (minimum l1 norm);
the denoiser is soft thresholding and the fixed point the state evolution of Donoho, Maleki and
Montanari (2009), with their phase transition between exact recovery and error.
"""

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erfcx, ndtr

from . import errors

__all__ = ["basis_pursuit", "basis_pursuit_transition", "minimum_norm"]


def minimum_norm(second_moment, alpha, noise=0.0):
    """Return the error of the minimum l2 norm interpolator (k -> inf).

    Parameters
    ----------
    second_moment : float
        E[x^2] of a teacher coefficient.
    alpha : float or array
        Samples per dimension; in (0, 1).
    noise : float
        Label noise variance.

    Returns
    -------
    float or array
        (1 - alpha) E[x^2] + alpha noise / (1 - alpha).
    """
    second_moment = errors.real("second_moment", second_moment, 0.0)
    alpha = errors.real("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    noise = errors.real("noise", noise, 0.0)
    return (1.0 - alpha) * second_moment + noise * alpha / (1.0 - alpha)


def _null_risk(nu):
    """Return E[soft(V, nu)^2] of standard normal V, with its Gaussian factor taken out and kept."""
    tail = np.exp(-0.5 * nu * nu) / np.sqrt(2.0 * np.pi)
    mills = np.sqrt(np.pi / 2.0) * erfcx(nu / np.sqrt(2.0))
    return 2.0 * tail * ((1.0 + nu * nu) * mills - nu)


def basis_pursuit_transition(rho):
    """Return the alpha above which basis pursuit recovers a teacher exactly.

    Parameters
    ----------
    rho : float
        Share of active coefficients; in (0, 1).

    Returns
    -------
    float
        min over nu of rho (1 + nu^2) + (1 - rho) E[soft(V, nu)^2] (Donoho, Maleki and Montanari
        2009, equation (5)); the Donoho-Tanner transition.
    """
    rho = errors.number("rho", rho, 0.0, 1.0, open_low=True, open_high=True)
    result = minimize_scalar(
        lambda nu: rho * (1.0 + nu * nu) + (1.0 - rho) * _null_risk(nu),
        bounds=(0.0, 40.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(result.fun)


class _SoftThreshold:
    """Moments of soft thresholding z = x + s V at nu s, for one mixture of Gaussians."""

    def __init__(self, groups, n_nodes):
        components = [
            (group.probability * weight, mean, variance)
            for group in groups
            for weight, mean, variance in zip(
                group.prior.weights, group.prior.means, group.prior.variances, strict=True
            )
        ]
        self.share, self.mean, self.variance = np.array(components).T
        self.nodes, self.weights = np.polynomial.legendre.leggauss(n_nodes)

    def _below(self, nu, s):
        """Return P(|z| < nu s) and E[z^2; |z| < nu s] / s^2, averaged over components."""
        tau = np.sqrt(self.variance + s * s)
        low = np.maximum(-nu * s, self.mean - 9.0 * tau)
        high = np.maximum(low, np.minimum(nu * s, self.mean + 9.0 * tau))
        half = ((high - low) / 2.0)[:, None]
        z = ((high + low) / 2.0)[:, None] + half * self.nodes
        density = np.exp(-0.5 * ((z - self.mean[:, None]) / tau[:, None]) ** 2)
        measure = density * half * self.weights / (np.sqrt(2.0 * np.pi) * tau[:, None])
        return self.share @ measure.sum(axis=1), self.share @ (measure * (z / s) ** 2).sum(axis=1)

    def _above(self, nu, s):
        tau = np.sqrt(self.variance + s * s)
        return self.share @ (ndtr((self.mean - nu * s) / tau) + ndtr((-self.mean - nu * s) / tau))

    def threshold(self, alpha, s):
        """Return nu such that the mean slope P(|z| > nu s) is alpha, equation (20)."""

        def excess(log_nu):
            return np.log(self._above(np.exp(log_nu), s) / alpha)

        high = np.log(8.0 * np.sqrt(1.0 + np.max(self.mean**2 + self.variance) / (s * s)))
        return np.exp(brentq(excess, -60.0, high, xtol=1e-14, rtol=1e-14))

    def error(self, alpha, s):
        """Return E[(x_hat - x)^2] / s^2, by Stein's identity, where (20) holds."""
        nu = self.threshold(alpha, s)
        below, second = self._below(nu, s)
        return (1.0 - 2.0 * below) + second + nu * nu * self._above(nu, s)


def basis_pursuit(groups, alpha, noise=0.0, n_nodes=64):
    """Return the error of basis pursuit, min ||beta||_1 subject to X beta = y (k -> 0).

    Parameters
    ----------
    groups : list of Group
        Of any sqrt_k: only probabilities and priors enter.
    alpha : float
        Samples per dimension; in (0, 1).
    noise : float
        Label noise variance.
    n_nodes : int
        Gauss-Legendre nodes below the threshold.

    Returns
    -------
    error, s2 : float
        E_gen and the effective noise. Without label noise both are 0 above the phase transition.
    """
    alpha = errors.number("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    noise = errors.number("noise", noise, 0.0)
    active = sum(
        group.probability * weight
        for group in groups
        for weight, mean, variance in zip(
            group.prior.weights, group.prior.means, group.prior.variances, strict=True
        )
        if mean or variance
    )
    if noise == 0.0 and (active == 0.0 or (active < 1.0 and alpha >= basis_pursuit_transition(active))):
        return 0.0, 0.0
    channel = _SoftThreshold(groups, n_nodes)

    def excess(log_s):
        s = np.exp(log_s)
        return np.log((noise / s**2 + channel.error(alpha, s)) / alpha)

    second_moment = sum(group.probability * group.prior.second_moment for group in groups)
    high = low = 0.5 * np.log((noise + second_moment) / alpha)
    while excess(high) > 0.0:
        high += 1.0
    while excess(low) <= 0.0:
        low -= 1.0
    s = np.exp(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))
    return s * s * channel.error(alpha, s), s * s
