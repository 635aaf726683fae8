"""The paper's experiments as data, and sweeps over them that survive being killed (Appendix E.2.6).

A `Setting` is one network on one task. A `Job` is one (alpha, seed): all settings of an experiment
are solved on the same inputs and on coupled teachers, so that settings are compared pairwise. Every
job is written once, atomically, to a file of its own; what is there is not computed again. Random
numbers are keyed by the job alone, so the order of jobs and their distribution over processes
change nothing in the results, to the last bit. Machines draw the same numbers too, but processors
of another kind may round sums of products otherwise, and change the results' last digits.
"""

import hashlib
import inspect
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import stats

from .. import errors

with errors.needs("experiments"):  # before the imports below, which need some of it
    import joblib
    import pandas as pd
    from threadpoolctl import threadpool_limits

from ..model import network, tasks
from ..model.penalty import sqrt_k, sqrt_k_single_task
from ..theory import replica
from ..theory.channel import Group
from ..training.many import implicit_biases
from . import provenance, storage
from .progress import Progress

__all__ = [
    "EXPERIMENTS",
    "Job",
    "Setting",
    "Sweep",
    "drawn_groups",
    "drawn_mean",
    "drawn_theory",
    "jobs",
    "open_sweep",
    "read_summary",
    "score",
    "settings",
    "shard",
    "summary",
    "with_theory",
]

_SALT = 20602062  # separates these random streams from others with the same small seeds
_CODE = (
    "training/many",
    "model/network",
    "model/penalty",
    "model/tasks",
)  # modules that decide a job's numbers


@dataclass(frozen=True, order=True)
class Setting:
    """One network on one task; the defaults are the paper's baseline.

    Parameters
    ----------
    rho_ft, overlap, rho_pt : float
        The task, as in `Task`. With rho_pt = 0 there is no pretraining: the network is trained
        from scratch, and overlap and gamma_ft have no meaning.
    c_pt, lambda_pt, gamma_ft : float
        As in `Initialization`.
    """

    rho_ft: float
    overlap: float = 0.0
    rho_pt: float = 0.1
    c_pt: float = 1e-3
    lambda_pt: float = 0.0
    gamma_ft: float = 0.0

    @property
    def from_scratch(self):
        """Whether there is no pretraining (Experiment 4)."""
        return self.rho_pt == 0.0

    def task(self):
        """Return the `Task`; without pretraining, one whose pretraining will be ignored."""
        if self.from_scratch:
            return tasks.Task(0.5, rho_shared=self.rho_ft, rho_new=self.rho_ft)
        return tasks.Task(self.rho_pt, self.rho_ft, self.overlap)

    def initialization(self):
        """Return the `Initialization`."""
        return network.Initialization(self.c_pt, self.lambda_pt, self.gamma_ft)

    def groups(self):
        """Return the replica theory's groups."""
        if self.from_scratch:
            scale = float(sqrt_k_single_task(self.c_pt))
            return [
                Group(self.rho_ft, scale, tasks.Prior.gaussian(1.0 / self.rho_ft)),
                Group(1.0 - self.rho_ft, scale, tasks.Prior.zero()),
            ]
        return replica.penalised_groups(self.task(), self.initialization())

    def problem(self, n_dims, rng):
        """Draw a teacher; return beta_ft and sqrt_k, both of shape (n_dims,)."""
        beta_pt, beta_ft = self.task().sample_teachers(n_dims, rng)
        if self.from_scratch:
            return beta_ft, np.full(n_dims, sqrt_k_single_task(self.c_pt))
        return beta_ft, sqrt_k(beta_pt, self.initialization())


_SWEEPS = {"c_pt": (1e-6, 1.0), "lambda_pt": (-0.99, 0.99), "gamma_ft": (1.0, 10.0)}


def _one_at_a_time(**task):
    """Return a task's settings: the baseline network, and each parameter swept by itself."""
    swept = [{name: value} for name, values in _SWEEPS.items() for value in values]
    return [Setting(**task, **network_) for network_ in ({}, *swept)]


