"""Manifests edited by hand: what reads them ends in one line, and neither opens nor writes anything elsewhere."""

import ast
import json
import os
from collections.abc import Callable
from typing import Any

import onnx
import pytest
from PIL import Image

from exporter.cli import main
from tests.attacks.making import artifact, good

FREE = ["batch", 3, 64, 64]


def put(**changes: Any) -> Callable[[dict], None]:
    """Sets what the names lead to; __ for the way down."""

    def edit(values: dict) -> None:
        for place, value in changes.items():
            *above, last = place.split("__")
            inner = values
            for key in above:
                inner = inner[key]
            inner[last] = value

    return edit


def allowed(**change: Any) -> Callable[[dict], None]:
    entry = {"min": 1, "max": None, "multiple": 1, "nominal": 1} | change
    return put(input__shape=FREE, input__allowed={"batch": entry})


ENGINE = {"file": "../x", "sha256": "0", "bytes": 1, "tensorrt": "10", "gpu": None, "cuda": None, "proof": {}}
# What no command takes: the edit, and what the line says.
NEVER = {
    "file above": (put(artifact__file="../art/model.onnx"), "artifact.file"),
    "file elsewhere": (put(artifact__file="/etc/passwd"), "artifact.file"),
    "file is the folder": (put(artifact__file="."), "artifact.file"),
    "file without a name": (put(artifact__file=""), "artifact.file"),
    "file with a nul": (put(artifact__file="a\0"), "artifact.file"),
    "file with an escape": (put(artifact__file="\x1b[2J"), "artifact.file"),
    "engine above": (put(engine=ENGINE), "engine.file"),
    "negative side": (put(input__shape=[1, 3, -64, 64]), "shape"),
    "no side": (put(input__shape=[0, 3, 64, 64]), "shape"),
    "sides without end": (put(input__shape=[1, 3, 10**9, 10**9]), "pixels"),
    "free side of which nothing is said": (put(input__shape=FREE), "allowed does not say"),
    "batch without end": (allowed(nominal=10**12), "pixels"),
    "multiple of nothing": (allowed(multiple=0), "contradict"),
    "least above the most": (allowed(min=5, max=2, nominal=3), "contradict"),
    "two dimensions": (put(input__shape=[64, 64]), "cannot be those of images"),
    "another layout": (put(input__layout="hwc"), "cannot be those of images"),
    "layout of its own": (put(input__layout="evil"), "input.layout"),
    "dtype of its own": (put(input__dtype="evil"), "dtype"),
    "dtype of objects": (put(input__dtype="object"), "dtype"),
    "channels of its own": (put(input__channels="os.system"), "channels"),
    "too few names": (put(model__class_names=["a"]), "class_names"),
    "a billion classes": (put(model__num_classes=10**9), "num_classes"),
    "geometry without end": (put(preprocessing__geometry__height=10**9), "geometry"),
    "margin that leaves nothing": (put(preprocessing__geometry__resize__margin=64), "margin"),
    "padding beyond bytes": (put(preprocessing__geometry__padding__value=10**9), "padding"),
    "section of its own": (put(evil=1), "no such key"),
    "another version": (put(schema_version=2), "schema_version=2"),
    "no version": (put(schema_version=None), "schema_version=None"),
    "configuration is a list": (put(recipe__config=[1]), "recipe.config"),
}


