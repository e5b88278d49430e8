"""The verbs that write, with a disk that is full, broken or read-only at every call: one line, nothing half written,
and the next time it goes well without a hand."""

import hashlib
import shutil

import pytest

from exporter.demo.scenes import scene
from exporter.report.drawing import write_png
from tests.backend.lint.graphs import INT8, parse
from tests.deploy.manifests import manifest
from tests.faults.campaign import Campaign, contents, good, in_one_line


def artifact(folder, **changed):
    """A folder with a small graph and a manifest of a TensorRT artifact."""
    folder.mkdir(parents=True)
    content = parse(INT8).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    manifest(**changed, artifact=_facts(content)).write(folder)
    return folder


def predict(place, base):
    write_png(base / "a.png", scene("evaluation", 0, 90, 120).image)
    return ["predict", place.out, base / "a.png", "--out", base / "work" / "out"]


def triton(place, base):
    return ["triton", place.out, "--out", base / "work" / "new" / "out"]


def deepstream(place, base):
    given = artifact(base / "given", plugin=True, dtype="float32", batch="batch", clip=True)
    return ["deepstream", given, "--out", base / "work" / "out"]


def rebuild(place, base):
    return ["rebuild", place.out, "--trust", "tests", "--out", base / "work" / "out"]


def recipes(place, base):
    return ["recipes", "--copy", "yolo_nas_s"]


def engine(place, base):
    given = artifact(base / "work" / "art", backend="tensorrt_rtx")
    return ["engine", given, "--target", "sm86", "--timing-cache", given / "cache"]


def cleared(work, verb):
    """Without what the verb writes."""
    for path in work.iterdir():
        if verb is not engine:
            shutil.rmtree(path)
    for name in ("model.engine", "cache"):
        (work / "art" / name).unlink(missing_ok=True)
    if verb is engine:
        manifest(backend="tensorrt_rtx", artifact=_facts((work / "art" / "model.onnx").read_bytes())).write(
            work / "art"
        )


def _facts(content):
    return {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "opset": 18,
            "ir_version": 8, "operators": {}}  # fmt: skip


def campaign(place, base, verb, error, few):
    work = base / "work"
    work.mkdir()
    arguments, cwd = verb(place, base), str(work)
    before = contents(work)
    fault = {"below": str(work), "error": error}
    seen = good(place.server.run(arguments, fault, cwd=cwd))["seen"]
    done = contents(work)
    count = Campaign(f"{verb.__name__}, {error}")
    for at in range(1, len(seen) + 1, len(seen) // 3 if few else 1):
        cleared(work, verb)
        answer = place.server.run(arguments, {**fault, "at": at}, cwd=cwd)
        states = [before]
        if answer["code"] == 0:  # of the engine's timing cache, and of what is flushed at the end, nothing depends
            states = [done, {name: digest for name, digest in done.items() if not name.endswith("cache")}]
        else:
            in_one_line(answer)
            # Drawings that are done stay, and what TensorRT has measured.
            early = {name: digest for name, digest in done.items() if name.endswith(("a.png", "cache"))}
            states.append(before | early)
        count.look(work, *states)
        assert [path for path in work.rglob(".*") if path.name != ".hydra"] == []
    cleared(work, verb)
    good(place.server.run(arguments, cwd=cwd))
    assert contents(work) == done
    count.report()


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EROFS"])
@pytest.mark.parametrize(
    "verb", [predict, triton, deepstream, rebuild, recipes, engine], ids=lambda verb: verb.__name__
)
def test_every_call(place, tmp_path, verb, error):
    campaign(place, tmp_path, verb, error, few=verb is rebuild)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["snippet", "OUT"], ["schema"], ["recipes"], ["diff", "OUT", "OUT"], ["explain", "OUT"]]
)
def test_what_is_printed_goes_to_a_full_disk(place, arguments):
    python = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
    answer = place.server.run(
        [str(place.out) if argument == "OUT" else argument for argument in arguments], python=python
    )
    assert "No space left on device" in in_one_line(answer, (1,))


@pytest.mark.slow
def test_a_killed_predict_leaves_nothing_for_ever(place, tmp_path):
    (tmp_path / "work").mkdir()
    arguments, work = predict(place, tmp_path), tmp_path / "work"
    count = Campaign("predict killed at every call")
    seen = good(place.server.run(arguments, {"below": str(work)}))["seen"]
    done = contents(work)
    for at in range(1, len(seen) + 1):
        answer = place.server.run(arguments, {"below": str(work), "at": at, "error": "KILL"})
        assert answer["code"] == -9
        good(place.server.run(arguments))
        count.look(work, done)
    count.report()
