"""Tables of what came out of studies, and paired differences between their settings.

Pairs of classes are a sample, and so are networks: the initialisations of a split, each pretrained
in a folder of its own. A table has a row for every one of both, and `differences` says what they
show about others.
"""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..errors import choice, needs
from ..sweeps import provenance, storage
from . import crossed
from .experiment import ending
from .model import STAGES
from .representation import STATISTICS
from .training import Fit

with needs("vision"):
    import pandas as pd

__all__ = ["differences", "joined", "made", "read_table", "setting_name", "swept", "table"]

_NETWORK, _PAIR = ["initialisation", "split"], ["first", "second"]
_JOB = [*_NETWORK, *_PAIR, "n_samples"]
_SETTING = ["kappa", "c", "gamma", "d"]
_STAGE = ["stage", "statistics", "centred"]
_SHAPES = ["pr_before", "pr_after", "ensd"]


def _records(folder):
    """Return the rows of all jobs in a folder, each with its job's columns."""
    plan = storage.identity(folder, "vision")["plan"]
    network, found = {"initialisation": plan.get("initialisation", 0)}, []
    for path in filter(storage.is_whole, _job_paths(folder)):
        content = storage.read_json(path)
        job = content["job"]
        first, second = job.pop("pair")
        job |= network | {"first": first, "second": second}
        found += [job | row for row in content["rows"]]
    if not found:
        raise ValueError(f"folder must hold finished jobs, got {folder}; run it first")
    return found


def _job_paths(folder):
    """Return the files of finished jobs, and of those whose last try failed."""
    paths = sorted(Path(folder).glob("s*-kappa*-n*.json"))
    done = {path.name for path in paths}
    return [path for path in paths if path.name.replace(".failed", "") not in done - {path.name}]


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
        One row an initialisation, split, pair (`first`, `second`), n_samples and setting: status,
        epochs and loss of fine-tuning; accuracy_running and accuracy_reestimated; and pr_before,
        pr_after and ensd of the last stage, uncentred, with either statistics, such as
        pr_after_reestimated. With `stages` one row more for every stage, statistics and centring,
        with pr_before, pr_after and ensd.
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


def joined(tables):
    """Return tables of several initialisations, or of other parts of a study, as one.

    Parameters
    ----------
    tables : list of pandas.DataFrame
        As from `table` or `read_table`.

    Raises
    ------
    ValueError
        If two have the same initialisation, split, pair, n_samples and setting.
    """
    found = pd.concat(tables, ignore_index=True)
    names = [name for name in [*_JOB, *_SETTING, *_STAGE] if name in found]
    twice = found[found.duplicated(names)]
    if len(twice):
        first = twice.iloc[0][names].to_dict()
        raise ValueError(f"tables must not share rows, got {len(twice)} twice, such as {first}")
    return found.sort_values(names, ignore_index=True)


def made(*folders):
    """Return the facts that head the table of a folder, or of several whose tables are joined.

    Parameters
    ----------
    folders : str or Path
        Of studies with the same plan but for the initialisation.

    Returns
    -------
    dict of str to str
        Data, plan (with a list of initialisations, if there are several folders), code; commit,
        versions, hardware and date of every run; how each network's pretraining ended; the images
        that training took in a second; the largest memory of a process; and the time of all runs.
    """
    folders = [Path(folder) for folder in folders]
    identity = _common([storage.identity(folder, "vision") for folder in folders])
    runs = [storage.read_json(p) for f in folders for p in sorted(f.glob("run-*.json"))]
    facts = {
        "data": f"{identity['data']['name']}, digest {identity['data']['digest']}",
        "plan": json.dumps(identity["plan"]),
        "code": identity["code"],
        "device": f"{identity['device']}, {identity['threads']} threads in pretraining",
    }
    for name in ("commit", "versions", "hardware", "date"):
        facts[name] = "; ".join(sorted({run["facts"][name] for run in runs}))
    facts["wall time"] = f"{sum(run['seconds'] for run in runs):.0f} s in {len(runs)} runs"
    return facts | _pretraining_facts(folders) | _fine_tuning_facts(folders)


