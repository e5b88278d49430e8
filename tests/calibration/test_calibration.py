"""Calibration: images go the way they will go at inference, one at a time, and the same on every pass."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pydantic import ValidationError

from exporter.calibration.coco import CocoCalibration
from exporter.calibration.custom import CustomCalibration
from exporter.calibration.demo import DemoCalibration
from exporter.calibration.folder import FolderCalibration, spread
from exporter.calibration.yolo import YoloCalibration
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.common.images import read_image
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.preprocessing.normalization import Normalization

GEOMETRY = Geometry.fit(64, 96, margin=4, padding=114)
NORMALIZATION = Normalization(order=(2, 1, 0), mean=(10.0, 20.0, 30.0), std=(100.0, 200.0, 50.0))
CONF = Path(__file__).parents[2] / "conf" / "calibration"
RNG = np.random.default_rng(0)


def normalised(image: np.ndarray) -> np.ndarray:
    """By hand, from uint8 [H, W, 3] RGB to the network's BGR input."""
    return ((image[..., ::-1].astype(np.float32) - [10, 20, 30]) / [100, 200, 50]).transpose(2, 0, 1)[None]


def sha256(*parts: np.ndarray) -> str:
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def demo(**fields) -> DemoCalibration:
    return DemoCalibration(**{"num_images": 3, "seed": 0, "method": "minmax", **fields})


def folder(path: Path | int, **fields) -> FolderCalibration:
    path = path if isinstance(path, int) else str(path)
    return FolderCalibration(**{"path": path, "num_images": 128, "seed": 0, "method": "minmax", **fields})


