"""A plan carried out in a folder.

Every pretrained network and every job has a file of its own, written whole. What is there is not
computed again, and an interrupted pretraining goes on from its last checkpoint.
"""

import hashlib
import json
import shutil
import time
import uuid
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import needs

with needs("vision"):  # before the imports below, which would ask for less
    import joblib
    import torch

from ..sweeps import storage
from ..sweeps.experiments import shard
from ..sweeps.progress import Progress
from . import hardware, representation
from . import model as networks
from .plan import ORDER, PRETRAINING, Job, chosen, entropy, pretraining_name, splits
from .training import Fit, load, save, train

__all__ = ["Study", "code_version", "ending", "fine_tune", "keep", "settings_of"]

_CODE = ("data", "experiment", "glyphs", "model", "pictures", "plan", "representation", "training")


def code_version():
    """Return a digest of the modules that decide the numbers."""
    digest = hashlib.sha256()
    for name in _CODE:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def ending(network_path):
    """Return how a network's pretraining ended: `fit`, `n_images`, `accuracy` and `memory`.

    Its file lies beside the network's and is written first, so that whoever finds a network finds
    both, and need not read 45 MB to learn this.
    """
    return storage.read_json(Path(network_path).with_suffix(".json"))


def keep(network_path, net, n_classes, end):
    """Write a pretrained network, after how its pretraining ended, as `ending` reads it."""
    path = Path(network_path)
    storage.write(path.with_suffix(".json"), json.dumps(end))
    save(path, {"model": net.state_dict(), "n_classes": n_classes})


# --- One job -------------------------------------------------------------------------------------


def _shapes(net, images, samples):
    """Return outputs and features for either treatment of batch normalisation."""
    treated = {"running": net, "reestimated": representation.reestimated(net, samples)}
    return {name: representation.examine(treated[name], images) for name in treated}


def _compared(before, after):
    """Return PR before and after, and ENSD, of every stage, statistics and centring."""
    rows = []
    for statistics in representation.STATISTICS:
        for stage in networks.STAGES:
            features = before[statistics][1][stage], after[statistics][1][stage]
            for centred in (False, True):
                row = {"stage": stage, "statistics": statistics, "centred": centred}
                rows.append(row | _dimensions(*features, centred))
    return rows


def _dimensions(before, after, centred):
    """Return PR before and after, and ENSD; None where features are not finite."""
    old, new = (
        representation.moments(features, centred) if np.isfinite(features).all() else None
        for features in (before, after)
    )
    shared = representation.shared_dimensions
    return {
        "pr_before": None if old is None else shared(old, old),
        "pr_after": None if new is None else shared(new, new),
        "ensd": None if old is None or new is None else shared(old, new),
    }


def _accuracies(examined, pair, labels):
    targets = labels == pair[1]
    return {
        f"accuracy_{statistics}": _accuracy(outputs[:, pair], targets)
        for statistics, (outputs, _) in examined.items()
    }


def _accuracy(outputs, labels):
    """Return how often the largest output is the label's, or None if some are not finite."""
    if not np.isfinite(outputs).all():
        return None
    return float((outputs.argmax(axis=1) == labels).mean())


def fine_tune(plan, job, train_part, test_part, network_path, device, network=networks.resnet):
    """Do a job: fine-tune from one pretrained network under every (gamma, d).

    The representation "before" is the pretrained network's, before gamma and d scale anything.

    Parameters
    ----------
    plan : Plan
    job : plan.Job
    train_part, test_part : tuple of (images, labels)
        Of the pair's classes, as from `Images.of`.
    network_path : Path
        As `Study.pretrain` writes it.
    device : torch.device
    network : callable
        Returns a network for (n_classes, seed).

    Returns
    -------
    list of dict
        One a setting: gamma, d, what `Fit` says, accuracy_running and accuracy_reestimated on the
        test images, and `representation`, a list of rows as the long table has them. A network
        that diverged has no accuracies and no representation; None stands for those of outputs or
        features that overflow.
    """
    settings = settings_of(plan, job)
    if ending(network_path)["fit"]["status"] == "diverged":
        return [_lost(s, "pretraining diverged") for s in settings]
    task = _task_of(plan, job, train_part, test_part, device)
    state = load(network_path, device)

    def fresh():
        net = network(state["n_classes"], 0).to(device)
        net.load_state_dict(state["model"])
        return net

    before = _shapes(fresh(), task.tests, task.samples)
    return [_fine_tune_one(plan, job, task, setting, fresh(), before) for setting in settings]