OTHERS = {
    "classes in another order": put(model__class_names=[f"class_{i}" for i in reversed(range(8))]),
    "another padding": put(preprocessing__geometry__padding__value=0),
    "another threshold": put(postprocessing__nms__confidence_threshold=0.9),
}
"""What the graph says of itself too, in its metadata."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "art"


def refused(arguments: list[str], said: str, capsys, code: int = 2) -> None:
    assert main(arguments) == code
    _, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and err.strip().isprintable() and len(err) < 5000, err[:500]
    assert not {path.name for path in os.scandir()} - {"art", "p.png", "out"}


@pytest.mark.parametrize("what", NEVER)
def test_never_taken(what, folder, capsys):
    edit, said = NEVER[what]
    values = artifact(folder)
    edit(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    for arguments in (["verify", "art"], ["predict", "art", "p.png", "--out", "out"], ["lint", "art"], ["rebuild", "art"],
                  ["diff", "art", "art"], ["snippet", "art"], ["triton", "art", "--out", "triton"]):  # fmt: skip
        refused(arguments, said, capsys)


RAW = {
    "empty": (b"", "JSON"),
    "zeros": (b"\0" * 100, "JSON"),
    "text": (b"hello", "JSON"),
    "a hundred thousand brackets": (b"[" * 100_000, "JSON"),
    "five thousand digits": (b'{"schema_version": ' + b"1" * 5000 + b"}", "JSON"),
    "UTF-16": ('{"schema_version": 1}'.encode("utf-16"), "JSON"),
    "not UTF-8": (b'{"schema_version": "\xff"}', "JSON"),
    "a key twice": (b'{"schema_version": 1, "schema_version": 2}', "schema_version=2"),
    "no number": (b"NaN", "schema_version"),
    "list": (b"[]", "schema_version"),
    "17 MB": (b" " * 17_000_000, "at most 16000000"),
    "twenty thousand sections": (json.dumps({"schema_version": 1, **{f"k{i}": i for i in range(20_000)}}).encode(), "k0"),
}  # fmt: skip


@pytest.mark.parametrize("what", RAW)
def test_what_is_no_manifest(what, folder, capsys):
    content, said = RAW[what]
    artifact(folder)
    (folder / "manifest.json").write_bytes(content)
    refused(["verify", "art"], said, capsys)


@pytest.mark.parametrize("kind", ["pipe", "loop", "folder", "device"])
def test_what_is_no_file(kind, folder, capsys):
    artifact(folder)
    path = folder / "manifest.json"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"loop": path, "device": "/dev/zero"}[kind])
    refused(["verify", "art"], "manifest.json", capsys)


# What only shows against the file: the edit, what `verify` says, and what `predict` says (None: nothing to object to).
AGAINST_THE_FILE = {
    "another input": (put(input__name="x"), "input", "its manifest says"),
    "another dtype": (put(input__dtype="float32"), "input", "its manifest says"),
    "another size": (put(input__shape=[1, 3, 32, 32]), "input", "its manifest says"),
    "another digest": (put(artifact__sha256="0" * 64), "sha256", None),
    "another length": (put(artifact__bytes=-1), "size in bytes", None),
    "other operators": (put(artifact__operators={"Evil": 10**400}), "operators", None),
    "another opset": (put(artifact__opset=-1), "opset", None),
    "no outputs": (put(outputs=[]), "outputs", None),
    "another geometry": (put(preprocessing__geometry__height=32), None, "the artifact takes 64"),
    "no geometry": (put(preprocessing__geometry=None), None, "no geometry"),
    "geometry inside": (put(preprocessing__geometry_inside_graph=True), None, "the artifact takes 64"),
    "normalised outside": (put(preprocessing__inside_graph=False), None, "cannot run it"),
    "a format of its own": (put(postprocessing__format="evil"), None, "format of its recipe's own"),
}


@pytest.mark.parametrize("what", AGAINST_THE_FILE)
def test_held_against_the_file(what, folder, capsys):
    edit, verified, predicted = AGAINST_THE_FILE[what]
    values = artifact(folder)
    edit(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    Image.new("RGB", (80, 60)).save("p.png")
    if verified:
        refused(["verify", "art"], verified, capsys, code=1)
    if predicted:
        arguments = ["predict", "art", "p.png", "--out", "out"]
        code = main(arguments)
        _, err = capsys.readouterr()
        assert code in (1, 2) and predicted in err and "Traceback" not in err


@pytest.mark.parametrize("name", ["evil", "", "../model/custom", "onnxruntime.yaml", "section"])
def test_a_backend_that_there_is_not_is_not_taken_for_another(name, folder, capsys):
    values = artifact(folder)
    put(backend__name=name)(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    Image.new("RGB", (80, 60)).save("p.png")
    for arguments in (["verify", "art"], ["predict", "art", "p.png", "--out", "out"], ["snippet", "art"],
                  ["benchmark", "art"], ["evaluate", "art", "--num-images", "1"]):  # fmt: skip
        refused(arguments, f"backend.name={name}: no such backend", capsys)


# Configurations that `rebuild` would build.
CONFIGS = {
    "empty": ({}, "not what a build was asked for"),
    "a call": ({"model": {"_target_": "os.system"}, "calibration": {}, "trust": ["os"]}, "recipe.config|name"),
    "environment": ({"name": "${oc.env:HOME}"}, "holds ${…}"),
    "environment deep inside": ({"model": {"a": [{"b": "${oc.env:HOME}"}]}, "calibration": {}}, "holds ${…}"),
    "model is a number": ({"model": 5, "calibration": {}}, "not what a build was asked for"),
    "nothing but a name": ({"name": "x", "model": {}, "calibration": {}}, ""),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_rebuild(what, folder, capsys):
    config, said = CONFIGS[what]
    values = artifact(folder)
    values["recipe"]["config"] = config
    (folder / "manifest.json").write_text(json.dumps(values))
    refused(["rebuild", "art"], said.split("|")[-1], capsys)


@pytest.mark.parametrize(
    "place", ["input__name", "name", "model__class_names", "preprocessing__name", "artifact__file"], ids=str
)
@pytest.mark.parametrize("text", ["'); import os; os.mkdir('executed", '"""\nimport os', "\\", "{os}", "\n#"])
def test_a_snippet_holds_strangers_words_as_text_only(place, text, folder, capsys):
    """What the program calls and imports is the same, whatever the manifest's words are."""

    def shape() -> list[str]:
        assert main(["snippet", "art"]) == 0
        tree = ast.parse(capsys.readouterr().out)
        return [type(node).__name__ for node in ast.walk(tree) if not isinstance(node, ast.Constant | ast.List)]

    values = artifact(folder)
    wanted = shape()
    put(**{place: [text] * 8 if place.endswith("names") else text})(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    if place == "artifact__file" and not ("/" not in text and text.isprintable()):
        refused(["snippet", "art"], "artifact.file", capsys)
    else:
        assert shape() == wanted


@pytest.mark.parametrize("what", OTHERS)
def test_predict_and_verify_hold_the_manifest_against_what_the_graph_says_of_itself(what, folder, capsys):
    values = artifact(folder)
    model = onnx.load(folder / "model.onnx")
    sections = {"name": values["name"], "class_names": values["model"]["class_names"], "input": values["input"],
                "preprocessing": values["preprocessing"], "postprocessing": values["postprocessing"]}  # fmt: skip
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in sections.items()})
    values = artifact(folder, model)
    Image.new("RGB", (80, 60)).save("p.png")
    assert main(["predict", "art", "p.png", "--out", "out"]) == 0
    OTHERS[what](values)
    (folder / "manifest.json").write_text(json.dumps(values))
    capsys.readouterr()
    for verb in (["predict", "art", "p.png", "--out", "other"], ["verify", "art"]):
        refused(verb, "one of them was changed", capsys, code=1)


def test_predict_does_not_run_a_file_that_is_not_the_one_that_was_built(folder, capsys):
    artifact(folder)
    data = bytearray((folder / "model.onnx").read_bytes())
    data[data.index(b"detector")] ^= 1  # the graph's name: it runs as before
    (folder / "model.onnx").write_bytes(data)
    Image.new("RGB", (80, 60)).save("p.png")
    refused(["predict", "art", "p.png", "--out", "out"], "is not the file that was built", capsys, code=1)


def test_metadata_that_is_nested_without_end_is_one_line(folder, capsys):
    model = good()
    onnx.helper.set_model_props(model, {"class_names": "[" * 100_000})
    artifact(folder, model)
    Image.new("RGB", (80, 60)).save("p.png")
    for verb in (["predict", "art", "p.png", "--out", "out"], ["verify", "art"]):
        refused(verb, "its metadata holds what no artifact does", capsys, code=1)
