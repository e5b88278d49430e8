"""Images of 16 bits of which a camera uses 10, 12 or 14: found over a set, scaled alike, whatever file holds them."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.bit_depth import BitDepth, Depth
from exporter.common.contrast import has_contrast, low_contrast_line
from exporter.common.errors import RequestError
from exporter.common.images import is_deep, largest_value, read_image
from exporter.demo.scenes import CLASS_NAMES, scene

GREY = np.random.default_rng(0).integers(0, 65536, (37, 53), np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 65536, (37, 53, 4), np.uint16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values: np.ndarray, interlaced: bool = False) -> bytes:
    """As the specification has it: grey, grey and alpha, RGB or RGBA of 16 bits; interlaced in seven passes."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [row for y, x, down, along in passes for row in values[y::down, x::along]]
    data = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, end: str = "<", bits: int = 16, photometric: int = 2, **tags: int) -> bytes:
    """One strip, interleaved and not compressed; bits=12 packs two values into three bytes; tags by number, as t284."""
    height, width, channels = values.shape
    if bits == 12:
        pairs = values.reshape(-1, 2).tolist()
        data = b"".join(((a << 12) | b).to_bytes(3, "big") for a, b in pairs)
    else:
        data = values.astype(f"{end}u2").tobytes()
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 277: channels, 278: height}
    entries |= {279: len(data)} | {int(name[1:]): value for name, value in tags.items()}
    behind = 8 + 2 + 12 * len(entries) + 4
    each = struct.pack(f"{end}{channels}H", *[bits] * channels)
    entries[273] = behind + len(each)
    rows = b""
    for tag, value in sorted(entries.items()):
        if tag == 258 and channels > 2:
            rows += struct.pack(f"{end}HHII", tag, 3, channels, behind)
        else:
            rows += struct.pack(f"{end}HHII", tag, 4, 1, value)
    mark = b"II*\0" if end == "<" else b"MM\0*"
    return mark + struct.pack(f"{end}IH", 8, len(entries)) + rows + struct.pack(f"{end}I", 0) + each + data


def in_opencv(suffix: str, rgb: np.ndarray, *options: int) -> bytes:
    order = rgb if rgb.ndim == 2 else rgb[..., [2, 1, 0, 3][: rgb.shape[2]]]
    return cv2.imencode(suffix, order, options)[1].tobytes()


def ppm(values: np.ndarray, most: int = 65535) -> bytes:
    kind = "P6" if values.ndim == 3 else "P5"
    return f"{kind} {values.shape[1]} {values.shape[0]} {most}\n".encode() + values.astype(">u2").tobytes()


# By what writes them, with the values that are in them.
FILES = {
    "grey PNG": (in_opencv(".png", GREY), GREY),
    "grey TIFF": (in_opencv(".tif", GREY), GREY),
    "grey TIFF, not compressed": (tiff(GREY[..., None], photometric=1), GREY),
    "grey TIFF of the other byte order": (tiff(GREY[..., None], ">", photometric=1), GREY),
    "PGM": (ppm(GREY), GREY),
    "grey PNG with alpha": (png(COLOUR[..., :2]), COLOUR[..., 0]),
    "RGB PNG": (in_opencv(".png", COLOUR[..., :3]), COLOUR[..., :3]),
    "RGB PNG, interlaced": (png(COLOUR[..., :3], interlaced=True), COLOUR[..., :3]),
    "RGBA PNG": (in_opencv(".png", COLOUR), COLOUR[..., :3]),
    "RGB TIFF": (in_opencv(".tif", COLOUR[..., :3]), COLOUR[..., :3]),
    "RGBA TIFF": (in_opencv(".tif", COLOUR), COLOUR[..., :3]),
    "RGB TIFF, deflated": (in_opencv(".tif", COLOUR[..., :3], cv2.IMWRITE_TIFF_COMPRESSION, 8), COLOUR[..., :3]),
    "RGB TIFF, not compressed": (tiff(COLOUR[..., :3]), COLOUR[..., :3]),
    "RGB TIFF of the other byte order": (tiff(COLOUR[..., :3], ">"), COLOUR[..., :3]),
    "RGB TIFF with something beside": (tiff(COLOUR, t338=0), COLOUR[..., :3]),
    "PPM": (ppm(COLOUR[..., :3]), COLOUR[..., :3]),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_all_16_bits_are_read(what, tmp_path):
    """Exactly: 8 of 16 bits are kept, and which 8 says how many bits are in use."""
    data, values = FILES[what]
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert largest_value(path) == values.max() and is_deep(path)
    rgb = np.repeat(values[..., None], 3, 2) if values.ndim == 2 else values
    got = read_image(path)
    assert got.dtype == np.uint8 and got.flags.writeable and got.flags.c_contiguous
    np.testing.assert_array_equal(got, rgb >> 8)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14])
