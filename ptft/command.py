"""The command line: `python -m ptft --help`."""

import argparse
import contextlib
import sys
from pathlib import Path

import numpy as np

from . import Initialization, Task, learning_curve
from .errors import MissingExtraError, needs
from .vision.command import add_vision

_EPILOG = """\
examples:
  python -m ptft curve --rho-ft 0.1 --overlap 1 --lambda -0.99
      the theory's learning curve of one network on one task, in milliseconds
  python -m ptft sweep results --experiment fig5 --dims 1000 --seeds 4
      simulate the four regimes of Fig. 5 at D = 1000; stop it and start it again at any time
  python -m ptft sweep results --shard 3/8
      one of eight machines that share the folder (or whose folders are copied together)
  python -m ptft sweep results --dask tcp://scheduler:8786
      the same on a Dask cluster that sees the folder
  python -m ptft table results --output results.csv
      the results as a table; with --summary in fewer rows, headed by what made them
"""


def main(arguments=None):
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, MemoryError, MissingExtraError) as error:
        print(f"ptft: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m ptft",
        description="How pretraining shapes what fine-tuning finds: curves and simulations.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_curve(commands.add_parser("curve", help="print a learning curve of the theory"))
    _add_sweep(commands.add_parser("sweep", help="simulate an experiment of the paper; resumes"))
    _add_table(commands.add_parser("table", help="write a sweep's results as a table"))
    add_vision(commands, argparse.RawDescriptionHelpFormatter)
    return parser


_NETWORK_AND_TASK = (
    ("--rho-pt", 0.1, "share of dimensions active in pretraining"),
    ("--rho-ft", 0.1, "share of dimensions active in fine-tuning"),
    ("--overlap", 1.0, "share of the latter that pretraining used"),
    ("--c", 1e-3, "absolute scale of the weights before pretraining"),
    ("--lambda", 0.0, "relative scale of the layers, in [-1, 1]"),
    ("--gamma", 0.0, "readout scale before fine-tuning"),
    ("--noise", 0.0, "variance of the label noise"),
)


def _add_curve(parser):
    parser.set_defaults(run=_curve)
    for name, default, meaning in _NETWORK_AND_TASK:
        text = f"{meaning} ({default:g})"
        parser.add_argument(name, type=float, default=default, metavar="X", help=text)
    text = "samples per dimension (0.05, 0.1 ... 0.5)"
    parser.add_argument("--alpha", type=float, nargs="+", metavar="X", help=text)


def _curve(options):
    task = Task(options.rho_pt, options.rho_ft, options.overlap)
    init = Initialization(options.c, getattr(options, "lambda"), options.gamma)
    alpha = options.alpha or np.linspace(0.05, 0.5, 10)
    curve = learning_curve(task, init, alpha, noise=options.noise)
    print("alpha      E_gen")
    for a, error in zip(curve.alpha, curve.error, strict=True):
        print(f"{a:<10.4g} {error:.10g}")
    print(f"{curve.status}; expectation error {curve.expectation_error.max():.0e}")


def _add_sweep(parser):
    parser.set_defaults(run=_sweep)
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--experiment", default="all", help="1, 2, 3, 4, fig5 or all (all)")
    parser.add_argument("--dims", type=int, default=5000, help="input dimension D (5000)")
    parser.add_argument("--seeds", type=int, default=14, help="number of seeds (14)")
    text = "number of sample sizes, from 0.01 D to 0.5 D (11)"
    parser.add_argument("--alphas", type=int, default=11, help=text)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one a core (-1)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts (1/1)")
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster to run on")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _sweep(options):
    from .sweeps import experiments

    sweep = experiments.Sweep(options.folder, experiments.settings(options.experiment))
    alpha = np.linspace(0.01, 0.5, options.alphas)
    jobs = experiments.shard(experiments.jobs(options.dims, alpha, options.seeds), options.shard)
    with _cluster(options.dask):
        sweep.run(jobs, n_jobs=options.jobs, progress=not options.quiet)
    print(f"{len(jobs) - len(sweep.pending(jobs))} of {len(jobs)} jobs are in {options.folder}")


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
    facts = {"command": _sweep_command(sweep, table), "code": experiments.code_version()}
    facts |= provenance.facts("numpy", "scipy")
    provenance.write_table(experiments.summary(table), options.output, facts, "%.6g")


def _sweep_command(sweep, table):
    """Return the commands that make a sweep's summary."""
    from .sweeps import experiments

    same = (name for name, s in experiments.EXPERIMENTS.items() if set(s) == set(sweep.settings))
    changes = {"experiment": next(same, "OTHER"), "dims": table.n_dims.iloc[0]}
    changes |= {"alphas": table.n_samples.nunique(), "seeds": table.seed.nunique()}
    words = " ".join(f"--{name} {value}" for name, value in changes.items() if value != "all")
    return f"python -m ptft sweep FOLDER {words}; python -m ptft table FOLDER --summary"