def _experiment_settings():
    """Return the settings of Experiments 1-4 and Fig. 5 (E.2.6).

    The paper also lists lambda = -1. With gamma = 0 that network cannot leave the origin, and from
    scratch lambda does not matter, so it adds nothing here.
    """
    figure_5 = [("I", -0.999999, 1e-6), ("II", 0.0, 0.0), ("III", 0.0, 10.0), ("IV", -0.99, 0.0)]
    truths = [{"overlap": 0.0, "rho_ft": 0.1}, {"overlap": 1.0, "rho_ft": 0.1}]
    truths.append({"overlap": 1.0, "rho_ft": 0.01})
    experiments = {
        "1": [s for w in (0.0, 0.5, 1.0) for s in _one_at_a_time(rho_ft=0.1, overlap=w)],
        "2": [s for rho in (0.1, 0.9) for s in _one_at_a_time(rho_ft=rho, overlap=0.0)],
        "3": [
            s
            for w in (0.0, 1.0)
            for rho in (0.01, 0.04, 0.1)
            for s in _one_at_a_time(rho_ft=rho, overlap=w)
        ],
        "4": [
            Setting(rho_ft=rho, rho_pt=0.0, c_pt=c)
            for rho in (0.9, 0.1, 0.04, 0.01)
            for c in (1e-6, 1e-3, 1.0)
        ],
        "fig5": [
            Setting(**truth, lambda_pt=lam, gamma_ft=gamma)
            for truth in truths
            for _, lam, gamma in figure_5
        ],
    }
    experiments["all"] = sorted(set().union(*experiments.values()))
    return experiments


EXPERIMENTS = _experiment_settings()
"""Settings of each of the paper's experiments, by name; "all" is their union."""


def settings(experiment):
    """Return the settings of an experiment by its name, or raise a ValueError."""
    return EXPERIMENTS[errors.choice("experiment", experiment, EXPERIMENTS)]


@dataclass(frozen=True, order=True)
class Job:
    """One draw of inputs and teachers, on which all settings are solved.

    Parameters
    ----------
    n_dims, n_samples : int
        alpha = n_samples / n_dims.
    seed : int
    """

    n_dims: int
    n_samples: int
    seed: int

    @property
    def name(self):
        """Stem of the job's file."""
        return f"d{self.n_dims}-n{self.n_samples}-s{self.seed}"

    def streams(self):
        """Return the seeds of inputs and of teachers; a function of the job alone."""
        key = (self.n_dims, self.n_samples, self.seed)
        return np.random.SeedSequence(entropy=_SALT, spawn_key=key).spawn(2)


def jobs(n_dims=5000, alpha=None, n_seeds=14):
    """Return the paper's jobs: every alpha with every seed, the seeds in the outer loop.

    Parameters
    ----------
    n_dims : int
    alpha : array, optional
        In (0, 1); linspace(0.01, 0.5, 11) by default. Rounded to whole samples.
    n_seeds : int

    Returns
    -------
    list of Job
        Broken off anywhere, all alphas have about as many seeds.
    """
    alpha = np.linspace(0.01, 0.5, 11) if alpha is None else alpha
    alpha = errors.vector("alpha", alpha, 0.0, 1.0, open_low=True, open_high=True)
    n_dims, n_seeds = errors.whole("n_dims", n_dims), errors.whole("n_seeds", n_seeds)
    samples = [max(1, round(a * n_dims)) for a in alpha]
    # In few dimensions several alphas are one number of samples.
    return [Job(n_dims, n, seed) for seed in range(n_seeds) for n in dict.fromkeys(samples)]


