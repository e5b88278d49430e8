"""Hostile images: each is read as what it is or refused in one line that names the file; none of them waits, takes
any amount of memory, or is half of one."""

import gzip
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.common.errors import RequestError
from exporter.common.image_files import list_images
from exporter.common.images import image_size, read_image
from exporter.evaluation.coco import CocoEvaluation
from exporter.evaluation.yolo import YoloEvaluation

NOISE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or Image.fromarray(NOISE)).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    checked = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)


def png(width: int, height: int, data: bytes = b"", before: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A little-endian TIFF of one directory: tag, type, count, value."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)


SIZE = ((256, 4, 1, 16), (257, 4, 1, 16))
REFUSED: dict[str, Callable[[], bytes]] = {
    "100,000 x 100,000": lambda: png(100_000, 100_000),
    "13,000 x 13,000": lambda: png(13_000, 13_000),
    "one row of two billion": lambda: png(2**31 - 1, 1),
    "no pixels": lambda: png(0, 0),
    "a side beyond signed numbers": lambda: png(2**32 - 1, 2**32 - 1),
    "pixels that are missing": lambda: png(64, 64),
    "colour that is not there": lambda: png(8, 8, bytes(200), colour=7),
    "depth that is not there": lambda: png(8, 8, bytes(200), depth=99),
    "text of 200 MB": lambda: png(8, 8, bytes(200), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))),
    "profile of 200 MB": lambda: png(8, 8, b"", chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))),
    "chunk beyond the file": lambda: png(8, 8)[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT",
    "wrong checksum": lambda: encoded("PNG")[:60] + b"\xff\xff" + encoded("PNG")[62:],
    "BMP of 2 billion": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, 1, 1, 24, 0, 0, 0, 0, 0, 0),
    "BMP of negative width": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -9, -9, 1, 24, 0, 0, 0, 0, 0, 0),
    "GIF of 65535 x 65535": lambda: b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
    "GIF without a frame": lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b";",
    "PPM of a trillion": lambda: b"P6 1000000 1000000 255\n",
    "PPM of words": lambda: b"P6 " + b"9" * 1000 + b" 1 255\n",
    "PPM of negative size": lambda: b"P6 -5 -5 255\n" + bytes(75),
    "PPM cut short": lambda: b"P6 100 100 255\n" + bytes(100),
    "PPM of a maximum of 0": lambda: b"P6 2 2 0\n" + bytes(12),
    "TIFF without anything": tiff,
    "TIFF of two billion rows": lambda: tiff((256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (262, 3, 1, 1), (258, 3, 1, 8)),
    "TIFF of itself": lambda: tiff(*SIZE, following=8),
    "TIFF of strips beyond the file": lambda: tiff(*SIZE, (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 2**31), (279, 4, 1, 2**31)),
    "TIFF of a tag of 4 GB": lambda: tiff(*SIZE, (258, 4, 2**32 - 1, 8), (262, 3, 1, 1)),
    "TIFF of floats": lambda: encoded("TIFF", Image.fromarray(np.zeros((4, 4), np.float32))),
    "WebP without a frame": lambda: b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0",
    "JPEG of its header": lambda: b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
    "JPEG of 65535 x 65535": lambda: encoded("JPEG").replace(struct.pack(">HH", 32, 48), struct.pack(">HH", 65535, 65535), 1),
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch executed) (w) file\n",
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "PDF": lambda: b"%PDF-1.4\n",
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "ELF": lambda: b"\x7fELF" + bytes(100),
    "gzip of an image": lambda: gzip.compress(encoded("PNG")),
    "web page": lambda: b"<html>not found</html>",
    "zeros": lambda: bytes(1000),
    "empty": lambda: b"",
    **{f"{part} of 8 of a {kind}": lambda kind=kind, part=part: encoded(kind)[: len(encoded(kind)) * part // 8]
       for kind in ("JPEG", "PNG", "WEBP", "GIF") for part in (1, 4, 7)},
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(REFUSED[what]())
    refused(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.jpg"]


def refused(path: Path) -> None:
    with pytest.raises(RequestError) as error:
        read_image(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ") and "\n" not in line and len(line) < 500, line


def exif(value: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = value
    return tags


READ: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: encoded("JPEG", Image.fromarray(NOISE).convert("CMYK")),
    "grey": lambda: encoded("JPEG", Image.fromarray(NOISE).convert("L")),
    "one bit": lambda: encoded("PNG", Image.fromarray(NOISE).convert("1")),
    "palette": lambda: encoded("PNG", Image.fromarray(NOISE).convert("P")),
    "alpha": lambda: encoded("PNG", Image.fromarray(NOISE).convert("RGBA")),
    "grey and alpha": lambda: encoded("PNG", Image.fromarray(NOISE).convert("LA")),
    "16 bits": lambda: encoded("PNG", Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257)),
    "animation": lambda: encoded("GIF", save_all=True, append_images=[Image.fromarray(NOISE[::-1])] * 3),
    "an orientation of 99": lambda: encoded("JPEG", exif=exif(99)),
    "broken EXIF": lambda: encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "EXIF of itself": lambda: encoded("JPEG", exif=b"Exif\0\0" + tiff((0x8769, 4, 1, 8), following=8)),
    "a comment of 60 KB": lambda: encoded("JPEG", comment=b"\x1b[2J" * 15_000),
    "rubbish behind it": lambda: encoded("JPEG") + os.urandom(10_000),
}


@pytest.mark.parametrize("what", READ)
def test_read(what, tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(READ[what]())
    assert read_image(path).shape == (*NOISE.shape[:2], 3) == (*image_size(path), 3)


def made(path: Path, kind: str) -> Path:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"loop": path, "device": Path("/dev/zero"), "dangling": path.parent / "gone"}[kind])
    return path


KINDS = ["pipe", "folder", "loop", "device", "dangling"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(kind, tmp_path):
    path = made(tmp_path / "a.jpg", kind)
    refused(path)
    Image.fromarray(NOISE).save(tmp_path / "b.jpg")
    assert list_images(tmp_path, "x") == [tmp_path / "b.jpg"]  # among others it is passed over


@pytest.mark.parametrize("kind", KINDS)
def test_annotations_that_are_no_file(kind, tmp_path):
    path = made(tmp_path / "a.json", kind)
    (line,) = CocoEvaluation(path=str(tmp_path), annotations=str(path), num_images=None).problems()
    assert line.startswith(f"evaluation.annotations={path}: ") and "\n" not in line


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_labels_that_are_no_file(kind, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.fromarray(NOISE).save(tmp_path / "images" / "a.jpg")
    made(tmp_path / "labels" / "a.txt", kind)
    (tmp_path / "data.yaml").write_text("val: images\nnames: [cat]\n")
    (line,) = YoloEvaluation(path=str(tmp_path / "data.yaml"), split="val", num_images=None).problems()
    assert "a.txt: is not a file" in line and "\n" not in line


LAUGHS = "a0: &a0 [x, x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
DATA = {
    "names that explode": LAUGHS + "names: [*a39]\nval: images\n",
    "names that hold themselves": "names: &a [*a]\nval: images\n",
    "names that are nothing": "names: null\nval: images\n",
    "calls": "names: !!python/object/apply:os.mkdir [executed]\nval: images\n",
    "a list": "- names\n",
    "nested": "names: " + "[" * 3000,
    "images that are a number": "names: [cat]\nval: 5\n",
    "images in /etc/passwd": "names: [cat]\nval: /etc/passwd\n",
    "images in a device": "names: [cat]\nval: /dev/zero\n",
    "no UTF-8": b"names: [\xb0]\n",
}


@pytest.mark.parametrize("what", DATA)
def test_data_yaml(what, tmp_path):
    content = DATA[what]
    (tmp_path / "data.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    (line,) = YoloEvaluation(path=str(tmp_path / "data.yaml"), split="val", num_images=None).problems()
    assert "data.yaml: " in line and "\n" not in line and len(line) < 500
