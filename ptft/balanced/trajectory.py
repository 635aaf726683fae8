"""Exact learning dynamics of lambda-balanced two-layer linear networks (arXiv 2409.14623).

The network is f(x) = W2 W1 x. With whitened inputs, gradient flow on the squared error sees of the
data only their correlation, the target Sigma:

    dW1/dt = W2^T (Sigma - W2 W1),    dW2/dt = (Sigma - W2 W1) W1^T.

Where the conserved W2^T W2 - W1 W1^T is `balance` times the identity, Q = [W1^T; W2] obeys
dQ/dt = F Q - Q Q^T Q / 2 with F = [[-balance/2, Sigma^T], [Sigma, balance/2]], and Q Q^T a Riccati
equation, which is solved here in closed form for every balance and number of hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .. import errors
from ..values import Value
from .network import Network, checked_matrix, layer_scales

__all__ = ["Trajectory", "converged_grams", "kernel_movement", "learn", "tangent_kernel"]

_ROUNDING = 1e-13  # relative to the largest singular value of Q; smaller components are zeros
_NEARLY_SINGULAR = 1e-7


@dataclass(frozen=True, eq=False)
class Trajectory(Value):
    """A network during learning, known up to rotations of its hidden units.

    Parameters
    ----------
    times : array, shape (n_times,)
    factor : array, shape (n_times, n_in + n_out, n_hidden)
        [W1^T; W2] times an orthogonal matrix from the right.
    target : array, shape (n_out, n_in)
    balance : float
    limit_loss : float
        The loss at infinite time.
    trapped : int
        Modes that are never learned, although there are hidden units for them.
    status : str
        One sentence.
    """

    times: np.ndarray
    factor: np.ndarray
    target: np.ndarray
    balance: float
    limit_loss: float
    trapped: int
    status: str

    @property
    def _layers(self):
        return np.split(self.factor, [self.target.shape[1]], axis=1)

    @cached_property
    def gram(self) -> np.ndarray:
        """Q Q^T with Q = [W1^T; W2]; shape (n_times, n_in + n_out, n_in + n_out)."""
        return self.factor @ self.factor.swapaxes(1, 2)

    @cached_property
    def function(self) -> np.ndarray:
        """W2 W1; shape (n_times, n_out, n_in)."""
        first, second = self._layers
        return second @ first.swapaxes(1, 2)

    @cached_property
    def input_gram(self) -> np.ndarray:
        """W1^T W1, the similarity of inputs in the hidden layer; shape (n_times, n_in, n_in)."""
        first, _ = self._layers
        return first @ first.swapaxes(1, 2)

    @cached_property
    def output_gram(self) -> np.ndarray:
        """W2 W2^T, the similarity of outputs' weights; shape (n_times, n_out, n_out)."""
        _, second = self._layers
        return second @ second.swapaxes(1, 2)

    @cached_property
    def loss(self) -> np.ndarray:
        """||Sigma - W2 W1||^2 / 2, the loss up to a constant; shape (n_times,)."""
        return np.sum((self.target - self.function) ** 2, axis=(1, 2)) / 2.0

    @cached_property
    def kernel_movement(self) -> np.ndarray:
        """How far the tangent kernel is from that at the first time; shape (n_times,)."""
        start = self.input_gram[0], self.output_gram[0]
        return np.asarray(kernel_movement(*start, self.input_gram, self.output_gram))

    def network(self, index: int = -1) -> Network:
        """Return the network at one of the times, its hidden units in some rotation.

        Learning another task from there has the same course for every such rotation.
        """
        first, second = self._layers
        return Network(first[index].T, second[index])


def learn(
    network: Network, target: ArrayLike, times: ArrayLike, *, balance: float | None = None
) -> Trajectory:
    """Solve gradient flow on ||Sigma - W2 W1||^2 / 2 from a balanced network, in closed form.

    In the eigenvectors of F the rows of Q grow as e^(g t), and arXiv 2409.14623 has

        Q Q^T(t) = e^(F t) Q0 [1 + Q0^T (int_0^t e^(2 F s) ds) Q0]^-1 Q0^T e^(F t).

    Q0 may be rotated from the right. The rotation that makes it an echelon matrix, fastest rows
    first, gives each column a largest growth rate; divided by that growth all is bounded, at any
    time, for singular F and singular starts too. The inverse is taken by QR of its square root.

    Parameters
    ----------
    network : Network
        With W2^T W2 - W1 W1^T = balance I.
    target : array, shape (n_out, n_in)
        Sigma, see `correlation`.
    times : float or array, shape (n_times,)
        At least 0, in any order.
    balance : float, optional
        What the network was made with, if that is known to more digits than its weights tell.

    Returns
    -------
    Trajectory
        It takes about n_times (n_in + n_out + n_hidden) n_hidden^2 operations.

    Raises
    ------
    ValueError
        For an argument outside its range, or a network that is not balanced.

    Examples
    --------
    >>> import numpy as np
    >>> from ptft import balanced
    >>> network = balanced.balanced_network((3, 3, 3), balance=1.0, seed=0)
    >>> path = balanced.learn(network, np.diag([3.0, 2.0, 1.0]), times=[0.0, 1.0, 1e6])
    >>> path.status, bool(path.loss[-1] < 1e-25)
    ('learns the target', True)
    """
    n_in, _, n_out = errors.instance("network", network, Network).shape
    target = checked_matrix("target", target, (n_out, n_in))
    times = errors.vector("times", times, 0.0)
    balance = _checked_balance(network, balance)
    rates, vectors, strengths = _spectrum(target, balance)
    start, pivots = _echelon(vectors.T @ np.vstack([network.w1.T, network.w2]))
    factor = vectors @ _evolve(start, rates, pivots, times)
    limit_loss, trapped, status = _fate(pivots, strengths, start)
    return Trajectory(times, factor, target, balance, limit_loss, trapped, status)


