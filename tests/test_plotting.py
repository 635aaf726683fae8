"""The figures' vocabulary, and that Figure 1 shows the numbers that its labels say."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

import ptft
from ptft.companion import plotting

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
