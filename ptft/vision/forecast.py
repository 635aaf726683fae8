"""How fast training is on this machine, and how long a plan would take, before it starts.

A few steps of pretraining and a few small jobs are timed, with the plan's own images, batches and
precision. How many epochs a training needs nobody knows before it ends: until a folder holds
networks and results to go by, `USUAL_EPOCHS` are taken.
"""

import multiprocessing
import statistics
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ..errors import needs

with needs("vision"):
    import joblib
    import numpy as np
    import pandas as pd
    import torch

from ..sweeps import storage
from . import data, hardware
from .experiment import Study, ending, fine_tune, keep, settings_of
from .plan import PRESETS, Job, Multipliers
from .training import train

__all__ = ["STAGES", "USUAL_EPOCHS", "forecast", "of_presets", "told"]

STAGES = ("pretraining", "fine-tuning")
USUAL_EPOCHS = 100
"""Of a training that may go on until its loss is small: between 20 and 240 in the book's tables."""


class _Stage(NamedTuple):
    """A row of a forecast."""

    trainings: int
    images_per_second: float
    epochs: float
    hours: float
    hours_at_most: float
    memory: float


_NOTHING = _Stage(0, float("nan"), float("nan"), 0.0, 0.0, float("nan"))


def forecast(study, jobs, n_jobs=1):
    """Time a few steps, and return how long what is pending would take.

    Parameters
    ----------
    study : Study
    jobs : list of plan.Job
    n_jobs : int
        Processes that fine-tune. They are taken to share a GPU, and not to slow each other down as
        long as each has a core of its own.

    Returns
    -------
    pandas.DataFrame
        One row for each of `STAGES`: `trainings` that are pending; `images_per_second` of one
        process; the `epochs` that each is taken to need; `hours`; `hours_at_most`, if every
        training goes on for all the epochs that the plan allows; and `memory`, the most GiB that
        were in use. Where nothing is pending nothing is timed, and what is measured is NaN.
    """
    pending = study.pending(jobs)
    hardware.forget(study.device)
    with _threads(study.threads):
        first = _of_pretraining(study, pending)
    with _threads(1):
        second = _of_fine_tuning(study, jobs, pending, n_jobs)
    return pd.DataFrame([first, second], index=STAGES)


def told(table):
    """Return a forecast in words, one line a stage.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `forecast`.
    """
    lines = [
        f"{row.Index}: {row.trainings} to do, {_duration(row.hours)} if each takes "
        f"{row.epochs:.3g} epochs, at most {_duration(row.hours_at_most)}; "
        f"{row.images_per_second:.3g} images/s, {row.memory:.2g} GiB"
        for row in table.itertuples()
        if row.trainings
    ]
    return "\n".join(lines)


def of_presets(device="cpu", threads=2):
    """Return the forecast of each preset, on drawn characters.

    Each has a process of its own, so that memory is its own, too.

    Parameters
    ----------
    device : str
    threads : int
        As for `experiment.Study`.

    Returns
    -------
    pandas.DataFrame
        As from `forecast`, with columns `preset` and `stage` before the others.
    """
    hardware.available(device)
    tasks = [(plan, device, threads) for plan in PRESETS.values()]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        tables = pool.starmap(_of_preset, tasks, chunksize=1)
    table = pd.concat(tables, keys=PRESETS, names=["preset", "stage"])
    return table.reset_index()


def _of_preset(plan, device, threads):
    with TemporaryDirectory() as folder:
        images = data.drawn(plan.per_class)
        study = Study(folder, plan, images, device=device, threads=threads)
        return forecast(study, study.jobs())


def _duration(hours):
    return f"{hours:,.3g} h" if hours >= 1.0 else f"{60.0 * hours:.2g} min"


@contextmanager
def _threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _memory(device):
    return (hardware.peak_memory(device) or float("nan")) / 2**30


def _usual(fits, recipe):
    """Return the epochs of a training: the mean of those on record, or what is usual."""
    epochs = [fit["epochs"] for fit in fits if "epochs" in fit]
    return statistics.fmean(epochs) if epochs else float(min(recipe.max_epochs, USUAL_EPOCHS))


