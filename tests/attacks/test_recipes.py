"""Hostile recipes: each is refused in one line with exit code 2, before anything is built, called or written."""

import os
import subprocess
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.common.provenance import repository

S = "defaults:\n  - override /model: yolo_nas_s\n"
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
PLACES = (
    "model", "preprocessing", "quantization", "calibration", "postprocessing.nms", "postprocessing.format", "backend",
    "evaluation", "benchmark", "export.options.a", "model.class_names.0", "input", "proof", "store", "sweep", "name",
)  # fmt: skip


def at(place: str, value: str) -> str:
    """YAML that sets the dotted place."""
    *above, last = place.split(".")
    return "".join(f"{'  ' * i}{key}:\n" for i, key in enumerate(above)) + f"{'  ' * len(above)}{last}: {value}\n"


# A recipe, and what its line must say. {executed} is what the attack would make.
RECIPES = {
    **{f"os.mkdir at {p}": (S + at(p, "{{_target_: os.mkdir, path: {executed}}}"), "") for p in PLACES},
    **{f"through us at {p}": (S + at(p, "{{_target_: exporter.cli.run.os.mkdir, path: {executed}}}"), "") for p in PLACES},
    "target at the top": (S + "_target_: os.system\n", "_target_"),
    "target by interpolation": (S + "name: os.mkdir\nmodel: {{_target_: '${{name}}'}}\n", "os.mkdir: not allowed"),
    "target that is a number": (S + "model: {{_target_: 5}}\n", "not allowed"),
    "target that is a list": (S + "model: {{_target_: [os.system]}}\n", "not allowed"),
    "target that is nothing": (S + "model: {{_target_: null}}\n", "not allowed"),
    "target of dots": (S + "model: {{_target_: 'exporter...'}}\n", "not a node"),
    "target that looks alike": (S + "model: {{_target_: '\u0435xporter.cli.main'}}\n", "not allowed"),
    "target that is no node": (S + "model: {{_target_: exporter.cli.run.main}}\n", "not a node"),
    "trust": (S + "trust: [os]\nmodel: {{_target_: os.mkdir}}\n", "only the command line can trust"),
    "trust nothing": (S + "trust: null\n", "only the command line can trust"),
    "trust through Hydra": (S + "trust: os\nhydra: {{overrides: {{task: [trust=os]}}}}\n", "hydra.overrides: only the"),
    "trust through a sweep": (S + "hydra: {{sweeper: {{params: {{trust: os}}}}}}\n", "params.trust: only the command line"),
    "callbacks": (S + "hydra: {{callbacks: {{x: {{_target_: os.mkdir, path: {executed}}}}}}}\n", "hydra.callbacks: only"),
    "callbacks through a sweep": (
        S + "hydra: {{sweeper: {{params: {{'+hydra.callbacks.x._target_': os.mkdir}}}}}}\n", "only the command line"),
    "logging": (
        S + "hydra: {{job_logging: {{version: 1, handlers: {{x: {{'()': os.mkdir, path: {executed}}}}}, root: {{handlers: [x]}}}}}}\n",
        "hydra.job_logging: only"),
    "launcher": (S + "hydra: {{launcher: {{_target_: os.mkdir}}}}\n", "hydra.launcher: only"),
    "sweeper": (S + "hydra: {{sweeper: {{_target_: os.mkdir}}}}\n", "hydra.sweeper._target_: only"),
    "sampler": (S + "hydra: {{sweeper: {{sampler: {{_target_: os.mkdir}}}}}}\n", "sampler._target_: only"),
    "search space": (S + "hydra: {{sweeper: {{custom_search_space: os.mkdir}}}}\n", "custom_search_space: only"),
    "environment set": (S + "hydra: {{job: {{env_set: {{LD_PRELOAD: x}}}}}}\n", "hydra.job: only"),
    "folder of runs": (S + "hydra: {{run: {{dir: /tmp/x}}, output_subdir: x}}\n", "hydra.run: only"),
    "search path": (S + "hydra: {{searchpath: ['file:///tmp']}}\n", "hydra.searchpath: only"),
    "hydra is a number": (S + "hydra: 5\n", "hydra: only"),
    "hydra is nothing": (S + "hydra: null\n", "hydra: only"),
    "hydra is a list": (S + "hydra: [1]\n", "hydra: only"),
    "environment": (S + "name: ${{oc.env:HOME}}\n", "would read the environment"),
    "environment sent away": (S + "model: {{coco_url: 'http://127.0.0.1/${{oc.env:HOME}}'}}\n", "would read the environment"),
    "environment in a list": (S + "model: {{class_names: ['${{oc.env:HOME}}']}}\n", "would read the environment"),
    "environment in defaults": ("defaults:\n  - override /model: ${{oc.env:HOME}}\n", "would read the environment"),
    "a resolver by another key": (S + "sweep: {{metric: oc.env}}\nname: ${{${{sweep.metric}}:HOME}}\n", "would read"),
    "a resolver that resolves": (S + "name: ${{oc.decode:'${{oc.env:HOME}}'}}\n", "would read the environment"),
    "cycle": (S + "name: ${{output_dir}}\noutput_dir: ${{name}}\n", "Recursive interpolation"),
    "itself": (S + "name: ${{name}}\n", "Recursive interpolation"),
    "a key that is not there": (S + "name: ${{no.such.key}}\n", "no.such.key"),
    "anchors that explode": (LAUGHS, "deep: at most 50000 values"),
    "anchor that holds itself": ("a: &a [*a]\n", "at most"),
    "mapping that holds itself": ("a: &a {{b: *a}}\n", "at most"),
    "nested lists": ("a: " + "[" * 5000 + "]" * 5000, ""),
    "nested mappings": ("a: " + "{{a: " * 900 + "1" + "}}" * 900, "deep"),
    "two megabytes": ("a: b\n" + "# nothing\n" * 200_000, "bytes, and at most"),
    "many keys": ("".join(f"a{i}: {i}\n" for i in range(60_000)), "values"),
    "python call": ("a: !!python/object/apply:os.mkdir ['{executed}']\n", "not valid YAML"),
    "python name": ("a: !!python/name:os.system\n", "not valid YAML"),
    "python module": ("a: !!python/module:os\n", "not valid YAML"),
    "two documents": (S + "---\nb: 1\n", "not valid YAML"),
    "broken base64": ("a: !!binary R0lGODlhDAAMAIQAAP\n", "not valid YAML"),
    "nul": ("a: \0\n", "not valid YAML"),
    "key that is nothing": (S + "null: 3\n", "NoneType"),
    "key that looks alike": (S + "\u0456nput: {{size: 64}}\n", "did you mean input?"),
    "key that is a number": (S + "5: 3\n", "no such key"),
    "defaults that climb": ("defaults:\n  - ../../etc/passwd\n", "names no other place"),
    "choice that climbs": ("defaults:\n  - override /model: ../../../../tmp/evil\n", "names no other place"),
    "choice from the root": ("defaults:\n  - override /model: /tmp/evil\n", "names no other place"),
    "recipe that climbs": ("defaults:\n  - /recipe/../../evil\n", "names no other place"),
    "group that climbs": ("defaults:\n  - override /../model: yolo_nas_s\n", "names no other place"),
    "choice that looks alike": ("defaults:\n  - override /model: y\u043elo_nas_s\n", "names no other place"),
    "package elsewhere": ("defaults:\n  - /recipe/other@hydra.callbacks.x\n" + S[10:], "names no other place"),
    "choice with a package": ("defaults:\n  - /model@hydra.callbacks.x: yolo_nas_s\n", "names no other place"),
    "sweep that climbs": (S + "hydra: {{sweeper: {{params: {{model: ../../../tmp/evil}}}}}}\n", "only the command line"),
    "defaults are a word": ("defaults: yes\n", "defaults"),
    "defaults are numbers": ("defaults: [5]\n", "defaults"),
    "defaults are nothing": ("defaults: [null]\n", "defaults"),
    "defaults are lists": ("defaults: [[a]]\n", "defaults"),
    "recipe of itself": ("defaults:\n  - stranger\n", "refers to itself"),
    "name that climbs": (S + "name: ../../evil\n", "name="),
    "name that is hidden": (S + "name: .evil\n", "name="),
    "name that looks alike": (S + "name: y\u043elo\n", "name="),
    "name read backwards": (S + 'name: "a\\u202eb"\n', "name="),
    "name of two lines": (S + 'name: "a\\nb"\n', "name="),
    "name with an escape": (S + 'name: "\\e[2J"\n', "name="),
    "name that is a mapping": (S + "name: {{a: 1}}\n", "name="),
    "name of 5000 letters": (S + f"name: {'a' * 5000}\n", "name="),
    "folder that is a mapping": (S + "output_dir: {{a: 1}}\n", "output_dir="),
    "folder that is nothing": (S + "output_dir: null\n", "output_dir="),
    "folder with a nul": (S + 'output_dir: "a\\0b"\n', "output_dir: holds a zero byte"),
    "folder of 5000 letters": (S + f"output_dir: {'a' * 5000}\n", "output_dir="),
    "store with a nul": (S + 'store: {{path: "a\\0b"}}\n', "store.path"),
    "torch writes a file": (S + "export: {{options: {{f: {executed}}}}}\n", "f is not passed on"),
    "torch writes a report": (S + "export: {{options: {{report: true, artifacts_dir: {executed}}}}}\n", "is not passed on"),
    "size of a continent": (S + "input: {{size: 3200000000}}\n", "pixels in one run"),
    "batch of a trillion": (S + "input: {{batch: 1000000000000}}\n", "pixels in one run"),
    "size beyond numbers": (S + "input: {{size: 1e400}}\n", "input.size=inf: must be pixels"),
    "proof without end": (S + "proof: {{num_images: 100000000000000000000}}\n", "proof.num_images"),
    "a hundred thousand digits": (S + f"store: {{{{max_size: '{'1' * 100_000}x'}}}}\n", "store.max_size"),
    "group is a number": (S + "model: 5\n", "not a node"),
    "group is nothing": (S + "postprocessing: null\n", "not a node"),
    "group is a list": (S + "input: [1]\n", "merge"),
}  # fmt: skip


