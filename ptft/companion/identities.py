"""Identities that the theory must satisfy, each as a measured deviation.

Every function but `potential` evaluates two sides of one identity, at all the points given, and
returns the largest relative deviation between them. The two sides share as little code as
possible: expectations here come from the trapezoidal rule in z, not from the panels of
`theory.channel`, and the limits from closed forms. The tests bound these numbers; the chapters show
them.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtr

from ..model.penalty import denoise, denoiser_slope, penalty, penalty_curvature, penalty_gradient
from ..model.tasks import Prior, Task
from ..theory import limits
from ..theory.channel import Group, checked_groups, half_lines, moments
from ..theory.replica import fixed_point

__all__ = [
    "basis_pursuit_limit",
    "channel_moments",
    "denoiser_derivative",
    "denoiser_optimality",
    "donoho_tanner",
    "equal_penalties",
    "fenchel_young",
    "full_sampling_limit",
    "minimum_norm_limit",
    "moreau_decomposition",
    "moreau_derivative",
    "moreau_envelope",
    "noise_balance",
    "potential",
    "ridge_risk",
    "saddle_point",
    "scaling",
    "stein_lemma",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# Standard deviations that the trapezoidal rule covers. Below its threshold x_hat grows
# exponentially with z, so that far tails can be all there is.
_REACH = 14.0


def _deviation(found, expected, scale=None):
    """Return the largest |found - expected|, relative to `expected` or to `scale`."""
    scale = expected if scale is None else scale
    return float(np.max(np.abs(np.subtract(found, expected)) / np.abs(scale)))


# --- The penalty and its denoiser -----------------------------------------------------------------


def _conjugate(y, sqrt_k):
    """Return q_k*(y) = max over x of x y - q_k(x) = (sqrt(k) / 2) sinh(y)^2."""
    return sqrt_k / 2.0 * np.sinh(y) ** 2


@np.vectorize
def _conjugate_denoiser(z, theta, sqrt_k):
    """Return the minimiser y of theta (y - z / theta)^2 / 2 + q_k*(y), by bisection."""

    def slope(y):
        return theta * y - z + sqrt_k / 2.0 * np.sinh(2.0 * y)

    # Beyond either of these one of the two increasing terms alone is larger than |z|.
    bound = 1.001 * min(abs(z) / theta, np.arcsinh(2.0 * abs(z) / sqrt_k) / 2.0)
    return brentq(slope, -bound, bound, xtol=1e-300, rtol=1e-15)


def fenchel_young(z, sqrt_k):
    """Compare q_k(z) + q_k*(q_k'(z)) with z q_k'(z), where q_k*(y) = (sqrt(k) / 4)(cosh 2y - 1).

    Parameters
    ----------
    z, sqrt_k : float or array
        Other than 0, and larger than 0.

    Returns
    -------
    float
        Largest relative deviation; so throughout this module.
    """
    y = penalty_gradient(z, sqrt_k)
    return _deviation(penalty(z, sqrt_k) + _conjugate(y, sqrt_k), z * y)


def denoiser_optimality(z, theta, sqrt_k):
    """Measure the residual of equation (17), x_hat - z + theta q_k'(x_hat) = 0.

    Parameters
    ----------
    z : float or array
        Observation, other than 0.
    theta, sqrt_k : float or array
        Larger than 0.
    """
    x = denoise(z, theta, sqrt_k)
    return _deviation(x + theta * penalty_gradient(x, sqrt_k), z)


def denoiser_derivative(z, theta, sqrt_k):
    """Compare the integral of the derivative (38) over a stretch of z with x_hat's growth there.

    The stretch, (theta + sqrt(k)) / 8, is short enough for x_hat to be smooth. Rounding enters
    with |z| over it. Parameters as in `denoiser_optimality`.
    """

    def slope(z, theta, sqrt_k):
        return denoiser_slope(denoise(z, theta, sqrt_k), theta, sqrt_k)

    return _growth_deviation(denoise, slope, z, theta, sqrt_k)


def _growth_deviation(function, derivative, *point):
    """Compare the integral of a derivative by z, by Gauss's rule, with the function's growth."""
    z, theta, sqrt_k = (np.asarray(value, dtype=float)[..., None] for value in point)
    half = (theta + sqrt_k) / 16.0
    integral = (half * _WEIGHTS * derivative(z + half * (1.0 + _NODES), theta, sqrt_k)).sum(axis=-1)
    growth = function(z + 2.0 * half, theta, sqrt_k) - function(z, theta, sqrt_k)
    return _deviation(integral, growth[..., 0])


def moreau_decomposition(z, theta, sqrt_k):
    """Compare x_hat + theta y_hat with z, y_hat being the denoiser of the conjugate q_k*.

    Parameters as in `denoiser_optimality`.
    """
    return _deviation(denoise(z, theta, sqrt_k) + theta * _conjugate_denoiser(z, theta, sqrt_k), z)


def _envelope(z, theta, sqrt_k):
    """Return the Moreau envelope, the minimum of (x - z)^2 / (2 theta) + q_k(x)."""
    x = denoise(z, theta, sqrt_k)
    return (x - z) ** 2 / (2.0 * theta) + penalty(x, sqrt_k)


def moreau_envelope(z, theta, sqrt_k):
    """Compare the envelope of q_k, plus that of q_k* at z / theta, with z^2 / (2 theta).

    Parameters as in `denoiser_optimality`.
    """
    y = _conjugate_denoiser(z, theta, sqrt_k)
    dual = theta * (y - z / theta) ** 2 / 2.0 + _conjugate(y, sqrt_k)
    return _deviation(_envelope(z, theta, sqrt_k) + dual, z**2 / (2.0 * theta))


def moreau_derivative(z, theta, sqrt_k):
    """Compare the integral of q_k'(x_hat) = (z - x_hat) / theta with the envelope's growth.

    The stretch, and the parameters, are those of `denoiser_derivative`.
    """

    def slope(z, theta, sqrt_k):
        return penalty_gradient(denoise(z, theta, sqrt_k), sqrt_k)

    return _growth_deviation(_envelope, slope, z, theta, sqrt_k)


# --- The scalar channel ---------------------------------------------------------------------------


def _trapezoid(mean, spread, theta):
    """Return nodes and weights for expectations over z ~ N(mean, spread^2).

    The integrands are analytic in strips of half-width theta pi / 2 about the real line and their
    Gaussian factor in all of it, so this step leaves an error of about e^-40.
    """
    step = min(spread / 5.0, theta / 4.0)
    n_steps = int(np.ceil(_REACH * spread / step))
    z = step * np.arange(-n_steps, n_steps + 1)
    weights = step * np.exp(-0.5 * (z / spread) ** 2) / (spread * np.sqrt(2.0 * np.pi))
    return mean + z, weights


def _expectation(function, groups, s2, theta):
    """Return E[function(z, sqrt_k)] over groups, teachers and noise."""
    total = 0.0
    for probability, sqrt_k, prior in checked_groups(groups):
        for weight, mean, variance in zip(prior.weights, prior.means, prior.variances, strict=True):
            z, weights = _trapezoid(mean, np.sqrt(variance + s2), theta)
            total += probability * weight * (weights @ function(z, sqrt_k))
    return total


def stein_lemma(x, s, theta, sqrt_k):
    """Compare E[V x_hat(x + s V)] with s E[x_hat'(x + s V)], equation (35), for given x.

    Parameters
    ----------
    x : float
        Teacher coefficient.
    s, theta, sqrt_k : float
        Standard deviation of the noise, and parameters of the denoiser; larger than 0.
    """
    z, weights = _trapezoid(x, s, theta)
    x_hat = denoise(z, theta, sqrt_k)
    slope = weights @ denoiser_slope(x_hat, theta, sqrt_k)
    return _deviation(weights @ ((z - x) / s * x_hat), s * slope)


def channel_moments(groups, s2, theta):
    """Compare `theory.channel`'s E[(x_hat - x)^2] and E[x_hat'] with a second rule and formula.

    By Stein's lemma E[(x_hat - x)^2] = E[(x_hat - z)^2] + s^2 (2 E[x_hat'] - 1), without x.

    Parameters
    ----------
    groups : list of Group
        With 0 < sqrt_k < inf.
    s2, theta : float
        Larger than 0.
    """

    def missed(z, sqrt_k):
        return (denoise(z, theta, sqrt_k) - z) ** 2

    def response(z, sqrt_k):
        return denoiser_slope(denoise(z, theta, sqrt_k), theta, sqrt_k)

    found = moments(half_lines(groups), np.array([s2]), np.array([theta]))
    slope = _expectation(response, groups, s2, theta)
    error = _expectation(missed, groups, s2, theta) + s2 * (2.0 * slope - 1.0)
    return max(
        _deviation(found.slope, slope),
        # The right-hand side is a difference of terms of the size of s2.
        _deviation(found.error, error, scale=error + s2),
    )


# --- The fixed point ------------------------------------------------------------------------------


def noise_balance(groups, alpha, noise=0.0, ridge=0.0):
    """Compare s^2 (1 - alpha + 2 gamma_ext / theta) with sigma_0^2 + E[(z - x_hat)^2].

    Equations (19) and (20) together, with E[(x_hat - x)^2] rewritten by Stein's lemma.

    Parameters
    ----------
    groups, alpha, noise, ridge
        As in `ptft.fixed_point`; a scalar alpha.
    """
    point = fixed_point(groups, alpha, noise, ridge)

    def missed(z, sqrt_k):
        return (denoise(z, point.theta, sqrt_k) - z) ** 2

    given = noise + _expectation(missed, groups, point.s2, point.theta)
    return _deviation(point.s2 * (1.0 - alpha + 2.0 * ridge / point.theta), given)


def potential(groups, s2, theta, alpha, noise=0.0, ridge=0.0):
    """Return the function of s^2 and theta whose stationary points solve (19) and (20).

    With M the Moreau envelope of q_k and z = x + s V,

        F = E[M_theta(z)] - (1 - alpha) s^2 / (2 theta) - gamma_ext s^2 / (2 theta^2)
            + sigma_0^2 / (2 theta).

    At the stationary point F is the minimum of (15), per dimension. F is strictly convex in s and
    strictly concave in s / theta, so there is at most one.

    Parameters
    ----------
    groups : list of Group
        With 0 < sqrt_k < inf.
    s2, theta : float
        Larger than 0.
    alpha, noise, ridge : float
        As in `ptft.fixed_point`.

    Returns
    -------
    float
    """

    def envelope(z, sqrt_k):
        return _envelope(z, theta, sqrt_k)

    lost = (1.0 - alpha) * s2 + ridge * s2 / theta - noise
    return _expectation(envelope, groups, s2, theta) - lost / (2.0 * theta)


def saddle_point(groups, alpha, noise=0.0, ridge=0.0, step=1e-2):
    """Measure the slope of `potential` at the fixed point, relative to s^2 / (2 theta).

    The slope, by log s^2 and by log theta, is formed from differences of eighth order.

    Parameters
    ----------
    groups, alpha, noise, ridge
        As in `ptft.fixed_point`; a scalar alpha.
    step : float
        Of the differences, in log s^2 and log theta.
    """
    point = fixed_point(groups, alpha, noise, ridge)
    offsets = step * np.array([-4, -3, -2, -1, 1, 2, 3, 4])
    stencil = np.array([3, -32, 168, -672, 672, -168, 32, -3]) / (840.0 * step)

    def values(along_s2, along_theta):
        return [
            potential(
                groups,
                point.s2 * np.exp(along_s2 * h),
                point.theta * np.exp(along_theta * h),
                alpha,
                noise,
                ridge,
            )
            for h in offsets
        ]

    slopes = stencil @ values(1, 0), stencil @ values(0, 1)
    return _deviation(slopes, 0.0, scale=point.s2 / (2.0 * point.theta))


def scaling(groups, alpha, noise=0.0, ridge=0.0, factor=2.0):
    """Compare E_gen of a problem in other units with factor^2 E_gen.

    Teachers, noise and sqrt(k) are measured in units of coefficients, and so is the ridge:
    q_k(z) has that dimension.

    Parameters
    ----------
    groups, alpha, noise, ridge
        As in `ptft.fixed_point`.
    factor : float
        Larger than 0.
    """
    scaled = [
        Group(probability, factor * sqrt_k, _scaled_prior(prior, factor))
        for probability, sqrt_k, prior in groups
    ]
    found = fixed_point(scaled, alpha, factor**2 * noise, factor * ridge).error
    return _deviation(found, factor**2 * fixed_point(groups, alpha, noise, ridge).error)


def _scaled_prior(prior, factor):
    means = [factor * mean for mean in prior.means]
    variances = [factor**2 * variance for variance in prior.variances]
    return type(prior)(prior.weights, means, variances)


def equal_penalties(rho_pt, rho_ft, overlap, sqrt_k, alpha):
    """Compare E_gen of two tasks, whose coordinates all share one k, with that of one task.

    Without a difference in k pretraining leaves no trace: overlap and rho_PT must not matter.

    Parameters
    ----------
    rho_pt, rho_ft, overlap : float
        As in `ptft.Task`.
    sqrt_k : float
        Of all coordinates.
    alpha : float or array
        Samples per dimension; in (0, 1).
    """
    task = Task(rho_pt, rho_ft, overlap)
    pair = [Group(group.probability, sqrt_k, group.prior) for group in task.groups()]
    found = fixed_point(pair, alpha).error
    return _deviation(found, fixed_point(_sparse(task, sqrt_k), alpha).error)


def _sparse(task, sqrt_k):
    """Return the groups of fine-tuning's teacher alone."""
    zero = task.active_prior().zero()
    return [
        Group(task.rho_ft, sqrt_k, task.active_prior()),
        Group(1.0 - task.rho_ft, sqrt_k, zero),
    ]


