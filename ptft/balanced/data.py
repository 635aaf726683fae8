"""The data that linear networks learn: targets of whitened inputs (arXiv 2409.14623)."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from .network import checked_matrix

__all__ = ["correlation", "semantic_tree", "whiten"]


def correlation(X: ArrayLike, Y: ArrayLike, *, tolerance: float = 1e-8) -> np.ndarray:
    """Return the target Sigma = Y^T X / n_samples of whitened data.

    Parameters
    ----------
    X : array, shape (n_samples, n_in)
        Inputs with X^T X / n_samples = I; see `whiten`.
    Y : array, shape (n_samples, n_out)
        Labels.
    tolerance : float
        Allowed deviation of an entry of X^T X / n_samples.

    Returns
    -------
    array, shape (n_out, n_in)

    Raises
    ------
    ValueError
        If the inputs are not whitened or the shapes do not fit.
    """
    X, Y = checked_matrix("X", X), checked_matrix("Y", Y)
    tolerance = errors.number("tolerance", tolerance, 0.0)
    if len(X) != len(Y):
        raise ValueError(f"Y must have one row for each row of X, {len(X)}, got {len(Y)}")
    deviation = np.abs(X.T @ X / len(X) - np.eye(X.shape[1])).max()
    if deviation > tolerance:
        raise ValueError(
            "X must be whitened, X^T X / n_samples = I, for the exact solution; an entry is off "
            f"by {deviation:.2g} (tolerance {tolerance:g}): use whiten(X)"
        )
    return Y.T @ X / len(X)


def whiten(X: ArrayLike) -> np.ndarray:
    """Return the whitened inputs that are closest to X.

    Parameters
    ----------
    X : array, shape (n_samples, n_in)
        Of rank n_in.

    Returns
    -------
    array, shape (n_samples, n_in)
        X (X^T X / n_samples)^(-1/2).
    """
    X = checked_matrix("X", X)
    left, singular, right = scipy.linalg.svd(X, full_matrices=False)
    if len(X) < X.shape[1] or singular[-1] <= singular[0] * len(X) * np.finfo(float).eps:
        raise ValueError(
            f"X must have rank {X.shape[1]}, the number of its columns, to be whitened"
        )
    return np.sqrt(len(X)) * left @ right


def semantic_tree(depth: int = 3) -> np.ndarray:
    """Return the features of the leaves of a binary tree, as a target for one-hot inputs.

    Parameters
    ----------
    depth : int
        Levels below the root, 1 to 10.

    Returns
    -------
    array, shape (2^depth, 2^depth)
        A column for each item. The first feature is common to all; then one for each inner node,
        from the root down: +1 for the items below one branch, -1 below the other, 0 elsewhere. The
        singular values are the square roots of the numbers of items that have the feature.
    """
    depth = errors.whole("depth", depth, 1, 10)
    splits = [
        np.kron(np.eye(2**level), np.repeat([1.0, -1.0], 2 ** (depth - level - 1)))
        for level in range(depth)
    ]
    return np.vstack([np.ones(2**depth), *splits])
