"""l-order, pretraining dependence and the regimes they span (Section 5.1, Appendix B.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from .network import Initialization
from .penalty import dual, sqrt_k

__all__ = ["REGIMES", "Regime", "kappa", "l_order", "pretraining_dependence", "regime_weights"]


def kappa(beta_pt: ArrayLike, init: Initialization) -> float | np.ndarray:
    """Return kappa = ``d log sqrt(k) / d log |beta_PT|``, equation (23).

    Parameters
    ----------
    beta_pt : float or array
        Coefficients learned in pretraining.
    init : Initialization

    Returns
    -------
    float or array
        How far a pretrained coefficient carries over into k; in [0, 1].
    """
    scale = sqrt_k(beta_pt, init)
    share = np.abs(beta_pt) / np.hypot(init.c_pt, beta_pt)
    # Below 1 exactly, but the rounded product can be the next number above.
    return np.minimum(2.0 * (1.0 + init.lambda_pt) * (np.abs(beta_pt) / scale) * share, 1.0)


def _dual_coordinates(beta_ft, beta_pt, init):
    """Return u = asinh(zeta) >= 0 and 1 - tanh(u/2)/u, 1/2 at u = 0; r = zeta (u - tanh(u/2))."""
    beta_ft = errors.real("beta_ft", beta_ft)
    scale = sqrt_k(beta_pt, init)
    errors.broadcast(beta_ft=beta_ft, sqrt_k=scale)
    u = np.abs(dual(beta_ft, scale))
    # Below 1e-150 tanh(u/2)/u is 1/2 to all digits; the floor keeps 0/0 away.
    u = np.maximum(u, 1e-150)
    return u, 1.0 - np.tanh(u / 2.0) / u


def l_order(beta_ft: ArrayLike, beta_pt: ArrayLike, init: Initialization) -> float | np.ndarray:
    """Return the l-order ``d log q_k / d log |beta_FT|``, equations (21) and (24).

    Parameters
    ----------
    beta_ft : float or array
        Fine-tuned coefficients, zeta sqrt(k) / 2 with zeta of equation (22); at 0 the limit, 2, is
        returned.
    beta_pt : float or array
        Coefficients learned in pretraining.
    init : Initialization

    Returns
    -------
    float or array
        In [1, 2], inequality (27): 1 for an l1-like (sparse) penalty, 2 for an l2-like one.
    """
    return 1.0 / _dual_coordinates(beta_ft, beta_pt, init)[1]


def pretraining_dependence(
    beta_ft: ArrayLike, beta_pt: ArrayLike, init: Initialization
) -> float | np.ndarray:
    """Return the pretraining dependence, equations (21) and (25).

    It is ``d log q_k / d log |beta_PT|``, at fixed beta_FT and initialisation.

    Parameters
    ----------
    beta_ft, beta_pt, init
        As in `l_order`.

    Returns
    -------
    float or array
        kappa (1 - l-order), in [-1, 0]: -1 where the penalty falls as ``1 / |beta_PT|``, 0 where it
        does not depend on pretraining (as wherever beta_PT = 0).
    """
    u, inverse_order = _dual_coordinates(beta_ft, beta_pt, init)
    # l-order - 1 without the subtraction
    excess = np.tanh(u / 2.0) / u / inverse_order
    return 0.0 - kappa(beta_pt, init) * excess  # no negative zero


def regime_weights(l_order: ArrayLike, pretraining_dependence: ArrayLike) -> np.ndarray:
    """Return barycentric coordinates in the triangle of regimes I, II and III (Fig. 2a).

    Parameters
    ----------
    l_order, pretraining_dependence : float or array
        The corners are I (1, 0), II (2, -1) and III (2, 0).

    Returns
    -------
    array, shape (..., 3)
        Weights of I, II and III; they sum to 1. None is negative: inequalities (27) and (28),
        Proposition 5.1.
    """
    l_order = errors.real("l_order", l_order)
    dependence = errors.real("pretraining_dependence", pretraining_dependence)
    l_order, dependence = errors.broadcast(l_order=l_order, pretraining_dependence=dependence)
    return np.stack([2.0 - l_order, 0.0 - dependence, l_order + dependence - 1.0], axis=-1)


@dataclass(frozen=True)
class Regime:
    """A regime of fine-tuning, with the initialisation that stands for it in Fig. 5.

    Parameters
    ----------
    numeral : str
        The paper's label, "I" to "IV".
    name : str
        Its description.
    init : Initialization
        A representative.
    corner : tuple of float or None
        Limit of (l-order, pretraining dependence) for an active dimension; None for regime IV,
        which lies in between.
    """

    numeral: str
    name: str
    init: Initialization
    corner: tuple[float, float] | None


REGIMES = {
    regime.numeral: regime
    for regime in (
        Regime("I", "rich, pretraining-independent", Initialization(1e-3, -0.999999, 1e-6), (1, 0)),
        Regime("II", "lazy, pretraining-dependent", Initialization(1e-3, 0.0, 0.0), (2, -1)),
        Regime("III", "lazy, pretraining-independent", Initialization(1e-3, 0.0, 10.0), (2, 0)),
        Regime("IV", "rich, pretraining-dependent", Initialization(1e-3, -0.99, 0.0), None),
    )
}
"""The paper's four regimes by numeral."""
