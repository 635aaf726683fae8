"""Images with labels: CIFAR-100, a folder with one subfolder a class, or drawn glyphs.

All are held as bytes, so that a data set fits into the memory of the device it is used on.
"""

import hashlib
import pickle
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import errors
from . import glyphs, pictures
from ._torchvision import torchvision

__all__ = ["Images", "cifar100", "drawn", "folder"]


@dataclass(frozen=True)
class Images:
    """A data set for classification.

    Parameters
    ----------
    name : str
    train, test : array of uint8, shape (n_images, 3, height, width)
    train_labels, test_labels : array of int64, shape (n_images,)
        Positions in `classes`; every class has images in both parts.
    classes : tuple of str
    notes : tuple of str
        What is worth knowing about how they were read; no part of the data set's identity.
    """

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: tuple
    notes: tuple = field(default=(), compare=False)

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels = getattr(self, part), getattr(self, f"{part}_labels")
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
                found = f"{images.dtype} {images.shape}"
                raise ValueError(
                    f"{part} must be uint8 of shape (n, 3, height, width), got {found}"
                )
            self._check_labels(part, labels, len(images))

    def _check_labels(self, part, labels, n_images):
        n = len(self.classes)
        if labels.shape != (n_images,) or not ((labels >= 0) & (labels < n)).all():
            raise ValueError(
                f"{part}_labels must give each of {n_images} images one of {n} classes; those of "
                f"{self.name} do not"
            )
        missing = [self.classes[k] for k in np.flatnonzero(np.bincount(labels, minlength=n) == 0)]
        if missing:
            raise ValueError(
                f"{part} must have images of every class, got none of {missing[:5]} in {self.name}"
            )

    @property
    def report(self):
        """What the data set holds, and the notes about it: text of a few lines."""
        n_train, n_test, (height, width) = len(self.train), len(self.test), self.train.shape[2:]
        held = (
            f"{self.name}: {n_train} training and {n_test} test images of {len(self.classes)} "
            f"classes, {height}x{width} pixels"
        )
        return "\n".join([held, *(f"  {note}" for note in self.notes)])

    @cached_property
    def digest(self):
        """What tells this data set from every other one."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for name in ("train", "train_labels", "test", "test_labels"):
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array)
        return digest.hexdigest()[:16]

    def of(self, classes, part="train", per_class=None):
        """Return images and labels of some classes, in the order in which they are stored.

        Parameters
        ----------
        classes : sequence of int
        part : str
            "train" or "test".
        per_class : int, optional
            The first so many of each class; all by default.

        Returns
        -------
        images : array of uint8, shape (n_images, 3, height, width)
        labels : array of int64, shape (n_images,)
            Positions in `Images.classes`.
        """
        labels = getattr(self, f"{part}_labels")
        index = np.concatenate([np.flatnonzero(labels == k)[:per_class] for k in classes])
        index.sort()
        return getattr(self, part)[index], labels[index]


def drawn(per_class=(500, 100), seed=0):
    """Return the glyphs of `glyphs.draw` as a data set.

    Parameters
    ----------
    per_class : tuple of int
        Training and test images of each of the 100 classes.
    seed : int

    Returns
    -------
    Images
    """
    n_classes, arrays = len(glyphs.CHARACTERS), []
    for part, n in enumerate(per_class):
        labels = np.tile(np.arange(n_classes), n)
        arrays += [glyphs.draw(labels, (seed, part)), labels]
    return Images("glyphs", *arrays, classes=tuple(glyphs.CHARACTERS))


class _Unpickler(pickle.Unpickler):
    """Reads arrays, lists and text only: a pickle could otherwise run anything."""

    def find_class(self, module, name):
        arrays = module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype")
        if arrays or (module, name) == ("_codecs", "encode"):  # the latter makes bytes of text
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a data set")


def _unpickled(path):
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except FileNotFoundError as error:
        raise ValueError(
            f"CIFAR-100 must have a file {path}; give the folder that holds cifar-100-python, or "
            "let it be downloaded"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise ValueError(f"{path} must be a file of CIFAR-100; remove it: {error}") from error


def _check_sum(path, expected):
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != expected:
        raise ValueError(f"{path} must have MD5 sum {expected}, got {found}; fetch it again")


def _cifar_part(path):
    content = _unpickled(path)
    try:
        images = np.asarray(content["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
        return images, np.asarray(content["fine_labels"], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold data and fine_labels: {error!r}") from error


def _download(source, root):
    try:
        source(root, download=True)
    except RuntimeError as error:
        raise ValueError(f"CIFAR-100 cannot be downloaded to {root}: {error}") from error


def cifar100(root, download=False, checked=True):
    """Read CIFAR-100 from its Python files.

    Parameters
    ----------
    root : str or Path
        The folder that has `cifar-100-python` in it.
    download : bool
        Whether torchvision is to fetch what is missing (169 MB).
    checked : bool
        Whether files must have the published MD5 sums.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If a file is missing, damaged or another than the published one.
    """
    root, source = Path(root), torchvision.datasets.CIFAR100
    if download:
        _download(source, root)
    base = root / source.base_folder
    parts = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
    for name, expected in parts if checked else ():
        if (base / name).exists():
            _check_sum(base / name, expected)
    arrays = [a for name in ("train", "test") for a in _cifar_part(base / name)]
    meta = _unpickled(base / source.meta["filename"])
    return Images("CIFAR-100", *arrays, classes=tuple(meta[source.meta["key"]]))


def _pictures(listing, size, background):
    """Return the images of a folder's listing, their labels, and what was odd about the files."""
    if not listing.paths:
        raise ValueError(f"{listing.root} must have one subfolder of images a class")
    found = [pictures.read(path, size, background) for path in listing.paths]
    odd = [
        f"{path}: {text}"
        for path, (_, texts) in zip(listing.paths, found, strict=True)
        for text in texts
    ]
    return np.stack([image for image, _ in found]), np.array(listing.labels), odd


