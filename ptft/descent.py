"""Gradient descent on the weights, for many seeds at once, as the paper's experiments run it.

The paper gives a learning rate and a threshold but no normalisation of the loss; here it is the
mean squared error ||y - X beta||^2 / n_samples. An epoch is one step on all samples: with the
learning rate eta it advances gradient flow's time, for ||y - X beta||^2 / 2, by 2 eta / n_samples.
Steps of finite length break the conservation laws a little, so the end depends on eta.
"""

from dataclasses import dataclass, fields

import numpy as np

from . import errors
from .errors import ConvergenceError
from .network import Weights

__all__ = ["Descent", "gradient_descent"]

_CHECK = 100  # epochs between looks at which problems are finished
_DIVERGED = 1e30  # growth of the loss at which a problem is given up, before it overflows


@dataclass(frozen=True)
class Descent:
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
    def beta(self):
        """The linear map that the weights make, shape (..., n_dims)."""
        return self.weights.beta


def gradient_descent(
    X,
    y,
    weights,
    *,
    learning_rate=0.5,
    threshold=1e-4,
    max_epochs=5_000_000,
    device="cpu",
):
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
    max_epochs = int(errors.number("max_epochs", max_epochs, 1))
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
    arrays = [errors.real(f.name, getattr(weights, f.name)) for f in fields(Weights)]
    try:
        return np.stack([np.broadcast_to(array, shape) for array in arrays])
    except ValueError as error:
        shapes = [np.shape(array) for array in arrays]
        raise ValueError(f"weights must broadcast to shape {shape}, got {shapes}") from error


class _Batch:
    """Problems side by side; those that are finished stay as they are, and soon drop out."""

    def __init__(self, X, y, start, rate, threshold, device):
        import torch

        self.torch = torch
        (n_samples, n_dims), tensor = X.shape[-2:], self._on(device)
        self.X, self.y = tensor(X.reshape(-1, n_samples, n_dims)), tensor(y.reshape(-1, n_samples))
        self.weights = tensor(start.reshape(4, -1, n_dims))
        self.step, self.threshold = 2.0 * rate / n_samples, threshold
        self.live = torch.arange(len(self.X), device=device)
        self.epochs = torch.zeros(len(self.X), dtype=torch.int64, device=device)
        self.loss = _missing(self.X, self.y, self.weights)[1]
        self.limit = _DIVERGED * self.loss

    def _on(self, device):
        return lambda array: self.torch.tensor(array, dtype=self.torch.float64, device=device)

    def run(self, max_epochs):
        """Descend until all problems are finished."""
        with self.torch.inference_mode():
            done = 0
            while done < max_epochs and len(self.live):
                n = min(_CHECK, max_epochs - done)
                self._descend(n)
                done += n

    def _descend(self, n_epochs):
        """Take up to n steps with the live problems; drop those that are finished."""
        X, y, weights = self.X[self.live], self.y[self.live], self.weights[:, self.live]
        epochs, limit = self.epochs[self.live], self.limit[self.live]
        for _ in range(n_epochs):
            missing, loss = _missing(X, y, weights)
            open_ = self._open(loss, limit)
            force = (missing.unsqueeze(1) @ X).squeeze(1) * (self.step * open_).unsqueeze(1)
            w_plus, w_minus, v_plus, v_minus = weights
            weights = weights + self.torch.stack(
                [v_plus * force, -v_minus * force, w_plus * force, -w_minus * force]
            )
            epochs = epochs + open_
        self.weights[:, self.live], self.epochs[self.live] = weights, epochs
        self.loss[self.live] = loss = _missing(X, y, weights)[1]
        self.live = self.live[self._open(loss, limit)]

    def _open(self, loss, limit):
        return (loss > self.threshold) & (loss < limit)


def _missing(X, y, weights):
    """Return y - X beta and its mean square."""
    w_plus, w_minus, v_plus, v_minus = weights
    beta = w_plus * v_plus - w_minus * v_minus
    missing = y - (X @ beta.unsqueeze(2)).squeeze(2)
    return missing, missing.square().mean(dim=1)


def _descent(batch, shape, threshold):
    """Return the `Descent`, or raise if a problem is not finished."""
    weights = batch.weights.cpu().numpy()
    loss = batch.loss.cpu().numpy().reshape(shape)
    finished = int(np.sum(loss <= threshold))
    status = (
        f"{finished} of {loss.size} problems reached the loss {threshold:g} after up to "
        f"{int(batch.epochs.max())} epochs"
    )
    if finished < loss.size:
        diverged = int(np.sum(loss >= batch.limit.cpu().numpy().reshape(shape)))
        status += f"; largest loss {loss.max():.1e}, {diverged} diverged (learning_rate too large)"
    result = Descent(
        weights=Weights(*weights.reshape(4, *shape, weights.shape[-1])),
        loss=loss,
        epochs=batch.epochs.cpu().numpy().reshape(shape),
        status=status,
    )
    if finished < loss.size:
        raise ConvergenceError(status, result)
    return result
