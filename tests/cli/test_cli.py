"""The verbs are the files of their folder: the help, the command line and the shell know each, and no list names them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli import main, verbs
from tests.attacks.making import artifact

HELLO = """
USAGE = "WHOM [--loud]"
SUMMARY = "greets somebody"


def add_arguments(parser):
    parser.add_argument("whom")


def run(given):
    print(f"hello {given.whom}")
    return 3
"""


def help_lines(capsys):
    assert main(["--help"]) == 0
    return capsys.readouterr().out.splitlines()


def test_each_file_is_a_verb():
    folder = Path(verbs.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(verbs.names()) == files - {"__init__"} and len(verbs.names()) > 15


@pytest.mark.parametrize("name", verbs.names())
def test_a_verb_has_its_line_in_the_help_and_a_help_of_its_own(name, capsys):
    verb = verbs.load(name)
    (line,) = [line for line in help_lines(capsys) if line.split()[:2] == ["exporter", name]]
    arguments, summary = line.split(maxsplit=2)[2].rsplit("  ", 1) if verb.USAGE else ("", line.split(name, 1)[1])
    assert (arguments.strip(), summary.strip()) == (verb.USAGE, verb.SUMMARY)
    assert len(line) <= 120
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: exporter {name} ")


def test_builds_stand_before_the_verbs(capsys):
    lines = [line for line in help_lines(capsys) if line.startswith("  exporter ")]
    assert [line.split()[1] for line in lines[:3]] == ["+recipe=NAME", "model=NAME", "-m"]
    assert sorted(lines[4:]) == lines[4:] and len(lines) == 4 + len(verbs.names())


def test_one_file_adds_a_verb(tmp_path, monkeypatch, capsys):
    (tmp_path / "hello.py").write_text(HELLO)
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    assert [line.split() for line in help_lines(capsys) if "hello" in line] == [
        ["exporter", "hello", "WHOM", "[--loud]", "greets", "somebody"]
    ]
    assert main(["hello", "you"]) == 3
    assert capsys.readouterr().out == "hello you\n"
    assert main(["helo"]) == 2
    assert "did you mean hello?" in capsys.readouterr().err
    monkeypatch.setenv("COMP_LINE", "exporter hel")
    assert main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == ["hello"]


def test_the_help_waits_for_nothing_heavy():
    heavy = {"torch", "onnx", "onnxruntime", "numpy", "hydra", "omegaconf", "pydantic", "yaml"}
    code = f"import sys; from exporter.cli import main; main(['--help']); print({heavy!r} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("where", [0, 1, 2])
def test_the_flag_of_a_planned_sweep_stands_anywhere(where, monkeypatch, capsys):
    arguments = ["+recipe=yolo_nas_s", "input.size=64,96"]
    arguments.insert(where, "-m")
    given = []
    monkeypatch.setattr("exporter.pipeline.plan.plan_sweep", lambda arguments: given.extend(arguments) or [])
    assert main(["plan", *arguments]) == 0
    assert given == ["+recipe=yolo_nas_s", "input.size=64,96"]


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        (["plan", "--cfg", "job"], "--cfg"),
        (["plan", "-m", "--info"], "--info"),
        (["verify", "out", "--trust=x"], "--trust=x"),
    ],
)
def test_a_flag_that_a_verb_does_not_have_is_refused_in_one_line(words, unknown, capsys):
    assert main(words) == 2
    said = f"exporter: {words[0]}: no such argument: {unknown}; exporter {words[0]} --help says more\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_output_that_is_closed_is_no_reason_to_fail(closed):
    command = f"{sys.executable} -m exporter --help {closed} && {sys.executable} -m exporter recipes {closed}"
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_our_characters_is_no_reason_to_fail(encoding):
    command = [sys.executable, "-m", "exporter", "--help"]
    done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and rb"+recipe=NAME [key=value \u2026]" in done.stdout and not done.stderr


def test_onnx_runtime_is_told_to_report_nothing(tmp_path):
    artifact(tmp_path / "art")
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-m", "exporter", "verify", str(tmp_path / "art")]
    assert subprocess.run(command, check=False, env=environment, capture_output=True).returncode == 0
    assert not list((tmp_path / "cache").rglob("*deviceid*"))


def test_data_is_never_written_with_other_characters(tmp_path):
    values = artifact(tmp_path / "art")
    values["model"]["class_names"][0] = "vélo"
    (tmp_path / "art" / "manifest.json").write_text(json.dumps(values))
    command = [sys.executable, "-m", "exporter", "labels", str(tmp_path / "art")]
    for encoding, code in (("ascii", 2), ("utf-8", 0)):
        done = subprocess.run(
            command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": encoding}
        )
        assert done.returncode == code and done.stdout.startswith(b"v\xc3\xa9lo\n" if code == 0 else b"")
    assert (
        b"which lacks"
        in subprocess.run(
            command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"}
        ).stderr
    )