def refusal(call, *arguments) -> str:
    with pytest.raises(RequestError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_demo():
    images = demo().images(GEOMETRY, NORMALIZATION)
    assert images.num_images == 3 and images.files == 0
    made_images = [scene("calibration", i, 64, 96).image for i in range(3)]
    for got, image in zip(images, made_images, strict=True):
        assert got.dtype == np.float32 and got.shape == (1, 3, 64, 96)
        np.testing.assert_allclose(got, normalised(GEOMETRY.apply(image)), rtol=1e-5, atol=1e-6)
    assert images.digest == sha256(*made_images)


def test_demo_seeds_share_no_synthetic_image():
    first, second = (list(demo(seed=seed).images(GEOMETRY, NORMALIZATION)) for seed in (0, 1))
    assert not any(np.array_equal(a, b) for a in first for b in second)


@pytest.fixture
def made_images(tmp_path) -> dict[str, np.ndarray]:
    """Ten images of different sizes in tmp_path, by name."""
    made = {}
    for i in range(10):
        made[f"{i:02}.png"] = RNG.integers(0, 256, (30 + 7 * i, 90 - 5 * i, 3), np.uint8)
        Image.fromarray(made[f"{i:02}.png"]).save(tmp_path / f"{i:02}.png")
    return made


def test_folder(tmp_path, made_images):
    images = folder(tmp_path).images(GEOMETRY, NORMALIZATION)
    assert images.num_images == images.files == 10
    for got, image in zip(images, made_images.values(), strict=True):
        assert got.dtype == np.float32 and got.shape == (1, 3, 64, 96)
        np.testing.assert_allclose(got, normalised(GEOMETRY.apply(image)), rtol=1e-5, atol=1e-6)
    assert images.digest == sha256(*made_images.values())


def test_a_second_pass_gives_the_same(tmp_path, made_images):
    for calibration in (demo(), folder(tmp_path, num_images=4), custom(dataset(), num_images=4)):
        images = calibration.images(GEOMETRY, NORMALIZATION)
        first, digest = [image.copy() for image in images], images.digest
        assert all(np.array_equal(a, b) for a, b in zip(first, images, strict=True))
        assert images.digest == digest and images.num_images == len(first)


def test_images_that_repeat_others_are_counted(tmp_path, made_images):
    images = folder(tmp_path).images(GEOMETRY, NORMALIZATION)
    list(images)
    assert images.duplicates == 0
    for copy, name in (("10.png", "03.png"), ("11.png", "03.png"), ("12.png", "07.png")):
        (tmp_path / copy).write_bytes((tmp_path / name).read_bytes())
    for _ in range(2):
        again = folder(tmp_path).images(GEOMETRY, NORMALIZATION)
        list(again)
        assert (again.num_images, again.duplicates) == (13, 3)


def test_16_bit_images_are_scaled_alike(tmp_path):
    """By the bits that the brightest of the set needs, whatever is beside them; said bits go before found ones."""
    dim = RNG.integers(0, 256, (40, 50), np.uint16)
    eight = RNG.integers(0, 256, (40, 50), np.uint8)
    for name, values in (("a.png", dim), ("b.png", dim * 4), ("c.png", eight)):
        Image.fromarray(values).save(tmp_path / name)
    for given, bits in (("auto", 10), (12, 12)):
        images = folder(tmp_path, bit_depth=given).images(GEOMETRY, NORMALIZATION)
        assert images.depth.bits == bits
        scaled = [np.rint(values * (255 / (2**bits - 1))).astype(np.uint8) for values in (dim, dim * 4)]
        for got, grey in zip(images, [*scaled, eight], strict=True):
            image = np.repeat(grey[..., None], 3, 2)
            np.testing.assert_allclose(got, normalised(GEOMETRY.apply(image)), rtol=1e-5, atol=1e-6)
    whose = [folder(tmp_path, **given).identity() for given in ({}, {"bit_depth": "auto"}, {"bit_depth": 12})]
    assert whose[0] == whose[1] != whose[2]


def test_images_without_contrast_are_named(tmp_path, made_images):
    for name, value in (("03.png", 0), ("11.png", 200)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / name)
    images = folder(tmp_path).images(GEOMETRY, NORMALIZATION)
    assert images.flat == []
    for _ in range(2):
        list(images)
        assert images.flat == ["03.png", "11.png"]
    own = custom([np.full((1, 3, 64, 96), 7, np.uint8), RNG.random((1, 3, 64, 96), np.float32), ZEROS[:1]])
    images = own.images(GEOMETRY, NORMALIZATION)
    images.read_all()
    assert images.flat == ["image 0", "image 2"]


def test_the_digest_needs_a_full_pass():
    images = demo().images(GEOMETRY, NORMALIZATION)
    next(iter(images))
    with pytest.raises(RuntimeError, match="once all of them have been read"):
        _ = images.digest


def test_nothing_is_kept():
    """Twenty inputs of 1.2 MB each pass through; what is held at the worst is a few of them."""
    geometry = Geometry.stretch(320, 320)
    tracemalloc.start()
    try:
        for _ in custom([np.zeros((1, 3, 320, 320), np.uint8)] * 20).images(geometry, NORMALIZATION):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 320 * 320 * 3 * 4


def test_spread_takes_one_of_each_stretch():
    files = [Path(f"{i:03}") for i in range(100)]
    for count in (1, 3, 7, 50, 99):
        chosen = [int(path.name) for path in spread(files, count, seed=1)]
        assert len(set(chosen)) == count
        assert all(i * 100 // count <= c < (i + 1) * 100 // count for i, c in enumerate(chosen))
    assert spread(files, 100, 0) == spread(files, 1000, 5) == files
    assert spread(files, 10, 0) == spread(files, 10, 0) != spread(files, 10, 1)


def test_folder_refusals(tmp_path, made_images):
    (tmp_path / "none").mkdir()
    for path, reason in (("none", "no images in it"), ("missing", "does not exist"), ("00.png", "is not a folder")):
        calibration = folder(tmp_path / path)
        line = refusal(calibration.images, GEOMETRY, NORMALIZATION)
        assert line.startswith(f"calibration.path={tmp_path / path}: ") and reason in line
        assert list(calibration.problems("mine.pth")) == [line]
    assert list(folder(tmp_path).problems("mine.pth")) == []
    (tmp_path / "05.png").write_text("no image")
    line = refusal(list, folder(tmp_path).images(GEOMETRY, NORMALIZATION))
    assert line.startswith(f"{tmp_path / '05.png'}: not an image")
    for name in ("03.png", "04.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:60])
    line = refusal(next, iter(folder(tmp_path).images(GEOMETRY, NORMALIZATION)))
    assert all(f"{tmp_path / name}: " in line for name in ("03.png", "04.png", "05.png"))


def test_a_folder_named_by_a_number(tmp_path, monkeypatch):
    (tmp_path / "2024").mkdir()
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / "2024" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert folder(2024).images(GEOMETRY, NORMALIZATION).files == 1


LOADER: object = None


def loader(**arguments: object) -> object:
    """What a user's function would be: gives whatever the test has put there, called if it is a function of this file."""
    return LOADER(**arguments) if getattr(LOADER, "__module__", None) == __name__ and arguments else LOADER


def custom(given: object, num_images: int = 128, **arguments) -> CustomCalibration:
    global LOADER  # noqa: PLW0603 - the loader is found by its name, as a user's is
    LOADER = given
    return CustomCalibration(target=f"{__name__}.loader", arguments=arguments, num_images=num_images, method="minmax")


def dataset() -> torch.utils.data.DataLoader:
    data = torch.from_numpy(RNG.integers(0, 256, (7, 3, 64, 96), np.uint8))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data, torch.arange(7)), batch_size=3)


def test_custom_raw_pixels_are_normalised():
    batches = dataset()
    raw = torch.cat([batch[0] for batch in batches]).numpy()
    images = custom(batches).images(GEOMETRY, NORMALIZATION)
    assert images.num_images == 128  # so many at most
    got = np.concatenate(list(images))
    assert got.dtype == np.float32 and got.shape == (7, 3, 64, 96)
    for one, pixels in zip(got, raw, strict=True):
        np.testing.assert_allclose(one[None], normalised(pixels.transpose(1, 2, 0)), rtol=1e-5, atol=1e-6)
    assert images.num_images == 7 and images.digest == sha256(raw)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_custom_floats_are_taken_as_they_are(dtype):
    values = torch.randn(2, 3, 64, 96).to(dtype)
    got = np.concatenate(list(custom([values]).images(GEOMETRY, NORMALIZATION)))
    assert got.dtype == np.float32 and np.array_equal(got, values.float().numpy())


def test_custom_takes_the_first_ones():
    raw = RNG.integers(0, 256, (9, 3, 64, 96), np.uint8)
    images = custom([raw[:4], raw[4:8], raw[8:]], num_images=6).images(GEOMETRY, NORMALIZATION)
    assert len(list(images)) == images.num_images == 6 and images.digest == sha256(raw[:6])


@pytest.mark.parametrize("wrap", [tuple, list])
def test_custom_batches_with_targets(wrap):
    raw = RNG.integers(0, 256, (2, 3, 64, 96), np.uint8)
    assert len(list(custom([wrap([raw, "targets", 5])]).images(GEOMETRY, NORMALIZATION))) == 2


def generator() -> Iterator[np.ndarray]:
    yield np.zeros((2, 3, 64, 96), np.uint8)


def test_custom_once_only():
    images = custom(generator()).images(GEOMETRY, NORMALIZATION)
    assert len(list(images)) == 2
    line = refusal(list, images)
    assert "can be gone through once, and is needed again: let it give a list, a DataLoader or a function" in line


def test_custom_a_function_starts_each_pass_anew():
    images = custom(generator).images(GEOMETRY, NORMALIZATION)
    assert len(list(images)) == len(list(images)) == 2


def with_arguments(count: int, first: torch.Size) -> list[np.ndarray]:
    return [np.zeros((1, 3, 64, 96), np.uint8)] * count


def test_custom_arguments():
    """Also nested nodes, which are made first."""
    node = {"_target_": "torch.Size", "_args_": [[1, 2]]}
    assert len(list(custom(with_arguments, count=4, first=node).images(GEOMETRY, NORMALIZATION))) == 4
    line = refusal(custom(with_arguments, count=4).images, GEOMETRY, NORMALIZATION)
    assert line.startswith(f"calibration._target_={__name__}.loader: cannot be made: ") and "first" in line


ZEROS = np.zeros((2, 3, 64, 96), np.uint8)


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([], "no images came: let it give at least one batch"),
        ([ZEROS[:0]], "no images came"),
        ([ZEROS[:, :, :32]], "batch 0 is [2, 3, 32, 96]: give [n, 3, 64, 96], uint8 (RGB, 0..255) or float"),
        ([ZEROS, ZEROS[:, :1]], "batch 1 is [2, 1, 64, 96]"),
        ([ZEROS[0]], "batch 0 is [3, 64, 96]"),
        ([ZEROS.transpose(0, 2, 3, 1)], "batch 0 is [2, 64, 96, 3], channels last: give [n, 3, 64, 96]"),
        ([ZEROS.astype(np.int64)], "batch 0 is int64"),
        ([ZEROS.astype(bool)], "batch 0 is bool"),
        ([torch.full((1, 3, 64, 96), torch.nan)], "batch 0 is not finite"),
        ([torch.full((1, 3, 64, 96), torch.inf)], "batch 0 is not finite"),
        ([{"image": ZEROS}], "batch 0 is a dict"),
        ([[]], "batch 0 is a list"),
        (["text"], "batch 0 is a str"),
        ([None], "batch 0 is a NoneType"),
    ],
)
def test_custom_refusals(batches, reason):
    line = refusal(list, custom(batches).images(GEOMETRY, NORMALIZATION))
    assert line.startswith(f"calibration._target_={__name__}.loader: ") and reason in line