@pytest.mark.parametrize("write", [png, tiff, ppm, lambda values: png(values[..., :1])])
def test_values_are_scaled_by_the_bits_in_use(bits, write, tmp_path):
    most = 2**bits - 1
    values = np.resize(np.arange(most + 1, dtype=np.uint16), (137, 131, 3))
    path = tmp_path / "a.png"
    path.write_bytes(write(values))
    want = np.rint(values * (255 / most)).astype(np.uint8)
    np.testing.assert_array_equal(read_image(path, bits)[..., 0], want[..., 0])


def test_values_beyond_the_bits_are_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(np.full((4, 4, 3), 4000, np.uint16)))
    with pytest.raises(RequestError, match="holds 4000, and 10 bits end at 1023: give a bit_depth of 12 or more, or a"):
        read_image(path, 10)


def test_files_that_say_their_bits_are_taken_at_their_word(tmp_path):
    """Whatever was given or found for others."""
    ten = np.array([[0, 512, 1023]], np.uint16)
    twelve = np.array([[0, 2048, 4095, 4095]], np.uint16)[..., None]
    for data, want in (
        (ppm(ten, 1023), [0, 128, 255]),
        (ppm(np.repeat(ten[..., None], 3, 2), 1023), [0, 128, 255]),
        (tiff(twelve, bits=12, photometric=1), [0, 128, 255, 255]),
    ):
        (tmp_path / "a.ppm").write_bytes(data)
        assert not is_deep(tmp_path / "a.ppm") and largest_value(tmp_path / "a.ppm") is None
        for bits in (10, 16):
            assert read_image(tmp_path / "a.ppm", bits)[0, :, 1].tolist() == want


def test_colours_in_planes_are_refused(tmp_path):
    """Pillow reads those of 16 bits as bytes."""
    (tmp_path / "a.tif").write_bytes(tiff(COLOUR[..., :3], t284=2))
    with pytest.raises(RequestError, match="in planes of their own: save them interleaved"):
        read_image(tmp_path / "a.tif")


def test_they_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], np.rot90(GREY >> 8, -1))


