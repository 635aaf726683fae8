"""How long a learning curve takes, on one core: `make benchmark`.

The comparison runs the paper's solver at its own settings and takes minutes.
"""

import platform
import time

import numpy as np
import pytest
import scipy

from ptft import REGIMES, Initialization, Task, learning_curve
from ptft.monte_carlo import monte_carlo_curve

ALPHA = np.linspace(0.01, 0.5, 40)
TRUTHS = [(0.0, 0.1), (1.0, 0.1), (1.0, 0.01)]  # (overlap, rho_ft), as in Figure 5


@pytest.mark.parametrize(("overlap", "rho_ft"), TRUTHS)
@pytest.mark.parametrize("regime", REGIMES)
def test_curve(benchmark, regime, overlap, rho_ft):
    curve = benchmark(learning_curve, Task(0.1, rho_ft, overlap), REGIMES[regime].init, ALPHA)
    assert curve.residual.max() < 1e-12


def test_against_the_papers_solver(benchmark, capsys):
    """Regime II, full overlap, every fourth of 40 sample sizes."""
    problem = Task(0.1, 0.1, 1.0), Initialization(1e-3, 0.0, 0.0), ALPHA[::4]
    theirs = benchmark.pedantic(monte_carlo_curve, args=problem, rounds=1, iterations=1)
    slow = benchmark.stats.stats.min
    fast = np.median([_seconds(learning_curve, *problem) for _ in range(101)])
    ours = learning_curve(*problem, ridge=1e-6)
    assert np.abs(theirs.error / ours.error - 1.0).max() < 0.2
    benchmark.extra_info["ratio"] = slow / fast
    with capsys.disabled():
        print(_report(slow, fast))


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _report(slow, fast):
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return (
        f"\n10 sample sizes of regime II, one core ({versions}, SciPy {scipy.__version__}, "
        f"{_processor()})\n"
        f"  the paper's solver   {slow:10.3f} s\n"
        f"  ptft.learning_curve  {fast:10.6f} s (median of 101)\n"
        f"  ratio                {slow / fast:10.0f}"
    )


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
