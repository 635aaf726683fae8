"""Lay out a figure for a phone: its panels one below the other, in the width of the screen.

Pages show this drawing of a figure where there is no room for the other. Nothing is drawn anew: the
panels move, get back the labels that they shared with a neighbour, and letters keep a size that can
be read. It changes the figure, which must have been drawn before.
"""

import numpy as np

from ..errors import needs

with needs("plot"):
    import matplotlib.pyplot as plt
    from matplotlib.gridspec import GridSpec
    from matplotlib.legend import Legend
    from matplotlib.transforms import ScaledTranslation

__all__ = ["narrow"]

WIDTH = 3.4  # inches, of 96 px: what a phone of 360 px has for its text
HEIGHTS = (1.7, 2.3)  # of what is drawn in a panel, in inches
BESIDE, BELOW = 0.7, 0.6  # what a panel's labels take
LETTERS = 10.0  # points, the largest
SMALLEST = 7.4  # the smallest; 6.75 are 9 px, and the screen may take a little
INDEX = 0.7  # what matplotlib makes of an index
COLUMNS = 3  # a grid of more is of pictures, and stays one


def narrow(figure):
    """Lay a figure out anew, in one column.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With constrained layout. One without panels in a grid stays as it is.
    """
    panels = _panels(figure)
    if not panels:
        return
    _resize_text(figure)
    if 1 + max(_place(axis)[1] for axis in panels) > COLUMNS:
        width, height = figure.get_size_inches()
        figure.set_size_inches(WIDTH, height * WIDTH / width)
        return
    _stack(figure, panels)
    _lay_bars_flat(figure)
    _fold_legends(figure)
    _spread_diagrams(figure, [axis for axis in panels if not axis.axison])


def _spread_diagrams(figure, diagrams):
    """Let diagrams, which have no labels beside them, take the whole width."""
    if not diagrams:
        return
    figure.set_layout_engine("none")  # all else has its place
    for axis in diagrams:
        box = axis.get_position()
        axis.set_position([0.01, box.y0, 0.98, box.height])
        for line in axis.lines:
            line.set_clip_on(False)  # what stands at the edge is as large as before
        _make_room(axis)


def _make_room(axis):
    """Widen what a diagram shows until its words are in it: they do not become smaller with it."""
    for _ in range(4):
        axis.figure.draw_without_rendering()
        frame, (start, end) = axis.get_window_extent(), axis.get_xlim()
        right = max((text.get_window_extent().x1 for text in axis.texts), default=0.0)
        if right <= axis.figure.bbox.width:
            break
        axis.set_xlim(start, start + (end - start) * (right - frame.x0) / frame.width)


def _panels(figure):
    """Return the axes that are panels, row by row: not those of colour bars, nor insets."""
    axes = (axis for axis in figure.axes if axis.get_subplotspec() is not None)
    return sorted((axis for axis in axes if not hasattr(axis, "_colorbar")), key=_place)


def _place(axis):
    spec = axis.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start


def _resize_text(figure):
    for text in figure.findobj(plt.Text):
        least = SMALLEST / INDEX if set("_^") & set(text.get_text()) else SMALLEST
        text.set_fontsize(max(min(text.get_fontsize(), LETTERS), least))
        if text in getattr(text.axes, "texts", ()) and not text.axes.axison:
            text.set_fontsize(least)  # words of a diagram have their places in it
            text.set_in_layout(False)


def _stack(figure, panels):
    places = list(dict.fromkeys(map(_place, panels)))
    if len({column for _, column in places}) > 1:
        _label_all(panels)
    heights = [_height(figure, panels, place) for place in places]
    grid = GridSpec(len(places), 1, figure=figure, height_ratios=heights)
    for axis in panels:
        axis.set_subplotspec(grid[places.index(_place(axis))])
    figure.set_size_inches(WIDTH, sum(heights))


def _height(figure, panels, place):
    """Return a panel's new height, labels and all: in its old proportions, within `HEIGHTS`."""
    axis = next(axis for axis in panels if _place(axis) == place)
    box = axis.get_position()
    width, height = figure.get_size_inches() * (box.width, box.height)
    return float(np.clip(height * (WIDTH - BESIDE) / width, *HEIGHTS)) + BELOW


def _label_all(panels):
    """Give every panel the labels that it has from a neighbour to its left, or below."""
    for axis in panels:
        row, column = _place(axis)
        left = [other for other in panels if _place(other)[0] == row]
        below = [other for other in panels if _place(other)[1] == column]
        _label(axis.yaxis, [other.yaxis for other in left], "labelleft")
        _label(axis.xaxis, [other.xaxis for other in below[::-1]], "labelbottom")


