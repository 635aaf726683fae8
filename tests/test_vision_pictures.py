"""Picture files: of every mode either the right colours, or an error that names the file."""

import colorsys
import io
import struct
import unicodedata
import warnings
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from ptft.vision import data, pictures
from ptft.vision.pictures import BACKGROUND, Listing

SIDE = 4
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
COLOUR = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
INK = RNG.integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)


def read(path, size=SIDE, **options):
    """Return a picture as an array of shape (height, width, 3)."""
    return pictures.read(path, size, **options)[0].transpose(1, 2, 0).astype(int)


def three(grey):
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)


def over(colour, alpha, background=BACKGROUND):
    """Return what a partly transparent picture looks like in front of a background."""
    share = np.asarray(alpha)[:, :, None] / 255.0
    return share * colour + (1.0 - share) * np.array(background)


# --- Modes: what is stored, by a formula of its own ----------------------------------------------


def palette():
    """Return a picture with a palette, and its colours."""
    image = Image.fromarray(GREY % 16).convert("P")
    colours = RNG.integers(0, 256, (16, 3), dtype=np.uint8)
    image.putpalette(colours.tobytes())
    return image, colours[GREY % 16]


def from_ycc(values):
    """By the equations of JFIF."""
    y, blue, red = np.moveaxis(values.astype(float), -1, 0)
    blue, red = blue - 128.0, red - 128.0
    parts = y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue
    return np.clip(np.stack(parts, axis=-1), 0, 255)


def from_hsv(values):
    flat = [
        255.0 * np.array(colorsys.hsv_to_rgb(*(pixel / 255.0))) for pixel in values.reshape(-1, 3)
    ]
    return np.array(flat).reshape(values.shape)


def from_lab(values):
    """By CIE's equations, from the white D50 to sRGB."""
    lightness, a, b = np.moveaxis(values.astype(float), -1, 0)
    y = (lightness * 100.0 / 255.0 + 16.0) / 116.0
    ratios = np.stack([y + (a - 128.0) / 500.0, y, y - (b - 128.0) / 200.0], axis=-1)
    ratios = np.where(ratios > 6 / 29, ratios**3, 3 * (6 / 29) ** 2 * (ratios - 4 / 29))
    to_rgb = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = np.clip(ratios * [0.9642, 1.0, 0.8249] @ np.transpose(to_rgb), 0.0, 1.0)
    return 255.0 * np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )


MILD = COLOUR // 4 + 96  # colours near grey, which sRGB has in LAB and YCbCr
BITS = GREY > 127
IN_WORDS = np.rint(WORDS / 257.0)


def of_bytes(mode, array):
    return Image.frombytes(mode, (SIDE, SIDE), np.ascontiguousarray(array).tobytes())


def with_alpha(mode, array):
    return of_bytes(mode, np.concatenate([np.atleast_3d(array), ALPHA[:, :, None]], axis=2))


