"""Reading images: every common kind gives the RGB bytes one expects, and what is none is refused in one line."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.common.errors import RequestError
from exporter.common.image_files import list_images
from exporter.common.images import read_image

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (7, 11, 3), np.uint8)


def saved(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif"])
def test_lossless(tmp_path, suffix):
    got = read_image(saved(tmp_path / f"a{suffix}", COLOURS))
    assert got.dtype == np.uint8 and np.array_equal(got, COLOURS)
    assert got.flags.writeable and got.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".gif"])
def test_lossy_keeps_size_and_channel_order(tmp_path, suffix):
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 0] = 200
    got = read_image(saved(tmp_path / f"a{suffix}", red))
    assert got.shape == red.shape and abs(got.astype(int) - red).max() <= 4


def test_a_wrong_suffix_does_not_matter(tmp_path):
    saved(tmp_path / "a.png", COLOURS)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), COLOURS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    """TIFF 6.0, tag 274: where the stored row 0 and column 0 are in the upright image."""
    exif = Image.Exif()
    exif[274] = orientation
    stored = saved(tmp_path / "a.png", COLOURS, exif=exif)
    c = COLOURS
    turned = [c, c[:, ::-1], c[::-1, ::-1], c[::-1], c.transpose(1, 0, 2), c[::-1].transpose(1, 0, 2),
              c[::-1, ::-1].transpose(1, 0, 2), c[:, ::-1].transpose(1, 0, 2)]  # fmt: skip
    assert np.array_equal(read_image(stored), turned[orientation - 1])


def test_grey_and_one_bit(tmp_path):
    grey = COLOURS[..., 0]
    expected = np.repeat(grey[..., None], 3, 2)
    assert np.array_equal(read_image(saved(tmp_path / "a.png", grey)), expected)
    bits = saved(tmp_path / "b.png", Image.fromarray(grey).convert("1"))
    assert set(np.unique(read_image(bits))) == {0, 255}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey(tmp_path, suffix):
    values = RNG.integers(0, 65536, (5, 6), np.uint16)
    got = read_image(saved(tmp_path / f"a{suffix}", values))
    assert np.array_equal(got, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, 2))


def test_16_bit_pgm_and_colour(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">2H", 0x8001, 0xFFFF))
    assert read_image(tmp_path / "a.ppm").tolist() == [[[0x80] * 3, [0xFF] * 3]]
    (tmp_path / "b.ppm").write_bytes(b"P6 1 1 65535\n" + struct.pack(">3H", 0x8001, 0x4000, 0xFFFF))
    assert read_image(tmp_path / "b.ppm").tolist() == [[[0x80, 0x40, 0xFF]]]


def test_transparency_is_dropped(tmp_path):
    alpha = np.concatenate([COLOURS, np.zeros((7, 11, 1), np.uint8)], 2)
    assert np.array_equal(read_image(saved(tmp_path / "a.png", alpha)), COLOURS)
    grey = saved(tmp_path / "b.png", Image.fromarray(alpha).convert("LA"))
    assert read_image(grey).shape == (7, 11, 3)


def test_palette(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert image.mode == "P"
    for options in ({}, {"transparency": 1}):
        got = read_image(saved(tmp_path / "a.png", image, **options))
        assert got.tolist() == [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]


def test_cmyk(tmp_path):
    cyan = np.zeros((16, 16, 4), np.uint8)
    cyan[..., 0] = 255
    got = read_image(saved(tmp_path / "a.jpg", Image.fromarray(cyan, "CMYK"), quality=95))
    assert abs(got[8, 8].astype(int) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / f"a{suffix}", frames[0], save_all=True, append_images=frames[1:], duration=100)
    red = read_image(path)[4, 4].astype(int)
    assert red[0] > 240 and red[2] < 15


def test_an_image_that_claims_too_many_pixels(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (12_300, 60_000):  # over our limit, and over Pillow's
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        (tmp_path / "a.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
        )
        refused(tmp_path / "a.png", "pixels")


def refused(path: Path, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as error:
        read_image(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_what_is_no_image(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "vector.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    os.mkfifo(tmp_path / "pipe.jpg")
    saved(tmp_path / "float.tif", np.zeros((4, 4), np.float32))
    refused(tmp_path / "text.jpg", "not an image: give one of JPEG")
    refused(tmp_path / "vector.jpg", "not an image")
    refused(tmp_path / "empty.jpg", "empty")
    refused(tmp_path / "pipe.jpg", "is not a file")
    refused(tmp_path / "missing.jpg", "No such file or directory: give an image file")
    refused(tmp_path, "is not a file")
    refused(tmp_path / "float.tif", "floating-point")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_truncated_images_are_refused(tmp_path, suffix):
    """Half an image must never pass as one: half of a JPEG decodes to a grey lower half if one lets it."""
    whole = saved(tmp_path / f"a{suffix}", RNG.integers(0, 256, (64, 64, 3), np.uint8)).read_bytes()
    for part in (0.05, 0.3, 0.6, 0.95):
        (tmp_path / f"b{suffix}").write_bytes(whole[: int(len(whole) * part)])
        refused(tmp_path / f"b{suffix}", "image")


def test_listing(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.jpeg", ".hidden.jpg", "notes.txt", "below/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "b.jpg")
    assert [p.name for p in list_images(tmp_path, "x")] == ["a.PNG", "b.jpg", "c.jpeg", "link.png"]


def test_folders_without_images(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for name, reason in (("file", "is not a folder"), ("empty", "no images in it"), ("none", "does not exist")):
        with pytest.raises(RequestError, match=reason) as error:
            list_images(tmp_path / name, "calibration.path")
        assert str(error.value).startswith(f"calibration.path={tmp_path / name}: ") and "\n" not in str(error.value)
