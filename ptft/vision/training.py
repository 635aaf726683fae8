"""Training by the published recipe, with the data where the network is.

A batch is one indexing of a tensor on the device: there is no data loader. The order of the samples
in an epoch is drawn from a seed and the epoch's number alone, so training that was stopped goes on
from its last checkpoint to the same end, to the last bit on one machine.
"""

import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import errors
from ..sweeps import storage
from .model import scaled_parameters

with errors.needs("vision"):
    import torch

__all__ = ["Fit", "Recipe", "batches", "load", "normalised", "save", "train"]

_SAVE_EVERY = 30.0  # seconds between checkpoints


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults are the published recipe.

    Parameters
    ----------
    learning_rate, momentum : float
        Of stochastic gradient descent, without weight decay.
    batch : int
        Samples a step, or all if there are fewer.
    loss : float
        Training ends after an epoch whose mean cross-entropy is below this; 0 for never.
    max_epochs : int
        Or after so many epochs.
    mixed_precision : bool
        bfloat16 where torch's autocast deems it safe.
    channels_last : bool
        The memory layout that tensor cores prefer.
    compiled : bool
        Through `torch.compile`.
    early_rate : float
        Factor of the learning rate of the parameters that kappa scales (see `model`). With batch
        normalisation, training with kappa is training with the early rate 1/kappa^2 instead,
        exactly as far as the constant that normalisation adds to variances is 0. As torch has it,
        1e-5, it moves the logits of a new ResNet-18 by 0.3% at kappa = 1/2, and training from there
        takes another course: only averages over networks are then comparable. Running statistics
        agree once they have forgotten where they started.
    """

    learning_rate: float = 1e-3
    momentum: float = 0.9
    batch: int = 128
    loss: float = 1e-2
    max_epochs: int = 1000
    mixed_precision: bool = False
    channels_last: bool = False
    compiled: bool = False
    early_rate: float = 1.0

    def __post_init__(self):
        for name in ("learning_rate", "early_rate"):
            errors.number(name, getattr(self, name), 0.0, open_low=True)
        errors.number("momentum", self.momentum, 0.0, 1.0, open_high=True)
        errors.number("loss", self.loss, 0.0)
        for name, low in (("batch", 2), ("max_epochs", 1)):
            errors.whole(name, getattr(self, name), low)


@dataclass(frozen=True)
class Fit:
    """How training ended.

    Parameters
    ----------
    status : str
        "converged" if the loss fell below the recipe's, "unconverged" if the epochs ran out, or
        "diverged" if it was not finite.
    epochs : int
    loss : float
        Mean over the last epoch, of each batch before the step taken on it.
    seconds : float
        Of computing, those before an interruption included.
    """

    status: str
    epochs: int
    loss: float
    seconds: float


def normalised(images):
    """Return images of bytes as floats in [-1, 1]: mean 0.5, standard deviation 0.5 taken off."""
    return images.float().div_(127.5).sub_(1.0)


def batches(order, size):
    """Split sample numbers into batches; a last one of one sample joins the one before.

    Batch normalisation cannot train on one value a channel, which is what a single small image
    leaves in the last stage.
    """
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def save(path, content):
    """Write tensors and plain values to a file that is either whole or absent."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    storage.write(path, buffer.getbuffer())


def load(path, device="cpu"):
    """Read what `save` wrote; nothing but tensors and plain values is unpickled."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"checkpoint {path} cannot be read; remove it: {error}") from error


def _order(key, epoch, n_samples):
    seed = np.random.SeedSequence(entropy=key, spawn_key=(epoch,))
    return torch.from_numpy(np.random.default_rng(seed).permutation(n_samples))


def _groups(model, recipe, norm):
    """Return the parameters that kappa scales and the others, each with their learning rate."""
    early = list(scaled_parameters(model, "kappa", norm).values())
    known = {id(parameter) for parameter in early}
    late = [parameter for parameter in model.parameters() if id(parameter) not in known]
    rate = recipe.learning_rate
    return [{"params": early, "lr": rate * recipe.early_rate}, {"params": late, "lr": rate}]


class _Trainer:
    """Network, optimiser and progress of one training run."""

    def __init__(self, model, recipe, columns, norm):
        self.model, self.recipe, self.columns = model, recipe, columns
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.layout = layout
        model.to(memory_format=layout).train()
        self.forward = torch.compile(model) if recipe.compiled else model
        self.optimizer = torch.optim.SGD(_groups(model, recipe, norm), momentum=recipe.momentum)
        self.epoch, self.loss, self.seconds = 0, float("inf"), 0.0

    @property
    def status(self):
        """What `Fit.status` would be now, or None while training goes on."""
        if np.isnan(self.loss) or (self.epoch and np.isinf(self.loss)):
            return "diverged"
        if self.loss < self.recipe.loss:
            return "converged"
        return "unconverged" if self.epoch >= self.recipe.max_epochs else None

    def state(self):
        """Return everything that training on from here needs."""
        progress = {name: getattr(self, name) for name in ("epoch", "loss", "seconds")}
        states = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return progress | states

    def restore(self, state):
        """Go on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.loss, self.seconds = (state[n] for n in ("epoch", "loss", "seconds"))

    def run_epoch(self, images, labels, key):
        """Take one step on each batch of all samples."""
        start = time.perf_counter()
        order = _order(key, self.epoch, len(images)).to(images.device)
        total = torch.zeros((), device=images.device)
        for index in batches(order, self.recipe.batch):
            total += self._step(images[index], labels[index]) * len(index)
        self.loss = (total / len(images)).item()  # the only wait for the device
        self.epoch += 1
        self.seconds += time.perf_counter() - start

    def _step(self, images, labels):
        images = normalised(images).contiguous(memory_format=self.layout)
        with torch.autocast(images.device.type, torch.bfloat16, self.recipe.mixed_precision):
            outputs = self.forward(images)
            if self.columns is not None:
                outputs = outputs[:, self.columns]
            loss = torch.nn.functional.cross_entropy(outputs, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def train(
    model, images, labels, recipe, key, *, columns=None, norm=True, checkpoint=None, report=None
):
    """Train a network in place until the recipe says to stop.

    Parameters
    ----------
    model : torch.nn.Module
        On the device of the images.
    images : tensor of uint8, shape (n_samples, 3, height, width)
        At least two.
    labels : tensor of int64, shape (n_samples,)
        Positions among the outputs, or among `columns`.
    recipe : Recipe
    key : list of int
        Entropy of the order of samples.
    columns : list of int, optional
        The outputs that enter the cross-entropy; all by default.
    norm : bool
        Whether the recipe's early rate is that of batch normalisation's parameters too.
    checkpoint : str or Path, optional
        A file to resume from, if it is there, and to write every half minute and at the end.
    report : callable, optional
        Called after each epoch with its number and loss.

    Returns
    -------
    Fit
    """
    if len(images) < 2 or len(images) != len(labels):
        counts = f"{len(images)} images and {len(labels)} labels"
        raise ValueError(f"images must be at least two, with as many labels, got {counts}")
    trainer = _Trainer(model, recipe, columns, norm)
    if checkpoint is not None and Path(checkpoint).exists():
        trainer.restore(load(checkpoint, images.device))
    saved = time.monotonic()
    while trainer.status is None:
        trainer.run_epoch(images, labels, key)
        if report is not None:
            report(trainer.epoch, trainer.loss)
        due = trainer.status is not None or time.monotonic() - saved > _SAVE_EVERY
        if checkpoint is not None and due:
            save(checkpoint, trainer.state())
            saved = time.monotonic()
    return Fit(trainer.status, trainer.epoch, trainer.loss, trainer.seconds)