# mode: a picture of it, the colours it shows, and how far off they may be
MODES = {
    "1": (Image.fromarray(BITS), three(255 * BITS), 0),
    "L": (of_bytes("L", GREY), three(GREY), 0),
    "P": (*palette(), 0),
    "RGB": (of_bytes("RGB", COLOUR), COLOUR, 0),
    "RGBX": (with_alpha("RGBX", COLOUR), COLOUR, 0),
    "CMYK": (of_bytes("CMYK", INK), (255 - INK[..., :3]) * ((255 - INK[..., 3:]) / 255.0), 1),
    "YCbCr": (of_bytes("YCbCr", MILD), from_ycc(MILD), 1.5),
    # In files and in bytes a and b have a sign; MILD has 128 added. Pillow interpolates in tables.
    "LAB": (of_bytes("LAB", MILD ^ np.array([0, 128, 128], np.uint8)), from_lab(MILD), 3),
    "HSV": (of_bytes("HSV", COLOUR), from_hsv(COLOUR), 3),
    "LA": (with_alpha("LA", GREY), over(three(GREY), ALPHA), 1),
    "RGBA": (with_alpha("RGBA", COLOUR), over(COLOUR, ALPHA), 1),
    "PA": (palette()[0].convert("PA"), None, 1),
    # Premultiplied: what is stored is colour times share, so the background's share is added.
    "La": (with_alpha("La", np.minimum(GREY, ALPHA)), None, 2),
    "RGBa": (with_alpha("RGBa", np.minimum(COLOUR, ALPHA[:, :, None])), None, 2),
    "I;16": (of_bytes("I;16", WORDS.astype("<u2")), three(IN_WORDS), 0),
    "I;16B": (of_bytes("I;16B", WORDS.astype(">u2")), three(IN_WORDS), 0),
    "I;16L": (of_bytes("I;16L", WORDS.astype("<u2")), three(IN_WORDS), 0),
    "I;16N": (of_bytes("I;16N", WORDS), three(IN_WORDS), 0),
    "I": (of_bytes("I", WORDS.astype("=i4")), three(IN_WORDS), 0),
    "F": (of_bytes("F", WORDS.astype("=f4")), None, None),
}


def expected(mode):
    image, colours, tolerance = MODES[mode]
    if mode == "PA":
        image.putalpha(Image.fromarray(ALPHA))
        colours = over(palette_colours(image), ALPHA)
    if mode in ("La", "RGBa"):
        stored = np.asarray(image).astype(float)
        rest = (1.0 - ALPHA[:, :, None] / 255.0) * np.array(BACKGROUND)
        colours = np.broadcast_to(stored[..., :-1], (SIDE, SIDE, 3)) + rest
    return image, colours, tolerance


def palette_colours(image):
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return colours[np.asarray(image)[..., 0]]


def test_the_table_has_every_mode_of_pillow():
    assert set(MODES) == set(Image.MODES)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "F"])
def test_a_mode_arrives_as_it_looks(mode):
    image, colours, tolerance = expected(mode)
    assert image.mode == mode
    image.format = "PNG"
    found = np.asarray(pictures._rgb(image, BACKGROUND)).astype(float)
    assert np.abs(found - colours).max() <= tolerance


