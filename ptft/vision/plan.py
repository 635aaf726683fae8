"""What is pretrained and fine-tuned on what, and by which random numbers; the presets.

A split holds some classes out. For every split and every (kappa, c) one network is pretrained on
the other classes. A `Job` is one pair of held-out classes, one number of samples and one pretrained
network: from it, one fine-tuning for every (gamma, d) asked for, all on the same samples in the
same order. Initialisation, order and samples do not depend on the multipliers either, so settings
are compared pairwise. Random numbers are keyed by the split and by the pair alone.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np

from .. import errors
from .training import Recipe

__all__ = ["PRESETS", "Job", "Multipliers", "Plan", "chosen", "one_at_a_time", "splits"]

_SALT = 2602020062  # separates these random streams from others with the same small seeds
PRETRAINING, SAMPLES, ORDER = range(3)
"""Kinds of streams."""


@dataclass(frozen=True, order=True)
class Multipliers:
    """A setting: factors by which parameters are scaled (see `model`).

    Parameters
    ----------
    kappa, c : float
        At initialisation; larger than 0.
    gamma, d : float
        Before fine-tuning; d larger than 0, gamma at least 0.
    """

    kappa: float = 1.0
    c: float = 1.0
    gamma: float = 1.0
    d: float = 1.0

    def __post_init__(self):
        for name in ("kappa", "c", "gamma", "d"):
            errors.number(name, getattr(self, name), 0.0, open_low=name != "gamma")


def one_at_a_time(**values):
    """Return the baseline, and every value of every multiplier with the others at 1."""
    found = {Multipliers()}
    for name, factors in values.items():
        found |= {Multipliers(**{name: float(factor)}) for factor in factors}
    return tuple(sorted(found))


@dataclass(frozen=True)
class Plan:
    """What is pretrained and fine-tuned.

    Parameters
    ----------
    settings : tuple of Multipliers
    samples : tuple of int
        Numbers of fine-tuning samples, half of each class of a pair.
    n_splits : int
        Of the classes into those pretrained on and those held out.
    n_held_out : int
        Classes that each split holds out.
    n_pairs : int
        Pairs of them, drawn without repetition.
    per_class : tuple of int
        Training images of a class for pretraining at most, and test images at most.
    pretraining, fine_tuning : Recipe
    all_outputs : bool
        Whether fine-tuning's cross-entropy is over all outputs, or over the pair's two. The test
        asks for the larger of the two in any case.
    norm : bool
        Whether the multipliers scale the parameters of batch normalisation.
    initialisation : int
        Which of the networks that a split could start from. Splits, samples and their order do not
        depend on it, so pairs tell what another initialisation alone changes.
    seed : int
    """

    settings: tuple
    samples: tuple
    n_splits: int = 1
    n_held_out: int = 2
    n_pairs: int = 1
    per_class: tuple = (500, 100)
    pretraining: Recipe = field(default_factory=Recipe)
    fine_tuning: Recipe = field(default_factory=Recipe)
    all_outputs: bool = False
    norm: bool = True
    initialisation: int = 0
    seed: int = 0

    def __post_init__(self):
        for name in ("n_splits", "n_pairs"):
            errors.whole(name, getattr(self, name))
        errors.whole("initialisation", self.initialisation, 0)
        errors.whole("n_held_out", self.n_held_out, 2)
        available = self.n_held_out * (self.n_held_out - 1) // 2
        errors.whole("n_pairs", self.n_pairs, 1, available)
        errors.vector("samples", self.samples, 2, 2 * self.per_class[0])
        if not self.settings:
            raise ValueError("settings must hold at least one Multipliers")

    def pretrainings(self):
        """Return the (split, kappa, c) for which a network is pretrained."""
        started = sorted({(s.kappa, s.c) for s in self.settings})
        return [(split, *start) for split in range(self.n_splits) for start in started]


_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0)  # the published recipe's

PRESETS = {
    "smoke": Plan(
        settings=one_at_a_time(gamma=(0.125, 8.0), d=(0.5,)),
        samples=(20,),
        n_held_out=4,
        n_pairs=2,
        per_class=(20, 20),
        pretraining=Recipe(learning_rate=1e-2, max_epochs=2),
        fine_tuning=Recipe(max_epochs=30),
    ),
    "small": Plan(
        settings=one_at_a_time(gamma=(0.125, 0.5, 2.0, 8.0), d=(0.25, 0.5, 2.0)),
        samples=(20,),
        n_held_out=20,
        n_pairs=24,
        per_class=(200, 100),
        pretraining=Recipe(learning_rate=0.03, batch=64, max_epochs=10),
        fine_tuning=Recipe(),
    ),
    "paper": Plan(
        settings=one_at_a_time(kappa=_FACTORS, c=_FACTORS, gamma=_FACTORS, d=_FACTORS),
        samples=(10, 20, 50, 100, 200, 500, 1000),
        n_splits=50,
        fine_tuning=Recipe(loss=1e-4),
    ),
}
"""Plans by name.