def test_half_of_one_is_refused(tmp_path):
    for data, _ in FILES.values():
        (tmp_path / "a.tif").write_bytes(data[: len(data) * 2 // 3])
        for read in (read_image, largest_value):
            with pytest.raises(RequestError):
                read(tmp_path / "a.tif")


def test_memory_is_bounded(tmp_path):
    """As for any other image: what it would take is said by its header."""
    (tmp_path / "a.png").write_bytes(png(np.zeros((1, 1, 3), np.uint16)).replace(struct.pack(">II", 1, 1), b"\xff" * 8))
    with pytest.raises(RequestError):
        largest_value(tmp_path / "a.png")


def saved(path: Path, values: np.ndarray) -> Path:
    path.write_bytes(in_opencv(path.suffix, values))
    return path


@pytest.mark.parametrize(("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12),
                                               (4096, 14), (16383, 14), (16384, 16), (65535, 16)])  # fmt: skip
def test_the_least_depth_that_holds_all_of_a_set(tmp_path, largest, bits):
    dark, bright = np.zeros((4, 4), np.uint16), np.zeros((4, 4, 3), np.uint16)
    bright[2, 3, 1] = largest
    files = [saved(tmp_path / "a.png", dark), saved(tmp_path / "b.tif", bright)]
    eight = saved(tmp_path / "c.png", np.full((4, 4), 255, np.uint8))
    for order in (files, files[::-1], [eight, *files]):
        assert Depth(order).bits == bits
    line = Depth(files).said("calibration", "calibration.bit_depth=")
    wanted = f"calibration: 16-bit images hold {bits} bits: scaled by that; calibration.bit_depth=16 says otherwise"
    assert line == (wanted if bits < 16 else None)
    assert Depth(files, 12).bits == 12 and Depth(files, 12).said("x", "y") is None


def test_a_set_without_16_bits_has_no_depth(tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    files = [saved(tmp_path / "a.png", np.zeros((4, 4), np.uint8)), tmp_path / "cut.png", tmp_path / "missing.png"]
    for given in ("auto", 10):
        assert Depth(files, given).bits is None and Depth(files, given).said("x", "y") is None
    assert Depth(files).read(files[0]).shape == (4, 4, 3)


def test_what_a_depth_may_be():
    depth = TypeAdapter(BitDepth)
    assert [depth.validate_python(each) for each in ("auto", 8, 16)] == ["auto", 8, 16]
    for wrong in (7, 17, "ten", None):
        with pytest.raises(ValidationError):
            depth.validate_python(wrong)


def test_contrast():
    image = np.full((4, 4, 3), 100, np.uint8)
    for value, has in ((100, False), (105, False), (106, True), (94, True)):
        image[0, 0] = value
        assert has_contrast(image) is has
    assert not has_contrast(np.zeros((3, 4, 4), np.float32)) and has_contrast(np.array([0.0, 1e-3]))
    names = ["a.png", "b.png", "c.png", "d.png", "e.png"]
    line = low_contrast_line(names, 9, "leave them out")
    assert line == "5 of 9 images have no contrast (a.png, b.png, c.png and 2 more): leave them out"
    assert low_contrast_line(names[:1], 9, "y") == "1 of 9 images have no contrast (a.png): y"
    assert low_contrast_line([], 9, "y") is None


@pytest.mark.slow
def test_a_build_on_10_bits(tmp_path, monkeypatch, capsys):
    """Calibrated and evaluated as on the same synthetic images in 8 bits; the manifest and a line say what was found."""
    monkeypatch.chdir(tmp_path)
    for kind in ("eight", "ten"):
        (tmp_path / kind / "images").mkdir(parents=True)
        (tmp_path / kind / "labels").mkdir()
        (tmp_path / kind / "data.yaml").write_text(f"val: images\nnames: {list(CLASS_NAMES)}\n")
    for i in range(4):
        drawn = scene("evaluation", i, 160, 160)
        grey = drawn.image[..., 1] if i else np.zeros((160, 160), np.uint8)
        saved(tmp_path / "eight/images" / f"{i}.png", grey)
        saved(tmp_path / "ten/images" / f"{i}.png", np.rint(grey * (1023 / 255)).astype(np.uint16))
        sides = drawn.boxes / 160
        boxes = np.c_[(sides[:, :2] + sides[:, 2:]) / 2, sides[:, 2:] - sides[:, :2]]
        lines = "".join(
            f"{c} {' '.join(map(str, box))}\n" for c, box in zip(drawn.classes, boxes.tolist(), strict=True)
        )
        for kind in ("eight", "ten"):
            (tmp_path / kind / "labels" / f"{i}.txt").write_text(lines)
    made = []
    for kind in ("eight", "ten"):
        overrides = ["+recipe=yolo_nas_s_int8", "input.size=160", "proof.num_images=2", "proof.num_scenes=0"]
        overrides += ["proof.mean_score_error=0.1", "calibration=folder", f"calibration.path={kind}/images"]
        overrides += ["evaluation=yolo", f"evaluation.path={kind}/data.yaml", f"output_dir=out/{kind}"]
        assert main(overrides) == 0
        made.append(read_manifest(tmp_path / "out" / kind))
        said = capsys.readouterr().err
        for what in ("calibration", "evaluation"):
            found = f"{what}: 16-bit images hold 10 bits: scaled by that; {what}.bit_depth=16 says otherwise"
            assert (found in said) == (kind == "ten")
            assert f"{what}: 1 of 4 images have no contrast (0.png): " in said
    eight, ten = made
    assert (eight.calibration.bit_depth, eight.evaluation.bit_depth) == (None, None)
    assert (ten.calibration.bit_depth, ten.evaluation.bit_depth) == (10, 10)
    assert eight.artifact.sha256 == ten.artifact.sha256
    assert eight.evaluation.artifact == ten.evaluation.artifact and eight.evaluation.digest == ten.evaluation.digest