def _endless(recipe, n_epochs):
    """Return a recipe for so many epochs, as slow as another and so careful that none diverges."""
    return replace(recipe, learning_rate=1e-12, loss=0.0, max_epochs=n_epochs)


# --- Pretraining ---------------------------------------------------------------------------------


def _of_pretraining(study, pending):
    starts = {job.pretraining for job in pending}
    starts = [start for start in starts if not storage.is_whole(study.network_path(start))]
    if not starts:
        return _NOTHING
    recipe, part = study.plan.pretraining, study.pretraining_images(0)
    images, labels = (torch.from_numpy(array).to(study.device) for array in part)
    timed = slice(0, 2 * recipe.batch)
    rate = len(images[timed]) / _epoch(study, images[timed], labels[timed])
    paths = filter(Path.exists, map(study.network_path, study.plan.pretrainings()))
    epochs = _usual([ending(path)["fit"] for path in paths], recipe)
    hours = len(starts) * len(images) / rate / 3600.0  # of one epoch each
    memory = _memory(study.device)
    return _Stage(len(starts), rate, epochs, hours * epochs, hours * recipe.max_epochs, memory)


def _epoch(study, images, labels):
    """Return the seconds of an epoch; one goes before it, for what happens only once."""
    times = []
    net = study.network(len(study.images.classes), 0).to(study.device)
    recipe = _endless(study.plan.pretraining, 2)
    train(net, images, labels, recipe, [0], report=lambda *_: times.append(time.perf_counter()))
    return times[1] - times[0]


# --- Fine-tuning ---------------------------------------------------------------------------------


def _of_fine_tuning(study, jobs, pending, n_jobs):
    if not pending:
        return _NOTHING
    recipe, most = study.plan.fine_tuning, 2 * study.plan.fine_tuning.batch
    sizes = {min(job.n_samples, most) for job in pending}
    timed = {n: _timed(study, n) for n in sorted({min(sizes), max(sizes)})}
    done = [path for path in map(study.path, jobs) if storage.is_whole(path)]
    epochs = _usual([row for path in done for row in storage.read_json(path)["rows"]], recipe)
    counts = [len(settings_of(study.plan, job)) for job in pending]
    split = min(n_jobs, joblib.cpu_count()) if study.device.type == "cpu" else 1
    hours, at_most = (
        sum(_cost(job.n_samples, k, timed, e) for job, k in zip(pending, counts, strict=True))
        / (3600.0 * split)
        for e in (epochs, recipe.max_epochs)
    )
    n, (seconds, _) = max(timed.items())
    return _Stage(sum(counts), n / seconds, epochs, hours, at_most, _memory(study.device))


def _timed(study, n_samples):
    """Return the seconds of an epoch and of an examination of the network, in fine-tuning."""
    plan = replace(
        study.plan,
        settings=(Multipliers(), Multipliers(gamma=2.0)),  # the first warms up
        fine_tuning=_endless(study.plan.fine_tuning, 2),
    )
    job = Job(0, 1.0, 1.0, study.splits[0][1][0], n_samples)
    parts = study.images.of(job.pair, "train"), study.images.of(job.pair, "test", plan.per_class[1])
    net = study.network(len(study.images.classes), 0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.pt"
        keep(path, net, len(study.images.classes), {"fit": {"status": "unconverged"}})
        start = time.perf_counter()
        rows = fine_tune(plan, job, *parts, path, study.device, study.network)
        seconds = time.perf_counter() - start
    training = [row["seconds"] for row in rows]
    return training[1] / 2.0, (seconds - sum(training)) / 3.0  # one before, one after each


def _cost(n_samples, n_settings, timed, epochs):
    """Return the seconds of a job."""
    sizes, (steps, examinations) = list(timed), zip(*timed.values(), strict=True)
    epoch = np.interp(n_samples, sizes, steps) * max(1.0, n_samples / sizes[-1])
    return n_settings * epochs * epoch + (1 + n_settings) * examinations[-1]