class _Task(NamedTuple):
    """The data of a job, as tensors on its device, and its tests' labels."""

    samples: torch.Tensor
    targets: torch.Tensor
    tests: torch.Tensor
    test_labels: np.ndarray


def _task_of(plan, job, train_part, test_part, device):
    images, labels = train_part
    index = chosen(plan, labels, job)
    targets = labels[index]
    if not plan.all_outputs:
        targets = (targets == job.pair[1]).astype(np.int64)
    tensors = (torch.from_numpy(part).to(device) for part in (images[index], targets, test_part[0]))
    return _Task(*tensors, test_part[1])


def _fine_tune_one(plan, job, task, setting, net, before):
    """Fine-tune a pretrained network under one setting; return its row."""
    networks.multiply(net, "gamma", setting.gamma, plan.norm)
    networks.multiply(net, "d", setting.d, plan.norm)
    key = entropy(plan, ORDER, job.split, *job.pair)
    options = {"columns": None if plan.all_outputs else list(job.pair), "norm": plan.norm}
    fit = train(net, task.samples, task.targets, plan.fine_tuning, key, **options)
    if fit.status == "diverged":
        return _lost(setting, "diverged")
    after = _shapes(net, task.tests, task.samples)
    return (
        {"gamma": setting.gamma, "d": setting.d}
        | {name: getattr(fit, name) for name in ("status", "epochs", "loss", "seconds")}
        | _accuracies(after, list(job.pair), task.test_labels)
        | {"representation": _compared(before, after)}
    )


def settings_of(plan, job):
    """Return the settings of a plan that start from a job's network."""
    return [s for s in plan.settings if (s.kappa, s.c) == (job.kappa, job.c)]


def _lost(setting, status):
    return {"gamma": setting.gamma, "d": setting.d, "status": status, "representation": []}


# --- A folder ------------------------------------------------------------------------------------