`smoke` shows that everything runs and means nothing. `small` is one pretraining on 80 classes, at
thirty times the recipe's learning rate, in half its batches and for 10 epochs so that it ends in
minutes on a CPU, and 24 pairs. `paper` is the published setting; its two losses are those of
Appendix E.3.
"""


@dataclass(frozen=True, order=True)
class Job:
    """One pair of classes, one number of samples, one pretrained network.

    Parameters
    ----------
    split : int
    kappa, c : float
    pair : tuple of int
        Two classes.
    n_samples : int
    """

    split: int
    kappa: float
    c: float
    pair: tuple
    n_samples: int

    @property
    def name(self):
        """Stem of the job's file."""
        first, second = self.pair
        return f"{pretraining_name(*self.pretraining)}-p{first}-{second}-n{self.n_samples}"

    @property
    def pretraining(self):
        """The (split, kappa, c) of the network."""
        return self.split, self.kappa, self.c


def pretraining_name(split, kappa, c):
    """Return the stem of a pretrained network's file."""
    return f"s{split}-kappa{kappa:g}-c{c:g}"


def entropy(plan, *key):
    """Return the entropy of one random stream, for `numpy.random.SeedSequence`."""
    return [_SALT, plan.seed, *key]


def splits(plan, n_classes):
    """Draw the splits.

    Parameters
    ----------
    plan : Plan
    n_classes : int

    Returns
    -------
    list of (held_out, pairs)
        The classes held out, a sorted tuple; and pairs of them, a list of sorted tuples. A later
        split does not depend on how many there are.
    """
    if plan.n_held_out > n_classes - 2:
        raise ValueError(
            f"the data must have at least {plan.n_held_out + 2} classes to hold out "
            f"{plan.n_held_out}, got {n_classes}"
        )
    found = []
    for split in range(plan.n_splits):
        rng = np.random.default_rng(entropy(plan, PRETRAINING, split))
        held_out = tuple(sorted(rng.permutation(n_classes)[: plan.n_held_out].tolist()))
        pairs = list(itertools.combinations(held_out, 2))
        order = rng.permutation(len(pairs))[: plan.n_pairs]
        found.append((held_out, [pairs[i] for i in order]))
    return found


def chosen(plan, labels, job):
    """Return which images of a pair a job is fine-tuned on.

    Fewer samples are the first of more; the classes take turns.

    Parameters
    ----------
    plan : Plan
    labels : array of int, shape (n_images,)
    job : Job

    Returns
    -------
    array of int, shape (n_samples,)
    """
    rng = np.random.default_rng(entropy(plan, SAMPLES, job.split, *job.pair))
    mine = [rng.permutation(np.flatnonzero(labels == k)) for k in job.pair]
    counts = [(job.n_samples + 1) // 2, job.n_samples // 2]
    for images, count, k in zip(mine, counts, job.pair, strict=True):
        if len(images) < count:
            raise ValueError(
                f"class {k} must have {count} training images for {job.n_samples} samples of a "
                f"pair, got {len(images)}"
            )
    turns = np.empty(job.n_samples, dtype=np.int64)
    turns[0::2], turns[1::2] = mine[0][: counts[0]], mine[1][: counts[1]]
    return turns
