"""Two artifacts side by side: what differs is said, what was not measured is not made up, exit codes as diff's own."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from exporter.artifact import manifest as m
from exporter.cli import main
from exporter.model.section import Weights
from exporter.proof.section import DetectionErrors
from exporter.report.diff.compare import ABSENT, Row
from exporter.report.diff.text import table_lines
from tests.making import NOTHING_PROVED
from tests.report.diff.artifacts import WEIGHTS, benchmark, evaluation, one_convolution, recipe, write


@pytest.fixture
def compared(tmp_path, capsys):
    """The rows that differ, by (section, key), of two artifacts; each is given as the arguments of `write`."""

    def compare(a, b, *flags):
        one, other = write(tmp_path / "a", **a), write(tmp_path / "b", **b)
        code = main(["diff", str(one), str(other), "--json", *flags])
        found = json.loads(capsys.readouterr().out)
        assert found["same_bytes"] == (code == 0)
        rows = {(row["section"], row["key"]): row for row in found["rows"]}
        assert len(rows) == len(found["rows"])
        return {key: (row.get("a", ABSENT), row.get("b", ABSENT)) for key, row in rows.items()}

    return compare


def test_the_same_bytes_exit_0_and_are_said_first(tmp_path, capsys):
    a = write(tmp_path / "a")
    shutil.copytree(a, tmp_path / "b")
    assert main(["diff", str(a), str(tmp_path / "b")]) == 0
    digest = json.loads((a / "manifest.json").read_text())["artifact"]["sha256"]
    assert capsys.readouterr().out.splitlines() == [
        f"the same bytes, sha256 {digest}",
        f"A: {a}",
        f"B: {tmp_path / 'b'}",
    ]


def test_other_facts_of_the_same_bytes_are_still_shown(compared):
    rows = compared({}, {"versions": {"onnx": "1.3", "python": "3.11"}})
    assert rows == {("versions", "onnx"): ("1.2", "1.3")}


def test_other_bytes_exit_1_and_are_said_first(tmp_path, capsys):
    a, b = write(tmp_path / "a"), write(tmp_path / "b", graph=one_convolution(relus=2))
    assert main(["diff", str(a), str(b)]) == 1
    assert capsys.readouterr().out.startswith("other bytes: sha256 ")


@pytest.mark.parametrize(("precision", "dtype"), [("float16", np.float16), ("int8", np.int8)])
def test_precision_is_counted_in_the_files(compared, precision, dtype):
    rows = compared({}, {"graph": one_convolution(precision)})
    assert rows["graph", "convolutions in float32"] == (1, 0)
    assert rows["graph", f"convolutions in {precision}"] == (0, 1)
    name = np.dtype(dtype).name
    extra = 1 if precision == "int8" else 0  # the zero point of the weights
    assert rows["size", f"bytes of initializers in {name}"] == (0, WEIGHTS.astype(dtype).nbytes + extra)
    assert rows["size", "bytes of initializers in float32"] == (WEIGHTS.nbytes, 8 if precision == "int8" else 0)
    if precision == "int8":
        assert rows["operators", "DequantizeLinear"] == (0, 2)
        assert rows["size", "bytes of initializers in uint8"] == (0, 1)
    assert ("operators", "Conv") not in rows


def test_operators_shapes_and_opset(compared):
    rows = compared({}, {"graph": one_convolution(relus=3, side=16, opset=19)})
    assert rows["operators", "Relu"] == (1, 3)
    assert rows["graph", "opset"] == (18, 19)
    assert rows["graph", "input images"] == ("float32 [1, 3, 8, 8]", "float32 [1, 3, 16, 16]")
    assert rows["graph", "output boxes"] == ("float32 [1, 4, 6, 6]", "float32 [1, 4, 14, 14]")


def test_config_by_dotted_keys(compared):
    config = {"input": {"size": 8}, "quantization": {"scheme": "s8s8", "include": [], "options": {}}}
    rows = compared({}, {"recipe": recipe(config)})
    assert rows == {
        ("config", "quantization.scheme"): ("auto", "s8s8"),
        ("config", "quantization.include"): (ABSENT, []),
        ("config", "quantization.options"): (ABSENT, {}),
    }


def test_weights_and_images(compared):
    weights = Weights(file="b.pth", sha256="b" * 64, source="file", licence=None)
    model = m.Model(name="small", weights=weights, num_classes=2, class_names=["cat", "dog"], parameters=108)
    calibration = m.Calibration(name="folder", method="mse", num_images=2, duplicates=0, digest="c" * 64)
    rows = compared({}, {"model": model, "calibration": calibration})
    assert rows["model", "weights.sha256"] == ("a" * 64, "b" * 64)
    assert rows["calibration", "digest"] == (ABSENT, "c" * 64)


def test_what_only_one_side_measured_has_no_value_on_the_other(compared):
    found = DetectionErrors(scenes=1, map=90, torch_map=90, map_drop=0, boxes=1, matched=0, mean_iou=None,
                            mean_score_difference=None)  # fmt: skip
    proof = NOTHING_PROVED.model_copy(update={"detections": found})
    rows = compared({"evaluation": evaluation(90.0)}, {"benchmark": benchmark(5.0), "proof": proof})
    assert rows["accuracy", "mAP@[.5:.95]"] == (90.0, ABSENT)
    assert rows["latency", "end to end, median ms"] == (ABSENT, 5.0)
    assert rows["proof", "detections.map"] == (ABSENT, 90.0)
    assert rows["bounds of the proof", "max_box_error"] == (1.0, ABSENT)
    assert ("proof", "geometry") not in rows
    assert ("accuracy", "mAP of small objects") not in rows  # the images hold none


def test_not_measured_is_said_in_words(tmp_path, capsys):
    a, b = write(tmp_path / "a", evaluation=evaluation(90.0)), write(tmp_path / "b")
    assert main(["diff", str(a), str(b)]) == 0
    out = capsys.readouterr().out
    assert any(line.split(maxsplit=1)[-1].split() == ["90", "not", "measured"] for line in out.splitlines())
    assert "latency" not in out
    assert main(["diff", str(a), str(b), "--all"]) == 0
    section = capsys.readouterr().out.split("\nlatency\n")[1]
    assert section.split() == ["not", "measured", "not", "measured"]


def test_all_also_shows_what_is_equal(compared):
    rows = compared({}, {}, "--all")
    assert rows["versions", "python"] == ("3.11", "3.11")
    assert rows["operators", "Conv"] == (1, 1)


def test_lost_against_fp32_is_shown_where_there_is_such_a_reference(compared):
    rows = compared({"evaluation": evaluation(90.0)}, {"evaluation": evaluation(89.0, drop=1.0)})
    assert rows["accuracy", "drop from FP32"] == ("is FP32 itself", 1.0)


@pytest.mark.parametrize(
    ("section", "a", "b", "why"),
    [
        (
            "accuracy",
            {"evaluation": evaluation(90.0)},
            {"evaluation": evaluation(80.0, "e" * 64)},
            "different digest of the images",
        ),
        ("latency", {"benchmark": benchmark(4.0)}, {"benchmark": benchmark(5.0, threads=1)}, "different threads"),
    ],
)
def test_metrics_under_other_conditions_are_marked(tmp_path, capsys, section, a, b, why):
    folders = [str(write(tmp_path / "a", **a)), str(write(tmp_path / "b", **b))]
    main(["diff", *folders])
    assert f"\n{section}, not to be compared: {why}\n" in capsys.readouterr().out
    main(["diff", *folders, "--json"])
    assert list(json.loads(capsys.readouterr().out)["not_to_be_compared"]) == [section]


def test_metrics_under_the_same_conditions_are_not_marked(tmp_path, capsys):
    folders = [write(tmp_path / "a", benchmark=benchmark(4.0)), write(tmp_path / "b", benchmark=benchmark(5.0))]
    main(["diff", *map(str, folders)])
    out = capsys.readouterr().out
    assert "not to be compared" not in out
    assert "5 (1.25 of A)" in out


def test_a_file_that_was_changed_after_the_build_is_named(tmp_path, capsys):
    a = write(tmp_path / "a")
    shutil.copytree(a, tmp_path / "b")
    (tmp_path / "b" / "model.onnx").write_bytes(one_convolution(relus=2).SerializeToString())
    assert main(["diff", str(a), str(tmp_path / "b")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"B: {tmp_path / 'b'}"
    assert "its manifest says" in lines[3] and "changed after the build" in lines[3]
    assert sum("changed after" in line for line in lines) == 1
    assert any(line.split() == ["Relu", "1", "2"] for line in lines)  # of the file, not of its manifest


def test_class_names_that_differ_with_their_places(tmp_path, capsys):
    names = [f"class_{i}" for i in range(20)]
    weights = Weights(file=None, sha256=None, source="demo", licence=None)

    def network(given):
        return m.Model(name="small", weights=weights, num_classes=len(given), class_names=given, parameters=1)

    folders = [
        write(tmp_path / name, model=network(given))
        for name, given in (("a", names), ("b", ["x", *names[1:2], *names[3:]]))
    ]
    main(["diff", *map(str, folders)])
    arguments = " ".join(" ".join(line[42:].split()) for line in capsys.readouterr().out.splitlines())
    assert "0 class_0" in arguments and "0 x" in arguments
    assert "1 class_1" not in arguments
    assert "more" in arguments


@pytest.mark.parametrize("fault", ["nowhere", "no manifest", "no file", "not ONNX"])
def test_what_cannot_be_read_exits_2_with_one_line(tmp_path, capsys, fault):
    a, b = write(tmp_path / "a"), write(tmp_path / "b")
    if fault == "nowhere":
        shutil.rmtree(b)
    elif fault == "no manifest":
        (b / "manifest.json").unlink()
    elif fault == "no file":
        (b / "model.onnx").unlink()
    else:
        (b / "model.onnx").write_bytes(b"nonsense")
    for order in ([a, b], [b, a]):
        assert main(["diff", *map(str, order)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1 and str(b) in captured.err


values = st.one_of(st.just(ABSENT), st.text(), st.integers(), st.floats(), st.lists(st.text()), st.none())


@example([Row("config", "key" * 40, "value" * 100, ["a", "list" * 50])])
@settings(max_examples=40)
@given(st.lists(st.builds(Row, st.sampled_from(["config", "proof"]), st.text(), values, values), max_size=5))
def test_whatever_stands_in_a_manifest_fits_100_columns_and_cannot_steer_a_terminal(rows):
    for line in table_lines(rows, {}):
        assert cell_len(line) <= 100
        assert line.isprintable()
