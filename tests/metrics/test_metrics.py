"""The tables' machinery on artifacts that are there already; the builds themselves in the slow suite."""

import json
import shutil
import subprocess
import sys

import pytest

from exporter.artifact.manifest import read_manifest
from exporter.benchmark.section import Ratio
from exporter.common.errors import BuildError
from exporter.common.progress import Progress
from exporter.config.check import check
from exporter.config.compose import compose
from tests.tables import matrix, precision
from tests.tables.__main__ import main
from tests.tables.markdown import Missing, table
from tests.tables.measured import built
from tests.tables.rows import Row, fill

QUIET = Progress()


@pytest.fixture
def builds(monkeypatch, int8_artifact, float_artifact):
    """The words of every build, which gives one of two artifacts; NNCF is not installed."""
    asked = []

    def give(overrides, folder):
        asked.append(overrides)
        if "quantization=nncf" in overrides:
            raise BuildError("quantization=nncf: not installed: pip install exporter[nncf]")
        shutil.copytree(
            int8_artifact if "quantization=int8" in overrides else float_artifact, folder, dirs_exist_ok=True
        )
        return read_manifest(folder), 7.0

    for each in (precision, matrix):
        monkeypatch.setattr(each, "built", give)
    return asked


def is_int8(folder) -> bool:
    return read_manifest(folder).quantization.precision == "int8"


def lines(text: str) -> list[list[str]]:
    """The cells of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_the_table_of_precisions(builds, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "time_ratio", lambda *_: Ratio(median=0.5, low=0.25, high=0.75))
    monkeypatch.setattr(precision, "demo_map", lambda folder, scenes: 90 - 4 * is_int8(folder) - scenes)
    file = tmp_path / "kept" / "rows.jsonl"
    text = precision.table("yolo_nas_s", 160, 2, 2, None, file, QUIET)
    head, _, *rows = lines(text)
    assert tuple(head) == precision.HEAD
    names = [row[0] for row in rows]
    methods = [f"INT8 {method}" for method in ("minmax", "moving_average", "percentile", "mse", "entropy")]
    assert names[: 2 + len(methods)] == ["FP32", "FP16", *methods]
    assert {"mixed", "INT8 by ModelOpt", "INT8 by NNCF"} <= set(names)
    by_name = {row[0]: row for row in rows}
    assert by_name["FP16"][1:4] == ["88.00", "0.00", "0.500 (0.250 to 0.750)"]
    assert by_name["INT8 mse"][1:4] == ["84.00", "4.00", "0.500 (0.250 to 0.750)"]
    assert float(by_name["INT8 mse"][4]) < float(by_name["FP32"][4]) / 2
    assert by_name["INT8 mse"][5] == "7"
    assert set(by_name["INT8 by NNCF"][1:]) == {"– (1)"}
    assert "(1) quantization=nncf: not installed: pip install exporter[nncf]" in text
    assert all("" not in row for row in rows)
    assert all("postprocessing.nms.confidence_threshold=0.01" in overrides for overrides in builds)

    builds.clear()  # all but what failed is known now
    assert lines(precision.table("yolo_nas_s", 160, 2, 2, None, file, QUIET)) == lines(text)
    assert [overrides[-1] for overrides in builds] == ["quantization=none", "quantization=nncf"]


def test_the_matrix(builds, tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "ARCHITECTURES", {"yolo_nas_s": None, "ppyoloe_x": None})
    monkeypatch.setattr(matrix, "time_ratio", lambda *_: Ratio(median=1, low=1, high=1))
    text = matrix.table(64, 2, None, tmp_path / "rows.jsonl", QUIET)
    head, _, *rows = lines(text)
    assert tuple(head) == matrix.HEAD
    assert len({tuple(row[:4]) for row in rows}) == len(rows) == 2 * 3 * 2 * 2
    assert all("" not in row for row in rows)
    assert "64 × 64" in text
    # The artifact of FP32 was built without synthetic images: its cell says why it has no matched boxes.
    assert rows[0][6] == "– (1)" and "(1) proof.num_scenes=0" in text
    assert " of " in next(row[6] for row in rows if row[1] == "int8")


def test_every_build_of_the_matrix_is_a_recipe_that_can_be_met():
    for names in (("yolo_nas_s", "int8", "flat", "dynamic"), ("ppyoloe_x", "fp16", "batch", "fixed")):
        recipe = check(compose(matrix.overrides(*names, 640)))
        assert recipe.quantization.name == names[1]
    assert recipe.model.weights == "random"


def test_limit_takes_the_first_rows_and_they_are_measured(builds, tmp_path):
    (row,) = lines(precision.table("yolo_nas_s", 160, 2, 2, 1, tmp_path / "rows.jsonl", QUIET))[2:]
    assert 0 < float(row[1]) <= 100 and row[2] == "0.00" and "to" in row[3]


def test_rows_are_kept_one_by_one(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [Row((name,), (name,), {"rounds": 2}) for name in "abc"]
    seen = []

    def measure(row):
        seen.append(row.name[0])
        if row.name[0] == "b" and seen.count("b") == 1:
            raise BuildError("no")
        if row.name[0] == "c" and seen.count("c") == 1:
            raise KeyboardInterrupt
        return {"value": row.name[0]}

    with pytest.raises(KeyboardInterrupt):
        fill(rows, measure, file, QUIET)
    assert [json.loads(line)["figures"] for line in file.read_text().splitlines()] == [{"value": "a"}, {"reason": "no"}]
    assert fill(rows, measure, file, QUIET) == [{"value": each} for each in "abc"]
    assert seen == ["a", "b", "c", "b", "c"]
    other = [Row(("a",), ("a",), {"rounds": 3})]
    fill(other, measure, file, QUIET)
    assert seen[-1] == "a", "measured in another way, it is another row"


def test_a_file_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"key": 1}\n')
    assert main(["precision", "--file", str(tmp_path / "rows.jsonl")]) == 2
    assert "holds no rows of a table" in capsys.readouterr().err
    assert main(["matrix", "--limit", "0"]) == 2


def test_reasons_stand_below_the_table_once():
    text = table(["a|b", "c"], [["1", Missing("why")], ["2", Missing("other")], ["3", Missing("why")]])
    assert text == (
        "| a\\|b | c |\n| --- | --- |\n| 1 | – (1) |\n| 2 | – (2) |\n| 3 | – (1) |\n\n(1) why  \n(2) other  "
    )


def test_a_build_that_fails_gives_its_own_reason(tmp_path):
    with pytest.raises(BuildError, match=r"^input\.size=65: must be a multiple of 32"):
        built(["+recipe=yolo_nas_s", "input.size=65"], tmp_path / "out")


@pytest.mark.slow
def test_the_sweeps(capsys):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `sweep` is not installed")
    assert main(["sweep", "--size", "64", "--limit", "1"]) == 0
    apart, one, two = (int(row[-1]) for row in lines(capsys.readouterr().out)[-3:])
    assert apart == 36 and max(one, two) < 25  # what two runs begin at once may run twice


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["precision", "--scenes", "4", "--limit", "3"], ["matrix", "--limit", "2"]])
def test_the_commands(arguments, tmp_path):
    command = [sys.executable, "-m", "tests.tables", *arguments, "--size", "64", "--rounds", "2"]
    run = subprocess.run([*command, "--file", str(tmp_path / "f.jsonl")], capture_output=True, text=True, check=True)
    rows = lines(run.stdout)[2:]
    assert len(rows) == int(arguments[-1])
    assert not [cell for row in rows for cell in row if cell.startswith("–")]