def _common(identities):
    """Return what studies are of, if they differ in nothing but the initialisation."""
    first, started = identities[0], [i["plan"].pop("initialisation", 0) for i in identities]
    for identity in identities:
        for name, value in first.items():
            if identity[name] != value:
                raise ValueError(
                    f"folders must differ in the initialisation alone, got other {name}"
                )
    first["plan"]["initialisation"] = started[0] if len(started) == 1 else started
    return first


def _pretraining_facts(folders):
    paths = [p for f in folders for p in sorted(f.glob("s*-kappa*-c*.pt"))]
    rows = [_pretraining_row(path) for path in paths if "unfinished" not in path.name]
    names = ["start", "n_images", "accuracy", "memory", *(field.name for field in fields(Fit))]
    ends = pd.DataFrame(rows, columns=names).astype({"accuracy": float})
    told = [f"{start}: {_told(part)}" for start, part in ends.groupby("start")]
    facts = {
        "pretraining": "; ".join(told),
        "pretraining rate": _rate((ends.n_images * ends.epochs).sum(), ends.seconds.sum()),
    }
    return facts | _memory_fact("pretraining", ends.memory.dropna())


def _fine_tuning_facts(folders):
    paths = (path for folder in folders for path in _job_paths(folder))
    contents = [storage.read_json(path) for path in filter(storage.is_whole, paths)]
    done = [(content, row) for content in contents for row in content["rows"] if "seconds" in row]
    images = sum(content["job"]["n_samples"] * row["epochs"] for content, row in done)
    seconds = sum(row["seconds"] for _, row in done)
    memory = [content["memory"] for content in contents if content.get("memory")]
    facts = {"fine-tuning rate": _rate(images, seconds)} if done else {}
    return facts | _memory_fact("fine-tuning", memory)


def _rate(images, seconds):
    return f"{images / max(seconds, 1e-9):.0f} images/s"


def _memory_fact(name, sizes):
    """Return a fact about the largest of some numbers of bytes, if there are any."""
    return {f"peak memory, {name}": f"{max(sizes) / 2**30:.2f} GiB"} if len(sizes) else {}


