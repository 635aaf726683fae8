"""Plots with a slider: complete without a network or scripts."""

import re

import numpy as np
import pytest

from ptft.companion.interactive import SliderPlot

OPTIONS = {
    "values": ["-1", "0", "1"],
    "lines": {"first": "#0072B2", "second": "#D55E00"},
    "labels": ("time", "strength", "λ"),
    "start": 1,
    "alt": "Two lines & a slider.",
}


def test_the_first_frame_is_drawn_without_scripts():
    x = np.logspace(-1, 2, 5)
    curves = np.linspace(0.0, 1.0, 30).reshape(3, 2, 5)
    bundle = SliderPlot(x, curves, **OPTIONS)._repr_mimebundle_()
    page, _, script = bundle["text/html"].partition("<script>")
    assert bundle["text/plain"] == "<plot with a slider, λ from -1 to 1>"
    drawn = re.findall(r'class="line" d="([^"]*)"', page)
    assert len(drawn) == 2
    assert all(script.count(path) == 1 for path in drawn)
    assert 'aria-label="Two lines &amp; a slider."' in page
    assert "http" not in bundle["text/html"]
    bottom, top = 380 - 48, 14 + 20 * 2
    assert drawn[0].startswith(f"M62,{bottom - (bottom - top) * curves[1, 0, 0]:.0f}")


@pytest.mark.parametrize(
    ("x", "curves", "message"),
    [
        ([0.0, 1.0], np.zeros((3, 2, 2)), "x must be finite and in"),
        ([1.0, 2.0], np.full((3, 2, 2), 1.1), "curves must be finite and in"),
        ([1.0, 2.0], np.zeros((3, 1, 2)), r"curves must have shape \(3, 2, 2\)"),
    ],
)
def test_bad_plots(x, curves, message):
    with pytest.raises(ValueError, match=message):
        SliderPlot(x, curves, **OPTIONS)
