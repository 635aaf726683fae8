"""The command line: `ptft --help`, or `python -m ptft --help`."""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from . import REGIMES, Task, __version__, learning_curve
from .errors import MissingExtraError, needs
from .vision.command import add_vision

_EPILOG = """\
examples:
  ptft curve --rho-ft 0.1 --overlap 1 --regime IV
      the theory's learning curve of one network on one task, in milliseconds
  ptft curve --regime IV --lambda -0.9 --alpha 0.1 0.2 --json
      another network, with all that is known about two points
  ptft sweep results --experiment fig5 --dims 1000 --seeds 4
      simulate the four regimes of Fig. 5 at D = 1000; stop it and start it again at any time
  ptft sweep results --shard 3/8
      one of eight machines that share the folder (or whose folders are copied together)
  ptft sweep results --dask tcp://scheduler:8786
      the same on a Dask cluster that sees the folder
  ptft table results --output results.csv
      the results as a table; with --summary in fewer rows, headed by what made them
"""


def main(arguments=None):
    """Run a command; return the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args([_plain(word) for word in words])
    if "run" not in options:
        parser.print_help()
        return 0
    try:
        with _terminable():
            options.run(options)
            sys.stdout.flush()
    except (ValueError, OSError, MemoryError, MissingExtraError) as error:
        if isinstance(error, BrokenPipeError):
            return _hung_up()
        print(f"ptft: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _stopped("interrupted", signal.SIGINT)
    except _Terminated:
        return _stopped("stopped", signal.SIGTERM)
    return 0


def _plain(word):
    """Return a negative number such as -1e-3 without exponent: argparse takes it for an option."""
    if re.fullmatch(r"-(\d+\.?\d*|\.\d+)[eE][-+]?\d+", word):
        return format(Decimal(word), "f")
    return word


class _Terminated(BaseException):
    """The process was asked to end."""


@contextlib.contextmanager
def _terminable():
    """Let SIGTERM end work as Ctrl-C does: through every `with` and `finally`."""

    def end(number, frame):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stopped(how, number):
    """End the worker processes, say what happened, and return the status for a signal."""
    for worker in multiprocessing.active_children():
        worker.terminate()
    print(f"ptft: {how}; run again to go on", file=sys.stderr)
    return 128 + number


def _hung_up():
    """Return the status of a program whose reader, such as `head`, has gone."""
    # What is still buffered must not be written when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13  # SIGPIPE, which not every system has


def _parser():
    parser = argparse.ArgumentParser(
        prog="ptft",
        description="How pretraining shapes what fine-tuning finds: curves and simulations.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ptft {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    _add_curve(commands.add_parser("curve", help="print a learning curve of the theory"))
    _add_sweep(commands.add_parser("sweep", help="simulate an experiment of the paper; resumes"))
    _add_table(commands.add_parser("table", help="write a sweep's results as a table"))
    add_vision(commands, argparse.RawDescriptionHelpFormatter)
    return parser


_TASK = (
    ("--rho-pt", 0.1, "share of dimensions active in pretraining"),
    ("--rho-ft", 0.1, "share of dimensions active in fine-tuning"),
    ("--overlap", 1.0, "share of the latter that pretraining used"),
    ("--noise", 0.0, "variance of the label noise"),
)
_NETWORK = (
    ("c_pt", "--c", "absolute scale of the weights before pretraining"),
    ("lambda_pt", "--lambda", "relative scale of the layers, in [-1, 1]"),
    ("gamma_ft", "--gamma", "readout scale before fine-tuning"),
)


def _add_curve(parser):
    parser.set_defaults(run=_curve)
    for name, default, meaning in _TASK:
        text = f"{meaning} ({default:g})"
        parser.add_argument(name, type=float, default=default, metavar="X", help=text)
    text = "the network that stands for one of the paper's regimes (II)"
    parser.add_argument("--regime", choices=list(REGIMES), default="II", help=text)
    for field, name, meaning in _NETWORK:
        text = f"{meaning}, instead of the regime's"
        parser.add_argument(name, dest=field, type=float, metavar="X", help=text)
    text = "samples per dimension (0.05, 0.1 ... 0.5)"
    parser.add_argument("--alpha", type=float, nargs="+", metavar="X", help=text)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything that is known, as JSON")
    form.add_argument("--csv", action="store_true", help="print alpha and error as CSV")
    text = "draw the curve into a file, such as curve.png or curve.svg; needs matplotlib"
    parser.add_argument("--plot", type=Path, metavar="FILE", help=text)


def _curve(options):
    task = Task(options.rho_pt, options.rho_ft, options.overlap)
    given = {field: getattr(options, field) for field, _, _ in _NETWORK}
    changes = {field: value for field, value in given.items() if value is not None}
    init = replace(REGIMES[options.regime].init, **changes)
    alpha = options.alpha or np.linspace(0.05, 0.5, 10)
    curve = learning_curve(task, init, alpha, noise=options.noise)
    if options.json:
        asked = {"task": asdict(task), "initialization": asdict(init), "noise": options.noise}
        print(json.dumps(asked | asdict(curve), default=np.ndarray.tolist))
    else:
        print("\n".join(_csv(curve) if options.csv else _columns(curve)))
    if options.plot:
        _plot(curve, options.plot)


def _csv(curve):
    yield "alpha,error"
    points = zip(curve.alpha.tolist(), curve.error.tolist(), strict=True)
    yield from (f"{alpha!r},{error!r}" for alpha, error in points)


def _columns(curve):
    yield "alpha      E_gen"
    points = zip(curve.alpha, curve.error, strict=True)
    yield from (f"{alpha:<10.4g} {error:.10g}" for alpha, error in points)
    yield f"{curve.status}; expectation error {curve.expectation_error.max():.0e}"


def _plot(curve, path):
    with needs("plot"):
        from matplotlib.figure import Figure

    axes = Figure(layout="constrained").add_subplot()
    axes.plot(curve.alpha, curve.error, marker="o")
    axes.set(xlabel="samples per dimension, alpha", ylabel="generalization error", yscale="log")
    axes.figure.savefig(path)


_SHARD = "the I-th of N parts, or auto in a SLURM job array (1/1)"


def _add_sweep(parser):
    parser.set_defaults(run=_sweep)
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--experiment", default="all", help="1, 2, 3, 4, fig5 or all (all)")
    parser.add_argument("--dims", type=int, default=5000, help="input dimension D (5000)")
    parser.add_argument("--seeds", type=int, default=14, help="number of seeds (14)")
    text = "number of sample sizes, from 0.01 D to 0.5 D (11)"
    parser.add_argument("--alphas", type=int, default=11, help=text)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one a core (-1)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help=_SHARD)
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster to run on")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _sweep(options):
    from .sweeps import experiments

    alpha = np.linspace(0.01, 0.5, options.alphas)
    jobs = experiments.shard(experiments.jobs(options.dims, alpha, options.seeds), options.shard)
    sweep = experiments.Sweep(options.folder, experiments.settings(options.experiment))
    with _cluster(options.dask):
        if not options.quiet:
            print(_announced(sweep, jobs, None if options.dask else options.jobs), file=sys.stderr)
        sweep.run(jobs, n_jobs=options.jobs, progress=not options.quiet)
    print(f"{len(jobs) - len(sweep.pending(jobs))} of {len(jobs)} jobs are in {options.folder}")


def _announced(sweep, jobs, n_jobs):
    """Return how many jobs there are to do, and about how long they will take on this machine."""
    from .sweeps.progress import duration

    pending = sweep.pending(jobs)
    text = f"{len(jobs)} jobs, {len(pending)} of them to do"
    if not pending or n_jobs is None:
        return text
    seconds, n_workers = sweep.forecast(pending, n_jobs)
    return f"{text}, about {duration(seconds)} on {n_workers} cores"


@contextlib.contextmanager
def _cluster(address):
    if address is None:
        yield
        return
    with needs("dask"):
        import joblib
        from dask.distributed import Client

    with Client(address), joblib.parallel_config(backend="dask"):
        yield


def _add_table(parser):
    parser.set_defaults(run=_table)
    parser.add_argument("folder", type=Path, help="where a sweep's results are")
    parser.add_argument("--output", type=Path, help="CSV file to write (standard output)")
    text = "one row a setting and sample size, of the seeds that are complete"
    parser.add_argument("--summary", action="store_true", help=text)


def _table(options):
    from .sweeps import experiments, provenance

    sweep = experiments.open_sweep(options.folder)
    table = sweep.table()
    if not options.summary:
        provenance.write_table(table, options.output)
        return
    summary = experiments.summary(table)
    facts = {"command": _sweep_command(sweep, summary), "code": experiments.code_version()}
    facts |= provenance.facts("numpy", "scipy")
    provenance.write_table(summary, options.output, facts, "%.6g")


def _sweep_command(sweep, summary):
    """Return the commands that make a sweep's summary."""
    from .sweeps import experiments

    same = (name for name, s in experiments.EXPERIMENTS.items() if set(s) == set(sweep.settings))
    changes = {"experiment": next(same, "OTHER"), "dims": summary.n_dims.iloc[0]}
    changes |= {"alphas": summary.n_samples.nunique(), "seeds": summary.n_seeds.iloc[0]}
    words = " ".join(f"--{name} {value}" for name, value in changes.items() if value != "all")
    return f"python -m ptft sweep FOLDER {words}; python -m ptft table FOLDER --summary"
