"""Text files that we read, a few bytes or values of them changed: recipes, a data.yaml and its labels, COCO's json,
manifests. Each is read or refused in one line."""

import json
import math
from pathlib import Path

import yaml
from hypothesis import strategies as st

from exporter.artifact.manifest import ARTIFACT, FILE, read_manifest
from exporter.common.paths import recipe_files
from exporter.common.yaml_text import read_yaml_text
from exporter.config.recipe_file import read_recipe
from exporter.deploy.snippet.write import snippet
from exporter.evaluation.coco import CocoEvaluation
from exporter.evaluation.yolo import YoloEvaluation
from exporter.report.diff.side import read_side
from tests.attacks.making import good
from tests.deploy.manifests import manifest
from tests.evaluation.test_readers import CLASSES, coco, yolo
from tests.fuzz.campaign import fuzz
from tests.fuzz.mutations import altered, edits, refused_or

RECIPES = [paths[0].read_bytes() for _, paths in sorted(recipe_files().items())]
TREES = [yaml.safe_load(text) for text in RECIPES[::5]]
PIECES = ["a", "&a ", "*a", "? ", ": ", "- ", "[", "]", "{", "}", ",", "|", ">", "!!", "!!binary ", "!!set ", "<<: ", "\n", "\n  ", "#", "'", '"',
          "%YAML 1.1\n", "---\n", "...\n", "\t", "defaults", "_self_", "${a}", "1e400", "0x1F", "0o7", ".nan", "2001-01-01", "~", "\u2028", "\ufeff"]  # fmt: skip


def dumped(tree: object) -> bytes:
    try:
        return yaml.safe_dump(tree, allow_unicode=True).encode(errors="surrogatepass")
    except (ValueError, yaml.YAMLError):
        return json.dumps(tree).encode()


recipes = (
    st.sampled_from(RECIPES).flatmap(edits)
    | st.sampled_from(TREES).flatmap(altered).map(dumped)
    | st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode())
)


@fuzz(
    few=60,
    many=2500,
    examples=[{"content": each} for each in (b"!!binary ", b"!!set {a}", b"2001-01-01", b"hello")],
    content=recipes,
)
def test_recipes(content: bytes, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    refused_or(lambda: read_yaml_text(path, "mine.yaml", "mend it"))
    found = refused_or(lambda: read_recipe(path))
    assert found is None or "hydra" not in found or set(found.hydra) <= {"mode", "sweep", "sweeper"}


DATA = {"path": ".", "val": "images/val", "train": ["images/val"], "nc": 2, "names": {0: "dog", 1: "cat"}}
LABELS = b"0 0.5 0.5 0.25 0.5\n1 .25 .25 .1 .1\n\n0 0.1 0.1 0.2 0.1 0.2 0.2\n"
LINES = st.lists(
    st.lists(st.sampled_from(["0", "1", "2", "-1", "0.5", "0.25", "1e9", "nan", "inf", "1e-9", "x", "٠", "1_0", ""]), max_size=9).map(" ".join),
    max_size=4,
).map(lambda lines: "\n".join(lines).encode())  # fmt: skip
SPLITS = st.sampled_from(["val", "train", "test"])


def sound(examples) -> bool:
    boxes = [side for each in examples for box in each.ground_truth.boxes for side in box]
    return all(map(math.isfinite, boxes)) and all(c in range(3) for each in examples for c in each.ground_truth.classes)


@fuzz(
    few=60,
    many=2500,
    data=altered(DATA).map(dumped) | edits(dumped(DATA)) | st.just(dumped(DATA)),
    labels=edits(LABELS) | LINES,
    split=SPLITS,
)
def test_yolo_data(data: bytes, labels: bytes, split: str, tmp_path: Path):
    if not (tmp_path / "data.yaml").exists():
        yolo(tmp_path)
    (tmp_path / "data.yaml").write_bytes(data)
    (tmp_path / "labels" / "val" / "a.txt").write_bytes(labels)
    node = YoloEvaluation(path=str(tmp_path / "data.yaml"), split=split, num_images=None)
    found = refused_or(lambda: node.examples(CLASSES, 64, 64))
    assert found is None or sound(found)


@fuzz(few=60, many=2500, data=st.data())
def test_coco_data(data: st.DataObject, tmp_path: Path):
    if not (tmp_path / "good.json").exists():
        coco(tmp_path)
        (tmp_path / "labels.json").rename(tmp_path / "good.json")
    good = (tmp_path / "good.json").read_bytes()
    strategy = altered(json.loads(good)).map(lambda tree: json.dumps(tree).encode()) | edits(good)
    (tmp_path / "labels.json").write_bytes(data.draw(strategy))
    node = CocoEvaluation(path=str(tmp_path / "pictures"), annotations=str(tmp_path / "labels.json"), num_images=None)
    found = refused_or(lambda: node.examples(CLASSES, 64, 64))
    assert found is None or sound(found)


MANIFESTS = [
    json.loads(each.model_dump_json())
    for each in (
        manifest(batch="batch"),
        manifest(format="flat", backend="onnxruntime"),
        manifest(format=None, inside=False, dtype="float32"),
    )
]
manifests = st.sampled_from(MANIFESTS).flatmap(altered).map(lambda tree: json.dumps(tree).encode()) | st.sampled_from(
    [json.dumps(each).encode() for each in MANIFESTS]
).flatmap(edits)


@fuzz(few=60, many=2500, content=manifests, language=st.sampled_from(["python", "cpp"]))
def test_manifests(content: bytes, language: str, tmp_path: Path):
    """What is read is a manifest: others that take it for one refuse it or do what they do."""
    if not (tmp_path / ARTIFACT).exists():
        (tmp_path / ARTIFACT).write_bytes(good().SerializeToString())
    (tmp_path / FILE).write_bytes(content)
    found = refused_or(lambda: read_manifest(tmp_path))
    if found is not None:
        assert min(found.input.nominal_shape) >= 1 and "/" not in found.artifact.file
        refused_or(lambda: read_side(tmp_path))
        program = refused_or(lambda: snippet(tmp_path, language))
        if program is not None and language == "python":
            compile(program, "snippet.py", "exec")
