"""The figures' vocabulary, and that Figure 1 shows the numbers that its labels say."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.legend import Legend

import ptft
from ptft.companion import plotting
from ptft.companion._narrow import WIDTH, narrow

mpl.use("agg")
SHOWN = {"half": ptft.Task(0.4, 0.4, 0.5), "nested": ptft.Task(0.4, 0.2, 1.0)}


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    figure.canvas.draw()  # a label that cannot be typeset fails here
    plt.close(figure)


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_network_has_four_weights_an_input_in_the_layers_colours(axis):
    plotting.draw_network(axis)
    shown = texts(axis)
    for name in "1D":
        assert f"$x_{{{name}}}$" in shown
        for layer in "wv":
            for sign in "+-":
                assert f"${layer}_{{{sign},{name}}}$" in shown
    colors = [line.get_color() for line in axis.lines if line.get_linestyle() != "None"]
    for color in plotting.LAYER_COLORS.values():
        assert colors.count(color) == 4


def test_bars_are_as_high_as_the_weights(axis):
    values = np.array([-0.8, 0.0, 0.8])
    weights = ptft.initial_weights(ptft.Initialization(1.0, values))
    plotting.draw_layers(axis, values, weights, "relative scale")
    for bars, expected in zip(axis.containers, (weights.w_plus, weights.v_plus), strict=True):
        np.testing.assert_array_equal([bar.get_height() for bar in bars], expected)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["-0.8", "0", "0.8"]


def test_one_weight_is_repeated_for_every_network(axis):
    trained = ptft.pretrained_weights(1.0, ptft.Initialization(1.0, 0.0))
    start = ptft.rebalance(trained, np.array([0.0, 1.0]))
    plotting.draw_layers(axis, [0.0, 1.0], start, "readout scale")
    first, second = ([bar.get_height() for bar in bars] for bars in axis.containers)
    assert first[0] == first[1] > 0.0
    assert second == pytest.approx([0.0, np.sqrt(0.5)])


def test_squares_are_filled_as_the_tasks_say(axis):
    counts = plotting.draw_tasks(axis, SHOWN, 10)
    fills = [to_hex(square.get_facecolor()) for square in axis.patches]
    assert len(fills) == 2 * 2 * 10
    for (name, task), rows in zip(SHOWN.items(), np.reshape(fills, (2, 2, 10)), strict=True):
        pretraining, fine_tuning = rows != plotting.GROUP_COLORS["neither"].lower()
        assert pretraining.mean() == pytest.approx(task.rho_pt)
        assert fine_tuning.mean() == pytest.approx(task.rho_ft)
        overlap = (pretraining & fine_tuning).sum() / fine_tuning.sum()
        assert overlap == pytest.approx(task.overlap)
        assert sum(counts[name].values()) == 10
        assert any(name in text and f"{task.overlap:g}" in text for text in texts(axis))


def test_groups_that_fill_no_whole_squares_are_refused(axis):
    with pytest.raises(ValueError, match=r"n_dims must .*, got 7: 'shared' would have 1.4"):
        plotting.draw_tasks(axis, SHOWN, 7)


def test_labels_and_colours_of_the_papers_networks():
    assert plotting.network_label("c_pt", 1e-6) == "$c = 10^{-6}$"
    assert plotting.network_label("c_pt", 1.0) == "$c = 1$"
    assert plotting.network_label("lambda_pt", -0.99) == r"$\lambda = -0.99$"
    baseline = {plotting.network_color(name, plotting.BASELINE[name]) for name in plotting.BASELINE}
    assert baseline == {"#000000"}
    with pytest.raises(ValueError, match=r"value must be a power of ten, got 0\.002"):
        plotting.network_label("c_pt", 0.002)
    with pytest.raises(ValueError, match=r"gamma_ft must be one of .*, got 5"):
        plotting.network_color("gamma_ft", 5.0)


def test_labels_and_styles_of_the_papers_tasks():
    assert plotting.task_label(overlap=0.5) == r"$\omega = 0.5$"
    assert plotting.task_label(1, 0.1) == r"$\omega = 1$, $\rho_{\mathrm{FT}} = 0.1$"
    assert plotting.task_style(1, 0.1) == "-"
    with pytest.raises(
        ValueError, match=r"\(overlap, rho_ft\) must be one of .*, got \(0.3, 0.1\)"
    ):
        plotting.task_style(0.3, 0.1)


def test_the_style_is_matplotlibs_defaults_but_for_the_book():
    with plt.rc_context():
        plotting.use_style()
        assert plt.rcParams["figure.constrained_layout.use"]
        assert not plt.rcParams["axes.spines.top"]


def test_the_style_sets_a_readers_settings_aside():
    with plt.rc_context({"lines.markersize": 77.0, "figure.facecolor": "red"}):
        plotting.use_style()
        assert plt.rcParams["lines.markersize"] == plt.rcParamsDefault["lines.markersize"]
        assert plt.rcParams["figure.facecolor"] == plt.rcParamsDefault["figure.facecolor"]


# Figures for phones


@pytest.fixture
def panels():
    """Two panels side by side, with a legend too wide for a phone and a colour bar."""
    plotting.use_style()
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    for axis in axes:
        image = axis.scatter([0, 1], [0, 1], c=[0, 1], s=4)
        axis.set_xlabel("below")
    for label in ("first of all", "second of all", "third of all"):
        axes[0].plot([0, 1], [0, 1], label=label)
    axes[0].set_ylabel("value")
    axes[0].legend(ncols=3, loc="center")
    figure.colorbar(image, ax=list(axes), label="colour")
    figure.draw_without_rendering()
    narrow(figure)
    figure.draw_without_rendering()
    yield figure, axes
    plt.close(figure)


def test_panels_stand_one_below_the_other_on_a_phone(panels):
    figure, (upper, lower) = panels
    assert figure.get_figwidth() == WIDTH
    assert upper.get_position().y0 > lower.get_position().y1
    assert upper.get_position().x0 == pytest.approx(lower.get_position().x0)
    assert figure.get_tightbbox().width <= WIDTH + 1e-6


def test_panels_have_their_labels_on_a_phone(panels):
    _, axes = panels
    for axis in axes:
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("below", "value")
        assert any(label.get_visible() for label in axis.get_yticklabels())


def test_legends_and_colour_bars_are_no_obstacle_on_a_phone(panels):
    figure, (upper, lower) = panels
    [legend] = [child for child in upper.get_children() if isinstance(child, Legend)]
    box = legend.get_window_extent()
    assert box.y0 >= upper.get_window_extent().y1
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    [bar] = [axis for axis in figure.axes if axis not in (upper, lower)]
    assert bar.get_position().y1 < lower.get_position().y0
    assert bar.get_xlabel() == "colour"


@pytest.mark.parametrize("place", ["outside lower center", "outside upper left", "lower center"])
def test_a_legend_of_all_panels_stays_where_it_is_on_a_phone(place):
    plotting.use_style()
    figure, axis = plt.subplots()
    for label in ("first of all", "second of all", "third of all"):
        axis.plot([0, 1], [0, 1], label=label)
    before = figure.legend(loc=place, ncols=3)
    figure.draw_without_rendering()
    outside = not before.get_window_extent().overlaps(axis.get_window_extent())
    narrow(figure)
    figure.draw_without_rendering()
    [after] = figure.legends
    box, frame = after.get_window_extent(), axis.get_window_extent()
    assert outside == place.startswith("outside") == (not box.overlaps(frame))
    assert not outside or (box.y1 <= frame.y0) == ("lower" in place)
    assert box.x1 - box.x0 <= figure.bbox.width
    plt.close(figure)


def test_letters_of_figures_are_large_enough_on_a_phone():
    figure, axis = plt.subplots(layout="constrained")
    axis.set_title("small", fontsize=4)
    axis.set_xlabel("$x_{10}$", fontsize=4)
    narrow(figure)
    assert axis.title.get_fontsize() >= 6.75
    assert 0.7 * axis.xaxis.label.get_fontsize() >= 6.75
    plt.close(figure)


def test_words_of_a_diagram_stay_in_it_on_a_phone(axis):
    plotting.draw_network(axis)
    figure = axis.figure
    narrow(figure)
    figure.draw_without_rendering()
    right = max(text.get_window_extent().x1 for text in axis.texts)
    assert right <= figure.bbox.width + 1


def test_grids_of_pictures_stay_grids_on_a_phone():
    figure, axes = plt.subplots(2, 5)
    narrow(figure)
    assert axes[0, 0].get_position().y0 == axes[0, 4].get_position().y0
    assert figure.get_figwidth() == WIDTH
    plt.close(figure)