class Study:
    """A plan's pretrained networks and results, in a folder.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    plan : Plan
    images : Images
    device : str
        "cpu", "cuda" or "cuda:1" and so on.
    threads : int
        Of the CPU for pretraining. Part of the folder's identity: sums in another order change last
        digits. Fine-tuning has one a process.
    network : callable
        Returns a network for (n_classes, seed).

    Raises
    ------
    ValueError
        If the folder holds results of another plan, of other images or of other code, the device is
        not there, or the data have too few classes or images a class.
    """

    def __init__(self, folder, plan, images, *, device="cpu", threads=2, network=networks.resnet):
        self.folder, self.plan, self.images = Path(folder), plan, images
        self.device, self.threads, self.network = hardware.available(device), threads, network
        self.splits = splits(plan, len(images.classes))
        self._check_samples()
        self._check_space()
        storage.claim(self.folder, "vision", self.identity())

    def _check_samples(self):
        most = (max(self.plan.samples) + 1) // 2
        counts = np.bincount(self.images.train_labels)
        fewest, name = counts.min(), self.images.classes[counts.argmin()]
        if fewest < most:
            raise ValueError(
                f"samples must be at most {2 * fewest}: class {name!r} of {self.images.name} has "
                f"{fewest} training images, got {max(self.plan.samples)}"
            )

    def _check_space(self):
        """Raise a ValueError if the networks that are missing would not fit on the disk."""
        place = next(p for p in (self.folder, *self.folder.absolute().parents) if p.is_dir())
        missing = sum(not self.network_path(start).exists() for start in self.plan.pretrainings())
        weights = self.network(len(self.images.classes), 0).parameters()
        needed = (missing + 3) * sum(w.numel() * w.element_size() for w in weights)
        free = shutil.disk_usage(place).free
        if needed > free:  # three more: a checkpoint, with momentum, is written beside the last
            raise ValueError(
                f"folder must have room for {missing} networks, {needed / 1e9:.2g} GB, got "
                f"{self.folder} with {free / 1e9:.2g} GB free"
            )

    def identity(self):
        """Return what a folder's results are of."""
        return {
            "plan": asdict(self.plan),
            "data": {"name": self.images.name, "digest": self.images.digest},
            "code": code_version(),
            "device": self.device.type,
            "threads": self.threads,
        }

    def jobs(self, part="1/1"):
        """Return the jobs, or those of the i-th of n parts of the pretrained networks.

        Parameters
        ----------
        part : str
            "i/n", counted from 1.
        """
        return [
            Job(*start, pair, n)
            for start in shard(self.plan.pretrainings(), part)
            for pair in self.splits[start[0]][1]
            for n in self.plan.samples
        ]

    def path(self, job):
        """Return where a job's results are, or will be."""
        return self.folder / f"{job.name}.json"

    def network_path(self, pretraining):
        """Return where a pretrained network is, or will be."""
        return self.folder / f"{pretraining_name(*pretraining)}.pt"

    def pending(self, jobs):
        """Return the jobs that have no results yet."""
        return [job for job in jobs if not storage.is_whole(self.path(job))]

    def run(self, jobs, n_jobs=1, progress=True):
        """Pretrain and fine-tune what is pending.

        What fails for want of memory, or because the device is lost, is recorded as such, and the
        rest goes on; the next run tries it again. See `failed`.

        Parameters
        ----------
        jobs : list of plan.Job
        n_jobs : int
            Processes that fine-tune, as for `joblib.Parallel`.
        progress : bool
            Whether to show how far it is.
        """
        clock = _Clock(self.folder, self.device)
        pending = self.pending(jobs)
        for job in pending:
            _failed_path(self.path(job)).unlink(missing_ok=True)
        for pretraining in dict.fromkeys(job.pretraining for job in pending):
            self._try_to_pretrain(pretraining, pending, progress)
            clock.note()
        with Progress(len(jobs), len(jobs) - len(pending), shown=progress) as shown:
            for _ in self._fine_tune_all(pending, n_jobs):
                clock.note()
                shown.update()

    def _fine_tune_all(self, jobs, n_jobs):
        """Do jobs in several processes; in half as many after one was killed."""
        n_jobs = joblib.effective_n_jobs(n_jobs)
        while jobs := [job for job in jobs if self._is_ready(job)]:
            try:
                parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
                yield from parallel(joblib.delayed(_run_one)(*self._task(job)) for job in jobs)
                return
            except BrokenProcessPool:
                n_jobs = max(n_jobs // 2, 1)  # one is this process itself, which nothing replaces

    def _is_ready(self, job):
        path = self.path(job)
        tried = storage.is_whole(path) or _failed_path(path).exists()
        return self.network_path(job.pretraining).exists() and not tried

    def failed(self, jobs):
        """Return the status of each job whose last try failed.

        Parameters
        ----------
        jobs : list of plan.Job

        Returns
        -------
        dict of plan.Job to str
            Those of `hardware.FAILURES`, with "pretraining" before them where that failed.
        """
        paths = {job: _failed_path(self.path(job)) for job in self.pending(jobs)}
        return {
            job: storage.read_json(path)["rows"][0]["status"]
            for job, path in paths.items()
            if path.exists()
        }

    def _try_to_pretrain(self, pretraining, jobs, progress):
        """Pretrain one network; if that fails, record so for the jobs that need it."""
        try:
            self.pretrain(pretraining, progress)
        except Exception as error:
            status = hardware.failure(error)
            if status is None:
                raise
            for job in jobs:
                if job.pretraining == pretraining:
                    _record_failure(self.path(job), self.plan, job, f"pretraining {status}", error)
        hardware.forget(self.device)

    def pretrain(self, pretraining, progress=True):
        """Pretrain one network, or go on with it; return its `Fit`.

        Parameters
        ----------
        pretraining : tuple
            (split, kappa, c).
        progress : bool
            Whether to show how far it is.
        """
        path = self.network_path(pretraining)
        if storage.is_whole(path) and storage.is_whole(path.with_suffix(".json")):
            return Fit(**ending(path)["fit"])
        split, kappa, c = pretraining
        torch.set_num_threads(self.threads)
        net = self._initial(split)
        networks.multiply(net, "kappa", kappa, self.plan.norm)
        networks.multiply(net, "c", c, self.plan.norm)
        unfinished = path.with_suffix(".unfinished.pt")
        hardware.forget(self.device)
        with self._shown(pretraining, progress) as shown:
            images, labels = map(self._tensor, self.pretraining_images(split))
            key = entropy(self.plan, ORDER, split)
            options = {"checkpoint": unfinished, "report": _reporter(shown), "norm": self.plan.norm}
            fit = train(net, images, labels, self.plan.pretraining, key, **options)
            end = {"fit": asdict(fit), "n_images": len(images), "accuracy": None}
            if fit.status != "diverged":
                end["accuracy"] = self._accuracy(net, split)
            end["memory"] = hardware.peak_memory(self.device)
        keep(path, net, len(self.images.classes), end)
        unfinished.unlink(missing_ok=True)
        return fit

    def _initial(self, split):
        source = np.random.SeedSequence(entropy(self.plan, PRETRAINING, split))
        seed = source.generate_state(self.plan.initialisation + 1)[-1]
        return self.network(len(self.images.classes), int(seed)).to(self.device)

    def pretraining_images(self, split, part="train"):
        """Return images and labels of the classes that a split does not hold out."""
        held_out = self.splits[split][0]
        classes = [k for k in range(len(self.images.classes)) if k not in held_out]
        return self.images.of(classes, part, self.plan.per_class[part == "test"])

    def _accuracy(self, net, split):
        """Return the accuracy on test images of the classes pretrained on."""
        images, labels = self.pretraining_images(split, "test")
        outputs, _ = representation.examine(net, self._tensor(images))
        return _accuracy(outputs, labels)

    def _tensor(self, array):
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _shown(self, pretraining, progress):
        name, total = pretraining_name(*pretraining), self.plan.pretraining.max_epochs
        return Progress(total, unit="epoch", name=name, shown=progress)

    def _task(self, job):
        """Return the arguments of `_run_one`; small, because they go to another process."""
        train_part = self.images.of(job.pair, "train")
        test_part = self.images.of(job.pair, "test", self.plan.per_class[1])
        source = self.network_path(job.pretraining)
        place = (source, self.device, self.network)
        return self.path(job), (self.plan, job, train_part, test_part, *place)


def _reporter(shown):
    def report(epoch, loss):
        shown.update(epoch, note=f"loss {loss:.3g}")

    return report


def _run_one(path, arguments):
    """Do a job and write its results, unless another process has."""
    if storage.is_whole(path):
        return
    plan, job, device = arguments[0], arguments[1], arguments[-2]
    torch.set_num_threads(1)
    hardware.forget(device)
    start = time.perf_counter()
    try:
        rows = fine_tune(*arguments)
    except Exception as error:
        status = hardware.failure(error)
        if status is None:
            raise
        _record_failure(path, plan, job, status, error)
        return
    content = {"job": asdict(job), "seconds": time.perf_counter() - start, "rows": rows}
    storage.write(path, json.dumps(content | {"memory": hardware.peak_memory(device)}))
    _failed_path(path).unlink(missing_ok=True)


def _failed_path(path):
    """Return where a job says that it failed: beside its results, so that it stays pending."""
    return path.with_suffix(".failed.json")


def _record_failure(path, plan, job, status, error):
    rows = [_lost(setting, status) for setting in settings_of(plan, job)]
    content = {"job": asdict(job), "rows": rows, "error": str(error)}
    storage.write(_failed_path(path), json.dumps(content))


class _Clock:
    """Keeps in a file of the folder how long a run has taken so far, and on what."""

    def __init__(self, folder, device):
        self.path, self.start = folder / f"run-{uuid.uuid4().hex[:8]}.json", time.monotonic()
        self.facts = hardware.facts(device)

    def note(self):
        content = {"seconds": time.monotonic() - self.start, "facts": self.facts}
        storage.write(self.path, json.dumps(content))
