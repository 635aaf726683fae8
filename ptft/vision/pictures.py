"""Picture files as bytes of red, green and blue: read faithfully, or refused by name.

Whatever its file holds, a picture arrives as it is meant to be seen: turned as its EXIF orientation
says, with 16 bits scaled to 8, and in front of a plain background where it is transparent. Of an
animation or a file of several pages the first picture counts. Colour profiles are not applied.
"""

import unicodedata
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import needs

with needs("vision"):
    from PIL import Image, ImageFile, ImageOps

__all__ = ["BACKGROUND", "Listing", "read", "suffixes"]

BACKGROUND = (255, 255, 255)
"""What shows through a transparent picture: white, as on a page."""

_BYTES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_WORDS = {"PNG": "I", "PPM": "I", "TIFF": "I;16", "JPEG2000": "I;16"}  # where 65535 is white


def suffixes():
    """Return the endings of file names that Pillow can read, such as ".png"."""
    Image.init()
    # MPO is read by the opener of JPEG and not registered itself. MPEG is recognised, never read;
    # neither are the stubs, which wait for somebody else's code.
    formats = {name for name, (opener, _) in Image.OPEN.items() if not _is_stub(opener)}
    formats = (formats | {"MPO"}) - {"MPEG"}
    return {suffix for suffix, name in Image.registered_extensions().items() if name in formats}


def _is_stub(opener):
    return isinstance(opener, type) and issubclass(opener, ImageFile.StubImageFile)


# --- One file ------------------------------------------------------------------------------------


def read(path, size, background=BACKGROUND):
    """Read a picture.

    Parameters
    ----------
    path : Path
    size : int
        Pixels a side to which it is scaled, without keeping its proportions; each is the mean of
        the pixels that it covers.
    background : tuple of int
        Red, green and blue behind what is transparent, each from 0 to 255.

    Returns
    -------
    pixels : array of uint8, shape (3, size, size)
    warned : list of str
        What Pillow found odd about the file.

    Raises
    ------
    ValueError
        If the file is damaged, is no picture, is larger than Pillow deems safe, or holds values of
        which it does not say what is white.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                picture = _rgb(image, background)
        except Exception as error:  # a damaged file can fail in any way
            reason = str(error) or type(error).__name__
            raise ValueError(f"{path} must be an image that can be read: {reason}") from error
        if picture.size != (size, size):
            picture = picture.resize((size, size), Image.Resampling.BOX)
    return np.asarray(picture).transpose(2, 0, 1), [str(warning.message) for warning in caught]


def _rgb(image, background):
    """Return an opened file as a picture of mode RGB."""
    unit = _unit_of_transparency(image)
    image.load()  # only now are its mode and its EXIF data final
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        image = _of_bytes(image)
    elif image.mode not in (*_BYTES, *_ALPHA):
        raise ValueError(_refusal(image))
    elif unit is not None:
        image.info["transparency"] = unit(image.info["transparency"])
    if image.mode == "La":  # Pillow would drop its transparency on the way to RGBA
        image = image.convert("LA")
    if image.mode in _ALPHA or "transparency" in image.info:
        page = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(page, image.convert("RGBA"))
    return image.convert("RGB")


def _refusal(image):
    return f"mode {image.mode} of {image.format} does not say which value is white"


def _of_bytes(image):
    """Return a picture of 16 bits as one of 8, of mode L or LA."""
    if not image.mode.startswith(_WORDS.get(image.format, "none")):
        raise ValueError(_refusal(image))
    values, white = np.asarray(image), 65535
    if image.format == "TIFF":
        tags = image.tag_v2
        white = 2 ** tags[258][0] - 1  # bits a sample: 12 or 16
        if tags[262] == 0:  # the photometric interpretation in which 0 is white
            values = white - values
    found = Image.fromarray(np.rint(values * (255.0 / white)).astype(np.uint8))
    if "transparency" in image.info:
        opaque = np.where(values == image.info["transparency"], 0, 255)
        found.putalpha(Image.fromarray(opaque.astype(np.uint8)))
    return found


def _unit_of_transparency(image):
    """Return what brings the transparent grey or colour of a PNG to the scale of its pixels.

    Pillow stretches 2 and 4 bits to 8, and cuts colours of 16 bits down to 8, but leaves the value
    that stands for transparent as it is in the file.
    """
    if image.format != "PNG" or "transparency" not in image.info:
        return None
    stored = image.tile[0].args if image.tile else ""
    return {
        "L;2": lambda grey: 85 * grey,
        "L;4": lambda grey: 17 * grey,
        "RGB;16B": lambda colour: tuple(value >> 8 for value in colour),
    }.get(stored)


# --- A folder ------------------------------------------------------------------------------------


@dataclass
class Listing:
    """What a folder with one subfolder a class holds; nothing is opened.

    Parameters
    ----------
    root : Path

    Attributes
    ----------
    classes : tuple of str
        Sorted names of the subfolders, in Unicode's composed form (NFC). Two that differ in nothing
        else are one class.
    paths : list of Path
        Files with an ending that Pillow reads, by class and name.
    labels : list of int
        Their positions in `classes`.
    skipped : collections.Counter
        How many entries of each kind are no data.
    merged : list of str
        Classes of more than one subfolder.
    """

    root: Path
    classes: tuple = ()
    paths: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    skipped: Counter = field(default_factory=Counter)
    merged: list = field(default_factory=list)

    def __post_init__(self):
        folders = {}
        for entry in self._seen(self.root):
            if entry.is_dir():
                folders.setdefault(_composed(entry.name), []).append(entry)
            else:
                self.skipped["beside the classes"] += 1
        self.classes = tuple(sorted(folders))
        self.merged = [name for name in self.classes if len(folders[name]) > 1]
        for label, name in enumerate(self.classes):
            self._add(label, folders[name])

    def _add(self, label, folders):
        """Take in the files of one class."""
        entries = [entry for folder in folders for entry in self._seen(folder)]
        known = suffixes()
        for entry in sorted(entries, key=lambda path: (_composed(path.name), path)):
            suffix = entry.suffix.lower()
            if entry.is_dir():
                self.skipped["folders inside a class"] += 1
            elif suffix in known:
                self.paths.append(entry)
                self.labels.append(label)
            else:
                self.skipped[suffix or "without an ending"] += 1

    def _seen(self, folder):
        """Return the entries that are not hidden, and count the others."""
        entries = list(folder.iterdir())
        seen = [entry for entry in entries if not entry.name.startswith(".")]
        if len(seen) < len(entries):
            self.skipped["hidden"] += len(entries) - len(seen)
        return seen


def _composed(name):
    return unicodedata.normalize("NFC", name)
