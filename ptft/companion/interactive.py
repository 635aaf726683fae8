"""Line plots with a slider, as plain SVG: they need neither a network nor a running kernel."""

import hashlib
import html
import json

import numpy as np

from .. import errors

__all__ = ["SliderPlot"]

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _BOTTOM, _LINE = 62, 16, 48, 20  # margins of the axes, and a line of text

_SCRIPT = """
(() => {
  const root = document.getElementById("%(id)s"), paths = %(paths)s, names = %(names)s;
  const slider = root.querySelector("input"), shown = root.querySelector("output");
  const lines = root.querySelectorAll("path.line");
  const show = () => {
    lines.forEach((line, i) => line.setAttribute("d", paths[slider.value][i]));
    shown.textContent = names[slider.value];
    slider.setAttribute("aria-valuetext", names[slider.value]);
  };
  slider.addEventListener("input", show);
  show();
})();
"""


class SliderPlot:
    """Curves over one axis that change with a parameter; display it in a notebook.

    Parameters
    ----------
    x : array, shape (n_x,)
        Common to all curves; larger than 0, the axis is logarithmic.
    curves : array, shape (n_values, n_lines, n_x)
        In [0, 1].
    values : sequence of str
        What the slider can be set to.
    lines : dict of str to str
        Colour of each line, by its name.
    labels : tuple of str
        Of the x-axis, the y-axis and the slider.
    start : int
        Index of the value that is shown first, and alone where scripts do not run.
    alt : str
        What the plot shows, for those who cannot see it.
    """

    def __init__(self, x, curves, *, values, lines, labels, start, alt):
        self.x = np.log10(errors.positive("x", x))
        self.curves = errors.real("curves", curves, -1e-9, 1.0 + 1e-9)
        if self.curves.shape != (len(values), len(lines), len(self.x)):
            raise ValueError(
                f"curves must have shape {(len(values), len(lines), len(self.x))}, for the values, "
                f"lines and x, got {self.curves.shape}"
            )
        self.values, self.lines, self.labels = list(values), dict(lines), labels
        self.start, self.alt = start, alt
        self._top = 14 + _LINE * len(self.lines)

    def __repr__(self):
        return f"<plot with a slider, {self.labels[2]} from {self.values[0]} to {self.values[-1]}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self):
        paths = [[self._path(line) for line in frame] for frame in self.curves]
        inputs = json.dumps([paths, self.values, self.labels])
        name = "slider-" + hashlib.sha256(inputs.encode()).hexdigest()[:12]
        script = _SCRIPT % {
            "id": name,
            "paths": json.dumps(paths),
            "names": json.dumps(self.values),
        }
        return (
            f'<div id="{name}" style="max-width: {_WIDTH}px">\n{self._svg(paths[self.start])}\n'
            f'<label style="display: flex; gap: 0.8em; align-items: center">'
            f"<span>{self.labels[2]} = <output>{self.values[self.start]}</output></span>"
            f'<input type="range" min="0" max="{len(paths) - 1}" value="{self.start}" '
            f'aria-label="{self.labels[2]}" style="flex: 1"></label>\n'
            f"<script>{script}</script>\n</div>"
        )

    def _horizontal(self, x):
        low, high = self.x[[0, -1]]
        return _LEFT + (x - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def _vertical(self, y):
        return _HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - self._top)

    def _path(self, line):
        points = zip(self._horizontal(self.x), self._vertical(line), strict=True)
        return "M" + "L".join(f"{x:.0f},{y:.0f}" for x, y in points)

    def _svg(self, paths):
        parts = [*self._ticks(), *self._names()]
        parts += [
            f'<path class="line" d="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>'
            for path, color in zip(paths, self.lines.values(), strict=True)
        ]
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(self.alt)}"'
            ' fill="currentColor" font-family="sans-serif" font-size="14">\n'
            + "\n".join(parts)
            + "\n</svg>"
        )

    def _ticks(self):
        for y in (0.0, 0.5, 1.0):
            place = self._vertical(y)
            yield (
                f'<path d="M{_LEFT},{place:.0f}H{_WIDTH - _RIGHT}" stroke="currentColor" '
                f'stroke-opacity="0.25"/><text x="{_LEFT - 8}" y="{place + 5:.0f}" '
                f'text-anchor="end">{y:g}</text>'
            )
        for power in range(int(np.ceil(self.x[0])), int(np.floor(self.x[-1])) + 1):
            yield (
                f'<text x="{self._horizontal(power):.0f}" y="{_HEIGHT - _BOTTOM + 20}" '
                f'text-anchor="middle">{10.0**power:g}</text>'
            )

    def _names(self):
        middle = (self._top + _HEIGHT - _BOTTOM) / 2
        yield (
            f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 6}" '
            f'text-anchor="middle">{self.labels[0]}</text>'
        )
        yield (
            f'<text transform="translate(18 {middle:.0f}) rotate(-90)" '
            f'text-anchor="middle">{self.labels[1]}</text>'
        )
        for row, (name, color) in enumerate(self.lines.items()):
            y = _LINE * (row + 1)
            yield (
                f'<path d="M{_LEFT + 10},{y - 5}h22" stroke="{color}" stroke-width="2.5"/>'
                f'<text x="{_LEFT + 38}" y="{y}">{name}</text>'
            )
