"""The command line of the vision experiment; torch is imported when a command runs."""

import json
import sys
from collections import Counter
from pathlib import Path

__all__ = ["add_table", "add_vision"]

_EPILOG = """\
examples:
  ptft vision results --preset smoke
      see it run, on the CPU, on drawn glyphs
  ptft vision results --preset small --jobs 2
      gamma and d on glyphs, 24 pairs from one pretraining
  ptft vision results --preset paper --cifar100 data --download --device cuda
      the published setting; stop it and start it again at any time
  ptft vision results --preset paper --images pictures --shard 2/4 --device cuda:1
      one of four GPUs, on your own images, one folder a class
  ptft vision results --preset paper --images pictures --forecast
      how long that would take here; then stop
  ptft vision-table results --output results.csv
      one row a pair and setting, headed by what made them
"""
_MULTIPLIERS = ("kappa", "c", "gamma", "d")
_FIELDS = {
    "samples": "samples",
    "n_splits": "splits",
    "n_held_out": "held-out",
    "n_pairs": "pairs",
    "initialisation": "initialisation",
    "seed": "seed",
}
"""Options of `vision` by the fields of `Plan` that they change."""


def add_vision(commands, formatter):
    """Add `vision`, `vision-table` and `vision-forecast` to a parser's subcommands."""
    text = "pretrain and fine-tune ResNet-18 on images; resumes"
    parser = commands.add_parser("vision", help=text, epilog=_EPILOG, formatter_class=formatter)
    _add_run(parser)
    add_table(commands.add_parser("vision-table", help="write results of vision as a table"))
    text = "time a few steps of every preset of vision; write how long each would take"
    _add_forecast(commands.add_parser("vision-forecast", help=text))


def _add_run(parser):
    parser.set_defaults(run=_run)
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--preset", default="smoke", help="smoke, small or paper (smoke)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--glyphs", action="store_true", help="draw the images (smoke and small)")
    source.add_argument("--cifar100", type=Path, metavar="FOLDER", help="holds cifar-100-python")
    source.add_argument("--images", type=Path, metavar="FOLDER", help="one subfolder a class")
    text = "fetch CIFAR-100 into its folder if it is not there (169 MB)"
    parser.add_argument("--download", action="store_true", help=text)
    _add_device(parser)
    parser.add_argument("--jobs", type=int, default=1, help="processes that fine-tune (1)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts (1/1)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars and no forecast")
    text = "say how long it would take on this machine, after a few timed steps, and stop"
    parser.add_argument("--forecast", action="store_true", help=text)
    _add_changes(parser.add_argument_group("changes to the preset"))


def _add_device(parser):
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (cpu)")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU in pretraining (2)")


def _add_changes(group):
    for name in _MULTIPLIERS:
        text = f"factors of {name}, instead of the preset's"
        group.add_argument(f"--{name}", type=float, nargs="*", metavar="X", help=text)
    group.add_argument("--samples", type=int, nargs="+", metavar="N", help="fine-tuning samples")
    group.add_argument("--splits", type=int, metavar="N", help="number of splits")
    group.add_argument("--held-out", type=int, metavar="N", help="classes held out")
    group.add_argument("--pairs", type=int, metavar="N", help="pairs a split")
    text = "start from the N-th of a split's possible networks (0)"
    group.add_argument("--initialisation", type=int, metavar="N", help=text)
    group.add_argument("--seed", type=int, metavar="N", help="of all random numbers")
    text = "fields of Recipe, such as loss=1e-4 mixed_precision=1"
    for name in ("--pretraining", "--fine-tuning"):
        group.add_argument(name, nargs="+", default=[], metavar="NAME=X", help=text)
    text = "fine-tune the cross-entropy over all outputs, not the pair's two"
    group.add_argument("--all-outputs", action="store_true", default=None, help=text)
    text = "leave parameters of batch normalisation out of the multipliers"
    group.add_argument("--no-norm", dest="norm", action="store_false", default=None, help=text)


def _run(options):
    from .experiment import Study, shard

    plan = _plan(options)
    shard(plan.pretrainings(), options.shard)  # a part that is none must not claim the folder
    images = _images(options, plan)
    print(images.report, file=sys.stderr)
    settings = {"device": options.device, "threads": options.threads}
    study = Study(options.folder, plan, images, **settings)
    jobs = study.jobs(options.shard)
    if options.forecast:
        return print(_expected(study, jobs, options.jobs))
    if not options.quiet:
        print(_expected(study, jobs, options.jobs), file=sys.stderr, flush=True)
    study.run(jobs, n_jobs=options.jobs, progress=not options.quiet)
    print(f"{len(jobs) - len(study.pending(jobs))} of {len(jobs)} jobs are in {options.folder}")
    failed = Counter(study.failed(jobs).values())
    if failed:
        told = ", ".join(f"{count} {status}" for status, count in failed.items())
        raise OSError(
            f"some jobs failed ({told}): start again, if need be with fewer processes (--jobs), a "
            "smaller batch or --device cpu; finished work is kept"
        )


