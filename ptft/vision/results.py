"""Tables of what came out of a study, and paired differences between its settings."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
from scipy import stats

from ..errors import needs
from ..sweeps import provenance, storage
from .experiment import ending
from .model import STAGES
from .representation import STATISTICS
from .training import Fit

with needs("vision"):
    import pandas as pd

__all__ = ["differences", "made", "read_table", "setting_name", "swept", "table"]

_JOB = ["split", "first", "second", "n_samples"]
_SETTING = ["kappa", "c", "gamma", "d"]
_STAGE = ["stage", "statistics", "centred"]
_SHAPES = ["pr_before", "pr_after", "ensd"]


def _records(folder):
    """Return the rows of all jobs in a folder, each with its job's columns."""
    found = []
    storage.identity(folder, "vision")
    for path in filter(storage.is_whole, sorted(Path(folder).glob("s*-kappa*-n*.json"))):
        content = storage.read_json(path)
        job = content["job"]
        first, second = job.pop("pair")
        found += [job | {"first": first, "second": second} | row for row in content["rows"]]
    if not found:
        raise ValueError(f"folder must hold finished jobs, got {folder}; run it first")
    return found


def table(folder, stages=False):
    """Return a folder's results as a table.

    Parameters
    ----------
    folder : str or Path
        Of a `Study`.
    stages : bool
        Whether to give the representation of every stage, centred and not, instead.

    Returns
    -------
    pandas.DataFrame
        One row a split, pair (`first`, `second`), n_samples and setting: status, epochs and loss of
        fine-tuning; accuracy_running and accuracy_reestimated; and pr_before, pr_after and ensd of
        the last stage, uncentred, with either statistics, such as pr_after_reestimated. With
        `stages` one row more for every stage, statistics and centring, with pr_before, pr_after and
        ensd.
    """
    records = _records(folder)
    long = [
        {name: record[name] for name in _JOB + _SETTING} | shape
        for record in records
        for shape in record["representation"]
    ]
    if stages:
        found = pd.DataFrame(long, columns=[*_JOB, *_SETTING, *_STAGE, *_SHAPES])
        return found.sort_values([*_JOB, *_SETTING, *_STAGE], ignore_index=True)
    names = ["status", "epochs", "loss", "accuracy_running", "accuracy_reestimated"]
    rows = [
        {name: record.get(name) for name in [*_JOB, *_SETTING, *names]} | _last_stage(record)
        for record in records
    ]
    return pd.DataFrame(rows).sort_values([*_JOB, *_SETTING], ignore_index=True)


def _last_stage(record):
    return {
        f"{name}_{statistics}": next(
            (
                shape[name]
                for shape in record["representation"]
                if (shape["stage"], shape["statistics"], shape["centred"])
                == (STAGES[-1], statistics, False)
            ),
            None,
        )
        for statistics in STATISTICS
        for name in _SHAPES
    }


def made(folder):
    """Return the facts that head a folder's table.

    Parameters
    ----------
    folder : str or Path
        Of a `Study`.

    Returns
    -------
    dict of str to str
        Data, plan, code; commit, versions, hardware and date of every run; how each network's
        pretraining ended; and the time that all runs took.
    """
    folder = Path(folder)
    identity = storage.identity(folder, "vision")
    runs = [storage.read_json(path) for path in sorted(folder.glob("run-*.json"))]
    facts = {
        "data": f"{identity['data']['name']}, digest {identity['data']['digest']}",
        "plan": json.dumps(identity["plan"]),
        "code": identity["code"],
        "device": f"{identity['device']}, {identity['threads']} threads in pretraining",
    }
    for name in ("commit", "versions", "hardware", "date"):
        facts[name] = "; ".join(sorted({run["facts"][name] for run in runs}))
    facts["wall time"] = f"{sum(run['seconds'] for run in runs):.0f} s in {len(runs)} runs"
    return facts | _pretraining_facts(folder)


