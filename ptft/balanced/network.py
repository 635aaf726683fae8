"""Lambda-balanced two-layer linear networks (arXiv 2409.14623).

The network is f(x) = W2 W1 x. Gradient flow on the squared error conserves W2^T W2 - W1 W1^T; a
balanced network is one where that is a multiple of the identity, `balance`.

`balance` is that paper's lambda: second layer minus first. The lambda_pt of diagonal networks
(`ptft.Initialization`) is first minus second, and relative to c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..values import Value

__all__ = ["Network", "balanced_network", "checked_matrix", "layer_scales"]


@dataclass(frozen=True, eq=False)
class Network(Value):
    """A two-layer linear network, f(x) = w2 w1 x.

    Parameters
    ----------
    w1 : array, shape (n_hidden, n_in)
        First layer.
    w2 : array, shape (n_out, n_hidden)
        Second layer.

    Raises
    ------
    ValueError
        If they are not finite matrices whose shapes fit.
    """

    w1: np.ndarray
    w2: np.ndarray

    def __post_init__(self):
        for name in ("w1", "w2"):
            object.__setattr__(self, name, checked_matrix(name, getattr(self, name)))
        if self.w1.shape[0] != self.w2.shape[1]:
            raise ValueError(
                "w1 must have as many rows as w2 has columns, one for each hidden unit, got "
                f"shapes {self.w1.shape} and {self.w2.shape}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of input, hidden and output units."""
        return (self.w1.shape[1], *self.w2.shape[::-1])

    @property
    def function(self) -> np.ndarray:
        """The linear map W2 W1 that the network computes; shape (n_out, n_in)."""
        return self.w2 @ self.w1

    @property
    def balance(self) -> float:
        """The mean of the diagonal of W2^T W2 - W1 W1^T, which gradient flow conserves."""
        return float((np.sum(self.w2**2) - np.sum(self.w1**2)) / len(self.w1))

    @property
    def imbalance(self) -> float:
        """Largest entry of W2^T W2 - W1 W1^T - balance I, relative to the squared weights."""
        gap = self.w2.T @ self.w2 - self.w1 @ self.w1.T - self.balance * np.eye(len(self.w1))
        size = max(np.sum(self.w1**2), np.sum(self.w2**2)) or 1.0
        return float(np.abs(gap).max() / size)


def balanced_network(
    shape: Sequence[int],
    balance: float,
    *,
    seed: int | np.random.SeedSequence | np.random.Generator,
    singular_values: ArrayLike = 0.1,
    target: ArrayLike | None = None,
) -> Network:
    """Draw a network with W2^T W2 - W1 W1^T = balance I.

    Parameters
    ----------
    shape : tuple of int
        Numbers of input, hidden and output units, each at least 1.
    balance : float
        Lambda of arXiv 2409.14623; positive: the second layer is the larger one. Any number if
        n_hidden <= min(n_in, n_out). With more hidden units than inputs it cannot be negative
        (W1 W1^T would need a rank above n_in), with more than outputs it cannot be positive.
    seed : int, SeedSequence or Generator
        Of the singular vectors and of the hidden units' rotation.
    singular_values : float or array, shape (min(shape),)
        Of W2 W1; at least 0.
    target : array, shape (n_out, n_in), optional
        Take the singular vectors of this matrix, instead of random ones: an aligned start.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If no network of this shape has that balance, or for an argument outside its range.

    Examples
    --------
    >>> from ptft import balanced
    >>> network = balanced.balanced_network((4, 3, 5), balance=-2.0, seed=0)
    >>> round(network.balance, 12), network.imbalance < 1e-14
    (-2.0, True)
    """
    shape, balance = _feasible(shape, balance)
    n_in, n_hidden, n_out = shape
    rng = np.random.default_rng(seed)
    left, right = _singular_vectors(n_out, n_in, target, rng)
    singular_values = errors.real("singular_values", singular_values, 0.0)
    if np.shape(singular_values) not in ((), (min(shape),)):
        raise ValueError(
            f"singular_values must be a number or of shape ({min(shape)},), one for each of the "
            f"fewest units of a layer, got shape {np.shape(singular_values)}"
        )
    # hidden units beyond the fewest of the other layers take no part in the function
    padded = np.zeros(n_hidden)
    padded[: min(shape)] = singular_values
    first, second = layer_scales(padded, balance)
    rotation = _orthogonal(n_hidden, rng)
    return Network(
        w1=(rotation[:, :n_in] * first[:n_in]) @ right[:, :n_hidden].T,
        w2=(left[:, :n_hidden] * second[:n_out]) @ rotation[:, :n_out].T,
    )


def layer_scales(singular_values: np.ndarray, balance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular values of both layers; their product is `singular_values`."""
    half = abs(balance) / 2.0
    larger = np.sqrt(np.hypot(singular_values, half) + half)
    smaller = np.divide(singular_values, larger, out=np.zeros_like(larger), where=larger > 0.0)
    return (smaller, larger) if balance >= 0.0 else (larger, smaller)


def _feasible(shape, balance):
    """Return shape and balance, or raise a ValueError that says why they exclude each other."""
    balance = errors.number("balance", balance)
    try:
        n_in, n_hidden, n_out = shape
    except (TypeError, ValueError) as error:
        raise ValueError(f"shape must be (n_in, n_hidden, n_out), got {shape!r}") from error
    if any(not isinstance(n, int | np.integer) or n < 1 for n in (n_in, n_hidden, n_out)):
        raise ValueError(f"shape must hold three integers, each at least 1, got {shape!r}")
    low = 0.0 if n_hidden > n_in else -np.inf
    high = 0.0 if n_hidden > n_out else np.inf
    if not low <= balance <= high:
        layer, n = ("first", n_in) if balance < 0.0 else ("second", n_out)
        allowed = {(0.0, 0.0): "0", (0.0, np.inf): "at least 0"}.get((low, high), "at most 0")
        raise ValueError(
            f"balance must be {allowed} for shape {tuple(shape)}, got {balance:g}: "
            f"{n_hidden} hidden units would need a {layer} layer of that rank, but it has rank "
            f"{n} at most"
        )
    return (int(n_in), int(n_hidden), int(n_out)), balance


def _singular_vectors(n_out, n_in, target, rng):
    """Return orthogonal matrices of output and input vectors: the target's, or random ones."""
    if target is None:
        return _orthogonal(n_out, rng), _orthogonal(n_in, rng)
    target = checked_matrix("target", target, (n_out, n_in))
    left, _, right = scipy.linalg.svd(target)
    return left, right.T


def _orthogonal(n, rng):
    return scipy.stats.ortho_group.rvs(n, random_state=rng) if n > 1 else np.ones((1, 1))


def checked_matrix(name: str, value: ArrayLike, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Return `value` as a finite, non-empty float64 matrix, or raise a ValueError."""
    value = errors.real(name, value)
    if np.ndim(value) != 2 or not value.size or (shape and value.shape != shape):
        expected = f"of shape {shape}" if shape else "a non-empty matrix"
        raise ValueError(f"{name} must be {expected}, got shape {np.shape(value)}")
    return value


# --- The data -------------------------------------------------------------------------------------