# How each mode gets into a file, where some format has it; the mode when it is opened again.
@pytest.mark.parametrize(
    ("mode", "suffix", "opened"),
    [
        ("1", "png", "1"),
        ("1", "tif", "1"),
        ("1", "pbm", "1"),
        ("L", "png", "L"),
        ("L", "pgm", "L"),
        ("L", "tif", "L"),
        ("P", "png", "P"),
        ("P", "gif", "P"),
        ("P", "tif", "P"),
        ("RGB", "png", "RGB"),
        ("RGB", "ppm", "RGB"),
        ("RGB", "bmp", "RGB"),
        ("RGBX", "tif", "RGB"),
        ("CMYK", "tif", "CMYK"),
        ("YCbCr", "tif", "YCbCr"),
        ("LAB", "tif", "LAB"),
        ("LA", "png", "LA"),
        ("LA", "tif", "LA"),
        ("PA", "tif", "PA"),
        ("RGBA", "png", "RGBA"),
        ("RGBA", "tif", "RGBA"),
        ("I;16", "png", "I;16"),
        ("I;16", "tif", "I;16"),
        ("I;16", "jp2", "I;16"),
        ("I;16B", "tif", "I;16B"),
        ("I", "pgm", "I"),
    ],
)
def test_a_mode_from_a_file(tmp_path, mode, suffix, opened):
    path = tmp_path / f"a.{suffix}"
    image, colours, tolerance = expected(mode)
    image.save(path)
    with Image.open(path) as again:
        again.load()
        assert again.mode == opened
    assert np.abs(read(path) - colours).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "suffix"), [("F", "tif"), ("F", "pfm"), ("I", "tif"), ("I;16S", "tif")]
)
def test_values_without_a_known_white_are_refused(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    signed = TiffImagePlugin.ImageFileDirectory_v2()
    signed[339] = 2
    image = of_bytes("I", WORDS.astype("=i4")) if mode == "I;16S" else MODES[mode][0]
    image.save(path, **({"tiffinfo": signed} if suffix == "tif" and mode != "F" else {}))
    with pytest.raises(ValueError, match=r"a\.\w+ must be .* mode [IF] of (TIFF|PPM) does not say"):
        read(path)


def test_sixteen_bits_keep_their_mean(tmp_path):
    """A ramp from black to white is half grey, however many bits it has."""
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", 32).mean() == pytest.approx(127.5, abs=0.5)
    assert np.abs(read(tmp_path / "a.png", 64)[:, :, 0] - ramp / 257).max() <= 0.5


def tiff(bits, photometric, samples):
    """Return a TIFF file of one row of 16-bit words or packed 12-bit samples."""
    if bits == 12:
        digits = "".join(f"{value:03x}" for value in samples)
        packed = bytes.fromhex(digits)
    else:
        packed = struct.pack(f"<{len(samples)}H", *samples)
    tags = [(256, len(samples)), (257, 1), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, 1), (279, len(packed)), (339, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = 8 + len(packed)
    head = b"II*\0" + struct.pack("<I", start)
    return head + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("bits", "photometric", "samples"),
    [(12, 1, [0, 1365, 2730, 4095]), (16, 1, [0, 21845, 43690, 65535])],
)
def test_white_is_what_the_bits_can_hold(tmp_path, bits, photometric, samples):
    (tmp_path / "a.tif").write_bytes(tiff(bits, photometric, samples))
    assert read(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 85, 170, 255]


def test_a_tiff_may_call_white_zero(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(16, 0, [0, 21845, 43690, 65535]))
    assert read(tmp_path / "a.tif")[0, :, 0].tolist() == [255, 170, 85, 0]


def test_lossy_colour_is_close(tmp_path):
    smooth = Image.fromarray(COLOUR).resize((64, 64), Image.Resampling.BICUBIC)
    for name in ("a.jpg", "a.webp"):
        smooth.save(tmp_path / name, quality=95)
        assert np.abs(read(tmp_path / name, 64) - np.asarray(smooth)).mean() < 4
    ink = MODES["CMYK"][0].resize((64, 64), Image.Resampling.NEAREST)
    ink.save(tmp_path / "ink.jpg", quality=100)
    shown = np.repeat(np.repeat(MODES["CMYK"][1], 16, axis=0), 16, axis=1)
    assert np.abs(read(tmp_path / "ink.jpg", 64) - shown).mean() < 4


# --- Transparency --------------------------------------------------------------------------------


def test_stripes_in_a_transparent_area_do_not_show(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[::2, :, 0] = 255  # striped, and transparent but for the upper left quarter
    pixels[:4, :4, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read(tmp_path / "a.png", 8)
    assert (found[4:] == 255).all()
    assert (found[:, 4:] == 255).all()
    assert found[:4, 0, 0].tolist() == [255, 0, 255, 0]
    blue = read(tmp_path / "a.png", 8, background=(10, 20, 230))
    assert (blue[4:] == (10, 20, 230)).all()


@pytest.mark.parametrize("transparency", [3, bytes([255, 128, 0, 64])])
def test_a_palette_with_transparency(tmp_path, transparency):
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).convert("P")
    colours = np.array([[9, 9, 9], [50, 60, 70], [200, 0, 0], [0, 200, 0]], np.uint8)
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "a.png", transparency=transparency)
    alpha = [255, 255, 255, 0] if isinstance(transparency, int) else list(transparency)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels, warned = pictures.read(tmp_path / "a.png", SIDE)
    assert warned == []
    found = pixels.transpose(1, 2, 0)[0].astype(float)
    assert np.abs(found - over(colours[None], [alpha])[0]).max() <= 1


def png(bits, kind, row, width, transparent):
    """Return a PNG of one row, with a transparent grey or colour."""

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("bits", "kind", "row", "transparent", "seen"),
    [
        (1, 0, bytes([0b01010000]), [1], [0, 300, 0, 300]),
        (2, 0, bytes([0b00011011]), [2], [0, 85, 300, 255]),
        (4, 0, bytes([0x05, 0xAF]), [5], [0, 300, 170, 255]),
        (8, 0, bytes([0, 5, 10, 255]), [10], [0, 5, 300, 255]),
        (16, 0, struct.pack(">4H", 0, 1285, 2570, 65535), [1285], [0, 300, 10, 255]),
        (8, 2, bytes([0, 0, 0, 5, 5, 5, 7, 7, 7, 9, 9, 9]), [5, 5, 5], [0, 300, 7, 9]),
        (16, 2, struct.pack(">12H", *[0] * 3, *[1300] * 3, *[2600] * 3, *[65535] * 3),
         [1300] * 3, [0, 300, 10, 255]),
    ],
)  # fmt: skip
def test_one_transparent_grey_or_colour(tmp_path, bits, kind, row, transparent, seen):
    """Where 300 is expected, the background shows."""
    (tmp_path / "a.png").write_bytes(png(bits, kind, row, 4, transparent))
    found = read(tmp_path / "a.png", background=(1, 2, 3))[0]
    for pixel, grey in zip(found.tolist(), seen, strict=True):
        assert pixel == ([1, 2, 3] if grey == 300 else [grey] * 3)


