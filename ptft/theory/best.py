"""The best initialisation for a task: a global minimum over two numbers, limits included.

Fine-tuning sees an initialisation (c, lambda, gamma) through sqrt(k_i) and sqrt(k_a) alone, which
fill the wedge sqrt(k_i) > 0, 0 <= sqrt(k_a) - sqrt(k_i) < 4 a (`ptft.model.wedge`). Its closure is
cut into four charts, each a unit square on which the error is smooth,

- main: from sqrt(k_i) = 1e3 times the coefficients' size down to e^-46 of it;
- lazy: from there up to infinity, the minimum l2 norm;
- deep: sqrt(k_i) from e^-46 down to 0, sqrt(k_a) with it: weighted basis pursuit at the end,
  which errors approach as 1 / log(1 / sqrt(k_i));
- edge: the same, with sqrt(k_a) within a factor e^8 of its bound;

and each is covered by cells (`ptft.theory.covering`) until no cell can hold an error that is lower
than the best one found by more than the tolerance. This is a proof as far as second derivatives
within a cell are at most twice those measured on it; the result says which tolerance was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import errors
from ..model.network import Initialization
from ..model.regimes import REGIMES, l_order, pretraining_dependence, regime_weights
from ..model.tasks import Task
from ..model.wedge import family, family_range, two_numbers
from ..values import Value
from .covering import Covering
from .limits import pretraining_value
from .surface import Surface

__all__ = ["BestInitialization", "best_initialization"]

_STRETCH = 6.0  # of log sqrt(k_i): uniform cells within about this of the coefficients' size
_DEEPEST = 15.0 / 16.0  # end of the main chart, in the coordinate P of `_depth`
_FAR = 300.0  # log of what sqrt(k_i) is below the coefficients' size, at most
_NEAR_BOUND = 8.0  # log of the factor below its bound up to which sqrt(k_a) is in the edge chart
_SMALL = 1e-12  # sqrt(k_i) of a network that stands for a limit, relative to the coefficients
_SHORT = 1e-3  # relative distance to a bound that no network attains
_FLAT = 0.01  # relative excess up to which an initialisation counts as as good
_BUDGET = 1500  # nodes of a chart, at most
_SAME = 1e-9  # relative difference of errors that are a tie


@dataclass(frozen=True, eq=False)
class BestInitialization(Value):
    """The least error over all initialisations, and the networks that attain or approach it.

    Arrays of two are for dimensions inactive and active in pretraining, in this order.

    Parameters
    ----------
    error : float
        The infimum of E_gen over all initialisations; of several tasks, of the mean or the worst.
    init : Initialization
        A network that attains it, or comes near a limit that none attains.
    init_error : float
        What `init` attains.
    kind : str
        "interior" of the wedge; "equal numbers", sqrt(k_a) = sqrt(k_i), which lambda = -1 attains;
        or a limit: "bound", sqrt(k_a) - sqrt(k_i) -> 4 a; "weighted basis pursuit", both to 0 with
        a quotient of logarithms that tends to `weight_ratio`; "frozen", sqrt(k_i) -> 0 alone;
        "minimum norm", both to infinity.
    attained : bool
        Whether some network has the least error: in the first two kinds.
    sqrt_k : array, shape (2,)
        The two numbers at the optimum; 0 or infinity where they tend to that.
    weight_ratio : float or None
        w_active / w_inactive of weighted basis pursuit; None for other kinds.
    family : Initialization
        Of arrays: networks with the two numbers of `init`, which therefore have the same error.
    l_order, pretraining_dependence : array, shape (2,)
        Of `init`, at the root mean square of the coefficients that are active in fine-tuning.
    regime_weights : array, shape (3,)
        How near dimensions active in pretraining are to the regimes I, II and III.
    within : array, shape (2, 2)
        Least and largest sqrt(k_i), and sqrt(k_a), of the initialisations looked at whose errors
        are within 1 % of the least: inside the region that is as flat as this. Rows are
        dimensions.
    curvature : array, shape (2, 2), or None
        Second derivatives of log(error) by the logarithms of the two numbers; None unless `kind` is
        "interior", and where it is so near to an end that they cannot be had.
    regret : dict of str to float
        What defaults err by more than `error`: "default" (c = 1e-3, lambda = 0, gamma = 0) and the
        regimes' representatives, "I" to "IV". Their errors are per dimension, like `error`; that
        of answering 0 is 1.
    certified : float
        No initialisation has an error below (1 - certified) `error`, if within each cell second
        derivatives are at most twice those measured there; 0 where errors cannot be negative.
    evaluations : int
        Number of initialisations looked at.
    status : str
        One sentence.
    """

    error: float
    init: Initialization
    init_error: float
    kind: str
    attained: bool
    sqrt_k: np.ndarray
    weight_ratio: float | None
    family: Initialization
    l_order: np.ndarray
    pretraining_dependence: np.ndarray
    regime_weights: np.ndarray
    within: np.ndarray
    curvature: np.ndarray | None
    regret: dict[str, float]
    certified: float
    evaluations: int
    status: str

    def __hash__(self):
        return hash((self.error, self.kind, self.init))


def best_initialization(
    task: Task | Sequence[Task],
    alpha: float,
    noise: float = 0.0,
    *,
    weights: ArrayLike | None = None,
    criterion: str = "mean",
    tolerance: float = 1e-3,
) -> BestInitialization:
    """Return the initialisation of the least generalization error (Proposition 4.2).

    Parameters
    ----------
    task : Task or sequence of Task
        Several tasks, with pretrained coefficients of one size, for one that is uncertain.
    alpha : float
        Fine-tuning samples per dimension; in (0, 1). From 1 on the samples alone determine the
        coefficients.
    noise : float
        Variance of the label noise; at least 0.
    weights : array, shape (n_tasks,), optional
        Probabilities of the tasks, which sum to 1; equal by default. The worst of all tasks does
        not need them.
    criterion : {"mean", "worst"}
        What is the least possible: the mean of the tasks' errors, or the largest of them.
    tolerance : float
        Relative, on the certificate; in (0, 1).

    Returns
    -------
    BestInitialization

    Raises
    ------
    ValueError
        For an argument outside its range; among them alpha >= 1, where all initialisations tie.

    Examples
    --------
    >>> from ptft import Task, best_initialization
    >>> best = best_initialization(Task(0.1, 0.1, 0.5), alpha=0.1)
    >>> round(best.error, 4), best.kind
    (0.6964, 'interior')
    """
    tasks = _checked_tasks(task)
    alpha = errors.number("alpha", alpha, 0.0, open_low=True)
    if alpha >= 1.0:
        raise ValueError(
            "alpha must be less than 1: from there on the samples alone determine the coefficients "
            f"and all initialisations tie, got {alpha!r}"
        )
    noise = errors.number("noise", noise, 0.0)
    tolerance = errors.share("tolerance", tolerance)
    combine = _combination(len(tasks), weights, criterion)
    search = _Search(tasks, alpha, noise, combine)
    ratio = _recovering(tasks, alpha, noise)
    optimum = search.recovered(ratio) if ratio is not None else search.run(tolerance)
    return _result(search, optimum)


def _checked_tasks(task):
    if isinstance(task, Task):
        return [task]
    if not isinstance(task, Sequence):
        raise ValueError(f"task must be a Task or a sequence of Task, got {task!r}")
    tasks = list(task)
    if not tasks:
        raise ValueError("task must be a Task, or hold at least one, got none")
    for one in tasks:
        errors.instance("task", one, Task)
    sizes = sorted({one.amplitude_pt for one in tasks})
    if len(sizes) > 1:
        raise ValueError(f"task must hold tasks of one amplitude_pt, got {sizes}")
    return tasks


def _combination(n_tasks, weights, criterion):
    """Return what makes of the tasks' errors those of which the largest counts."""
    errors.choice("criterion", criterion, ("mean", "worst"))
    if weights is not None:
        weights = errors.shares("weights", weights)
        if weights.size != n_tasks:
            raise ValueError(f"weights must be one for each of {n_tasks} tasks, got {weights.size}")
    if criterion == "worst":
        return lambda values: values
    weights = np.full(n_tasks, 1.0 / n_tasks) if weights is None else weights
    return lambda values: weights[None] @ values


