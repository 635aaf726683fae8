"""What a table of networks by pairs says of a mean, when both are samples of many.

Each network is fine-tuned on the same pairs of classes, and what is of interest (a difference from
the baseline, say) holds for other networks and other pairs too. The model is

    value of network i on pair j  =  mean + network_i + pair_j + rest_ij

with independent random effects. With I networks, J pairs, and the mean squares A, B and E of
networks, pairs and rest (Searle, Casella & McCulloch, 1992, chapter 4), the variance of the grand
mean is estimated without bias by (A + B - E) / (I J). Where a component would come out negative it
is set to zero, which leaves A or B in place of A + B - E. Degrees of freedom are Satterthwaite's.

How often a 95% interval held the truth, in 20,000 simulated tables for each of several ratios of
the components: between 94.7% and 99.4% for 4 networks and 12 pairs, most where neither networks nor
pairs matter; down to 93% for 3 networks and to 89% for 2.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from .. import errors

__all__ = ["Crossed", "analyse", "bootstrap", "mean_squares"]

_LEVEL, _POWER = 0.05, 0.8
_MOST_NETWORKS = 100_000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_SHARES, _WEIGHTS = (_NODES + 1.0) / 2.0, _WEIGHTS / 2.0  # of probability


@dataclass(frozen=True)
class Crossed:
    """A mean over networks and pairs, and how well it is known.

    Fields are arrays if many tables were analysed at once.

    Parameters
    ----------
    mean, standard_error : float
    degrees : float
        Of freedom, of the standard error.
    low, high : float
        The 95% interval by Student's t.
    network, pair, rest : float or None
        Estimated standard deviations of the random effects. With one network, or with one pair,
        effects cannot be told apart: `rest` is then that of all together, and the others None.
    n_networks, n_pairs : int
    status : str
        What the interval is about: "networks and pairs"; "one network: its pairs alone", because
        how much networks differ is then unknown; "one pair: networks alone"; or "one value: no
        interval", where all that describes a spread is None.
    """

    mean: float
    standard_error: float
    degrees: float
    low: float
    high: float
    network: float
    pair: float
    rest: float
    n_networks: int
    n_pairs: int
    status: str

    def smallest_effect(self, power=_POWER, level=_LEVEL):
        """Return the smallest true mean that such a table would have shown.

        Parameters
        ----------
        power : float
            How probable it is that the interval then excludes zero.
        level : float
            Probability that it does so for a mean of zero.

        Returns
        -------
        float or None
            None where there is no interval.
        """
        errors.number("level", level, 0.0, 1.0, open_low=True, open_high=True)
        if self.standard_error is None:
            return None
        if self.standard_error == 0.0:
            return 0.0
        return self.standard_error * _noncentrality(self.degrees, power, level)

    def networks_needed(self, effect, power=_POWER, level=_LEVEL):
        """Return how many networks a true mean would need to be seen, on so many pairs.

        The estimated random effects are taken for the true ones.

        Parameters
        ----------
        effect : float
            The mean. Its sign does not matter.
        power, level : float
            As for `smallest_effect`.

        Returns
        -------
        int or None
            At least 2. None if no number is enough, because pairs differ too much, or if the table
            is of one network or one pair and cannot tell.
        """
        errors.number("level", level, 0.0, 1.0, open_low=True, open_high=True)
        effect = abs(errors.number("effect", effect))
        if self.network is None or not effect:
            return None

        def enough(n):
            variance, degrees = self._expected(n)
            size = np.sqrt(variance) * _noncentrality(degrees, power, level)
            return bool(size <= effect)

        if not enough(_MOST_NETWORKS):
            return None
        low, high = 1, 2
        while not enough(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def _expected(self, n):
        """Return variance of the mean and its degrees of freedom with n networks."""
        A = self.rest**2 + self.n_pairs * self.network**2
        B = self.rest**2 + n * self.pair**2
        E = self.rest**2
        if not A + B > 0.0:
            return 0.0, float(n - 1)
        return _variance(A, B, E, n, self.n_pairs)


def _noncentrality(degrees, power, level):
    """Return the mean, in standard errors, that Student's test finds with a certain power.

    The power is an average over the estimated variance, by quadrature: scipy's noncentral t is
    undefined for few degrees of freedom.
    """
    power = errors.number("power", power, level, 1.0, open_low=True, open_high=True)
    bound = stats.t.ppf(1.0 - level / 2.0, degrees)
    limits = bound * np.sqrt(stats.chi2.ppf(_SHARES, degrees) / degrees)

    def lacking(shift):
        return _WEIGHTS @ (stats.norm.sf(limits - shift) + stats.norm.cdf(-limits - shift)) - power

    high = bound
    while lacking(high) < 0.0:
        high *= 2.0
    return optimize.brentq(lacking, 0.0, high)


def mean_squares(values):
    """Return the mean squares of networks, pairs and rest.

    Parameters
    ----------
    values : array, shape (..., n_networks, n_pairs)
        At least two of either.

    Returns
    -------
    A, B, E : array, shape (...)
    """
    values = np.asarray(values, dtype=np.float64)
    n, m = values.shape[-2:]
    mean = values.mean(axis=(-2, -1), keepdims=True)
    networks = values.mean(axis=-1, keepdims=True) - mean
    pairs = values.mean(axis=-2, keepdims=True) - mean
    rest = values - networks - pairs - mean
    sums = [(part**2).sum(axis=(-2, -1)) for part in (networks, pairs, rest)]
    return m * sums[0] / (n - 1), n * sums[1] / (m - 1), sums[2] / ((n - 1) * (m - 1))


def _variance(A, B, E, n, m):
    """Return the variance of the mean and its degrees of freedom, at least those of the fewer."""
    total = np.maximum(A + B - E, np.maximum(A, B))
    spread = A**2 / (n - 1) + B**2 / (m - 1) + E**2 / ((n - 1) * (m - 1))
    degrees = np.divide(total**2, spread, out=np.zeros(np.shape(total)), where=spread > 0.0)
    return total / (n * m), np.maximum(degrees, min(n, m) - 1)


def analyse(values):
    """Return the mean over networks and pairs with its interval.

    Parameters
    ----------
    values : array, shape (..., n_networks, n_pairs)
        Without gaps. Leading axes are tables of their own.

    Returns
    -------
    Crossed

    Raises
    ------
    ValueError
        If a value is not finite, or there is none.
    """
    values = errors.real("values", values)
    if np.ndim(values) < 2 or not np.size(values):
        shape = np.shape(values)
        raise ValueError(f"values must have shape (..., n_networks, n_pairs), got {shape}")
    n, m = values.shape[-2:]
    mean = values.mean(axis=(-2, -1))
    if n == m == 1:
        return Crossed(mean, *[None] * 7, n, m, "one value: no interval")
    if min(n, m) == 1:
        return _of_one_sample(values, mean)
    A, B, E = mean_squares(values)
    variance, degrees = _variance(A, B, E, n, m)
    effects = [np.sqrt(np.maximum(part - E, 0.0) / k) for part, k in ((A, m), (B, n))]
    ends = _interval(mean, variance, degrees)
    return Crossed(mean, *ends, *effects, np.sqrt(E), n, m, "networks and pairs")


def _of_one_sample(values, mean):
    n, m = values.shape[-2:]
    variance = values.var(axis=(-2, -1), ddof=1)
    ends = _interval(mean, variance / (n * m), np.full_like(mean, n * m - 1))
    status = "one network: its pairs alone" if n == 1 else "one pair: networks alone"
    return Crossed(mean, *ends, None, None, np.sqrt(variance), n, m, status)


def _interval(mean, variance, degrees):
    error = np.sqrt(variance)
    reach = stats.t.ppf(1.0 - _LEVEL / 2.0, degrees) * error
    return error, degrees, mean - reach, mean + reach


def bootstrap(values, n_draws=2000, seed=0):
    """Return the 95% percentile interval of a two-way bootstrap.

    Networks and pairs are drawn anew, each with replacement; a cell counts as often as its network
    was drawn times its pair (the pigeonhole bootstrap of Owen, 2007). It assumes no normal
    distribution, but is too short for few networks that differ: with 4 networks and 12 pairs it
    held the truth in 85% to 99% of the tables that `analyse` is judged by, and in 80% with 3.

    Parameters
    ----------
    values : array, shape (..., n_networks, n_pairs)
    n_draws : int
    seed : int

    Returns
    -------
    low, high : array, shape (...)
        Both the mean itself where there is one network and one pair.
    """
    means = _resampled(errors.real("values", values), n_draws, seed)
    low, high = np.quantile(means, [_LEVEL / 2.0, 1.0 - _LEVEL / 2.0], axis=-1)
    return low, high


def _resampled(values, n_draws, seed):
    """Return the means of bootstrap samples, shape (..., n_draws)."""
    rng = np.random.default_rng(seed)
    networks, pairs = (
        rng.multinomial(n, np.full(n, 1.0 / n), n_draws) / n for n in values.shape[-2:]
    )
    return ((networks @ values) * pairs).sum(axis=-1)