def shard(jobs, part):
    """Return one of several equal parts of a list of jobs.

    Parameters
    ----------
    jobs : list of Job
    part : str
        "i/n" for the i-th of n, counted from 1; the parts differ by at most one job. "auto" for
        what SLURM's variables say of a task of a job array.
    """
    index, _, count = (_slurm_part() if part == "auto" else part).partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise ValueError(f'shard must be "i/n" with 1 <= i <= n, or "auto", got {part!r}')
    return jobs[int(index) - 1 :: int(count)]


def _slurm_part():
    """Return "i/n" of this task among those of its SLURM job array."""
    names = ("ID", "MIN", "MAX", "COUNT")
    try:
        task, low, high, count = (int(os.environ[f"SLURM_ARRAY_TASK_{name}"]) for name in names)
    except (KeyError, ValueError) as error:
        raise ValueError(
            "shard auto must run as a task of a SLURM job array, where the variables "
            f"SLURM_ARRAY_TASK_ID, _MIN, _MAX and _COUNT are numbers, got {error}"
        ) from error
    step = (high - low) // max(count - 1, 1) or 1
    if low + step * (count - 1) != high or (task - low) % step:
        raise ValueError(
            f"shard auto must have evenly spaced tasks, got {count} from {low} to {high}"
        )
    return f"{(task - low) // step + 1}/{count}"


def run_job(job, settings):
    """Solve all settings of a job.

    Parameters
    ----------
    job : Job
    settings : list of Setting

    Returns
    -------
    list of dict
        One a setting, in order: `error` (E_gen, equation (6)), `residual` (relative) and
        `iterations`.
    """
    inputs_seed, teachers_seed = job.streams()
    # One thread: sums in another order would change last digits with the number of cores.
    with threadpool_limits(1):
        X = tasks.sample_inputs(job.n_samples, job.n_dims, np.random.default_rng(inputs_seed))
        # Every setting draws from the same stream: teachers of the same task are the same.
        drawn = [s.problem(job.n_dims, np.random.default_rng(teachers_seed)) for s in settings]
        beta, sqrt_k = (np.stack(arrays, axis=1) for arrays in zip(*drawn, strict=True))
        found = implicit_biases(X, X @ beta, sqrt_k)
        error = np.mean((found.beta - beta) ** 2, axis=0)
    columns = {"error": error, "residual": found.residual, "iterations": found.iterations}
    return [
        {name: column[i].item() for name, column in columns.items()} for i in range(len(settings))
    ]


