"""Teachers, groups and data (Section 3.3, Definition C.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import errors

__all__ = ["Prior", "Task", "TaskGroup", "noisy_labels", "sample_inputs"]

# Probabilities that should be 1 come out of rho_FT / (1 - rho_PT) a few roundings larger.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Prior:
    """Distribution of a fine-tuning teacher's coefficient: a symmetric mixture of Gaussians.

    Component j has weight `weights[j]`, mean +-`means[j]` (either sign with equal probability) and
    variance `variances[j]`. Zero, random signs and a Gaussian are the paper's; points and
    mixtures of normals reach any other symmetric prior as closely as one likes. Since the penalty
    is even, errors depend on a prior only through its symmetrised version.

    Parameters
    ----------
    weights, means, variances : sequence of float
        Of equal length; weights are positive and sum to 1, means and variances at least 0.
    """

    weights: Sequence[float]
    means: Sequence[float]
    variances: Sequence[float]

    def __post_init__(self):
        fields = {
            "weights": errors.shares("weights", self.weights),
            "means": errors.vector("means", self.means, 0.0, 1e150),
            "variances": errors.vector("variances", self.variances, 0.0, 1e300),
        }
        sizes = {name: field.size for name, field in fields.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"weights, means and variances must have equal length, got {sizes}")
        errors.positive("weights", fields["weights"])
        for name, field in fields.items():
            object.__setattr__(self, name, tuple(field.tolist()))

    @classmethod
    def zero(cls) -> Prior:
        """Return the prior of an inactive coefficient."""
        return cls.signs(0.0)

    @classmethod
    def signs(cls, amplitude: float) -> Prior:
        """Return +-amplitude with equal probability."""
        return cls((1.0,), (amplitude,), (0.0,))

    @classmethod
    def gaussian(cls, variance: float) -> Prior:
        """Return a centred Gaussian."""
        return cls((1.0,), (0.0,), (variance,))

    @property
    def second_moment(self) -> float:
        """E[x^2]."""
        return float(
            sum(
                w * (m**2 + v)
                for w, m, v in zip(self.weights, self.means, self.variances, strict=True)
            )
        )

    def components(self) -> Iterator[tuple[float, float, float]]:
        """Yield share, mean and variance of each Gaussian; a mean other than 0 has both signs."""
        for weight, mean, variance in zip(self.weights, self.means, self.variances, strict=True):
            signed = (mean, -mean) if mean else (mean,)
            yield from ((weight / len(signed), mu, variance) for mu in signed)

    def sample(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw coefficients.

        Parameters
        ----------
        size : int
        rng : numpy.random.Generator

        Returns
        -------
        array, shape (size,)
        """
        size = errors.whole("size", size, 0)
        errors.instance("rng", rng, np.random.Generator)
        component = rng.choice(len(self.weights), size=size, p=self.weights)
        mean = np.asarray(self.means)[component] * rng.choice([-1.0, 1.0], size=size)
        return mean + np.sqrt(np.asarray(self.variances)[component]) * rng.standard_normal(size)


_INACTIVE = Prior.zero()


class TaskGroup(NamedTuple):
    """A group of coordinates (Definition C.1).

    `name`; `probability` of a coordinate to belong to it; `beta_pt`, the size of its pretrained
    coefficients; `prior` of its fine-tuning coefficients.
    """

    name: str
    probability: float
    beta_pt: float
    prior: Prior


