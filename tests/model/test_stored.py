"""What a checkpoint says beside its weights, in every form that SuperGradients wrote it, and in forms that nobody did."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from exporter.common.errors import RequestError
from exporter.model.checkpoint import read_checkpoint
from exporter.model.stored import Step, Stored, read_stored
from tests.model.pretended import pretended

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3)}
NAMES = ["circle", "square", "triangle"]
PROCESSING = "super_gradients.training.processing.processing"
STEPS = (
    Step("ReverseImageChannels", {}),
    Step("DetectionLongestMaxSizeRescale", {"output_shape": [636, 636]}),
    Step("DetectionCenterPadding", {"output_shape": [640, 640], "pad_value": 114}),
    Step("StandardizeImage", {"max_value": 255.0}),
    Step("NormalizeImage", {"mean": [0.5, 0.25, 0.125], "std": [1.0, 2.0, 4.0]}),
    Step("ImagePermute", {"permutation": [2, 0, 1]}),
)
PLAIN = [
    "ReverseImageChannels",
    {"DetectionLongestMaxSizeRescale": {"output_shape": (636, 636)}},
    {"DetectionCenterPadding": {"output_shape": (640, 640), "pad_value": 114}},
    {"StandardizeImage": {"max_value": 255.0}},
    {"NormalizeImage": {"mean": [0.5, 0.25, 0.125], "std": [1.0, 2.0, 4.0]}},
    {"ImagePermute": {"permutation": (2, 0, 1)}},
]


def saved(path: Path, processor: object = None, names: object = NAMES, **options) -> Path:
    parameters = {"class_names": names, "image_processor": processor, "iou": 0.65, "conf": 0.5}
    torch.save({"net": STATE, "acc": 0.7, "processing_params": parameters}, path, **options)
    return path


def as_objects(names: object, path: Path, underscored: bool = False) -> Path:
    """As SuperGradients before 3.6 keeps it: objects, means as arrays."""
    classes = ["ComposeProcessing", *(step.name for step in STEPS)]
    with pretended(*(f"{PROCESSING}.{name}" for name in classes)) as made:
        kinds = dict(zip(classes, made, strict=True))
        objects = []
        for step in STEPS:
            own = {key: tuple(value) if isinstance(value, list) else value for key, value in step.parameters.items()}
            if step.name == "NormalizeImage":
                own = {key: np.array(value, np.float32).reshape(1, 1, 3) for key, value in own.items()}
            objects.append(kinds[step.name](**{f"_{key}" if underscored else key: own[key] for key in own}))
        return saved(path, kinds["ComposeProcessing"](processings=objects), names)


def test_as_plain_containers(tmp_path):
    wanted = Stored(tuple(NAMES), STEPS, 0.5, 0.65)
    nested = [PLAIN[0], {"ComposeProcessing": {"processings": PLAIN[1:4]}}, *PLAIN[4:]]
    for processor in (
        {"ComposeProcessing": {"processings": PLAIN}},
        PLAIN,
        {"ComposeProcessing": {"processings": nested}},
    ):
        for legacy in (False, True):
            path = saved(tmp_path / "a.pth", processor, _use_new_zipfile_serialization=not legacy)
            assert read_stored(path) == wanted == read_checkpoint(path).stored
    assert read_stored(saved(tmp_path / "a.pth", {"ImagePermute": None})).steps == (Step("ImagePermute", {}),)


@pytest.mark.parametrize("underscored", [False, True])
def test_as_objects_of_a_package_that_is_not_installed(tmp_path, underscored):
    path = as_objects(OmegaConf.create(NAMES), tmp_path / "a.pth", underscored)
    assert read_stored(path) == Stored(tuple(NAMES), STEPS, 0.5, 0.65)
    checkpoint = read_checkpoint(path)
    assert torch.equal(checkpoint.state["a.weight"], STATE["a.weight"])
    assert checkpoint.stored == read_stored(path) and checkpoint.class_names == tuple(NAMES)


def test_as_omegaconf_containers(tmp_path):
    path = saved(tmp_path / "a.pth", OmegaConf.create({"ComposeProcessing": {"processings": PLAIN}}))
    assert read_stored(path) == Stored(tuple(NAMES), STEPS, 0.5, 0.65)
    whole = OmegaConf.create({"class_names": NAMES, "conf": 0.25, "iou": np.float64(0.5).item()})
    torch.save({"net": STATE, "processing_params": whole}, path)
    assert read_stored(path) == Stored(tuple(NAMES), None, 0.25, 0.5)
    assert read_checkpoint(path).stored == read_stored(path)


def test_beside_other_things_that_training_loops_keep(tmp_path):
    with pretended("mmengine.config.ConfigDict", "some.Metrics") as (config, metrics):
        beside = {"config": config(lr=0.1), "metrics": metrics(best=np.float64(0.5)), "when": Path("a"),
                  "counts": defaultdict(list, a=[1]), "loss": np.arange(3), "version": torch.__version__}  # fmt: skip
        torch.save({"net": STATE, "class_names": tuple(NAMES), **beside}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").stored == Stored(class_names=tuple(NAMES))


def test_dictionaries_and_lists_of_a_packages_own(tmp_path):
    with pretended("some.Map", base=dict) as (mapping,), pretended("other.List", base=list) as (sequence,):
        torch.save(mapping(net=mapping(STATE), class_names=sequence(NAMES)), tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").class_names == tuple(NAMES)


def test_safetensors(tmp_path):
    parameters = {"class_names": NAMES, "image_processor": PLAIN, "iou": 0.65, "conf": 0.5}
    save_file(STATE, tmp_path / "a.safetensors", {"processing_params": json.dumps(parameters)})
    assert read_stored(tmp_path / "a.safetensors") == Stored(tuple(NAMES), STEPS, 0.5, 0.65)
    assert read_checkpoint(tmp_path / "a.safetensors").stored == read_stored(tmp_path / "a.safetensors")
    save_file(STATE, tmp_path / "b.safetensors")
    assert read_stored(tmp_path / "b.safetensors") == Stored()


def test_names_by_number(tmp_path):
    assert read_stored(saved(tmp_path / "a.pth", names={0: "cat", 1: "dog"})).class_names == ("cat", "dog")
    assert read_stored(saved(tmp_path / "a.pth", names=None)) == Stored(None, None, 0.5, 0.65)


def test_nothing_is_said(tmp_path):
    for content in (STATE, {"net": STATE}, {"net": STATE, "processing_params": None}, {"net": STATE, "classes": 3}):
        torch.save(content, tmp_path / "a.pth")
        assert read_stored(tmp_path / "a.pth") == Stored()


MALFORMED = {
    "a list": ([1, 2], "is [1, 2], not a dictionary"),
    "nan": ({"conf": float("nan")}, "not finite"),
    "a threshold of 25": ({"iou": 25}, "iou is 25, not a number from 0 to 1"),
    "a threshold in words": ({"conf": "low"}, "conf is 'low', not a number"),
    "a bool": ({"conf": True}, "conf is True"),
    "names that are numbers": ({"class_names": [1, 2]}, "class_names is not a list of names"),
    "names under other numbers": ({"class_names": {1: "a", 2: "b"}}, "class_names is not a list of names"),
    "too many names": ({"class_names": ["a"] * 200_000}, "holds more than 100000 values"),
    "a name of 10 MB": ({"class_names": ["a" * 10_000_000]}, "a string of 10000000 characters"),
    "a number as a step": ({"image_processor": [5]}, "has the step 5, not a name"),
    "two steps in one": ({"image_processor": {"A": {}, "B": {}}}, "has the step {'A'"),
    "a step made with a number": ({"image_processor": {"A": 5}}, "has the step {'A': 5}"),
    "too many steps": ({"image_processor": ["A"] * 1000}, "has 1000 steps, more than 100"),
    "an infinite number": ({"image_processor": [{"StandardizeImage": {"max_value": float("inf")}}]}, "not finite"),
    "a number of 600 bits": ({"image_processor": [{"StandardizeImage": {"max_value": 1 << 600}}]}, "too large"),
    "a key that is a tuple": ({"image_processor": {(1, 2): {}}}, "a key that is a tuple"),
    "many lists": ({"image_processor": [[[["A"]] * 99] * 99] * 99}, "holds more than 100000 values"),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_cannot_be_meant(tmp_path, what):
    parameters, reason = MALFORMED[what]
    torch.save({"net": STATE, "processing_params": parameters}, tmp_path / "a.pth")
    for read in (read_stored, read_checkpoint):
        with pytest.raises(RequestError) as error:
            read(tmp_path / "a.pth")
        line = str(error.value)
        assert line.startswith(f"{tmp_path / 'a.pth'}: its processing_params cannot be meant: ") and reason in line
        assert "\n" not in line and len(line) < 500, line


def test_nested_without_end(tmp_path):
    own: list = []
    own.append(own)
    deep: object = "ImagePermute"
    for _ in range(40):
        deep = [deep]
    for processor in (own, deep):
        torch.save({"net": STATE, "processing_params": {"image_processor": processor}}, tmp_path / "a.pth")
        with pytest.raises(RequestError, match="nested more than"):
            read_stored(tmp_path / "a.pth")


@pytest.mark.parametrize("text", ["[", "[" * 100_000, "5", '{"conf": NaN}', '{"conf": 1e999}'])
def test_malformed_json(tmp_path, text):
    save_file(STATE, tmp_path / "a.safetensors", {"processing_params": text})
    with pytest.raises(RequestError, match="its processing_params cannot be meant"):
        read_stored(tmp_path / "a.safetensors")


def test_torch_is_not_imported(tmp_path):
    path = saved(tmp_path / "a.pth", PLAIN)
    save_file(STATE, tmp_path / "a.safetensors", {"class_names": json.dumps(NAMES)})
    code = f"""
import sys
from pathlib import Path
from exporter.model.stored import read_stored
for name in ("a.pth", "a.safetensors"):
    assert read_stored(Path({str(path.parent)!r}, name)).class_names
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
