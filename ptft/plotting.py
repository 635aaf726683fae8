"""One look for all figures: the same colour and line style for the same parameter throughout.

Colour tells the network, line style the task. Colours are Okabe and Ito's, which colour-blind
readers can tell apart; the baseline network (c = 1e-3, lambda = 0, gamma = 0) is always black,
smaller values of a parameter are blue, larger ones orange to red.
"""

import matplotlib.pyplot as plt

__all__ = [
    "BASELINE",
    "REGIME_COLORS",
    "label_panels",
    "network_color",
    "network_label",
    "task_label",
    "task_style",
    "use_style",
]

BASELINE = {"c_pt": 1e-3, "lambda_pt": 0.0, "gamma_ft": 0.0}

_NETWORK_COLORS = {
    "c_pt": {1e-6: "#0072B2", 1e-3: "#000000", 1.0: "#D55E00"},
    "lambda_pt": {-1.0: "#56B4E9", -0.99: "#0072B2", 0.0: "#000000", 0.99: "#D55E00"},
    "gamma_ft": {0.0: "#000000", 1.0: "#E69F00", 10.0: "#D55E00"},
}
_SYMBOLS = {"c_pt": "c", "lambda_pt": r"\lambda", "gamma_ft": r"\gamma"}

REGIME_COLORS = {"I": "#D55E00", "II": "#0072B2", "III": "#CC79A7", "IV": "#009E73"}
"""Colour of each of the four regimes."""

_TASK_STYLES = {
    (1.0, 0.1): "-",
    (0.5, 0.1): "-.",
    (0.0, 0.1): "--",
    (0.0, 0.9): ":",
    (1.0, 0.04): (0, (5, 1, 1, 1, 1, 1)),
    (1.0, 0.01): (0, (1, 1)),
    (0.0, 0.04): (0, (3, 3)),
    (0.0, 0.01): (0, (1, 4)),
}


def use_style():
    """Set matplotlib's defaults for the book; call it once at the top of a chapter."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 4.0),
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "lines.linewidth": 1.8,
            "axes.prop_cycle": plt.cycler(
                color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
            ),
        }
    )


def network_color(parameter, value):
    """Return the colour of a network that differs from `BASELINE` in one parameter.

    Parameters
    ----------
    parameter : {"c_pt", "lambda_pt", "gamma_ft"}
    value : float
        One of the paper's values.
    """
    return _look_up(_NETWORK_COLORS[parameter], value, parameter)


def network_label(parameter, value):
    """Return the legend entry of such a network, for instance "$c = 10^{-3}$"."""
    number = f"10^{{{round(_exponent(value))}}}" if parameter == "c_pt" and value != 1.0 else f"{value:g}"
    return f"${_SYMBOLS[parameter]} = {number}$"


def _exponent(value):
    mantissa, exponent = f"{value:e}".split("e")
    if float(mantissa) != 1.0:
        raise ValueError(f"value must be a power of ten, got {value!r}")
    return int(exponent)


def task_style(overlap, rho_ft):
    """Return the line style of one of the paper's tasks."""
    return _look_up(_TASK_STYLES, (float(overlap), float(rho_ft)), "(overlap, rho_ft)")


def task_label(overlap=None, rho_ft=None):
    """Return the legend entry of a task, naming what is given."""
    parts = []
    if overlap is not None:
        parts.append(rf"$\omega = {overlap:g}$")
    if rho_ft is not None:
        parts.append(rf"$\rho_{{\mathrm{{FT}}}} = {rho_ft:g}$")
    return ", ".join(parts)


def label_panels(axes, labels="abcdefgh"):
    """Write a bold letter at the upper left of every panel."""
    for axis, label in zip(axes, labels, strict=False):
        axis.set_title(label, loc="left", fontweight="bold")


def _look_up(table, key, name):
    if key not in table:
        raise ValueError(f"{name} must be one of {list(table)}, got {key!r}")
    return table[key]
