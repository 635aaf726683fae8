"""Images with labels: CIFAR-100, a folder with one subfolder a class, or drawn glyphs.

All are held as bytes, so that a data set fits into the memory of the device it is used on.
"""

import hashlib
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import needs
from . import glyphs
from ._torchvision import torchvision

with needs("vision"):
    from PIL import Image

__all__ = ["Images", "cifar100", "drawn", "folder"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm"}


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
    """

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: tuple

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels = getattr(self, part), getattr(self, f"{part}_labels")
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
                found = f"{images.dtype} {images.shape}"
                raise ValueError(
                    f"{part} must be uint8 of shape (n, 3, height, width), got {found}"
                )
            counts = np.bincount(labels, minlength=len(self.classes)) if labels.size else [0]
            if len(labels) != len(images) or len(counts) != len(self.classes) or not min(counts):
                raise ValueError(
                    f"{part}_labels must give each of {len(self.classes)} classes an image and "
                    f"each of {len(images)} images a class; {self.name} does not"
                )

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


def _picture(path, size):
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BOX)
            return np.asarray(image).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} must be an image that can be read: {error}") from error


def _pictures(root, size):
    """Return images, labels and class names of a folder with one subfolder a class."""
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    paths = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in _SUFFIXES
    ]
    if not paths:
        raise ValueError(f"{root} must have one subfolder of images a class")
    images = np.stack([_picture(path, size) for path, _ in paths])
    return images, np.array([label for _, label in paths]), tuple(names)


def folder(root, size=32, test_share=1 / 6):
    """Read a folder of images with one subfolder a class.

    Parameters
    ----------
    root : str or Path
        With folders `train` and `test`, each with one subfolder a class; or with the subfolders
        themselves, of whose sorted images every so-manieth is then for testing.
    size : int
        Pixels a side to which images are scaled, without keeping their proportions.
    test_share : float
        Share of the images for testing where there is no folder `test`.

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
    if (root / "train").is_dir() and (root / "test").is_dir():
        train, test = (_pictures(root / part, size) for part in ("train", "test"))
        if train[2] != test[2]:
            odd = sorted(set(train[2]) ^ set(test[2]))
            raise ValueError(f"train and test must have the same classes, got only once: {odd[:5]}")
        return Images(root.name, *train[:2], *test[:2], classes=train[2])
    images, labels, names = _pictures(root, size)
    rank = np.concatenate([np.arange(n) for n in np.bincount(labels)])
    tested = rank % round(1.0 / test_share) == 0
    return Images(
        root.name, images[~tested], labels[~tested], images[tested], labels[tested], classes=names
    )
