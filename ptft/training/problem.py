"""The problem that flow, solver and message passing share: inputs, labels, penalties."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..model.penalty import penalty_gradient

__all__ = ["checked_data", "checked_scale", "checked_start", "well_conditioned"]


def checked_data(X: ArrayLike, y: ArrayLike, name: str = "y") -> tuple[np.ndarray, np.ndarray]:
    """Return X and y as finite float64 arrays of matching shapes, or raise a ValueError.

    `name` is that of the argument `y`, for the message.
    """
    X, y = errors.real("X", X), errors.real(name, y)
    if np.ndim(X) != 2 or not X.size:
        raise ValueError(f"X must be a non-empty array (n_samples, n_dims), got {np.shape(X)}")
    if np.shape(y) != X.shape[:1]:
        raise ValueError(
            f"{name} must have shape {X.shape[:1]}, one label a row of X, got {np.shape(y)}"
        )
    return X, y


def checked_scale(sqrt_k: ArrayLike, n_dims: int) -> np.ndarray:
    """Return sqrt_k as a positive array of shape (n_dims,), or raise a ValueError."""
    sqrt_k = errors.positive("sqrt_k", sqrt_k)
    if np.shape(sqrt_k) not in ((), (1,), (n_dims,)):
        raise ValueError(
            f"sqrt_k must be a number or of shape ({n_dims},), got shape {np.shape(sqrt_k)}"
        )
    return np.broadcast_to(sqrt_k, (n_dims,))


def checked_start(start: ArrayLike | None, sqrt_k: np.ndarray) -> np.ndarray:
    """Return q_k'(start) of shape (n_dims,), zeros for none, or raise a ValueError."""
    if start is None:
        return np.zeros(sqrt_k.shape)
    start = errors.real("start", start)
    if np.shape(start) != sqrt_k.shape:
        raise ValueError(f"start must have shape {sqrt_k.shape}, got {np.shape(start)}")
    return np.asarray(penalty_gradient(start, sqrt_k))


def well_conditioned(rows: np.ndarray) -> bool:
    """Return whether rows rows^T has a condition number below 1e6."""
    gram = rows @ rows.T
    norm = np.abs(gram).sum(axis=0).max()
    factor, info = scipy.linalg.lapack.dpotrf(gram.T, overwrite_a=True)
    return info == 0 and scipy.linalg.lapack.dpocon(factor, norm)[0] > 1e-6