def _label(axis, others, side):
    siblings = (
        axis.axes.get_shared_x_axes() if side == "labelbottom" else axis.axes.get_shared_y_axes()
    )
    shared = [other for other in others if siblings.joined(other.axes, axis.axes)]
    if len(shared) < 2 or not axis.get_visible():
        return
    texts = (other.get_label_text() for other in (axis, *shared))
    axis.set_label_text(next(filter(None, texts), ""), visible=True)
    axis.set_tick_params(**{side: True})


def _lay_bars_flat(figure):
    """Put the bars of colours, which stand beside the panels, below them."""
    for bar in [axis._colorbar for axis in figure.axes if hasattr(axis, "_colorbar")]:
        parents, image = bar.ax._colorbar_info["parents"], bar.mappable
        label = bar.ax.get_ylabel()
        size = bar.ax.yaxis.label.get_fontsize()
        bar.remove()
        flat = figure.colorbar(image, ax=parents, location="bottom", aspect=24, pad=0.01)
        flat.set_label(label, fontsize=size)
        flat.ax.tick_params(labelsize=9)
        _grow(figure, 0.5)


def _grow(figure, inches):
    figure.set_figheight(figure.get_figheight() + inches)


def _fold_legends(figure):
    """Fold legends that are too wide, and put above a panel those that would cover it."""
    legends = figure.findobj(Legend)
    for legend in legends:  # while they are measured they must not narrow what they are measured by
        legend.set_in_layout(False)
    figure.draw_without_rendering()
    for legend in figure.legends[:]:
        _fold(legend, figure, figure.bbox.width, loc=legend._loc)
    for axis in figure.axes:
        legends = [artist for artist in axis.get_children() if isinstance(artist, Legend)]
        if any(_in_the_way(legend, axis) for legend in legends):
            _put_above(axis, legends)
    for legend in figure.findobj(Legend):
        legend.set_in_layout(True)
    figure.draw_without_rendering()


def _in_the_way(legend, axis):
    """Return whether a legend is wider than the panel, or covers lines, points or words."""
    box, frame = legend.get_window_extent(), axis.get_window_extent()
    if not frame.overlaps(box):
        labels = axis.xaxis.get_tightbbox() if axis.axison else None
        wide = box.width > axis.figure.bbox.width - frame.x0
        return wide or (labels is not None and labels.padded(4.0).overlaps(box))
    paths = [line.get_path().transformed(line.get_transform()) for line in axis.lines]
    if any(path.intersects_bbox(box, filled=False) for path in paths):
        return True
    points = [c.get_offset_transform().transform(c.get_offsets()) for c in axis.collections]
    inside = any(box.count_contains(found) for found in points if len(found))
    return inside or any(text.get_window_extent().overlaps(box) for text in axis.texts)


def _put_above(axis, legends):
    """Put a panel's legends above it, one above the other, below no title."""
    figure, place = axis.figure, "lower left"
    up = max(t.get_fontsize() + 5.0 if t.get_text() else 1.0 for t in _titles(axis))
    room = figure.bbox.width - axis.get_window_extent().x0
    for legend in legends[::-1]:
        shift = ScaledTranslation(0, up / 72.0, figure.dpi_scale_trans)
        anchor = {"bbox_to_anchor": (0.0, 1.0), "bbox_transform": axis.transAxes + shift}
        new = _fold(legend, axis, room, loc=place, borderaxespad=0.0, **anchor)
        height = new.get_window_extent().height / figure.dpi
        up += 72.0 * height
        _grow(figure, height)


def _titles(axis):
    return axis.title, axis._left_title, axis._right_title


def _fold(legend, owner, room, **place):
    """Replace a legend by one with as many columns as there is room for; return it."""
    texts = legend.get_texts()
    for columns in range(min(len(texts), 4), 0, -1):
        new = Legend(
            owner,
            legend.legend_handles,
            [text.get_text() for text in texts],
            ncols=columns,
            title=legend.get_title().get_text() or None,
            fontsize=texts[0].get_fontsize(),
            columnspacing=1.2,
            handlelength=1.6,
            **place,
        )
        new._outside_loc = legend._outside_loc
        new.set_in_layout(False)
        _exchange(legend, new, owner)
        owner.get_figure().draw_without_rendering()
        if new.get_window_extent().width <= room:
            break
        legend = new
    return new


def _exchange(legend, new, owner):
    legend.remove()
    if hasattr(owner, "legends"):
        owner.legends.append(new)
        new._remove_method = owner.legends.remove
        new.set_figure(owner)
    else:
        owner.add_artist(new)
        new.set_clip_on(False)  # else the layout thinks that it ends with the panel
