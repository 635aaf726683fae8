"""Gradient descent on the weights, for many seeds at once, as the paper's experiments run it.

The paper gives a learning rate and a threshold but no normalisation of the loss; here it is the
mean squared error ||y - X beta||^2 / n_samples. An epoch is one step on all samples: with the
learning rate eta it advances gradient flow's time, for ||y - X beta||^2 / 2, by 2 eta / n_samples.
Steps of finite length break the conservation laws a little, so the end depends on eta.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..errors import ConvergenceError
from ..model.network import Weights
from ..values import Value

__all__ = ["Descent", "gradient_descent"]

_CHECK = 100  # epochs between looks at which problems are finished
_DIVERGED = 1e30  # growth of the loss at which a problem is given up, before it overflows


@dataclass(frozen=True, eq=False)
class Descent(Value):
    """Where gradient descent ends.

    Parameters
    ----------
    weights : Weights
        Arrays of shape (..., n_dims).
    loss : array, shape (...)
        Mean squared error.
    epochs : array of int, shape (...)
        Steps taken.
    status : str
        One sentence.
    """

    weights: Weights
    loss: np.ndarray
    epochs: np.ndarray
    status: str

    @property
    def beta(self) -> np.ndarray:
        """The linear map that the weights make, shape (..., n_dims)."""
        return np.asarray(self.weights.beta)


def gradient_descent(
    X: ArrayLike,
    y: ArrayLike,
    weights: Weights,
    *,
    learning_rate: float = 0.5,
    threshold: float = 1e-4,
    max_epochs: int = 5_000_000,
    device: str = "cpu",
) -> Descent:
    """Descend the mean squared error from given weights; needs torch.

    The defaults are the paper's (Appendix E.2.6). Its fine-tuning starts from
    `rebalance(pretrained_weights(beta_pt, init), gamma_ft)`.

    Parameters
    ----------
    X : array, shape (..., n_samples, n_dims)
        Inputs; leading axes hold independent problems, such as seeds.
    y : array, shape (..., n_samples)
        Labels.
    weights : Weights
        Of arrays that broadcast to shape (..., n_dims).
    learning_rate : float
        Larger than 0. Too large a rate diverges, the sooner the larger the weights.
    threshold : float
        A problem ends when its mean squared error is no larger; larger than 0.
    max_epochs : int
        After which all problems end; at least 1.
    device : str
        Where torch computes, in float64: "cpu" or "cuda".

    Returns
    -------
    Descent

    Raises
    ------
    ValueError
        For an argument outside its range.
    ConvergenceError
        If a loss diverges or stays above the threshold; its `partial` is the `Descent` so far.
    """
    X, y = _checked_batch(X, y)
    start = _checked_start(weights, (*X.shape[:-2], X.shape[-1]))
    rate = errors.number("learning_rate", learning_rate, 0.0, open_low=True)
    threshold = errors.number("threshold", threshold, 0.0, open_low=True)
    max_epochs = errors.whole("max_epochs", max_epochs)
    batch = _Batch(X, y, start, rate, threshold, device)
    batch.run(max_epochs)
    return _descent(batch, X.shape[:-2], threshold)


def _checked_batch(X, y):
    X, y = errors.real("X", X), errors.real("y", y)
    if np.ndim(X) < 2 or not X.size:
        raise ValueError(f"X must be a non-empty array (..., n_samples, n_dims), got {np.shape(X)}")
    if np.shape(y) != X.shape[:-1]:
        raise ValueError(f"y must have shape {X.shape[:-1]}, as X says, got {np.shape(y)}")
    return X, y


def _checked_start(weights, shape):
    """Return the four weight arrays stacked, shape (4, *shape)."""
    errors.instance("weights", weights, Weights)
    arrays = [errors.real(f.name, getattr(weights, f.name)) for f in fields(Weights)]
    try:
        return np.stack([np.broadcast_to(array, shape) for array in arrays])
    except ValueError as error:
        shapes = [np.shape(array) for array in arrays]
        raise ValueError(f"weights must broadcast to shape {shape}, got {shapes}") from error


class _Batch:
    """Problems side by side; the arrays without `all_` hold those that are not finished."""

    def __init__(self, X, y, start, rate, threshold, device):
        with errors.needs("vision"):
            import torch

        def tensor(array, *shape):
            return torch.tensor(array.reshape(shape), dtype=torch.float64, device=device)

        (n_samples, n_dims), self.torch = X.shape[-2:], torch
        self.X, self.y = tensor(X, -1, n_samples, n_dims), tensor(y, -1, n_samples)
        self.weights = tensor(start, 4, -1, n_dims)
        self.step, self.threshold = 2.0 * rate / n_samples, threshold
        self.loss = _missing(self.X, self.y, self.weights)[1]
        self.limit = _DIVERGED * self.loss
        self.live = torch.arange(len(self.X), device=device)
        self.epochs = torch.zeros_like(self.live)
        self.all_weights, self.all_limits = self.weights.clone(), self.limit
        self.all_loss, self.all_epochs = self.loss.clone(), self.epochs.clone()

    def run(self, max_epochs):
        """Descend until all problems are finished."""
        with self.torch.inference_mode():
            self._drop_finished()
            for done in range(0, max_epochs, _CHECK):
                if not len(self.live):
                    break
                self._descend(min(_CHECK, max_epochs - done))
                self._drop_finished()

    def _descend(self, n_epochs):
        """Take up to n steps; problems that finish on the way stay as they are."""
        for _ in range(n_epochs):
            missing, loss = _missing(self.X, self.y, self.weights)
            open_ = self._open(loss)
            # A number times a boolean tensor would be rounded to single precision.
            step = self.step * open_.to(self.X.dtype)
            force = (missing.unsqueeze(1) @ self.X).squeeze(1) * step.unsqueeze(1)
            w_plus, w_minus, v_plus, v_minus = self.weights
            change = [v_plus * force, -v_minus * force, w_plus * force, -w_minus * force]
            self.weights = self.weights + self.torch.stack(change)
            self.epochs = self.epochs + open_
        self.loss = _missing(self.X, self.y, self.weights)[1]

    def _drop_finished(self):
        """Note where the problems are, and go on with the open ones."""
        self.all_weights[:, self.live] = self.weights
        self.all_loss[self.live], self.all_epochs[self.live] = self.loss, self.epochs
        keep = self._open(self.loss)
        if not keep.all():
            self.X, self.y, self.weights = self.X[keep], self.y[keep], self.weights[:, keep]
            self.loss, self.limit = self.loss[keep], self.limit[keep]
            self.live, self.epochs = self.live[keep], self.epochs[keep]

    def _open(self, loss):
        return (loss > self.threshold) & (loss < self.limit)


def _missing(X, y, weights):
    """Return y - X beta and its mean square."""
    w_plus, w_minus, v_plus, v_minus = weights
    beta = w_plus * v_plus - w_minus * v_minus
    missing = y - (X @ beta.unsqueeze(2)).squeeze(2)
    return missing, missing.square().mean(dim=1)


def _descent(batch, shape, threshold):
    """Return the `Descent`, or raise if a problem is not finished."""
    weights = batch.all_weights.cpu().numpy()
    loss = batch.all_loss.cpu().numpy().reshape(shape)
    finished = int(np.sum(loss <= threshold))
    status = (
        f"{finished} of {loss.size} problems reached the loss {threshold:g} after up to "
        f"{int(batch.all_epochs.max())} epochs"
    )
    if finished < loss.size:
        diverged = int(np.sum(loss >= batch.all_limits.cpu().numpy().reshape(shape)))
        status += f"; largest loss {loss.max():.1e}"
        status += f"; {diverged} diverged: learning_rate is too large" if diverged else ""
    result = Descent(
        weights=Weights(*weights.reshape(4, *shape, weights.shape[-1])),
        loss=loss,
        epochs=batch.all_epochs.cpu().numpy().reshape(shape),
        status=status,
    )
    if finished < loss.size:
        raise ConvergenceError(status, result)
    return result