# --- Orientation, animations, pages --------------------------------------------------------------

TURNS = {  # what a viewer does to the stored rows and columns
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_orientation_is_applied(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    blocks = np.kron(GREY // 2 + 60, np.ones((16, 16), np.uint8))
    quality = {} if suffix in ("png", "tif") else {"quality": 95}
    Image.fromarray(blocks).save(tmp_path / f"a.{suffix}", exif=exif, **quality)
    found = read(tmp_path / f"a.{suffix}")[:, :, 0]
    assert np.abs(found - TURNS[orientation](GREY // 2 + 60)).max() <= (3 if quality else 0)


def test_sixteen_bits_are_turned_too(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(WORDS).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read(tmp_path / "a.png")[:, :, 0], TURNS[6](IN_WORDS))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_the_first_picture_of_several_counts(tmp_path, suffix):
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], **options)
    assert (read(tmp_path / f"a.{suffix}") == (255, 0, 0)).all()


# --- Damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp", "ppm", "tga", "jp2"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"a\.{suffix} must be an image that can be read: ."):
        read(path)


@pytest.mark.parametrize("times", [1.5, 3.0])  # Pillow warns above its limit, and raises above two
def test_decompression_bombs_are_named(tmp_path, monkeypatch, times):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(10_000 / times))
    with pytest.raises(ValueError, match=r"a\.png must be .*decompression bomb"):
        read(tmp_path / "a.png")


def test_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ValueError, match=r"x\.png must be .*No such file"):
        data.folder(tmp_path)


def test_what_pillow_finds_odd_is_kept(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    _, warned = pictures.read(tmp_path / "a.jpg", 4)
    assert warned
    assert "EXIF" in warned[0]


# --- Folders -------------------------------------------------------------------------------------


def write(root, *names, size=(4, 4)):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (i, i, i)).save(root / name)


def test_endings_are_pillows():
    found = pictures.suffixes()
    assert {".png", ".jpg", ".jpeg", ".pgm", ".pbm", ".ppm", ".pnm", ".tiff", ".jp2"} <= found
    assert {".webp", ".avif", ".gif", ".bmp", ".mpo", ".jfif", ".tga", ".ico", ".qoi"} <= found
    assert not {".txt", ".pdf", ".h5", ".mpg", ".npy", ""} & found


def test_all_pictures_are_read_and_the_rest_is_counted(tmp_path):
    write(tmp_path, *(f"ant/{i}.png" for i in range(4)), "ant/4.PGM", "ant/5.jfif")
    write(tmp_path, *(f"bee/{i}.pgm" for i in range(3)), "bee/more/0.png")
    for name in ("ant/notes.txt", "ant/list.txt", "bee/data", "README.md", "ant/.hidden.png"):
        (tmp_path / name).write_text("no picture")
    write(tmp_path, ".ipynb_checkpoints/0.png")
    found = data.folder(tmp_path)
    assert found.classes == ("ant", "bee")
    assert len(found.train) + len(found.test) == 9
    assert found.notes == (
        "read 1 .jfif, 4 .pgm, 4 .png",
        "skipped 2 .txt, 1 beside the classes, 1 folders inside a class, 2 hidden, 1 without an "
        "ending",
    )
    lines = found.report.splitlines()
    assert lines[0] == (f"{tmp_path.name}: 7 training and 2 test images of 2 classes, 32x32 pixels")
    assert lines[1:] == [f"  {note}" for note in found.notes]


def test_what_is_beside_train_and_test_is_counted(tmp_path):
    write(tmp_path, "train/a/0.png", "train/a/1.png", "test/a/0.png", "val/a/0.png")
    (tmp_path / "test" / "a" / "b.txt").write_text("")
    notes = data.folder(tmp_path).notes
    assert notes == ("read 3 .png", "skipped 1 .txt, 1 beside train and test")


def test_a_folder_without_anything_to_skip_says_so_by_silence(tmp_path):
    write(tmp_path, "a/0.png", "a/1.png")
    assert data.folder(tmp_path).notes == ("read 2 .png",)


def test_two_unicode_forms_are_one_class(tmp_path):
    composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    write(tmp_path, f"{composed}/0.png", f"{composed}/1.png", f"{apart}/2.png", "bee/0.png")
    write(tmp_path, "bee/1.png")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system keeps one form")
    found = data.folder(tmp_path)
    assert found.classes == ("bee", composed)
    assert len(found.train) + len(found.test) == 5
    assert any("Unicode" in note and "caf" in note for note in found.notes)


def test_train_and_test_may_differ_in_unicode_form(tmp_path):
    composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    write(tmp_path, f"train/{composed}/0.png", f"test/{apart}/0.png")
    assert data.folder(tmp_path).classes == (composed,)


def test_a_class_without_images_is_named(tmp_path):
    write(tmp_path, "ant/0.png", "ant/1.png")
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match=r"images of every class, got none of \['cat'\]"):
        data.folder(tmp_path)
    (tmp_path / "cat").rmdir()
    write(tmp_path, "bee/0.png")
    with pytest.raises(ValueError, match=r"train must have .* got none of \['bee'\]"):
        data.folder(tmp_path)


def test_order_does_not_depend_on_the_file_system(tmp_path):
    write(tmp_path, "a/2.png", "a/0.png", "b/1.png")
    listing = Listing(tmp_path)
    assert [path.name for path in listing.paths] == ["0.png", "2.png", "1.png"]
    assert listing.labels == [0, 0, 1]


def test_the_folder_has_a_name_from_inside(tmp_path, monkeypatch):
    write(tmp_path, "a/0.png", "a/1.png")
    monkeypatch.chdir(tmp_path)
    assert data.folder(".").name == tmp_path.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be"),
        ({"size": 2.5}, "size must be a whole number"),
        ({"test_share": 0.0}, "test_share must be"),
        ({"test_share": 0.9}, "test_share must be"),
        ({"background": (0, 0)}, "background must be red, green and blue"),
        ({"background": (0, 0, 256)}, "background must be"),
    ],
)
def test_bad_options(tmp_path, options, message):
    write(tmp_path, "a/0.png", "a/1.png")
    with pytest.raises(ValueError, match=message):
        data.folder(tmp_path, **options)
