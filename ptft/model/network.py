"""Diagonal linear networks: weights, initialisation, conservation laws (Section 3, Appendix B.1).

The network is f(x) = beta . x with beta = v+ o w+ - v- o w- (equation (1)); `w` is the first
(hidden) layer and `v` the second (readout) layer. Everything here holds coordinate by coordinate,
so all functions broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..values import Value, frozen
from .penalty import dual

__all__ = [
    "Initialization",
    "Weights",
    "conserved_quantities",
    "initial_weights",
    "pretrained_weights",
    "rebalance",
]


@dataclass(frozen=True, eq=False)
class Initialization(Value):
    """The three initialisation parameters of pretraining and fine-tuning.

    Numbers or arrays that broadcast together; arrays describe many networks at once.

    Parameters
    ----------
    c_pt : float
        Absolute scale w(0)^2 + v(0)^2 before pretraining, equation (2); larger than 0.
    lambda_pt : float
        Relative scale (w(0)^2 - v(0)^2) / c_pt, equation (3); in [-1, 1]. Negative: the first
        layer is the smaller one.
    gamma_ft : float
        Scale of the readout before fine-tuning, v_FT = gamma_ft / sqrt(2), equation (5); at
        least 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or if lambda_pt = -1 and gamma_ft = 0: then the
        fine-tuned network starts, and stays, at the origin (k = 0).
    """

    c_pt: float | np.ndarray
    lambda_pt: float | np.ndarray
    gamma_ft: float | np.ndarray = 0.0

    def __post_init__(self):
        values = {
            "c_pt": errors.positive("c_pt", self.c_pt),
            "lambda_pt": errors.real("lambda_pt", self.lambda_pt, -1.0, 1.0),
            "gamma_ft": errors.real("gamma_ft", self.gamma_ft, 0.0),
        }
        errors.broadcast(**values)
        if np.any((values["lambda_pt"] == -1.0) & (values["gamma_ft"] == 0.0)):
            raise ValueError(
                "gamma_ft must be larger than 0 where lambda_pt = -1, got gamma_ft = 0: "
                "both layers would be zero before fine-tuning, and the flow never leaves the origin"
            )
        for name, value in values.items():
            object.__setattr__(self, name, float(value) if np.ndim(value) == 0 else frozen(value))


@dataclass(frozen=True, eq=False)
class Weights(Value):
    """The weights of both pathways; arrays of one shape, (..., n_dims).

    Parameters
    ----------
    w_plus, w_minus : array
        First layer of the positive and the negative pathway.
    v_plus, v_minus : array
        Second layer of the positive and the negative pathway.
    """

    w_plus: float | np.ndarray
    w_minus: float | np.ndarray
    v_plus: float | np.ndarray
    v_minus: float | np.ndarray

    def __post_init__(self):
        for name in (field.name for field in fields(self)):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def beta(self) -> float | np.ndarray:
        """The linear map that the network computes, equation (1)."""
        return self.v_plus * self.w_plus - self.v_minus * self.w_minus


def initial_weights(init: Initialization) -> Weights:
    """Return the weights before pretraining, equations (2) and (3).

    Parameters
    ----------
    init : Initialization

    Returns
    -------
    Weights
        Equal in both pathways, so that beta = 0; of the shape of `init`'s parameters.
    """
    errors.instance("init", init, Initialization)
    w = np.sqrt(init.c_pt * (1.0 + init.lambda_pt) / 2.0)
    v = np.sqrt(init.c_pt * (1.0 - init.lambda_pt) / 2.0)
    return Weights(w, w, v, v)


def pretrained_weights(beta_pt: ArrayLike, init: Initialization) -> Weights:
    """Return the weights of the gradient flow when it has reached `beta_pt` (Appendix B.1).

    Along the flow w+ + v+ grows as e^s and w+ - v+ falls as e^-s, and the other way round in the
    negative pathway, so that beta = c sinh(2 s): the weights are a function of beta alone.

    Parameters
    ----------
    beta_pt : float or array
        Coefficients at the end of pretraining.
    init : Initialization

    Returns
    -------
    Weights
    """
    beta_pt = errors.real("beta_pt", beta_pt)
    errors.instance("init", init, Initialization)
    errors.broadcast(beta_pt=beta_pt, c_pt=init.c_pt, lambda_pt=init.lambda_pt)
    start = initial_weights(init)
    growth = np.exp(dual(beta_pt, 2.0 * init.c_pt) / 2.0)  # e^s, beta / c may overflow
    total = start.w_plus + start.v_plus
    # w(0) - v(0), free of cancellation near lambda = 0
    difference = init.c_pt * init.lambda_pt / total
    rising, falling = total * growth, total / growth
    return Weights(
        w_plus=(rising + difference / growth) / 2.0,
        w_minus=(falling + difference * growth) / 2.0,
        v_plus=(rising - difference / growth) / 2.0,
        v_minus=(falling - difference * growth) / 2.0,
    )


def rebalance(weights: Weights, gamma_ft: ArrayLike) -> Weights:
    """Return the weights from which fine-tuning starts, equations (4) and (5).

    Parameters
    ----------
    weights : Weights
        The network after pretraining.
    gamma_ft : float
        Readout scale; at least 0.

    Returns
    -------
    Weights
        Both pathways equal, so that beta = 0; of the shape of `weights` and `gamma_ft` together.
    """
    gamma_ft = errors.real("gamma_ft", gamma_ft, 0.0)
    weights = _checked(weights)
    w, v = errors.broadcast(
        weights=weights.w_plus + weights.w_minus, gamma_ft=gamma_ft / np.sqrt(2.0)
    )
    return Weights(w[()], w[()], v[()], v[()])


def _checked(weights):
    """Return the weights as float64 of shapes that fit together, or raise a ValueError."""
    errors.instance("weights", weights, Weights)
    arrays = {f.name: errors.real(f.name, getattr(weights, f.name)) for f in fields(Weights)}
    errors.broadcast(**arrays)
    return Weights(**arrays)


def conserved_quantities(weights: Weights) -> dict[str, float | np.ndarray]:
    """Return what gradient flow conserves in every coordinate (Appendix B.1).

    Parameters
    ----------
    weights : Weights

    Returns
    -------
    dict of str to array
        `imbalance_plus` = w+^2 - v+^2 and `imbalance_minus` = w-^2 - v-^2 (both lambda c from
        initial weights) and `scale` = w+ w- + v+ v- (c from initial weights).
    """
    weights = _checked(weights)
    return {
        "imbalance_plus": (weights.w_plus - weights.v_plus) * (weights.w_plus + weights.v_plus),
        "imbalance_minus": (weights.w_minus - weights.v_minus)
        * (weights.w_minus + weights.v_minus),
        "scale": weights.w_plus * weights.w_minus + weights.v_plus * weights.v_minus,
    }
