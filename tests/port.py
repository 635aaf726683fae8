"""The explorer's port of the theory to the browser, beside the package: largest differences.

python tests/port.py [n_settings]
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import robustness

import ptft

SEED = 20260221
NODE = shutil.which("node")
_SCRIPT = Path(__file__).with_name("port.mjs")


def in_javascript(way, inputs):
    """Return what the port computes for each input; `way` is one of those in `port.mjs`."""
    request = json.dumps({"way": way, "inputs": inputs})
    command = [NODE, str(_SCRIPT)]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def random_settings(rng):
    """Return any tasks and network that can be typed into the explorer, and five sample sizes."""
    task = robustness.random_task(rng)
    init = robustness.random_initialization(rng)
    balance = -1.0 if init.gamma_ft and rng.random() < 0.1 else init.lambda_pt
    alpha = [
        *rng.uniform(0.002, 0.999, 3),
        robustness.log_uniform(rng, 0.002, 0.999),
        1.0 - robustness.log_uniform(rng, 1e-3, 0.9),
    ]
    return {
        "rho_pt": task.rho_pt,
        "rho_ft": task.rho_ft,
        "overlap": task.overlap,
        "c_pt": init.c_pt,
        "lambda_pt": balance,
        "gamma_ft": init.gamma_ft,
        "noise": rng.choice([0.0, robustness.log_uniform(rng, 1e-8, 10.0)]),
        "alpha": sorted(alpha),
    }


def by_the_package(settings):
    """Return error, s2 and theta, shape (3, 5)."""
    task = ptft.Task(settings["rho_pt"], settings["rho_ft"], settings["overlap"])
    init = ptft.Initialization(*(settings[name] for name in ("c_pt", "lambda_pt", "gamma_ft")))
    curve = ptft.learning_curve(task, init, settings["alpha"], settings["noise"])
    return np.array([curve.error, curve.s2, curve.theta])


def differences(n_settings):
    """Return the largest relative difference of error, s2 or theta for each of the settings."""
    rng = np.random.default_rng(SEED)
    settings = [random_settings(rng) for _ in range(n_settings)]
    expected = np.array([by_the_package(one) for one in settings])
    found = np.array(in_javascript("curve", settings), dtype=float)  # null becomes NaN
    return np.abs(found / expected - 1.0).max(axis=(1, 2))


def main():
    """Print how far the port is from the package."""
    n_settings = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    found = differences(n_settings)
    quantiles = np.nanquantile(found, [0.5, 0.99, 1.0])
    print(f"{n_settings} settings, 5 sample sizes each; relative difference of error, s2, theta:")
    print("median {:.1e}, 99% {:.1e}, largest {:.1e}".format(*quantiles), end="; ")
    print(f"not solved: {np.isnan(found).sum()}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
