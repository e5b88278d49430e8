"""The page: HTML that parses, holds everything itself, and shows hostile names as the text that they are."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import exporter
from exporter.artifact.manifest import Evaluation, read_manifest
from exporter.artifact.publish import ARTIFACT
from exporter.artifact.signature import KEY_ID, SIGNATURE, SUMS
from exporter.benchmark.section import Latency, Times
from exporter.common.errors import BuildError
from exporter.demo.scenes import CLASS_NAMES
from exporter.evaluation.section import Scores
from exporter.postprocessing.detections import Detections
from exporter.quantization.section import Quantization
from exporter.report.figure import svg_uri
from exporter.report.page.images import Compared, _side_by_side
from exporter.report.page.metrics import MOST_CLASSES, by_class
from exporter.report.page.page import page, write_report
from exporter.report.page.plots import FILES as PLOTS
from exporter.report.page.plots import latency

HOSTILE = ["<script>alert(1)</script>", "\" onload='x'", "</style><img src=http://evil/x.png>", "ümlaut\ud800", "&amp;"]
VOID = {"meta", "img", "wbr", "br", "link", "input"}


class Strict(HTMLParser):
    """Every tag closed in its order; gathers the tags, and every attribute that could load something."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.loads, self.words = [], set(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loads += [value for key, value in attrs if key in ("src", "href", "xlink:href", "action", "srcset")]
        assert not any(key.startswith("on") or key == "style" for key, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def check_self_contained(text):
    parsed = Strict(text)
    assert not parsed.tags & {"script", "iframe", "object", "embed", "link", "base", "form"}
    assert all(re.match("data:image/(jpeg|svg[+]xml);base64,", value) for value in parsed.loads)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    assert len(text.encode("utf-8", errors="xmlcharrefreplace")) < 3_000_000
    return parsed


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A build with everything on. Weights at random: what it measures must not matter."""
    folder = tmp_path_factory.mktemp("measured") / "out"
    exporter.build("yolo_nas_s_int8", [*RANDOM, "benchmark=cpu", "benchmark.rounds=2", f"output_dir={folder}"])
    return folder


RANDOM = [
    "model.weights=random", f"model.class_names=[{','.join(CLASS_NAMES)}]", f"model.num_classes={len(CLASS_NAMES)}",
    "calibration=demo", "calibration.num_images=2", "input.size=96", "input.batch=dynamic", "proof.num_images=1",
    "proof.mean_score_error=1", "proof.mean_box_error=1000", "evaluation=demo", "evaluation.num_images=3",
    "postprocessing.nms.confidence_threshold=0.001",
]  # fmt: skip


@pytest.mark.slow
def test_everything_that_was_measured_is_in_the_manifest_and_on_the_page(measured):
    manifest = read_manifest(measured)
    assert {entry.name + "/" * entry.is_dir() for entry in measured.iterdir()} == set(ARTIFACT) - {
        "model.engine",
        "model.xml",
        "model.bin",
        SUMS,
        SIGNATURE,
        KEY_ID,
        *PLOTS,
    }
    evaluation, benchmark = manifest.evaluation, manifest.benchmark
    assert evaluation is not None and evaluation.reference is not None and evaluation.num_images == 3
    assert benchmark is not None and benchmark.end_to_end.ratio is not None and benchmark.core.ratio is not None
    assert {row.batch for row in benchmark.throughput} == {1, 2, 4}
    assert (benchmark.batch, benchmark.rounds) == (1, 2)
    assert benchmark.file_bytes.artifact == manifest.artifact.bytes
    text = (measured / "report.html").read_text(encoding="utf-8")
    parsed = check_self_contained(text)
    assert {"meter", "img", "table"} <= parsed.tags and any("svg" in value for value in parsed.loads)
    for title in ("Side by side", "Images", "By class", "Latency", "Proof", "Precision", "Recipe"):
        assert title in parsed.words
    assert str(measured.parent) not in text


@pytest.mark.slow
def test_a_drop_beyond_the_bound_publishes_nothing(tmp_path, monkeypatch):
    sections = iter([30.0, 50.0])  # the artifact's mAP, the reference's
    monkeypatch.setattr("exporter.evaluation.evaluate.scores", lambda *_: scores(next(sections), 8))
    with pytest.raises(BuildError, match=r"a drop of 20\.00 points"):
        exporter.build("yolo_nas_s_int8", [*RANDOM, "evaluation.max_drop=5", f"output_dir={tmp_path / 'out'}"])
    assert list(tmp_path.iterdir()) == []


def test_a_float_artifact_has_no_reference(float_artifact):
    manifest = read_manifest(float_artifact)
    assert (manifest.evaluation, manifest.benchmark) == (None, None)
    parsed = check_self_contained((float_artifact / "report.html").read_text(encoding="utf-8"))
    assert "Side by side" not in parsed.words and "What the artifact finds." in parsed.words


def scores(value, count):
    sizes = {"small": None, "medium": value, "large": value}
    return Scores(map=value, ap50=value, ap75=value, by_size=sizes, by_class=[value] * count)


def hostile(manifest):
    """The manifest of somebody who wants to be run."""
    evaluation = Evaluation(
        name=HOSTILE[0], num_images=1, num_boxes=5, num_crowds=0, num_background=0, boxes_by_class=[1] * 5,
        digest="", artifact=scores(10.0, 5), reference=scores(20.0, 5), drop=10.0, max_drop=None,
    )  # fmt: skip
    model = manifest.model.model_copy(update={"class_names": HOSTILE, "name": HOSTILE[0]})
    recipe = manifest.recipe.model_copy(update={"config": {HOSTILE[0]: {HOSTILE[1]: HOSTILE}}, "overrides": HOSTILE})
    changes = {
        "name": HOSTILE[2],
        "model": model,
        "recipe": recipe,
        "evaluation": evaluation,
        "versions": {"a": HOSTILE[0]},
    }
    return manifest.model_copy(
        update=changes
        | {
            "quantization": Quantization.model_validate({"precision": HOSTILE[1], HOSTILE[2]: HOSTILE}),
            "proof": manifest.proof.model_copy(update={"engine": HOSTILE[0]}),
        }
    )


def test_hostile_names_are_shown_as_text(int8_artifact, tmp_path):
    manifest = hostile(read_manifest(int8_artifact))
    images = [Compared(HOSTILE[2], "data:image/jpeg;base64,AA==", "data:image/jpeg;base64,AA==", 1, 2, 3)]
    write_report(tmp_path, manifest, images)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    parsed = check_self_contained(text)
    assert "<script>alert(1)</script>" in "".join(parsed.words)
    assert page(manifest, images).encode("utf-8", errors="xmlcharrefreplace") == text.encode()


def test_classes_without_objects_and_beyond_the_page_are_left_out(int8_artifact):
    names = [f"class_{i}" for i in range(MOST_CLASSES + 30)]
    own = [None, *(float(i % 100) for i in range(1, len(names)))]
    manifest = hostile(read_manifest(int8_artifact))
    evaluation = manifest.evaluation.model_copy(
        update={
            "boxes_by_class": [1] * len(names),
            "artifact": scores(10.0, 0).model_copy(update={"by_class": own}),
            "reference": scores(50.0, len(names)),
        }
    )
    rows = by_class(evaluation, names)
    assert len(rows) == len(names) - 1 and "class_0" not in [row.name for row in rows]
    assert rows[0].name == "class_100" and rows[1].name == "class_1"  # lost 50 points and 49
    model = manifest.model.model_copy(update={"class_names": names})
    text = page(manifest.model_copy(update={"model": model, "evaluation": evaluation}), [])
    assert text.count("<meter") == 2 * MOST_CLASSES and "and 29 classes more" in text
    assert by_class(None, names) == []
    alone = by_class(evaluation.model_copy(update={"reference": None}), names)
    assert alone[0].own == 99 and alone[0].reference is None


def test_the_axis_of_the_latencies_holds_them_all():
    def times(*values):
        return Times(p50_ms=1, p90_ms=1, p99_ms=1, times_ms=list(values))

    figure = latency(Latency(artifact=times(0.02, 0.03), reference=times(3.0, 37.0), ratio=None))
    (axes,) = figure.axes
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= 37
    assert [label.get_text() for label in axes.get_yticklabels()] == ["this artifact", "FP32 reference"]
    assert svg_uri(figure) == svg_uri(figure)


def test_boxes_of_only_one_artifact_are_counted():
    image, both = np.zeros((60, 90, 3), np.uint8), [[5, 5, 30, 30]]
    own = Detections(np.array([*both, [40, 5, 80, 50]], np.float32), np.array([0.9, 0.8]), np.array([0, 1]))
    other = Detections(np.array(both, np.float32), np.array([0.9]), np.array([0]))
    found = _side_by_side("x", image, own, other, ["a"])
    assert (found.matched, found.lost, found.new) == (1, 0, 1)