def _pretraining_facts(folder):
    paths = [p for p in sorted(folder.glob("s*-kappa*-c*.pt")) if "unfinished" not in p.name]
    rows = [_pretraining_row(path) for path in paths]
    names = ["start", "n_images", "accuracy", *(field.name for field in fields(Fit))]
    ends = pd.DataFrame(rows, columns=names).astype({"accuracy": float})
    seconds = max(ends.seconds.sum(), 1e-9)
    told = [f"{start}: {_told(part)}" for start, part in ends.groupby("start")]
    return {
        "pretraining": "; ".join(told),
        "pretraining rate": f"{(ends.n_images * ends.epochs).sum() / seconds:.0f} images/s",
    }


def _pretraining_row(path):
    _, _, start = path.stem.partition("-")  # kappa and c, of whatever split
    end = ending(path)
    return {"start": start} | {name: end[name] for name in ("n_images", "accuracy")} | end["fit"]


def _told(networks):
    """Return how some networks' pretraining ended, in words."""
    statuses = " and ".join(f"{n} {s}" for s, n in networks.status.value_counts().items())
    return (
        f"{statuses}, {networks.epochs.mean():.4g} epochs, loss {networks.loss.mean():.3g}, "
        f"test accuracy {networks.accuracy.mean():.3f}"
    )


def read_table(path):
    """Read a file that `python -m ptft vision-table` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    table : pandas.DataFrame
        As from `table`.
    facts : dict of str to str
        As from `made`.
    """
    found, facts = provenance.read_table(path)
    return found.astype(dict.fromkeys(_SETTING, float)), facts


def differences(table, measure):
    """Return paired differences between each setting and the baseline, all multipliers 1.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `table`; with `stages`, of one stage, statistics and centring.
    measure : str
        A column, such as "accuracy_reestimated".

    Returns
    -------
    pandas.DataFrame
        One row a setting and n_samples: `n_pairs`, the pairs in which both have a value; `mean` and
        `baseline` over these; `difference`, its `standard_error` over pairs, and `low` and `high`,
        the 95% interval by Student's t. Pairs of one split share a pretrained network and may share
        a class: the interval is about pairs of that network, not about other networks.
    """
    wide = table.set_index([*_JOB, *_SETTING])[measure].unstack(_SETTING)
    one = (1.0,) * len(_SETTING)
    if one not in wide.columns:
        raise ValueError("table must have the baseline: kappa = c = gamma = d = 1")
    rows = []
    for n, part in wide.groupby("n_samples"):
        for setting in wide.columns:
            both = pd.DataFrame({"value": part[setting], "base": part[one]}).dropna()
            names = dict(zip(_SETTING, setting, strict=True))
            rows.append(names | {"n_samples": n} | _interval(both.value, both.base))
    return pd.DataFrame(rows)


def swept(table, name):
    """Return the rows in which only one multiplier may differ from 1, by its value.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `table` or `differences`.
    name : str
        The multiplier: kappa, c, gamma or d.
    """
    if name not in _SETTING:
        raise ValueError(f"name must be one of {_SETTING}, got {name!r}")
    others = [other for other in _SETTING if other != name]
    return table[(table[others] == 1.0).all(axis=1)].sort_values(name)


def setting_name(row):
    """Return what a setting changes, such as "gamma = 8", or "baseline".

    Parameters
    ----------
    row : pandas.Series or dict
        With kappa, c, gamma and d.
    """
    changed = [f"{name} = {row[name]:g}" for name in _SETTING if row[name] != 1.0]
    return ", ".join(changed) or "baseline"


def _interval(value, base):
    change = value - base
    n = len(change)
    error = change.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    reach = stats.t.ppf(0.975, n - 1) * error if n > 1 else np.nan
    mean = change.mean()
    return {
        "n_pairs": n,
        "mean": value.mean(),
        "baseline": base.mean(),
        "difference": mean,
        "standard_error": error,
        "low": mean - reach,
        "high": mean + reach,
    }