def _expected(study, jobs, n_jobs):
    """Return the forecast in words; what ends a training here must not end the run before it."""
    from .forecast import forecast, told
    from .hardware import failure

    try:
        return told(forecast(study, jobs, n_jobs)) or "nothing is left to do"
    except Exception as error:
        status = failure(error)
        if status is None:
            raise
        return f"no forecast: {status}"


def _plan(options):
    from dataclasses import replace

    from ..errors import choice
    from .plan import PRESETS

    plan = PRESETS[choice("preset", options.preset, PRESETS)]
    names = _FIELDS | {"all_outputs": "all_outputs", "norm": "norm"}
    given = {field: getattr(options, name.replace("-", "_")) for field, name in names.items()}
    changes = {name: value for name, value in given.items() if value is not None}
    if "samples" in changes:
        changes["samples"] = tuple(changes["samples"])
    for name in ("pretraining", "fine_tuning"):
        changes[name] = _recipe(name, getattr(plan, name), getattr(options, name))
    return replace(plan, settings=_settings(options, plan), **changes)


def _settings(options, plan):
    from .plan import one_at_a_time

    values = {name: getattr(options, name) for name in _MULTIPLIERS}
    if all(value is None for value in values.values()):
        return plan.settings
    return one_at_a_time(**{name: value or () for name, value in values.items()})


def _recipe(name, recipe, items):
    from dataclasses import fields, replace

    types = {field.name: field.type for field in fields(recipe)}
    changes = {}
    for item in items:
        key, _, text = item.partition("=")
        if key not in types:
            raise ValueError(f"{name} must name one of {list(types)}, got {item!r}")
        try:
            number = float(text)
        except ValueError as error:
            raise ValueError(f"{name} must be NAME=NUMBER, got {item!r}") from error
        changes[key] = types[key](number)
    return replace(recipe, **changes)


def _images(options, plan):
    from . import data

    if options.cifar100:
        return data.cifar100(options.cifar100, download=options.download)
    if options.download:
        raise ValueError("download needs a place: give --cifar100 FOLDER")
    if options.images:
        return data.folder(options.images)
    if options.preset == "paper" and not options.glyphs:
        raise ValueError(
            "preset paper needs images: --cifar100 FOLDER, --images FOLDER or --glyphs"
        )
    return data.drawn(plan.per_class)


def add_table(parser):
    """Add the arguments of `vision-table`."""
    parser.set_defaults(run=_table)
    text = "where the results are; several, if they differ in the initialisation alone"
    parser.add_argument("folders", type=Path, nargs="+", metavar="folder", help=text)
    parser.add_argument("--output", type=Path, help="CSV file to write (standard output)")
    text = "PR and ENSD of every stage, centred and not"
    parser.add_argument("--stages", action="store_true", help=text)


def _table(options):
    from ..sweeps import provenance
    from . import results

    facts = results.made(*options.folders)
    words = _words(json.loads(facts["plan"]), facts["data"].split(",")[0])
    command = f"python -m ptft vision {' '.join(words)}; python -m ptft vision-table FOLDER"
    facts = {"command": command + " --stages" * options.stages} | facts
    rows = results.joined([results.table(folder, options.stages) for folder in options.folders])
    provenance.write_table(rows, options.output, facts, "%.6g")


def _add_forecast(parser):
    parser.set_defaults(run=_forecast)
    _add_device(parser)
    parser.add_argument("--output", type=Path, help="CSV file to write (standard output)")


def _forecast(options):
    from ..sweeps import provenance
    from . import hardware
    from .forecast import of_presets

    table = of_presets(options.device, options.threads)
    words = f"vision-forecast --device {options.device} --threads {options.threads}"
    facts = {"command": f"python -m ptft {words}"}
    facts |= hardware.facts(hardware.available(options.device))
    provenance.write_table(table, options.output, facts, "%.4g")


def _words(plan, data):
    """Return the arguments of `vision` that make a plan, as folders hold it.

    A plan that was made in Python, not from a preset, has none; it is told in full anyway.
    """
    from dataclasses import asdict

    from .plan import PRESETS

    presets = {name: json.loads(json.dumps(asdict(p))) for name, p in PRESETS.items()}
    same = (name for name, p in presets.items() if p["per_class"] == plan["per_class"])
    if (base := next(same, None)) is None:
        return ["FOLDER"]
    preset, words = presets[base], ["FOLDER", "--preset", base]
    if data != "glyphs":
        words += ["--cifar100", "DATA"] if data == "CIFAR-100" else ["--images", "IMAGES"]
    if plan["settings"] != preset["settings"]:
        for name in _MULTIPLIERS:
            factors = sorted({s[name] for s in plan["settings"]} - {1.0})
            words += [f"--{name}", *(f"{factor:g}" for factor in factors)]
    for field, name in _FIELDS.items():
        if plan[field] != preset[field]:
            many = isinstance(plan[field], list)
            words += [f"--{name}", *map(str, plan[field] if many else [plan[field]])]
    for name in ("pretraining", "fine_tuning"):
        changes = [f"{k}={v + 0}" for k, v in plan[name].items() if v != preset[name][k]]
        words += [f"--{name}".replace("_", "-"), *changes] if changes else []
    return words + ["--all-outputs"] * plan["all_outputs"] + ["--no-norm"] * (not plan["norm"])
