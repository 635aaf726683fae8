"""Draw the figure of the README and of the book's first page: `make overview`.

The theory's learning curves of the four regimes on three tasks, as in Figure 5 of the paper.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ptft
from ptft.companion.plotting import REGIME_COLORS, use_style

# What fine-tuning needs, of what pretraining learned; and the largest alpha to show.
TASKS = {
    "new features": (ptft.Task(rho_pt=0.1, rho_ft=0.1, overlap=0.0), 0.5),
    "the same features": (ptft.Task(rho_pt=0.1, rho_ft=0.1, overlap=1.0), 0.3),
    "a tenth of the features": (ptft.Task(rho_pt=0.1, rho_ft=0.01, overlap=1.0), 0.1),
}
TARGET = Path(__file__).resolve().parents[1] / "_static" / "overview.png"


def draw():
    """Return the figure."""
    figure, axes = plt.subplots(1, len(TASKS), figsize=(9.0, 3.1), sharey=True)
    for axis, (title, (task, end)) in zip(axes, TASKS.items(), strict=True):
        axis.set(title=title, xlim=(0, end), ylim=(0, 1.2))
        alpha = np.linspace(end / 100, end, 100)
        for numeral, regime in ptft.REGIMES.items():
            error = ptft.learning_curve(task, regime.init, alpha).error
            label = f"{numeral}: {regime.name}"
            axis.plot(alpha, error, color=REGIME_COLORS[numeral], label=label)
    axes[1].set_xlabel(r"fine-tuning samples per dimension, $\alpha$")
    axes[0].set_ylabel("generalization error")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


if __name__ == "__main__":
    use_style()
    draw().savefig(TARGET, dpi=110, metadata={"Software": None})
