"""Glyphs, CIFAR-100 in its own format on disk, and folders of images."""

import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image

from ptft.vision import data, glyphs
from ptft.vision._torchvision import torchvision
from ptft.vision.data import Images

CIFAR = torchvision.datasets.CIFAR100

# --- Glyphs --------------------------------------------------------------------------------------


def test_a_hundred_characters_in_most_fonts():
    shapes, first, count = glyphs.masks()
    assert len(set(glyphs.CHARACTERS)) == len(glyphs.CHARACTERS) == 100
    assert count.min() >= len(glyphs.FONTS) - 1
    assert count.sum() == len(shapes)
    assert np.array_equal(np.diff(first), count[:-1])
    assert float(shapes.amax(dim=(1, 2)).min()) > 0.5
    assert 0.0 <= float(shapes.min()) <= float(shapes.max()) <= 1.001


def test_shapes_of_different_characters_differ():
    """No two characters have the same shape in the same font."""
    shapes, first, _ = glyphs.masks()
    plain = shapes[first].flatten(1).numpy()
    distance = ((plain[:, None] - plain[None]) ** 2).mean(-1) + np.eye(100)
    assert distance.min() > 0.004


def test_drawing_is_a_function_of_the_seed():
    classes = np.arange(12)
    first = glyphs.draw(classes, (0, 1))
    assert first.dtype == np.uint8
    assert first.shape == (12, 3, 32, 32)
    assert np.array_equal(first, glyphs.draw(classes, (0, 1)))
    assert not np.array_equal(first, glyphs.draw(classes, (0, 2)))


def test_no_pixel_and_no_colour_gives_the_class_away():
    """A linear classifier on the pixels is right hardly more often than chance."""
    labels = np.tile([3, 50], 150)
    pixels = glyphs.draw(labels, (7,)).reshape(len(labels), -1) / 255.0
    pixels -= pixels.mean(axis=0)
    K = pixels @ pixels.T
    signs = np.where(labels == 3, -1.0, 1.0)
    ridge = K[:200, :200] + 30.0 * np.eye(200)
    found = np.sign(K[200:, :200] @ np.linalg.solve(ridge, signs[:200]))
    assert (found == signs[200:]).mean() < 0.7


def test_drawn_data_set():
    images = data.drawn((2, 1))
    assert images.train.shape == (200, 3, 32, 32)
    assert images.test.shape == (100, 3, 32, 32)
    assert images.digest == data.drawn((2, 1)).digest != data.drawn((2, 1), seed=1).digest
    assert not np.array_equal(images.train[:100], images.test)


# --- A data set ----------------------------------------------------------------------------------


def images(**changes):
    arrays = {
        "train": np.zeros((4, 3, 2, 2), np.uint8),
        "train_labels": np.array([1, 0, 0, 1]),
        "test": np.zeros((2, 3, 2, 2), np.uint8),
        "test_labels": np.array([0, 1]),
        "classes": ("a", "b"),
    }
    return Images("some", **(arrays | changes))


def test_images_of_classes():
    found = images(train=np.arange(48, dtype=np.uint8).reshape(4, 3, 2, 2))
    chosen, labels = found.of([1])
    assert chosen[:, 0, 0, 0].tolist() == [0, 36]
    assert labels.tolist() == [1, 1]
    assert found.of([0, 1], per_class=1)[0][:, 0, 0, 0].tolist() == [0, 12]
    assert found.of([0], "test")[1].tolist() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": np.zeros((4, 3, 2, 2))}, "train must be uint8"),
        ({"test": np.zeros((2, 1, 2, 2), np.uint8)}, "test must be uint8"),
        (
            {"train_labels": np.array([0, 0, 0, 0])},
            r"train must have .* got none of \['b'\] in some",
        ),
        ({"train_labels": np.array([0, 1])}, "train_labels must give each of 4 images one of 2"),
        ({"test_labels": np.array([0, 2])}, "test_labels must give each of 2 images one of 2"),
        ({"test_labels": np.array([0, -1])}, "test_labels must give each of 2 images one of 2"),
    ],
)
def test_bad_arrays(change, message):
    with pytest.raises(ValueError, match=message):
        images(**change)


# --- CIFAR-100 -----------------------------------------------------------------------------------