# --- Limits ---------------------------------------------------------------------------------------


def minimum_norm_limit(groups, alpha, sqrt_k=1e9, noise=0.0):
    """Compare the fixed point at a large k with that of the minimum l2 norm interpolator.

    E_gen = (1 - alpha) E[x^2] + alpha sigma_0^2 / (1 - alpha), theta = sqrt(k) (1/alpha - 1).

    Parameters
    ----------
    groups : list of Group
        Of any sqrt_k: only probabilities and priors enter.
    alpha : float or array
        Samples per dimension; in (0, 1).
    sqrt_k : float
        Of all groups; much larger than the teachers' coefficients.
    noise : float
        Label noise variance.
    """
    point = fixed_point(_with_penalty(groups, sqrt_k), alpha, noise)
    second_moment = sum(group.probability * group.prior.second_moment for group in groups)
    return max(
        _deviation(point.error, limits.minimum_norm(second_moment, alpha, noise)),
        _deviation(point.theta, sqrt_k * (1.0 / alpha - 1.0)),
    )


def _with_penalty(groups, sqrt_k):
    return [Group(probability, sqrt_k, prior) for probability, _, prior in groups]


def ridge_risk(second_moment, alpha, noise, shrinkage, sqrt_k=1e9, n_nodes=2000):
    """Compare the fixed point at a large k with ridge regression's exact risk.

    There (15) is ridge regression with the penalty gamma_ext / sqrt(k), whose risk is an integral
    over the Marchenko-Pastur law of X^T X; nothing of the replica method enters it.

    Parameters
    ----------
    second_moment : float
        E[x^2] of a teacher coefficient, whatever its distribution.
    alpha, noise : float
        Samples per dimension, and label noise variance.
    shrinkage : float
        Penalty of the ridge regression; larger than 0.
    sqrt_k : float
        Much larger than the teacher's coefficients.
    n_nodes : int
        Of the midpoint rule in the angle that maps the law's support to a circle.
    """
    group = Group(1.0, sqrt_k, Prior.signs(np.sqrt(second_moment)))
    point = fixed_point([group], alpha, noise, shrinkage * sqrt_k)
    angle = np.pi * (np.arange(n_nodes) + 0.5) / n_nodes
    eigenvalue = 1.0 + alpha + 2.0 * np.sqrt(alpha) * np.cos(angle)
    density = 2.0 * alpha / n_nodes * np.sin(angle) ** 2 / eigenvalue
    risk = (shrinkage**2 * second_moment + noise * eigenvalue) / (shrinkage + eigenvalue) ** 2
    null = max(1.0 - alpha, 0.0) * second_moment
    return _deviation(point.error, null + density @ risk)