def code_version():
    """Return a digest of the modules that decide a job's numbers."""
    digest = hashlib.sha256(inspect.getsource(run_job).encode())
    for name in _CODE:
        digest.update((Path(__file__).parents[1] / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


class Sweep:
    """An experiment's jobs and their results, in a folder.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there. One file a job, and `sweep.json`, which says what they are of.
    settings : list of Setting

    Raises
    ------
    ValueError
        If the folder holds results of other settings or of other code, or a file that is not a
        result. Nothing in it is changed then.
    """

    def __init__(self, folder, settings):
        self.folder, self.settings = Path(folder), list(settings)
        content = {"code": code_version(), "settings": [asdict(s) for s in self.settings]}
        storage.claim(self.folder, "sweep", content)

    def path(self, job):
        """Return where a job's results are, or will be."""
        return self.folder / f"{job.name}.json"

    def pending(self, jobs):
        """Return the jobs that have no results yet."""
        return [job for job in jobs if not storage.is_whole(self.path(job))]

    def run_one(self, job):
        """Solve one job and write its results; return the job."""
        if not storage.is_whole(self.path(job)):
            rows = run_job(job, self.settings)
            storage.write(self.path(job), json.dumps({"job": asdict(job), "rows": rows}))
        return job

    def run(self, jobs, n_jobs=-1, progress=True):
        """Solve what is pending.

        Parameters
        ----------
        jobs : list of Job
        n_jobs : int
            Processes, as for `joblib.Parallel`; -1 for one a core. Under
            `joblib.parallel_config(backend="dask")` the cluster decides.
        progress : bool
            Whether to show how far it is.
        """
        pending = self.pending(jobs)
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
        with Progress(len(jobs), len(jobs) - len(pending), shown=progress) as shown:
            for _ in parallel(joblib.delayed(self.run_one)(job) for job in pending):
                shown.update()

    def forecast(self, jobs, n_jobs=-1):
        """Return about how long jobs take here, from smaller ones that are timed.

        The time of a job is taken to be n_dims (a + b n_samples).

        Parameters
        ----------
        jobs : list of Job
            At least one.
        n_jobs : int
            As for `run`.

        Returns
        -------
        seconds : float
        n_workers : int
            Processes that will work.
        """
        n_dims = max(50, jobs[0].n_dims // 5)
        few, many = n_dims // 10, n_dims // 3
        first, second = (self._seconds(Job(n_dims, n, 0)) / n_dims for n in (few, many))
        slope = max(second - first, 0.0) / (many - few)
        each = (job.n_dims * (first + slope * (job.n_samples - few)) for job in jobs)
        n_workers = min(joblib.effective_n_jobs(n_jobs), len(jobs))
        return sum(max(seconds, 0.0) for seconds in each) / n_workers, n_workers

    def _seconds(self, job):
        start = time.perf_counter()
        run_job(job, self.settings)
        return time.perf_counter() - start

    def table(self, jobs=None):
        """Return the results as a table.

        Parameters
        ----------
        jobs : list of Job, optional
            All that are there by default.

        Returns
        -------
        pandas.DataFrame
            One row a setting and job, sorted: the fields of `Setting`, n_dims, n_samples, alpha,
            seed, error, residual and iterations.
        """
        found = filter(storage.is_whole, sorted(self.folder.glob("d*.json")))
        paths = found if jobs is None else map(self.path, jobs)
        rows = [row for path in paths for row in self._rows(path)]
        if not rows:
            raise ValueError(f"folder must hold finished jobs, got {self.folder}; run ptft sweep")
        table = pd.DataFrame(rows).sort_values([*_SETTING, *_JOB], ignore_index=True)
        table.insert(len(_SETTING) + 2, "alpha", table.n_samples / table.n_dims)
        return table

    def _rows(self, path):
        content = storage.read_json(path)
        rows = content.get("rows")
        if rows is None or len(rows) != len(self.settings):
            raise ValueError(f"folder must hold whole results, got {path}; remove it and run again")
        pairs = zip(self.settings, rows, strict=True)
        return [{**asdict(s), **content["job"], **row} for s, row in pairs]


def open_sweep(folder):
    """Return the `Sweep` whose results are in a folder, with the settings found there."""
    content = storage.identity(folder, "sweep")
    return Sweep(folder, [Setting(**setting) for setting in content["settings"]])


def summary(table):
    """Arrange a table of results compactly, with those seeds only that every sample size has.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `Sweep.table`.

    Returns
    -------
    pandas.DataFrame
        One row a setting and sample size: the fields of `Setting`, n_dims, n_samples, n_seeds,
        mean and standard_error of the error, and the errors themselves as error_0, error_1 ...
    """
    errors_by_seed = table.pivot(index=_POINT, columns="seed", values="error").dropna(axis=1)
    if errors_by_seed.empty:
        raise ValueError("table must have a seed that every setting and sample size has")
    rows = errors_by_seed.agg(["count", "mean", "sem"], axis=1)
    rows = rows.rename(columns={"count": "n_seeds", "sem": "standard_error"})
    rows = rows.astype({"n_seeds": int})
    return rows.join(errors_by_seed.add_prefix(_ERROR)).reset_index()


def read_summary(path):
    """Read a file that `python -m ptft table --summary` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    table : pandas.DataFrame
        One row a setting, sample size and seed, with `error` and `alpha`; for `with_theory`.
    facts : dict of str to str
        What made it: command, commit, versions, hardware and so on.
    """
    rows, facts = provenance.read_table(path)
    names = [name for name in rows if name.startswith(_ERROR)]
    table = rows.melt(_POINT, names, "seed", "error")
    table["seed"] = table.seed.str.removeprefix(_ERROR).astype(int)
    table["alpha"] = table.n_samples / table.n_dims
    return table.sort_values([*_SETTING, *_JOB], ignore_index=True), facts


def with_theory(table):
    """Add the replica theory's error to a table of results, and each error's distance to it.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `Sweep.table`.

    Returns
    -------
    pandas.DataFrame
        One row a setting and sample size: mean, standard_error and n_seeds of `error`, and `half`
        the width of the mean's 95% interval; `theory`; z = (mean - theory) / standard_error; and
        the `score` of z.
    """
    rows = table.groupby(_POINT)["error"].agg(["mean", "sem", "size"])
    rows = rows.rename(columns={"sem": "standard_error", "size": "n_seeds"}).reset_index()
    rows["alpha"] = rows.n_samples / rows.n_dims
    for values, part in rows.groupby(_SETTING):
        groups = Setting(**dict(zip(_SETTING, values, strict=True))).groups()
        rows.loc[part.index, "theory"] = replica.fixed_point(groups, part.alpha.to_numpy()).error
    rows["half"] = rows.standard_error * stats.t.ppf(0.975, rows.n_seeds - 1)
    rows["z"] = (rows["mean"] - rows.theory) / rows.standard_error
    rows["score"] = score(rows.z, rows.n_seeds)
    return rows


def score(t, n_seeds):
    """Return the standard normal value at the same quantile as Student's t.

    Parameters
    ----------
    t : float or array
        A mean's distance from its expectation, in estimated standard errors.
    n_seeds : int or array
        How many values the mean is of; at least 2.

    Returns
    -------
    float or array
    """
    return np.sign(t) * stats.norm.isf(stats.t.sf(np.abs(t), np.asarray(n_seeds) - 1))


def drawn_theory(setting, job):
    """Return the theory's error for the teacher that a job draws, not for an average one.

    In n_dims dimensions the shares of the groups, and the second moment of the coefficients in
    each, differ from their expectations; the drawn values take their place.

    Parameters
    ----------
    setting : Setting
    job : Job

    Returns
    -------
    float
    """
    drawn = setting.problem(job.n_dims, np.random.default_rng(job.streams()[1]))
    return float(replica.fixed_point(drawn_groups(*drawn), job.n_samples / job.n_dims).error)


def drawn_groups(beta, sqrt_k):
    """Return the groups of one drawn teacher, with its own shares and second moments.

    Parameters
    ----------
    beta, sqrt_k : array, shape (n_dims,)
        The fine-tuning teacher, and the penalty's parameter of each coefficient.

    Returns
    -------
    list of Group
        One for every value of sqrt_k and whether the coefficient is zero.
    """
    groups = []
    for scale, active in sorted(set(zip(sqrt_k.tolist(), (beta != 0.0).tolist(), strict=True))):
        mine = beta[(sqrt_k == scale) & ((beta != 0.0) == active)]
        prior = tasks.Prior.gaussian(np.mean(mine**2)) if active else tasks.Prior.zero()
        groups.append(Group(mine.size / beta.size, scale, prior))
    return groups


def drawn_mean(point):
    """Return the mean of `drawn_theory` over the seeds of a point.

    Parameters
    ----------
    point : pandas.Series
        A row of `with_theory`.

    Returns
    -------
    float
    """
    setting = Setting(**{name: point[name] for name in _SETTING})
    size = int(point.n_dims), int(point.n_samples)
    errors_ = [drawn_theory(setting, Job(*size, seed)) for seed in range(int(point.n_seeds))]
    return float(np.mean(errors_))


_SETTING = [field.name for field in fields(Setting)]
_JOB = [field.name for field in fields(Job)]
_POINT = [*_SETTING, "n_dims", "n_samples"]  # what a mean over seeds is of
_ERROR = "error_"  # and the seed: columns of a summary
