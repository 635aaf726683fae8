"""One look for all figures: the same colour and line style for the same parameter throughout.

Colour tells the network, line style the task. Colours are Okabe and Ito's, which colour-blind
readers can tell apart; the baseline network (c = 1e-3, lambda = 0, gamma = 0) is always black,
smaller values of a parameter are blue, larger ones orange to red.
"""

import base64
import os
import zlib

import numpy as np

from ..errors import needs
from ..model.regimes import REGIMES, l_order, pretraining_dependence

with needs("plot"):
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    from ._narrow import narrow

__all__ = [
    "BASELINE",
    "GROUP_COLORS",
    "LAYER_COLORS",
    "REGIME_COLORS",
    "draw_layers",
    "draw_network",
    "draw_path",
    "draw_portrait",
    "draw_portraits",
    "draw_tasks",
    "draw_triangle",
    "label_panels",
    "mark_regimes",
    "network_color",
    "network_label",
    "relative_scale_axis",
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

LAYER_COLORS = {"w": "#0072B2", "v": "#D55E00"}
"""Colour of the first layer's weights w and of the second layer's weights v."""

GROUP_COLORS = {
    "shared": "#009E73",
    "new": "#E69F00",
    "pretraining only": "#56B4E9",
    "neither": "#FFFFFF",
}
"""Colour of each of the four groups of dimensions of a task."""

_TASK_STYLES = {
    (1.0, 0.1): "-",
    (0.5, 0.1): "-.",
    (0.0, 0.1): "--",
    (0.0, 0.9): ":",
    (1.0, 0.04): (0, (5, 1, 1, 1, 1, 1)),
    (1.0, 0.01): (0, (1, 1)),
    (0.0, 0.04): (0, (6, 2, 1, 2, 1, 2)),
    (0.0, 0.01): (0, (1, 4)),
}


def use_style():
    """Set matplotlib's defaults for the book; call it once at the top of a chapter.

    What a reader's matplotlibrc says is set aside, so that figures look the same everywhere.
    """
    plt.rcdefaults()
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
    if os.environ.get("PTFT_FIGURES") == "svg":
        _draw_for_pages()


def _draw_for_pages():
    """Make figures of notebooks drawings without a ground: pages of a book are light or dark."""
    with needs("chapters"):
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    set_matplotlib_formats("svg")
    get_ipython().display_formatter.formatters["image/svg+xml"].for_type(Figure, _draw_twice)
    grounds = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    plt.rcParams.update(dict.fromkeys(grounds, "none") | {"svg.hashsalt": "ptft"})


def _draw_twice(figure):
    """Return a figure as a drawing, which carries another one for phones in its metadata."""
    with needs("chapters"):
        from IPython.core.pylabtools import print_figure

    wide = print_figure(figure, "svg")
    narrow(figure)
    other = base64.b64encode(zlib.compress(print_figure(figure, "svg").encode())).decode()
    return wide.replace("</svg>", f'<metadata id="narrow">{other}</metadata></svg>')


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
    number = (
        f"10^{{{round(_exponent(value))}}}"
        if parameter == "c_pt" and value != 1.0
        else f"{value:g}"
    )
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


def draw_network(axis):
    """Draw the diagonal linear network: each input has two hidden units of its own (Fig. 1).

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Left without ticks.
    """
    axis.set(xlim=(-0.4, 5.0), ylim=(-0.25, 4.75))
    axis.axis("off")
    columns = {"inputs": 0.0, "first layer $w$": 0.85, "second layer $v$": 2.7, "output": 3.7}
    for heading, x in columns.items():
        axis.text(x, 4.5, heading, ha="center", color=LAYER_COLORS.get(heading[-2], "black"))
    for y, name in ((3.3, "1"), (0.7, "D")):
        _draw_pathways(axis, y, name)
    for x in (0.0, 1.7):
        axis.text(x, 2.0, r"$\vdots$", ha="center", va="center", fontsize=16)
    _draw_unit(axis, 3.7, 2.0, r"$f(x)$", size=36)
    axis.text(4.05, 2.0, r"$=\sum_d \beta_d x_d$", va="center", fontsize=12)


def _draw_pathways(axis, y, name):
    """Draw one input, its hidden units and the four weights between it and the output."""
    for sign, dash, shift in (("+", "-", 0.7), ("-", (0, (4, 2)), -0.7)):
        ends = {"w": ((0.0, y), (1.7, y + shift)), "v": ((1.7, y + shift), (3.7, 2.0))}
        for layer, (start, end) in ends.items():
            axis.plot(*zip(start, end, strict=True), color=LAYER_COLORS[layer], ls=dash, zorder=1)
            x, height = np.average([start, end], axis=0, weights=(0.55, 0.45))
            axis.annotate(
                rf"${layer}_{{{sign},{name}}}$",
                (x, height),
                ha="center",
                va="center",
                fontsize=12,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
        _draw_unit(axis, 1.7, y + shift, f"${sign}$", size=18)
    _draw_unit(axis, 0.0, y, rf"$x_{{{name}}}$", size=26)


def _draw_unit(axis, x, y, label, size):
    axis.plot(x, y, "o", ms=size, mfc="white", mec="black", mew=1.2, zorder=2)
    axis.text(x, y, label, ha="center", va="center", fontsize=12, zorder=3)


def draw_layers(axis, values, weights, label):
    """Draw the size of both layers' weights, a pair of bars for each network (Fig. 1).

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    values : sequence of float
        What tells the networks apart; written below the bars.
    weights : Weights
        Of the positive pathway the weights of each network are drawn.
    label : str
        Name of the parameter that `values` are of.
    """
    place = np.arange(len(values))
    for shift, name in ((-0.2, "w"), (0.2, "v")):
        heights = np.broadcast_to(getattr(weights, f"{name}_plus"), place.shape)
        axis.bar(place + shift, heights, 0.36, color=LAYER_COLORS[name], label=f"${name}$")
    axis.set_xticks(place, [f"{value:g}" for value in values])
    axis.set_xlabel(label)
    axis.grid(visible=False, axis="x")


def draw_tasks(axis, tasks, n_dims):
    """Draw which dimensions pretraining and fine-tuning use, a pair of rows for a task (Fig. 1).

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Left without ticks.
    tasks : dict of str to Task
        By name, from top to bottom.
    n_dims : int
        Squares in a row; each group must fill a whole number of them.

    Returns
    -------
    dict of str to dict of str to int
        By the names of task and group: how many dimensions the group got.
    """
    counts = {}
    for row, (name, task) in enumerate(tasks.items()):
        y = -2.9 * row
        counts[name] = _draw_task(axis, task, n_dims, y)
        label = task_label(task.overlap, task.rho_ft)
        axis.text(1.03 * n_dims, y + 0.95, f"{name}\n{label}", va="center")
    axis.set(xlim=(-0.9, 1.6 * n_dims), ylim=(y - 0.1, 2.0))
    axis.axis("off")
    squares = [_square(0, 0, color) for color in GROUP_COLORS.values()]
    names = [*list(GROUP_COLORS)[:-1], "inactive"]
    axis.legend(squares, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return counts


def _draw_task(axis, task, n_dims, y):
    """Draw one task's rows, pretraining above fine-tuning; return its groups' sizes."""
    counts = _group_counts(task, n_dims)
    names = [name for name, count in counts.items() for _ in range(count)]
    rows = {"PT": (y + 1.0, "pretraining only"), "FT": (y, "new")}
    for stage, (height, own) in rows.items():
        axis.text(-0.25, height + 0.43, stage, ha="right", va="center", fontsize=9)
        for x, name in enumerate(names):
            active = name in ("shared", own)
            axis.add_patch(_square(x, height, GROUP_COLORS[name if active else "neither"]))
    return counts


def _square(x, y, color):
    return Rectangle((x, y), 0.86, 0.86, facecolor=color, edgecolor="0.6", lw=0.8)


def _group_counts(task, n_dims):
    counts = {}
    for group in task.groups():
        count = group.probability * n_dims
        if abs(count - round(count)) > 1e-9:
            raise ValueError(
                f"n_dims must give each group a whole number of dimensions, got {n_dims}: "
                f"{group.name!r} would have {count:g}"
            )
        counts[group.name] = round(count)
    order = ("pretraining only", "shared", "new", "neither")
    return {name: counts[name] for name in order if name in counts}


# --- The phase portrait ---------------------------------------------------------------------------


def draw_triangle(axis):
    """Draw the triangle of regimes in the plane of l-order and pretraining dependence (Fig. 2a).

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    """
    corners = {name: regime.corner for name, regime in REGIMES.items() if regime.corner}
    axis.fill(*zip(*corners.values(), strict=True), facecolor="0.96", edgecolor="0.6", zorder=0)
    places = {"I": (-14, 0), "II": (14, 0), "III": (14, 0)}
    for numeral, corner in corners.items():
        axis.annotate(
            numeral,
            corner,
            places[numeral],
            textcoords="offset points",
            ha="center",
            va="center",
            color=REGIME_COLORS[numeral],
            fontweight="bold",
            fontsize=13,
        )
    axis.set(xlabel=r"$\ell$-order", ylabel="pretraining dependence PD")
    axis.set(xlim=(0.92, 2.1), ylim=(-1.06, 0.06))


def draw_path(axis, l_order, dependence, **style):
    """Draw a path through the triangle, with an arrowhead halfway along it.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    l_order, dependence : array, shape (n_points,)
        At least two points, in the direction of the arrow.
    **style
        Passed on to `Axes.plot`.

    Returns
    -------
    matplotlib.lines.Line2D
    """
    (line,) = axis.plot(l_order, dependence, **style)
    travelled = np.cumsum(np.hypot(np.diff(l_order), np.diff(dependence)))
    middle = np.searchsorted(travelled, travelled[-1] / 2.0)
    axis.annotate(
        "",
        (l_order[middle + 1], dependence[middle + 1]),
        (l_order[middle], dependence[middle]),
        arrowprops={"arrowstyle": "-|>", "color": line.get_color(), "mutation_scale": 16},
    )
    return line


_PORTRAIT_ROWS = {
    r"$\ell$-order": (l_order, (1.0, 2.0), np.arange(1.1, 1.95, 0.2)),
    "PD": (pretraining_dependence, (-1.0, 0.0), np.arange(-0.9, -0.05, 0.2)),
}
_PORTRAIT_COLUMNS = {"active in pretraining": 1.0, "inactive in pretraining": 0.0}


def draw_portraits(axes, relative, y, init, label):
    """Draw l-order and PD at beta_FT = 1 over relative scale and a second parameter (Fig. 2b).

    Parameters
    ----------
    axes : array of matplotlib.axes.Axes, shape (2, 2)
        The l-order goes above PD; dimensions with beta_PT = 1 left of those with beta_PT = 0.
    relative : array, shape (n_x,)
        1 + lambda, along the logarithmic horizontal axis.
    y : array, shape (n_y,)
        The second parameter, along the logarithmic vertical axis.
    init : Initialization
        Networks of shape (n_y, n_x).
    label : str
        Name of the second parameter.
    """
    for row, (name, (function, limits, levels)) in zip(axes, _PORTRAIT_ROWS.items(), strict=True):
        for axis, (column, beta_pt) in zip(row, _PORTRAIT_COLUMNS.items(), strict=True):
            axis.set(xlim=relative[[0, -1]], yscale="log", ylabel=label)
            relative_scale_axis(axis)
            values = function(1.0, beta_pt, init)
            image = draw_portrait(axis, relative, y, values, levels, limits)
            axis.set_title(f"{name}, {column}", fontsize=10.5)
            axis.label_outer()
        axis.figure.colorbar(image, ax=list(row), label=name, shrink=0.9, aspect=14)


def draw_portrait(axis, x, y, values, levels, limits):
    """Draw one quantity over two parameters: a heat map with labelled contour lines.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        With its scales set: the labels' places depend on them.
    x, y : array, shape (n_x,) and (n_y,)
    values : array, shape (n_y, n_x)
    levels : array
        Of the contour lines.
    limits : tuple of float
        Of the colour scale.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    look = {"cmap": "cividis", "vmin": limits[0], "vmax": limits[1], "shading": "gouraud"}
    # as pixels also where figures are drawings: a smooth field takes some 200 MB as one
    image = axis.pcolormesh(x, y, values, rasterized=True, **look)
    shown = levels[(levels > np.min(values)) & (levels < np.max(values))]
    if shown.size:  # matplotlib warns where there is no line to draw
        # nearly black and white, so that they stay so in the dark: the field does not change
        style = {"colors": "0.02", "linewidths": 0.9, "linestyles": "solid"}
        lines = axis.contour(x, y, values, shown, **style)
        for label in axis.clabel(lines, fmt="%.1f", fontsize=9):
            label.set_path_effects([withStroke(linewidth=2.5, foreground="0.99")])
    axis.grid(visible=False)
    return image


def relative_scale_axis(axis):
    """Make x a logarithmic axis of 1 + lambda, labelled with lambda itself."""
    axis.set_xscale("log")
    labels = {1e-6: "$-1{+}10^{-6}$", 1e-4: "", 1e-2: "$-0.99$", 1.0: "0", 2.0: "1"}
    axis.set_xticks(list(labels), list(labels.values()), fontsize=9)
    axis.xaxis.get_major_ticks()[0].label1.set_ha("left")  # clear of the panel to the left
    axis.xaxis.minorticks_off()
    axis.set_xlabel(r"relative scale $\lambda$")


def mark_regimes(axis, x, y, numerals):
    """Write regimes' numerals into a portrait.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    x, y : sequence of float
        Where.
    numerals : sequence of str
    """
    for place, numeral in zip(zip(x, y, strict=True), numerals, strict=True):
        axis.annotate(
            numeral,
            place,
            ha="center",
            va="center",
            fontweight="bold",
            fontsize=10,
            zorder=5,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black"},
        )


def _look_up(table, key, name):
    if key not in table:
        raise ValueError(f"{name} must be one of {list(table)}, got {key!r}")
    return table[key]