def _checked_balance(network, balance):
    measured = network.balance
    if network.imbalance > 1e-9:
        raise ValueError(
            "network must be balanced, W2^T W2 - W1 W1^T a multiple of the identity, but an entry "
            f"is off by {network.imbalance:.2g} of the squared weights: see balanced_network"
        )
    balance = measured if balance is None else errors.number("balance", balance)
    size = np.sum(network.w1**2) + np.sum(network.w2**2)
    if abs(balance - measured) > 1e-9 * size:
        raise ValueError(f"balance must be the network's, {measured:.10g}, got {balance:.10g}")
    return balance


def _spectrum(target, balance):
    """Return F's eigenvalues in descending order, its eigenvectors, and the singular values."""
    n_out, n_in = target.shape
    left, strengths, right = scipy.linalg.svd(target)
    n = len(strengths)
    kappa = np.hypot(strengths, balance / 2.0)
    cosine, sine = _angles(strengths, kappa, balance)
    left_modes, right_modes = left[:, :n], right[:n].T
    growing = np.vstack([right_modes * cosine, left_modes * sine])
    shrinking = np.vstack([-right_modes * sine, left_modes * cosine])
    outside = np.zeros((n_in + n_out, abs(n_out - n_in)))
    outside[:n_in, : n_in - n] = right[n:].T
    outside[n_in:, : n_out - n] = left[:, n:]
    rate = np.sign(n_out - n_in) * balance / 2.0
    rates = np.concatenate([kappa, np.full(abs(n_out - n_in), rate), -kappa[::-1]])
    return rates, np.hstack([growing, outside, shrinking[:, ::-1]]), strengths


def _angles(strengths, kappa, balance):
    """Return cos phi and sin phi of the eigenvectors, the smaller one without cancellation."""
    zero = kappa == 0.0  # both eigenvalues are 0, and any angle will do
    kappa = np.where(zero, 1.0, kappa)
    larger = np.sqrt(0.5 + abs(balance) / (4.0 * kappa))
    smaller = np.where(zero, larger, strengths / (2.0 * kappa * larger))
    return (smaller, larger) if balance >= 0.0 else (larger, smaller)


def _echelon(rows):
    """Rotate the columns until each starts at a row of its own; return them and those rows.

    Column j is zero above row pivots[j], and pivots ascend; columns of zeros have no pivot. What
    is as small as rounding errors becomes zero: the course from a singular start depends on it.
    """
    rows = rows.copy()
    tiny = _ROUNDING * np.linalg.norm(rows, 2)
    pivots = []
    for i in range(len(rows)):
        j = len(pivots)
        if j == rows.shape[1]:
            break
        if np.linalg.norm(rows[i, j:]) <= tiny:
            rows[i, j:] = 0.0
            continue
        rotation, _ = scipy.linalg.qr(rows[i : i + 1, j:].T)
        rows[i:, j:] = rows[i:, j:] @ rotation
        rows[i, j + 1 :] = 0.0
        pivots.append(i)
    return rows, np.array(pivots, dtype=int)


def _evolve(start, rates, pivots, times):
    """Return a square root of Q Q^T at all times, in the basis of F's eigenvectors."""
    n_hidden = start.shape[1]
    column_rates = np.zeros(n_hidden)
    column_rates[: len(pivots)] = np.maximum(rates[pivots], 0.0)
    t = times[:, None, None]
    # no entry that is not zero has an exponent above 0
    exponents = np.minimum(rates[:, None] - column_rates, 0.0)
    grown = start * np.exp(exponents * t)
    integrated = start * np.exp(np.minimum(np.maximum(rates, 0.0)[:, None] - column_rates, 0.0) * t)
    integrated *= np.sqrt(_saturation(rates, times))[:, :, None]
    identity = np.eye(n_hidden) * np.exp(-column_rates * t)
    root = np.linalg.qr(np.concatenate([integrated, identity], axis=1), mode="r")
    return np.linalg.solve(root.swapaxes(1, 2), grown.swapaxes(1, 2)).swapaxes(1, 2)


def _saturation(rates, times):
    """Return int_0^t e^(-2 |g| s) ds, of shape (n_times, n_rates)."""
    x = 2.0 * np.abs(rates) * times[:, None]
    small = x < 1e-8
    return times[:, None] * np.where(small, 1.0 - x / 2.0, -np.expm1(-x) / np.where(small, 1.0, x))