def full_sampling_limit(groups, alpha=1.0 - 1e-7):
    """Compare E_gen / (1 - alpha) near alpha = 1 with E[q_k'(x)^2] / E[q_k''(x)]^2.

    There x_hat is close to x, which turns `noise_balance` and (20) into
    s^2 (1 - alpha) = theta^2 E[q_k'(x)^2] and 1 - alpha = theta E[q_k''(x)].

    Parameters
    ----------
    groups : list of Group
        Teachers must be points, and sqrt(k) not much smaller than they are.
    alpha : float
        Close to 1.
    """
    gradient = curvature = 0.0
    for probability, sqrt_k, prior in groups:
        x, weights = np.array(prior.means), probability * np.array(prior.weights)
        gradient += weights @ penalty_gradient(x, sqrt_k) ** 2
        curvature += weights @ penalty_curvature(x, sqrt_k)
    return _deviation(fixed_point(groups, alpha).error / (1.0 - alpha), gradient / curvature**2)


def basis_pursuit_limit(groups, alpha, noise=0.0, n_points=7):
    """Compare E_gen, extrapolated to k = 0, with basis pursuit's state evolution.

    The penalty is |z| (log(1 / sqrt(k)) + ...) / 2, so that E_gen is a smooth function of
    h = 1 / log(1 / sqrt(k)): it nears its limit so slowly that only extrapolation reaches it.

    Parameters
    ----------
    groups : list of Group
        Of any sqrt_k: only probabilities and priors enter.
    alpha : float
        Samples per dimension, where basis pursuit errs: with noise or below the transition.
    noise : float
        Label noise variance.
    n_points : int
        Values of sqrt(k), between 1e-8 and 1e-28, through which a polynomial in h is laid.
    """
    h = np.linspace(1.0 / 18.0, 1.0 / 65.0, n_points)
    values = [fixed_point(_with_penalty(groups, np.exp(-1.0 / x)), alpha, noise).error for x in h]
    # Lagrange's polynomial at h = 0
    differences = h - h[:, None]
    weights = np.divide(h, differences, out=np.ones_like(differences), where=differences != 0.0)
    return _deviation(weights.prod(axis=1) @ values, limits.basis_pursuit(groups, alpha, noise)[0])


