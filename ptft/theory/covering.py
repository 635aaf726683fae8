"""A lower bound of a positive smooth function on a square, by cells halved where it matters.

Each cell has values at its corners, edges' middles and centre. With x and y from 0 to 1 on one of
its quarters, and D_p and D_q the largest second differences on the cell, the logarithm on the
quarter is bounded below by

    (bilinear interpolation) - 2 (D_p x (1 - x) / 2 + D_q y (1 - y) / 2),

which holds if second derivatives on a quarter are at most twice those measured on the cell. A
quarter whose bound is below the wanted level becomes a cell itself. Of several functions the
largest counts, and each is bounded by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["Covering"]

_SAFETY = 2.0
_LEAST = 1e-300  # that a value counts as
_ROUNDS = 5  # of `polish`, each with a quarter of the spacing before


class Covering:
    """Cells on the unit square, the least value at their nodes, and a lower bound.

    Parameters
    ----------
    function : callable
        Of arrays p and q, shape (n,), to values of at least 0, shape (n_functions, n).
    cells : tuple of int
        How many to begin with, along p and along q.
    ceiling : float
        Some value above the least one. What is bounded is -log(1 / value + 1 / ceiling), which
        is smooth even where values diverge.
    """

    def __init__(self, function: Callable, cells: tuple[int, int], ceiling: float) -> None:
        self.function, self.ceiling = function, ceiling
        self.values: dict[tuple[float, float], np.ndarray] = {}
        corners = [x.ravel() for x in np.meshgrid(*(np.arange(n) / n for n in cells))]
        size = np.divide(1.0, cells)[:, None] * np.ones((2, corners[0].size))
        self.cells = np.stack([*corners, *size])  # p, q of a corner; widths along p and q
        self.spacing = 0.5 / np.array(cells)
        self.polished: tuple[float, float] | None = None  # the best node that `polish` left
        self.settled = np.inf  # least bound of what is not looked at again
        self.place, self.least = (0.0, 0.0), np.inf
        self.bounds, self.quarters = self._bounded()

    @property
    def bound(self) -> float:
        """A lower bound of the function, given second derivatives as measured."""
        return min(self.settled, self.bounds.min(initial=np.inf))

    def refine(self, level: float, budget: int) -> None:
        """Halve cells until none has a bound below `level`, or `budget` nodes are spent."""
        while len(self.values) < budget:
            open_ = self.bounds < level
            self.settled = min(self.settled, self.bounds[~open_].min(initial=np.inf))
            self.bounds = self.bounds[open_]
            if not self.bounds.size:
                break
            self.cells = self.quarters[:, open_]
            self.bounds, self.quarters = self._bounded()

    def _bounded(self):
        """Return the bounds of all cells' quarters, and the quarters."""
        p, q, width, height = self.cells[:, :, None, None]
        steps = np.array([0.0, 0.5, 1.0])
        nodes = np.broadcast_arrays(p + width * steps[:, None], q + height * steps)
        v = -np.log(1.0 / np.maximum(self._at(*nodes), _LEAST) + 1.0 / self.ceiling)
        along_p = np.abs(v[:, :, 0] - 2.0 * v[:, :, 1] + v[:, :, 2]).max(axis=-1)
        along_q = np.abs(v[..., 0] - 2.0 * v[..., 1] + v[..., 2]).max(axis=-1)
        bounds, quarters = [], []
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            low = _below(v[:, :, i : i + 2, j : j + 2], along_p, along_q)
            left = np.exp(-low.max(axis=0)) - 1.0 / self.ceiling
            bounds.append(1.0 / np.maximum(left, _LEAST))
            quarters.append([nodes[0][:, i, j], nodes[1][:, i, j], *(self.cells[2:] / 2.0)])
        return np.concatenate(bounds), np.concatenate(quarters, axis=1)

    def _at(self, p, q):
        """Return values (n_tasks, *shape of p), of which new ones are found in one call."""
        keys = list(zip(p.ravel().tolist(), q.ravel().tolist(), strict=True))
        new = list(dict.fromkeys(key for key in keys if key not in self.values))
        if new:
            found = self.function(*np.array(new).T)
            self.values.update(zip(new, found.T, strict=True))
            total = found.max(axis=0)
            if total.min() < self.least:
                self.place, self.least = new[int(np.argmin(total))], float(total.min())
        return np.array([self.values[key] for key in keys]).T.reshape(-1, *p.shape)

    def polish(self) -> None:
        """Look for a lower value near the best node: the least of quadratics on 3 x 3 nodes."""
        if self.place == self.polished:
            return
        width, best = self.spacing, np.array(self.place)
        for _ in range(_ROUNDS):
            p, q = (self._three(x, w) for x, w in zip(best, width, strict=True))
            nodes = np.meshgrid(p, q, indexing="ij")
            values = self._at(nodes[0][None], nodes[1][None]).max(axis=0)[0]
            best = _lowest(nodes, values)
            self._at(*best[:, None])
            best, width = np.array(self.place), width / 4.0
        self.polished = self.place

    @staticmethod
    def _three(centre, width):
        """Return three coordinates around one, within [0, 1]."""
        x = np.clip(centre, width, 1.0 - width) + width * np.array([-1.0, 0.0, 1.0])
        x[0], x[2] = max(x[0], 0.0), x[2] if x[2] < 1.0 - 1e-12 else 1.0
        return x


def _below(corners, along_p, along_q):
    """Return lower bounds on quarters, from values at corners (..., 2, 2) and second differences.

    The least of a quadratic on 9 x 9 places is above its least by at most a 64th of an eighth of
    its second derivatives.
    """
    x = np.linspace(0.0, 1.0, 9)
    ends = np.stack([1.0 - x, x])
    surface = np.einsum("...ij,ix,jy->...xy", corners, ends, ends)
    dip = _SAFETY * 0.5 * x * (1.0 - x)
    surface = surface - along_p[..., None, None] * dip[:, None] - along_q[..., None, None] * dip
    return surface.min(axis=(-2, -1)) - _SAFETY / 8.0 / 64.0 * (along_p + along_q)


def _lowest(nodes, values):
    """Return the place of the least value of a quadratic fit, within the nodes' rectangle."""
    low, high = (np.array([x[i, i] for x in nodes]) for i in (0, 2))
    half = (high - low) / 2.0
    s, t = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing="ij")
    terms = np.stack([np.ones(9), *(x.ravel() for x in (s, t, s * s, s * t, t * t))], axis=1)
    fit = np.linalg.lstsq(terms, values.ravel(), rcond=None)[0]
    fine = np.linspace(-1.0, 1.0, 65)
    s, t = np.meshgrid(fine, fine, indexing="ij")
    surface = fit[1] * s + fit[2] * t + fit[3] * s * s + fit[4] * s * t + fit[5] * t * t
    i = np.unravel_index(np.argmin(surface), surface.shape)
    place = low + half * (1.0 + fine[list(i)])
    return np.where(place > 1.0 - 1e-12, 1.0, place)
