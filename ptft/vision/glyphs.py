"""A data set that needs no download: 100 classes of characters drawn in colour, 32x32.

A class is a character. An image is one of its shapes in a font that matplotlib ships, turned,
scaled, sheared and moved, in a random colour on a random texture, with a piece of another
character at the edge and noise over it. Colour, texture and place say nothing of the class, and no
pixel does; shapes do. A font that lacks the character is not used for it.
"""

from functools import cache
from pathlib import Path

import numpy as np

from ..errors import needs

with needs("vision"):
    import matplotlib
    import torch
    from matplotlib.ft2font import FT2Font
    from torch.nn.functional import affine_grid, grid_sample, interpolate

__all__ = ["CHARACTERS", "FONTS", "draw", "masks"]

CHARACTERS = (
    "2345678ABDEFGHJKLMNPQRTUXYabdefghkmnqrt"
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπσφψω"
    "БДЖИЛЦЧЩЪЫЭЮЯ"
    "&@#$%?!§¶€£¥+÷≠≈∞∂√∇∫±"
)
"""One a class. Pairs that differ only in size or by a turn, such as o and O, are left out."""

FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
)
"""Files of matplotlib's own fonts."""

_CANVAS = 64  # pixels a side on which a shape is kept
_SALT = 32100  # separates these random streams from others


def _shape(font, character):
    """Return a character's shape on the canvas, its larger side filling two thirds, or None."""
    if not font.get_char_index(ord(character)):
        return None
    font.set_size(_CANVAS * 0.75, 72)
    font.set_text(character)
    font.draw_glyphs_to_bitmap(antialiased=True)
    drawn = np.asarray(font.get_image(), dtype=np.float32) / 255.0
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    drawn = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    zoom = 2.0 / 3.0 * _CANVAS / max(drawn.shape)
    size = [max(1, round(side * zoom)) for side in drawn.shape]
    drawn = interpolate(torch.from_numpy(drawn)[None, None], size, mode="bilinear", antialias=True)
    canvas = np.zeros((_CANVAS, _CANVAS), dtype=np.float32)
    top, left = ((_CANVAS - side) // 2 for side in size)
    canvas[top : top + size[0], left : left + size[1]] = drawn[0, 0].numpy()
    return canvas


@cache
def masks():
    """Return the shapes of all characters in all fonts.

    Returns
    -------
    shapes : tensor, shape (n_shapes, 64, 64)
        Coverage in [0, 1].
    first, count : array of int, shape (100,)
        The shapes of character i are `shapes[first[i] : first[i] + count[i]]`.
    """
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [FT2Font(str(folder / f"{name}.ttf")) for name in FONTS]
    shapes = [[_shape(font, character) for font in fonts] for character in CHARACTERS]
    shapes = [[shape for shape in found if shape is not None] for found in shapes]
    count = np.array([len(found) for found in shapes])
    stacked = torch.from_numpy(np.stack([shape for found in shapes for shape in found]))
    return stacked, np.cumsum(count) - count, count


def _place(shapes, rng, size, scale, shift):
    """Return shapes turned, sheared, scaled and moved at random, shape (n, 1, size, size)."""
    n = len(shapes)
    angle, shear = rng.uniform(-0.3, 0.3, n), rng.uniform(-0.15, 0.15, n)
    zoom = rng.uniform(*scale, n)
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    move = rng.uniform(-shift, shift, (2, n))
    rows = [[cos, -sin + shear * cos, move[0]], [sin, cos + shear * sin, move[1]]]
    theta = torch.from_numpy(np.stack([np.stack(row, -1) for row in rows], 1)).float()
    grid = affine_grid(theta, (n, 1, size, size), align_corners=False)
    return grid_sample(shapes[:, None], grid, align_corners=False)


def _texture(rng, n, size):
    """Return a coarse and a finer coloured field and stripes, shape (n, 3, size, size), near 0."""
    field = torch.zeros(n, 3, size, size)
    for cells, strength in ((3, 0.12), (9, 0.06)):
        coarse = torch.from_numpy(rng.standard_normal((n, 3, cells, cells), dtype=np.float32))
        field += strength * interpolate(coarse, size=(size, size), mode="bilinear")
    angle, phase = rng.uniform(0.0, np.pi, n), rng.uniform(0.0, 2.0 * np.pi, n)
    wave = rng.uniform(0.5, 3.0, n)  # of the stripes, in radians a pixel
    place = np.arange(size, dtype=np.float32)
    across = wave * np.cos(angle), wave * np.sin(angle)
    argument = across[0][:, None, None] * place + across[1][:, None, None] * place[:, None]
    stripes = np.sin(argument + phase[:, None, None]).astype(np.float32)
    tint = rng.uniform(-0.08, 0.08, (n, 3, 1, 1)).astype(np.float32)
    return field + torch.from_numpy(tint * stripes[:, None])


def _colours(rng, n):
    """Return background and ink, at least 0.35 apart on average, each of shape (n, 3, 1, 1)."""
    background = rng.uniform(0.1, 0.9, (n, 3))
    away = rng.standard_normal((n, 3))
    away *= (rng.uniform(0.35, 0.7, n) / np.abs(away).mean(1))[:, None]
    return (torch.from_numpy(a).float()[..., None, None] for a in (background, background + away))


def draw(classes, seed, size=32):
    """Draw one image of each given class.

    Parameters
    ----------
    classes : array of int, shape (n_images,)
        Positions in `CHARACTERS`.
    seed : tuple of int
    size : int
        Pixels a side.

    Returns
    -------
    array of uint8, shape (n_images, 3, size, size)
        The same on every call with the same arguments, on one machine.
    """
    rng = np.random.default_rng(np.random.SeedSequence(entropy=_SALT, spawn_key=tuple(seed)))
    classes = np.asarray(classes)
    parts = [_draw(part, rng, size) for part in np.split(classes, range(1000, len(classes), 1000))]
    return np.concatenate(parts)


def _draw(classes, rng, size):
    shapes, first, count = masks()
    n = len(classes)
    background, ink = _colours(rng, n)
    image = background + _texture(rng, n, size)
    # A piece of another character, mostly beyond the edge.
    other = _place(shapes[rng.integers(len(shapes), size=n)], rng, size, (0.6, 1.2), 1.0)
    image += 0.5 * other * torch.from_numpy(rng.uniform(-0.5, 0.5, (n, 3, 1, 1))).float()
    mine = first[classes] + rng.integers(count[classes])
    cover = _place(shapes[mine], rng, size, (0.95, 1.35), 0.2)
    image += cover * (ink - image)
    image += 0.04 * torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return image.clamp_(0.0, 1.0).mul_(255.0).round_().byte().numpy()