def broken() -> Iterator[np.ndarray]:
    yield ZEROS
    raise KeyError("a\nline")


class Unstartable:
    """As a DataLoader whose workers do not start."""

    def __iter__(self):
        raise OSError("no workers")


def test_custom_loaders_that_fail():
    line = refusal(list, custom(broken).images(GEOMETRY, NORMALIZATION))
    assert "fails at batch 1: KeyError" in line
    for start in (Unstartable(), Unstartable, lambda: None, lambda: 1 / 0):
        assert "gives no batches: " in refusal(list, custom(start).images(GEOMETRY, NORMALIZATION))
    assert "gives a int: let it give a loader" in refusal(custom(5).images, GEOMETRY, NORMALIZATION)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (DemoCalibration, {}),
        (FolderCalibration, {"path": "x"}),
        (CocoCalibration, {"path": "x", "annotations": "y"}),
        (YoloCalibration, {"path": "x"}),
        (CustomCalibration, {"target": "x.y"}),
    ],
)
def test_the_yaml_holds_every_field(kind, extra):
    """Every field with its default and a comment, and nothing else."""
    text = (CONF / f"{kind.__module__.rpartition('.')[2]}.yaml").read_text()
    values = yaml.safe_load(text)
    target = values.pop("_target_")
    own = {"target", "arguments"} if kind is CustomCalibration else set()
    assert values.keys() == kind.model_fields.keys() - own
    assert target == ("???" if own else f"exporter.calibration.{kind.__name__}")
    assert all("#" in line for line in text.splitlines() if not line.startswith("_target_: exporter"))
    arguments = {"arguments": {}} if own else {}
    node = kind(**{**values, **extra, **arguments})
    assert node.num_images == (32 if kind is DemoCalibration else 128)
    for wrong in ({"num_images": 0}, {"method": "guess"}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            kind(**{**values, **extra, **arguments, **wrong})


def test_the_demo_knows_what_is_on_its_images():
    calibration = demo(seed=2)
    ground_truths = calibration.ground_truths(CLASS_NAMES, GEOMETRY)
    assert ground_truths is not None
    for i, ground_truth in enumerate(ground_truths):
        drawn = scene("calibration", 6 + i, 64, 96)
        placed = GEOMETRY.transform(64, 96)
        np.testing.assert_array_equal(ground_truth.classes, drawn.classes)
        back = GEOMETRY.to_image(ground_truth.boxes, placed, 64, 96)
        np.testing.assert_allclose(back, drawn.boxes, atol=1e-3)
    assert i == 2
    assert calibration.ground_truths(("a", "b"), GEOMETRY) is None


def test_a_folder_is_searched_to_the_bottom(tmp_path):
    for name in ("b/z.png", "b.png", "a/deep/c.png", "._a.png", ".hidden/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), sum(name.encode()) % 256, np.uint8)).save(tmp_path / name, format="png")
    images = folder(tmp_path).images(GEOMETRY, NORMALIZATION)
    assert images.files == 3
    images.read_all()
    assert images.digest == sha256(*(read_image(tmp_path / f"{name}.png") for name in ("a/deep/c", "b/z", "b")))


def test_nobody_says_what_is_in_a_folder(tmp_path):
    assert folder(tmp_path).ground_truths(CLASS_NAMES, GEOMETRY) is None