@dataclass(frozen=True, init=False)
class Task:
    """A pretraining and a fine-tuning task, by their sparsity and overlap (equations (8)-(10)).

    Give `rho_ft` and `overlap`, or `rho_shared` and `rho_new`.

    Parameters
    ----------
    rho_pt : float
        Share of dimensions active in pretraining; in (0, 1).
    rho_ft : float
        Share of dimensions active in fine-tuning; in (0, 1).
    overlap : float
        omega = rho_pt rho_shared / rho_ft, the share of fine-tuning's active dimensions that
        pretraining used; in [0, 1].
    amplitude_pt : float
        Size of the active pretraining coefficients: 1 in every figure of the paper,
        1 / sqrt(rho_pt) in its text. Larger than 0.
    prior : {"gaussian", "signs"}
        Distribution of active fine-tuning coefficients, of variance 1 / rho_ft either way:
        Gaussian in every figure, random signs in the text.
    rho_shared, rho_new : float
        P(active in fine-tuning | active, respectively inactive, in pretraining), equation (10);
        in [0, 1].

    Raises
    ------
    ValueError
        For a value outside its range, or an overlap that no pair of tasks can have.
    """

    rho_pt: float
    rho_ft: float
    overlap: float
    amplitude_pt: float
    prior: str
    rho_shared: float
    rho_new: float

    def __init__(
        self,
        rho_pt: float,
        rho_ft: float | None = None,
        overlap: float | None = None,
        amplitude_pt: float = 1.0,
        prior: str = "gaussian",
        *,
        rho_shared: float | None = None,
        rho_new: float | None = None,
    ) -> None:
        fields = {"rho_pt": _open_probability("rho_pt", rho_pt)}
        given = (rho_ft is not None, overlap is not None)
        conditional = (rho_shared is not None, rho_new is not None)
        if given == (True, True) and conditional == (False, False):
            fields |= _from_overlap(fields["rho_pt"], rho_ft, overlap)
        elif given == (False, False) and conditional == (True, True):
            fields |= _from_conditionals(fields["rho_pt"], rho_shared, rho_new)
        else:
            raise ValueError(
                "give rho_ft and overlap, or rho_shared and rho_new, got "
                f"rho_ft={rho_ft}, overlap={overlap}, rho_shared={rho_shared}, rho_new={rho_new}"
            )
        errors.choice("prior", prior, ("gaussian", "signs"))
        fields["amplitude_pt"] = errors.number("amplitude_pt", amplitude_pt, 0.0, open_low=True)
        for name, value in (fields | {"prior": prior}).items():
            object.__setattr__(self, name, value)

    def active_prior(self) -> Prior:
        """Return the `Prior` of an active fine-tuning coefficient."""
        if self.prior == "gaussian":
            return Prior.gaussian(1.0 / self.rho_ft)
        return Prior.signs(1.0 / np.sqrt(self.rho_ft))

    def groups(self) -> list[TaskGroup]:
        """Return the groups of Definition C.1, equation (29), that have a positive probability.

        Returns
        -------
        list of TaskGroup
            Of "shared", "new", "pretraining only" and "neither".
        """
        active, inactive = self.active_prior(), _INACTIVE
        rho, rest, amplitude = self.rho_pt, 1.0 - self.rho_pt, self.amplitude_pt
        groups = [
            TaskGroup("shared", rho * self.rho_shared, amplitude, active),
            TaskGroup("new", rest * self.rho_new, 0.0, active),
            TaskGroup("pretraining only", rho * (1.0 - self.rho_shared), amplitude, inactive),
            TaskGroup("neither", rest * (1.0 - self.rho_new), 0.0, inactive),
        ]
        return [group for group in groups if group.probability > 0.0]

    def sample_teachers(
        self, n_dims: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw both teachers, equations (8)-(10).

        Parameters
        ----------
        n_dims : int
        rng : numpy.random.Generator

        Returns
        -------
        beta_pt, beta_ft : array, shape (n_dims,)
        """
        n_dims = errors.whole("n_dims", n_dims)
        errors.instance("rng", rng, np.random.Generator)
        signs = rng.choice([-1.0, 1.0], size=n_dims)
        active_pt = rng.random(n_dims) < self.rho_pt
        active_ft = rng.random(n_dims) < np.where(active_pt, self.rho_shared, self.rho_new)
        coefficients = self.active_prior().sample(n_dims, rng)
        return signs * self.amplitude_pt * active_pt, coefficients * active_ft


def _open_probability(name, value):
    return errors.number(name, value, 0.0, 1.0, open_low=True, open_high=True)


def _from_overlap(rho_pt, rho_ft, overlap):
    rho_ft = _open_probability("rho_ft", rho_ft)
    overlap = errors.number("overlap", overlap, 0.0, 1.0)
    conditionals = {
        "rho_shared": overlap * rho_ft / rho_pt,
        "rho_new": (1.0 - overlap) * rho_ft / (1.0 - rho_pt),
    }
    for name, value in conditionals.items():
        if value > 1.0 + _ROUNDING:
            raise ValueError(
                f"overlap = {overlap:g} is impossible for rho_pt = {rho_pt:g} and "
                f"rho_ft = {rho_ft:g}: {name} = {value:g} must be in [0, 1]; the overlap can be in "
                f"[{max(0.0, 1.0 - (1.0 - rho_pt) / rho_ft):g}, {min(1.0, rho_pt / rho_ft):g}]"
            )
        conditionals[name] = min(value, 1.0)
    return {"rho_ft": rho_ft, "overlap": overlap, **conditionals}


def _from_conditionals(rho_pt, rho_shared, rho_new):
    rho_shared = errors.number("rho_shared", rho_shared, 0.0, 1.0)
    rho_new = errors.number("rho_new", rho_new, 0.0, 1.0)
    rho_ft = rho_pt * rho_shared + (1.0 - rho_pt) * rho_new
    if not 0.0 < rho_ft < 1.0:
        raise ValueError(
            f"rho_shared = {rho_shared:g} and rho_new = {rho_new:g} must leave some, not all, "
            f"dimensions active in fine-tuning, got rho_ft = {rho_ft:g}"
        )
    overlap = rho_pt * rho_shared / rho_ft
    return {"rho_ft": rho_ft, "overlap": overlap, "rho_shared": rho_shared, "rho_new": rho_new}


def sample_inputs(n_samples: int, n_dims: int, rng: np.random.Generator) -> np.ndarray:
    """Draw inputs with independent N(0, 1 / n_dims) entries (Section 4.2).

    Parameters
    ----------
    n_samples, n_dims : int
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (n_samples, n_dims)
    """
    n_samples, n_dims = errors.whole("n_samples", n_samples), errors.whole("n_dims", n_dims)
    errors.instance("rng", rng, np.random.Generator)
    return rng.standard_normal((n_samples, n_dims)) / np.sqrt(n_dims)


def noisy_labels(
    inputs: ArrayLike, beta: ArrayLike, noise: float, rng: np.random.Generator
) -> np.ndarray:
    """Return labels y = X beta + noise, equation (16).

    Parameters
    ----------
    inputs : array, shape (n_samples, n_dims)
    beta : array, shape (n_dims,)
    noise : float
        Noise variance sigma_0^2; at least 0.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (n_samples,)
    """
    inputs, beta = errors.real("inputs", inputs), errors.vector("beta", beta)
    if np.ndim(inputs) != 2 or inputs.shape[1] != beta.size:
        raise ValueError(
            "inputs must be of shape (n_samples, n_dims) and beta of shape (n_dims,), "
            f"got {np.shape(inputs)} and {beta.shape}"
        )
    noise = errors.number("noise", noise, 0.0)
    errors.instance("rng", rng, np.random.Generator)
    return inputs @ beta + np.sqrt(noise) * rng.standard_normal(len(inputs))