def folder(root, size=32, test_share=1 / 6, background=pictures.BACKGROUND):
    """Read a folder of images with one subfolder a class.

    Files of every format that Pillow reads are images, by the ending of their name; `pictures` says
    how they are read. Other files, folders inside a class, and everything whose name starts with a
    dot are skipped, and counted in the result's `notes`. Names of classes are compared and kept in
    Unicode's composed form.

    Parameters
    ----------
    root : str or Path
        With folders `train` and `test`, each with one subfolder a class; or with the subfolders
        themselves, of whose sorted images every so-manieth is then for testing.
    size : int
        Pixels a side to which images are scaled, without keeping their proportions.
    test_share : float
        Share of the images for testing where there is no folder `test`; at most one half.
    background : tuple of int
        Red, green and blue, from 0 to 255, behind transparent parts; white by default.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If there are no images, one cannot be read, or a class has none to train or to test on.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"images must be in a folder, got {root}, which is none")
    if errors.number("size", size, 1) % 1:
        raise ValueError(f"size must be a whole number of pixels, got {size!r}")
    errors.number("test_share", test_share, 0.0, 0.5, open_low=True)
    if len(errors.vector("background", background, 0, 255)) != 3:
        raise ValueError(f"background must be red, green and blue, got {background!r}")
    name = unicodedata.normalize("NFC", root.resolve().name)
    if (root / "train").is_dir() and (root / "test").is_dir():
        return _of_two_folders(name, root, size, background)
    listing = pictures.Listing(root)
    images, labels, odd = _pictures(listing, size, background)
    rank = np.concatenate([np.arange(n) for n in np.bincount(labels)])
    tested = rank % round(1.0 / test_share) == 0
    arrays = images[~tested], labels[~tested], images[tested], labels[tested]
    return Images(name, *arrays, classes=listing.classes, notes=_notes([listing], odd))


def _of_two_folders(name, root, size, background):
    listings = [pictures.Listing(root / part) for part in ("train", "test")]
    train, test = (set(listing.classes) for listing in listings)
    if train != test:
        odd = sorted(train ^ test)
        raise ValueError(f"train and test must have the same classes, got only once: {odd[:5]}")
    beside = sum(path.name not in ("train", "test") for path in root.iterdir())
    listings[0].skipped["beside train and test"] += beside
    parts = [_pictures(listing, size, background) for listing in listings]
    arrays = [array for part in parts for array in part[:2]]
    notes = _notes(listings, parts[0][2] + parts[1][2])
    return Images(name, *arrays, classes=listings[0].classes, notes=notes)


def _notes(listings, odd):
    """Return what is to be said about reading some folders."""
    paths = [path for listing in listings for path in listing.paths]
    skipped = sum((listing.skipped for listing in listings), Counter())
    merged = sorted({name for listing in listings for name in listing.merged})
    notes = [f"read {_counted(Counter(path.suffix.lower() for path in paths))}"]
    notes += [f"skipped {_counted(skipped)}"] if skipped else []
    notes += [f"one class where folders differ in Unicode form: {merged}"] if merged else []
    notes += [f"{len(odd)} warnings, the first about {odd[0]}"] if odd else []
    return tuple(notes)


def _counted(kinds):
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