def _pretraining_row(path):
    _, _, start = path.stem.partition("-")  # kappa and c, of whatever split
    end = ending(path)
    names = ("n_images", "accuracy", "memory")
    return {"start": start} | {name: end.get(name) for name in names} | end["fit"]


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
        As from `table`. Tables that are older than the column `initialisation` get it from the
        plan.
    facts : dict of str to str
        As from `made`.
    """
    found, facts = provenance.read_table(path)
    if "initialisation" not in found:
        found.insert(0, "initialisation", json.loads(facts["plan"]).get("initialisation", 0))
    return found.astype(dict.fromkeys(_SETTING, float)), facts


def differences(table, measure, baseline=None, effect=None, n_draws=2000, seed=0):
    """Return paired differences between each setting and a baseline, with what they show.

    Every difference is between two numbers of the same initialisation, split, pair and n_samples.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `table` or `joined`; with `stages`, of one stage, statistics and centring.
    measure : str
        A column, such as "accuracy_reestimated".
    baseline : pandas.DataFrame, optional
        Rows of one setting to compare with, from this table or another. By default those in which
        all multipliers are 1.
    effect : float, optional
        A difference: the column `networks_needed` then says how many networks would show it with
        80% probability, on so many pairs; NA if no number would, or if the table cannot tell.
    n_draws, seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a setting and n_samples: `n_networks` and `n_pairs`, those in which both have a
        value, and `n_lost`, how many differences are left out for that; `mean` and `baseline` over
        these; `difference`; its `standard_error` with `degrees` of freedom, and `low` and `high`,
        the 95% interval; `bootstrap_low` and `bootstrap_high`, that of a two-way bootstrap;
        `network`, `pair` and `rest`, estimated standard deviations; `smallest_effect`, the
        difference that would have been seen with 80% probability; and `status`, what intervals are
        about. `crossed` explains them all. With several splits, whose pairs are not the same, a
        split's mean is one value, and the status is "splits".
    """
    base = _baseline(table if baseline is None else baseline, measure, baseline is None)
    rows = []
    for key, part in table.groupby(["n_samples", *_SETTING]):
        value = part.set_index(_JOB)[measure]
        parts = _complete(pd.DataFrame({"value": value, "base": base.reindex(value.index)}))
        names = dict(zip(["n_samples", *_SETTING], key, strict=True))
        row = {name: names[name] for name in [*_SETTING, "n_samples"]}
        row |= _means(parts, len(value)) | _shown(parts, effect, n_draws, seed)
        rows.append(row)
    unknown = dict.fromkeys(_SPREADS, "Float64")
    if effect is not None:
        unknown["networks_needed"] = "Int64"
    return pd.DataFrame(rows).astype(unknown)


def _baseline(table, measure, ones):
    """Return a measure of the baseline, by job."""
    if ones:
        table = table[(table[_SETTING] == 1.0).all(axis=1)]
        if not len(table):
            raise ValueError("table must have the baseline: kappa = c = gamma = d = 1")
    found = table.set_index(_JOB)[measure]
    if not found.index.is_unique:
        raise ValueError("baseline must be of one setting, and of one stage if there are stages")
    return found


def _complete(both):
    """Return values and baselines of every split, as networks by pairs without gaps.

    A network without any pair is left out, and then every pair that is missing from a network.
    """
    wide = both.dropna().droplevel("n_samples").sort_index().unstack(_PAIR)
    parts = [part.dropna(axis=1, how="all") for _, part in wide.groupby("split")]
    parts = [part.dropna(axis=1) for part in parts]
    return [(part["value"].to_numpy(), part["base"].to_numpy()) for part in parts if part.size]


def _means(parts, n_all):
    """Return counts and means of complete parts, out of so many differences."""
    mean, baseline = (
        np.mean([part[i].mean() for part in parts]) if parts else None for i in range(2)
    )
    return {
        "n_networks": sum(len(value) for value, _ in parts),
        "n_pairs": sum(value.shape[1] for value, _ in parts),
        "n_lost": n_all - sum(value.size for value, _ in parts),
        "mean": mean,
        "baseline": baseline,
    }


_ERRORS = ("standard_error", "degrees", "low", "high")
_SPREADS = ("network", "pair", "rest")
_BOOTSTRAP = ("bootstrap_low", "bootstrap_high")


def _shown(parts, effect, n_draws, seed):
    """Return what complete parts say of the mean difference."""
    changes = [value - base for value, base in parts]
    needed = {} if effect is None else {"networks_needed": None}
    if not changes:
        names = ("difference", *_ERRORS, *_BOOTSTRAP, *_SPREADS, "smallest_effect")
        return dict.fromkeys(names) | needed | {"status": "no pair has both"}
    table = np.array([[change.mean()] for change in changes]) if changes[1:] else changes[0]
    found = crossed.analyse(table)
    ends = (None, None) if found.low is None else crossed.bootstrap(table, n_draws, seed)
    numbers = {"difference": found.mean} | {name: getattr(found, name) for name in _ERRORS}
    numbers |= dict(zip(_BOOTSTRAP, ends, strict=True))
    numbers |= {name: getattr(found, name) for name in _SPREADS}
    numbers["smallest_effect"] = found.smallest_effect()
    if effect is not None:
        needed["networks_needed"] = found.networks_needed(effect)
    said = {name: None if number is None else float(number) for name, number in numbers.items()}
    return said | needed | {"status": "splits" if changes[1:] else found.status}


def swept(table, name):
    """Return the rows in which only one multiplier may differ from 1, by its value.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `table` or `differences`.
    name : str
        The multiplier: kappa, c, gamma or d.
    """
    choice("name", name, _SETTING)
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
