"""A second method for the theory's numbers, to test the package against.

It takes from `ptft` nothing but groups' attributes and shares no step with it: the denoiser is
found in x by Newton's method from below (not in the dual coordinate), expectations are integrals
over z on panels that shrink towards the denoiser's bends (not over u), E_gen comes from Stein's
identity E[(x_hat - x)^2] = E[(x_hat - z)^2] + (2 E[d x_hat / d z] - 1) s^2 (not from the
posterior), and the fixed point from nested bracketing (not from Newton's method).
"""

import numpy as np
from scipy.optimize import brentq

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
REACH = 10.0  # standard deviations of z


def denoise(z, theta, sqrt_k):
    """Solve x + (theta / 2) asinh(2 x / sqrt_k) = z for z >= 0, equation (17).

    The left side is concave, so Newton's iterates rise to the root from any point below it.
    """
    a, b = sqrt_k / 2.0, theta / 2.0
    # Lower bounds: asinh(y) <= y; x <= z; and x <= b below the bend, x >= b above it.
    x = np.maximum(z * (a / (a + b)), z - b * np.arcsinh(z / a))
    below = z < _bend(a, b)
    x = np.maximum(x, np.where(below, a * np.sinh(np.where(below, z / b - 1.0, 0.0)), b))
    for _ in range(100):
        step = (z - x - b * np.arcsinh(x / a)) / (1.0 + b / np.hypot(a, x))
        x = np.maximum(x + step, 0.0)
        if np.all(np.abs(step) <= 1e-10 * x):  # convergence is quadratic
            break
    return x


def _bend(a, b):
    return b + b * np.arcsinh(b / a)


def _edges(mean, tau, a, b):
    """Return panel edges in V = (z - mean) / tau: one a unit, and finer towards the bends in z."""
    high = mean + REACH * tau
    bend = _bend(a, b)
    steps = [
        center + sign * size * 2.0 ** np.arange(-1.0, np.ceil(np.log2(2.0 + high / size)))
        for center, size in ((0.0, a + b), (bend, b))
        for sign in (-1.0, 1.0)
    ]
    bends = (np.concatenate([*steps, [0.0, bend]]) - mean) / tau
    edges = np.concatenate([bends, np.arange(-REACH, REACH + 1.0)])
    return np.unique(np.clip(edges, max(-REACH, -mean / tau), REACH))


def _moments(mean, variance, sqrt_k, s2, theta):
    """Return E[(x_hat - z)^2] and E[d x_hat / d z] for z ~ N(+-mean, variance + s2)."""
    tau, a, b = np.sqrt(variance + s2), sqrt_k / 2.0, theta / 2.0
    edges = _edges(mean, tau, a, b)
    half = np.diff(edges)[:, None] / 2.0
    v = (edges[:-1, None] + half + half * NODES).ravel()
    x = denoise(np.maximum(mean + tau * v, 0.0), theta, sqrt_k)
    # Everything is even: both signs of the mean on the half line z > 0.
    density = np.exp(-0.5 * v**2) + np.exp(-0.5 * (v + 2.0 * mean / tau) ** 2)
    weight = density * (half * WEIGHTS).ravel() / np.sqrt(2.0 * np.pi)
    root = np.hypot(a, x)
    return weight @ (b * np.arcsinh(x / a)) ** 2, weight @ (root / (root + b))


def expectations(groups, s2, theta):
    """Return E[(x_hat - x)^2] and E[d x_hat / d z]."""
    shrinkage, slope = np.sum(
        [
            group.probability * weight * np.array(_moments(*moments, group.sqrt_k, s2, theta))
            for group in groups
            for weight, *moments in zip(
                group.prior.weights, group.prior.means, group.prior.variances, strict=True
            )
        ],
        axis=0,
    )
    return shrinkage + (2.0 * slope - 1.0) * s2, slope


def _root(function, start, width):
    """Return the root of a decreasing function of a logarithm."""
    low = high = start
    while function(low) <= 0.0:
        low, width = low - width, 2.0 * width
    while function(high) > 0.0:
        high, width = high + width, 2.0 * width
    return brentq(function, low, high, xtol=1e-14, rtol=8.9e-16)


def fixed_point(groups, alpha, noise=0.0, ridge=0.0):
    """Return E_gen, s^2 and theta of equations (19) and (20)."""
    log_theta = 0.0

    def excess_slope(y, s2):
        theta = np.exp(y)
        return np.log((expectations(groups, s2, theta)[1] + ridge / theta) / alpha)

    def excess_noise(x):
        nonlocal log_theta
        s2 = np.exp(x)
        log_theta = _root(lambda y: excess_slope(y, s2), log_theta, 0.1)
        return np.log((noise + expectations(groups, s2, np.exp(log_theta))[0]) / (alpha * s2))

    second_moment = sum(group.probability * group.prior.second_moment for group in groups)
    log_s2 = _root(excess_noise, np.log((noise + second_moment) / alpha), 0.5)
    excess_noise(log_s2)
    s2 = np.exp(log_s2)
    return expectations(groups, s2, np.exp(log_theta))[0], s2, np.exp(log_theta)


def interpolate(X, y, sqrt_k):
    """Return the minimiser of (11): Newton's method on the dual, whose gradient is y - X beta.

    Stationarity is beta = (sqrt_k / 2) sinh(2 X^T m) with one multiplier a sample.
    """

    def dual(m):
        u = 2.0 * (X.T @ m)
        return m @ y - np.sum(sqrt_k / 4.0 * (np.cosh(u) - 1.0)), sqrt_k / 2.0 * np.sinh(u), u

    m = np.zeros(len(y))
    value, beta, u = dual(m)
    for _ in range(200):
        gradient = y - X @ beta
        if np.linalg.norm(gradient) <= 1e-11 * np.linalg.norm(y):
            return beta
        step = np.linalg.solve((X * (sqrt_k * np.cosh(u))) @ X.T, gradient)
        # Shorter while it overshoots: the dual is concave, and sinh overflows far off.
        size = min(1.0, 3.0 / np.max(np.abs(X.T @ step)))
        while dual(m + size * step)[0] < value - 1e-12 * abs(value):
            size /= 2.0
        m = m + size * step
        value, beta, u = dual(m)
    raise AssertionError("the dual did not converge")