def donoho_tanner(rho):
    """Compare basis pursuit's phase transition with Donoho and Tanner's, by counting faces.

    A random projection of the cross-polytope to alpha D dimensions loses a face with a probability
    that is a sum over the larger faces around it, of dimensions nu D > alpha D. Their number and
    angles make each term e^(D psi(nu)), with psi <= 0 and psi = 0 at the transition alone.

    Parameters
    ----------
    rho : float or array
        Share of active coefficients; in (0, 1).
    """

    def transition(share):
        return brentq(lambda nu: _face_exponent(nu, share)[1], share * (1 + 1e-9), 1 - 1e-13)

    rho = np.atleast_1d(rho)
    found = np.array([limits.basis_pursuit_transition(share) for share in rho])
    maximum = [_face_exponent(nu, share)[0] for nu, share in zip(found, rho, strict=True)]
    return max(_deviation(found, [transition(share) for share in rho]), np.max(np.abs(maximum)))


def _face_exponent(nu, rho):
    """Return psi and its derivative by nu: faces minus internal minus external angle."""
    missing = nu - rho
    # External angle: P(|V_i| < t for all others), times the density at t of the face's direction.
    t = _root(lambda t: nu * t * (2.0 * ndtr(t) - 1.0) - (1.0 - nu) * 2.0 * _normal(t))
    inside = np.log(2.0 * ndtr(t) - 1.0)
    # Internal angle: P(V >= 0) under the covariance 1 - 1 1^T / (nu D), by Cramer's theorem.
    r = _root(lambda r: nu * r * np.sqrt(np.pi / 2.0) * erfcx(r / np.sqrt(2.0)) - missing)
    internal = -(nu / missing * r * r / 2.0 + log_ndtr(-r) + np.log(2.0))
    entropy = -missing * np.log(missing / (1.0 - rho)) - (1.0 - nu) * np.log(
        (1.0 - nu) / (1.0 - rho)
    )
    value = entropy - missing * internal - nu * t * t / 2.0 + (1.0 - nu) * inside
    # y, the mean of |V|, enters the internal angle as (nu - rho) y^2 / (2 rho).
    by_face = internal + rho * r * r / (2.0 * missing)
    slope = np.log((1.0 - nu) / missing) - by_face - t * t / 2.0 - inside
    return value, slope


def _normal(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)


def _root(function):
    return brentq(function, 0.0, 1e6, xtol=1e-15, rtol=1e-15)