def _fate(pivots, strengths, start):
    """Return the loss at infinite time, how many modes could have been learned, and the status."""
    rank = int(np.sum(strengths > _ROUNDING * strengths[0]))
    n_hidden = start.shape[1]
    learnable = min(rank, n_hidden)
    learned = pivots[pivots < rank]
    limit_loss = float(np.sum(np.delete(strengths, learned) ** 2) / 2.0)
    trapped = int(learnable - np.sum(learned < learnable))
    status = "learns the target"
    if trapped:
        status = (
            f"singular start: {trapped} of {learnable} modes never learned, the loss stays on a "
            f"plateau of {limit_loss:.6g}"
        )
    elif n_hidden < rank:
        status = f"learns {n_hidden} of {rank} modes, one for each hidden unit"
    size = np.abs(start[learned, np.arange(len(learned))])
    if len(size) and size.min() < _NEARLY_SINGULAR * np.linalg.norm(start, 2):
        status += "; nearly singular start: rounding errors blur when its plateau ends"
    return limit_loss, trapped, status


# --- Kernels and representations ------------------------------------------------------------------


def tangent_kernel(
    input_gram: ArrayLike, output_gram: ArrayLike, X: ArrayLike | None = None
) -> np.ndarray:
    """Return the neural tangent kernel of a two-layer linear network.

    Parameters
    ----------
    input_gram : array, shape (n_in, n_in)
        W1^T W1.
    output_gram : array, shape (n_out, n_out)
        W2 W2^T.
    X : array, shape (n_samples, n_in), optional
        Inputs; the unit vectors by default.

    Returns
    -------
    array, shape (n_out n_samples, n_out n_samples)
        Of outputs and inputs in row-major order: I (x) X W1^T W1 X^T + W2 W2^T (x) X X^T.
    """
    input_gram, output_gram = _square("input_gram", input_gram), _square("output_gram", output_gram)
    X = np.eye(len(input_gram)) if X is None else checked_matrix("X", X)
    if X.shape[1] != len(input_gram):
        raise ValueError(f"X must have {len(input_gram)} columns, as input_gram, got {X.shape[1]}")
    first = np.kron(np.eye(len(output_gram)), X @ input_gram @ X.T)
    return first + np.kron(output_gram, X @ X.T)


def _square(name, value):
    value = checked_matrix(name, value)
    return checked_matrix(name, value, (len(value), len(value)))


def kernel_movement(
    input_gram: ArrayLike,
    output_gram: ArrayLike,
    new_input_gram: ArrayLike,
    new_output_gram: ArrayLike,
) -> float | np.ndarray:
    """Return 1 - cos of the angle between two tangent kernels on whitened inputs.

    Parameters
    ----------
    input_gram, new_input_gram : array, shape (..., n_in, n_in)
        W1^T W1 of the two networks.
    output_gram, new_output_gram : array, shape (..., n_out, n_out)
        W2 W2^T; leading dimensions broadcast.

    Returns
    -------
    float or array, shape (...)
        In [0, 1]; without cancellation where the kernels are nearly the same.
    """
    old = _normalised(input_gram, output_gram)
    new = _normalised(new_input_gram, new_output_gram)
    gap = _squared_norm(new[0] - old[0], new[1] - old[1])
    return np.clip(gap / 2.0, 0.0, 1.0)[()]


def _normalised(input_gram, output_gram):
    input_gram = errors.real("input_gram", input_gram)
    output_gram = errors.real("output_gram", output_gram)
    size = np.sqrt(_squared_norm(input_gram, output_gram))[..., None, None]
    if not np.all(size > 0.0):
        raise ValueError("input_gram and output_gram must not both be 0: the angle is undefined")
    return input_gram / size, output_gram / size


def _squared_norm(input_gram, output_gram):
    """Return the squared Frobenius norm of I (x) input_gram + output_gram (x) I."""
    traces = [np.trace(gram, axis1=-2, axis2=-1) for gram in (input_gram, output_gram)]
    squares = [np.sum(np.square(gram), axis=(-2, -1)) for gram in (input_gram, output_gram)]
    n_in, n_out = input_gram.shape[-1], output_gram.shape[-1]
    return n_out * squares[0] + 2.0 * traces[0] * traces[1] + n_in * squares[1]


def converged_grams(target: ArrayLike, balance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the representations of a network that has learned, W1^T W1 and W2 W2^T.

    Parameters
    ----------
    target : array, shape (n_out, n_in)
        Sigma = U S V^T.
    balance : float

    Returns
    -------
    tuple of array, shapes (n_in, n_in) and (n_out, n_out)
        V (kappa - balance/2) V^T and U (kappa + balance/2) U^T, kappa = sqrt(S^2 + balance^2/4),
        of a network with min(n_in, n_out) hidden units. With more of them it may have kept more.
    """
    left, strengths, right = scipy.linalg.svd(checked_matrix("target", target), full_matrices=False)
    first, second = layer_scales(strengths, errors.number("balance", balance))
    return (right.T * first**2) @ right, (left * second**2) @ left.T