def _recovering(tasks, alpha, noise):
    """Return the ratio of weights that recovers one task exactly, or None."""
    if noise or len(tasks) > 1:
        return None
    value = pretraining_value(tasks[0])
    return value.weight_ratio if alpha >= value.best else None


def _composed(combine, function):
    return lambda p, q: combine(function(p, q))


@dataclass(frozen=True)
class _Optimum:
    """Where the infimum is: `logs` of a network that stands for it, and what kind it is."""

    error: float
    logs: tuple[float, float]
    kind: str
    ratio: float | None
    certified: float


class _Search:
    """The charts and their coverings."""

    def __init__(self, tasks, alpha, noise, combine):
        self.combine = combine
        self.surface = Surface(tasks, alpha, noise)
        self.log_scale = np.log(self.surface.scale)
        self.top = np.log(4.0 * self.surface.amplitude)
        largest = np.log(1e3) + max(0.0, self.top - self.log_scale)
        self.first = -2.0 * largest / (_STRETCH + np.hypot(_STRETCH, 2.0 * largest))
        self.charts = {}

    def values(self, log_inactive, log_active):
        """Return what is minimised, at initialisations inside the wedge."""
        return self.combine(self.surface.interior(log_inactive, log_active)).max(axis=0)

    def recovered(self, ratio):
        """Return the optimum where weighted basis pursuit recovers the teacher."""
        kind = "weighted basis pursuit"
        return _Optimum(0.0, self._stand_in(kind, ratio), kind, ratio, 0.0)

    def run(self, tolerance):
        """Cover all charts, and return the optimum."""
        count = 2 * int(np.ceil(12.0 * (_DEEPEST - self.first) / 2.0))
        shapes = {"main": (count // 2, 4), "lazy": (1, 2), "deep": (2, 6), "edge": (1, 2)}
        functions = {"main": self._main, "lazy": self._lazy, "deep": self._deep, "edge": self._edge}
        # Errors diverge where active coordinates are as many as samples and cost nothing.
        ceiling = 4.0 * float(self.combine(self.surface.minimum_norm[:, None]).max())
        for name, shape in shapes.items():
            self.charts[name] = Covering(_composed(self.combine, functions[name]), shape, ceiling)
        self._polish()
        for name in self.charts:
            # Half of the tolerance, because a lower value may still be found.
            self.charts[name].refine((1.0 - tolerance / 2.0) * self.least, _BUDGET)
        self._polish()
        bound = min(chart.bound for chart in self.charts.values())
        certified = float(max(0.0, 1.0 - bound / self.least)) if self.least > 0.0 else 0.0
        return self._located(certified)

    @property
    def least(self):
        """The lowest value found."""
        return min(chart.least for chart in self.charts.values())

    def _polish(self):
        """Look for lower values near the best node of each chart that may hold the optimum."""
        for chart in self.charts.values():
            if chart.least < (1.0 + _FLAT) * self.least:
                chart.polish()

    def _main(self, p, q):
        return self.surface.interior(*self.main_logs(p, q))

    def main_logs(self, p, q):
        """Return log sqrt(k_i) and log sqrt(k_a) in the main chart."""
        log_inactive = self._depth(self.first + (_DEEPEST - self.first) * p)
        height = np.logaddexp(0.0, self.top - log_inactive)
        # log(1 + height) apart in equal steps: fine near the bound, coarse far below it
        return log_inactive, log_inactive + height - np.expm1(q * np.log1p(height))

    def _depth(self, place):
        """Return log sqrt(k_i) at a place P in (-1, 1), where -1 is infinity and 1 is zero."""
        return self.log_scale - _STRETCH * place / (1.0 - place * place)

    def _lazy(self, p, q):
        end, values = p == 1.0, np.repeat(self.surface.minimum_norm[:, None], p.size, axis=1)
        log_inactive = self._depth(self.first) - np.log1p(-p[~end])
        height = np.logaddexp(0.0, self.top - log_inactive)
        log_active = log_inactive + (1.0 - q[~end]) * height
        values[:, ~end] = self.surface.interior(log_inactive, log_active)
        return values

    def _deep(self, p, q):
        def below(height):
            return _NEAR_BOUND + q * (height - _NEAR_BOUND)

        return self._towards_zero(p, below, lambda far: self.surface.pursuit(q[far]))

    def _edge(self, p, q):
        below = _NEAR_BOUND * q
        return self._towards_zero(
            p, lambda height: below, lambda far: self.surface.frozen(self.top - below[far])
        )

    def _towards_zero(self, p, below, limit):
        """Return errors for sqrt(k_i) from the main chart's end, p = 0, down to 0, p = 1.

        log sqrt(k_a) is `below` its bound. From e^-300 on the errors are linear in 1 - p, which is
        1 / log(1 / sqrt(k_i)) to leading order, up to the limit.
        """
        place = _DEEPEST + (1.0 - _DEEPEST) * p
        last = 1.0 - _STRETCH / (2.0 * _FAR)
        log_inactive = self._depth(np.minimum(place, last))
        height = np.logaddexp(0.0, self.top - log_inactive)
        values = self.surface.interior(log_inactive, log_inactive + height - below(height))
        far = place > last
        if far.any():
            share = (1.0 - place[far]) / (1.0 - last)
            values[:, far] = share * values[:, far] + (1.0 - share) * limit(far)
        return values

    def _located(self, certified):
        """Return the optimum: in the main chart unless another one holds a lower error."""
        name = min(self.charts, key=lambda name: self.charts[name].least)
        if self.charts["main"].least <= (1.0 + _SAME) * self.least:
            name = "main"
        chart = self.charts[name]
        p, q = chart.place
        if name == "main":
            kind = "bound" if q == 0.0 else "equal numbers" if q == 1.0 else "interior"
            logs = [float(x) for x in self.main_logs(p, q)]
            return _Optimum(chart.least, self._inside(logs, kind), kind, None, certified)
        kind, ratio = {
            "lazy": ("minimum norm", None),
            "deep": ("weighted basis pursuit", q),
            "edge": ("frozen", None),
        }[name]
        if name == "edge" and np.all(self.surface.share < self.surface.alpha):
            kind, ratio = "weighted basis pursuit", 0.0
        place = q if name == "deep" else _NEAR_BOUND * q
        return _Optimum(chart.least, self._stand_in(kind, place), kind, ratio, certified)

    def _inside(self, logs, kind):
        return (logs[0], self._short_of_bound(logs[0])) if kind == "bound" else tuple(logs)

    def _short_of_bound(self, log_inactive):
        return float(np.logaddexp(log_inactive, self.top + np.log1p(-_SHORT)))

    def _stand_in(self, kind, place):
        """Return log sqrt(k) of a network that comes near a limit."""
        if kind == "minimum norm":
            high = max(self.log_scale, self.top) + np.log(1e6)
            return high, high
        low = self.log_scale + np.log(_SMALL)
        high = self._short_of_bound(low)
        if kind == "frozen":
            return low, min(high, self.top - place)
        # The best of a line of networks: at a finite sqrt(k_i) the limit's ratio need not be.
        line = low + (high - low) * np.linspace(0.0, 1.0, 25)
        best = line[int(np.argmin(self.values(np.full_like(line, low), line)))]
        return low, float(best)


def _result(search, optimum):
    """Return the `BestInitialization`."""
    init, members = _networks(search, optimum)
    fixed = {"default": Initialization(1e-3, 0.0, 0.0)} | {n: r.init for n, r in REGIMES.items()}
    pairs = [two_numbers(one, search.surface.amplitude) for one in (*fixed.values(), init)]
    *others, own = search.values(*np.log(np.array(pairs)).T).tolist()
    size, beta_pt = search.surface.scale, np.array([0.0, search.surface.amplitude])
    order, dependence = l_order(size, beta_pt, init), pretraining_dependence(size, beta_pt, init)
    attained = optimum.kind in ("interior", "equal numbers")
    error = min(optimum.error, own) if attained else optimum.error
    return BestInitialization(
        error=error,
        init=init,
        init_error=own,
        kind=optimum.kind,
        attained=attained,
        sqrt_k=_numbers(optimum),
        weight_ratio=None if optimum.ratio is None else float(optimum.ratio),
        family=members,
        l_order=order,
        pretraining_dependence=dependence,
        regime_weights=regime_weights(order[1], dependence[1]),
        within=_within(search, optimum),
        curvature=_curvature(search, optimum),
        regret={name: other - error for name, other in zip(fixed, others, strict=True)},
        certified=optimum.certified,
        evaluations=sum(len(chart.values) for chart in search.charts.values()),
        status=_sentence(optimum, error, own),
    )


def _networks(search, optimum):
    """Return a network and its family."""
    amplitude = search.surface.amplitude
    inactive, active = np.exp(optimum.logs)
    if optimum.kind in ("equal numbers", "minimum norm"):
        c = amplitude * np.geomspace(1e-3, 1e3, 7)  # any: with lambda = -1 it does not matter
        networks = Initialization(c, np.full(7, -1.0), np.full(7, np.sqrt(inactive)))
        return family(inactive, inactive, amplitude), networks
    active = min(active, np.nextafter(inactive + 4.0 * amplitude, 0.0))
    low, high = family_range(inactive, max(active, inactive), amplitude)
    # lambda = high has gamma = 0, unless that would be more than 1; lambda = low has c = 0.
    inner = np.maximum(low + (high - low) * np.linspace(1.0, 1.0 / 8.0, 8), np.nextafter(low, 1.0))
    inner = np.clip(inner, None, high)
    return family(inactive, active, amplitude), family(inactive, active, amplitude, inner)


def _numbers(optimum):
    inactive, active = np.exp(optimum.logs)
    return {
        "weighted basis pursuit": np.zeros(2),
        "frozen": np.array([0.0, active]),
        "minimum norm": np.full(2, np.inf),
        "bound": np.array([inactive, inactive + (active - inactive) / (1.0 - _SHORT)]),
    }.get(optimum.kind, np.array([inactive, active]))


def _within(search, optimum):
    """Return the ranges of the two numbers among the main chart's nodes that are nearly as good."""
    logs = np.array([optimum.logs]).T
    if search.charts:
        values = search.charts["main"].values
        places, found = np.array(list(values)), np.array(list(values.values()))
        near = found.max(axis=1) <= (1.0 + _FLAT) * optimum.error
        logs = np.concatenate([logs, search.main_logs(*places[near].T)], axis=1)
    return np.exp(np.stack([logs.min(axis=1), logs.max(axis=1)], axis=1))


def _curvature(search, optimum):
    """Return second derivatives of log(error), by differences."""
    inactive, active = optimum.logs
    step = min(0.05, (active - inactive) / 4.0)
    step = min(step, (np.logaddexp(inactive, search.top) - active) / 4.0)
    if optimum.kind != "interior" or step < 1e-3:
        return None
    moves = step * np.array([-1.0, 0.0, 1.0])
    nodes = np.meshgrid(inactive + moves, active + moves, indexing="ij")
    log_error = np.log(search.values(*(x.ravel() for x in nodes))).reshape(3, 3)
    second = np.array([1.0, -2.0, 1.0])
    mixed = log_error[0, 0] + log_error[2, 2] - log_error[0, 2] - log_error[2, 0]
    along = second @ log_error[:, 1], second @ log_error[1]
    return np.array([[along[0], mixed / 4.0], [mixed / 4.0, along[1]]]) / step**2


def _sentence(optimum, error, own):
    """Return the status."""
    ratio = "" if optimum.ratio is None else f"{optimum.ratio:.3g}"
    at = {
        "interior": "attained inside the wedge",
        "equal numbers": "attained with sqrt(k_a) = sqrt(k_i), lambda = -1",
        "bound": "the limit sqrt(k_a) - sqrt(k_i) -> 4 a",
        "weighted basis pursuit": f"the limit k -> 0, w_active / w_inactive = {ratio}",
        "frozen": "the limit sqrt(k_i) -> 0 at a fixed sqrt(k_a)",
        "minimum norm": "the limit k -> inf",
    }[optimum.kind]
    if optimum.kind not in ("interior", "equal numbers"):
        at += f", which no network attains (`init`: {own:.6g})"
    return (
        f"error {error:.6g}, {at}; no initialisation is better by more than "
        f"{optimum.certified:.1e} of it, if second derivatives within a cell are at most twice "
        "those measured"
    )