def write_cifar(root, n_classes=100, n=2):
    """Write a tiny CIFAR-100 as the real one is on disk; return the pixels of the training part."""
    base = root / CIFAR.base_folder
    base.mkdir()
    rng, pixels = np.random.default_rng(0), {}
    for part, count in (("train", n), ("test", 1)):
        labels = np.tile(np.arange(n_classes), count)
        pixels[part] = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        content = {"filenames": ["a.png"], "batch_label": part, "fine_labels": labels.tolist()}
        content |= {"coarse_labels": [0] * len(labels), "data": pixels[part]}
        # The published files are from before NumPy 2 renamed this module.
        written = pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")
        (base / part).write_bytes(written)
    meta = {"fine_label_names": [f"class {i}" for i in range(n_classes)]}
    (base / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    return pixels["train"]


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Return a folder with a tiny CIFAR-100, whose sums torchvision takes for the published."""
    write_cifar(tmp_path)
    base = tmp_path / CIFAR.base_folder
    monkeypatch.setattr(CIFAR, "train_list", [["train", md5(base / "train")]])
    monkeypatch.setattr(CIFAR, "test_list", [["test", md5(base / "test")]])
    monkeypatch.setattr(CIFAR, "meta", CIFAR.meta | {"md5": md5(base / "meta")})
    return tmp_path


def test_cifar_is_read_as_torchvision_reads_it(cifar):
    found = data.cifar100(cifar)
    for part, flag in (("train", True), ("test", False)):
        theirs = CIFAR(cifar, train=flag)
        assert np.array_equal(getattr(found, part), theirs.data.transpose(0, 3, 1, 2))
        assert getattr(found, f"{part}_labels").tolist() == theirs.targets
        assert list(found.classes) == theirs.classes


def test_damaged_cifar(cifar):
    path = cifar / CIFAR.base_folder / "train"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train must have MD5 sum .* fetch it again"):
        data.cifar100(cifar)
    path.write_bytes(content[:5000])
    with pytest.raises(ValueError, match="train must be a file of CIFAR-100; remove it"):
        data.cifar100(cifar, checked=False)


def test_missing_cifar(tmp_path):
    with pytest.raises(ValueError, match=r"must have a file .*give the folder that holds"):
        data.cifar100(tmp_path)


def test_download_that_fails(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(CIFAR, "__init__", fail)
    with pytest.raises(ValueError, match="cannot be downloaded"):
        data.cifar100(tmp_path, download=True)


def test_other_content(cifar):
    path = cifar / CIFAR.base_folder / "test"
    path.write_bytes(pickle.dumps({"labels": [1]}))
    with pytest.raises(ValueError, match="must hold data and fine_labels"):
        data.cifar100(cifar, checked=False)


class Harmful:
    """Pickles as a call of print."""

    def __reduce__(self):
        return print, ("harm",)


def test_a_pickle_cannot_run_code(cifar, capsys):
    path = cifar / CIFAR.base_folder / "test"
    path.write_bytes(pickle.dumps({"data": Harmful()}))
    with pytest.raises(ValueError, match="has no place in a data set"):
        data.cifar100(cifar, checked=False)
    assert capsys.readouterr().out == ""


# --- Folders -------------------------------------------------------------------------------------


def write_folder(root, n=6, size=(32, 32), names=("ant", "bee")):
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", size, (label, i, 7)).save(root / name / f"{i}.png")


def test_folder_of_classes(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "ant" / "notes.txt").write_text("not an image")
    found = data.folder(tmp_path)
    assert found.classes == ("ant", "bee")
    assert found.test[:, 1, 0, 0].tolist() == [0, 0]
    assert found.train[:, 1, 0, 0].tolist() == [1, 2, 3, 4, 5] * 2
    assert np.array_equal(found.train[:, 0, 5, 5], found.train_labels)


def test_folder_with_train_and_test(tmp_path):
    write_folder(tmp_path / "train", n=3, size=(64, 48))
    write_folder(tmp_path / "test", n=1)
    found = data.folder(tmp_path)
    assert found.train.shape == (6, 3, 32, 32)
    assert found.test_labels.tolist() == [0, 1]


def test_train_and_test_must_agree(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", names=("ant", "cat"))
    with pytest.raises(ValueError, match=r"same classes, got only once: \['bee', 'cat'\]"):
        data.folder(tmp_path)


def test_unreadable_image(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "bee" / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"broken\.png must be an image"):
        data.folder(tmp_path)


def test_no_images(tmp_path):
    with pytest.raises(ValueError, match="must have one subfolder of images a class"):
        data.folder(tmp_path)
    with pytest.raises(ValueError, match="images must be in a folder"):
        data.folder(tmp_path / "gone")