def stranger(folder: Path, text: str | bytes) -> None:
    (folder / "recipes").mkdir()
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "recipes" / "stranger.yaml").write_bytes(content)


def refused(arguments: list[str], said: str, folder: Path, capsys) -> None:
    before = dict(os.environ), sorted(folder.rglob("*"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("exporter: ") and said in err, err[:500]
    assert len(err) < 5000 and err.strip().isprintable()
    assert (dict(os.environ), sorted(folder.rglob("*"))) == before


def long(what: str) -> bool:
    """Every place is tried, one of each kind in the default suite."""
    return what == "many keys" or (" at " in what and not what.endswith(" at model"))


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=pytest.mark.slow) if long(what) else what for what in RECIPES]
)
def test_refused(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, said = RECIPES[what]
    stranger(tmp_path, text.format(executed=tmp_path / "executed"))
    refused(["+recipe=stranger"], said, tmp_path, capsys)


@pytest.mark.parametrize("what", ["callbacks", "logging", "environment set", "trust through Hydra", "sweeper"])
@pytest.mark.parametrize("flags", [["-m"], ["--cfg", "job"]], ids=["sweep", "print"])
def test_refused_where_hydra_itself_runs(what, flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, said = RECIPES[what]
    stranger(tmp_path, text.format(executed=tmp_path / "executed"))
    refused(["+recipe=stranger", *flags], said, tmp_path, capsys)


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfea\0:\0", "not UTF-8"), (b"name: \xb0\n", "not UTF-8")], ids=["UTF-16", "Latin-1"]
)
def test_other_encodings(content, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path, content)
    refused(["+recipe=stranger"], said, tmp_path, capsys)


@pytest.mark.parametrize("kind", ["pipe", "loop", "folder", "device"])
def test_what_is_no_file(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    path = tmp_path / "recipes" / "stranger.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"loop": path, "device": Path("/dev/zero")}[kind])
    refused(["+recipe=stranger"], "stranger.yaml", tmp_path, capsys)


def test_a_file_whose_name_looks_like_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "y\u043elo_nas_s.yaml").write_text(S)
    refused(["+recipe=y\u043elo_nas_s"], "a recipe's name has letters a to z", tmp_path, capsys)


@pytest.mark.parametrize("kind", ["pipe", "device", "escapes"])
def test_the_list_of_recipes(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    path = tmp_path / "recipes" / "stranger.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_text("# \x1b[2J evil \x07\n")
    assert main(["recipes"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "stranger" in line)
    assert line.isprintable()


def test_a_repository_with_a_program_in_its_configuration(tmp_path, monkeypatch):
    """`git status` would run it."""
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path, S)
    executed = tmp_path / "executed"
    for arguments in (["init", "-q"], ["add", "."], ["config", "core.fsmonitor", f"touch '{executed}'; false"]):
        subprocess.run(["git", *arguments], check=True, cwd=tmp_path)
    assert "dirty" in repository("stranger")
    assert not executed.exists()
    subprocess.run(["git", "status"], check=False, cwd=tmp_path, capture_output=True)
    assert executed.exists(), "the attack works where nobody minds it"


def test_a_broken_neighbour_spoils_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path, LAUGHS)
    refused(["+recipe=yolo_nas_s", "input.size=33"], "input.size=33", tmp_path, capsys)
