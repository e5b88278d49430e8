"""Shell completion: what is offered for a line that is being typed, by the exporter and in a bash of its own."""

import subprocess
import sys

import pytest

from exporter.cli import main, verbs
from exporter.common.paths import CONF, recipe_files


@pytest.fixture
def offered(monkeypatch, capsys):
    def ask(line, shell="bash"):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        assert main(["-sc", f"query={shell}"]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out.split()

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_recipes_by_their_beginning(offered, shell):
    expected = sorted(f"+recipe={name}" for name in recipe_files() if name.startswith("yolo_nas_s_"))
    assert len(expected) > 1
    assert offered("exporter +recipe=yolo_nas_s_", shell) == expected


def test_recipes_of_the_working_directory(offered, tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "my_camera.yaml").write_text("# @package _global_\nname: mine\n")
    monkeypatch.chdir(tmp_path)
    assert offered("exporter +recipe=my_") == ["+recipe=my_camera"]


@pytest.mark.parametrize(
    ("before", "group"),
    [
        ("", "quantization"),
        ("+recipe=yolo_nas_s ", "quantization"),
        ("-m model=yolo_nas_m input.size=320 ", "postprocessing/nms"),
    ],
)
def test_options_of_a_group(offered, before, group):
    expected = sorted(f"{group}={path.stem}" for path in (CONF / group).glob("*.yaml"))
    assert offered(f"exporter {before}{group}=") == expected


def test_keys_and_their_values(offered):
    assert "postprocessing.nms.nms_threshold=" in offered("exporter +recipe=yolo_nas_s postprocessing.nms.n")
    assert offered("exporter model=yolo_nas_s input.dtype=") == ["input.dtype=auto"]


def test_groups_and_verbs_where_a_line_begins(offered):
    everything = offered("exporter ")
    assert {*verbs.names(), "model", "quantization="} <= set(everything)
    assert offered("exporter li") == ["lint"]
    assert offered("exporter re") == [verb for verb in verbs.names() if verb.startswith("re")] + ["recipe="]
    assert not set(verbs.names()) & set(offered("exporter +recipe=yolo_nas_s "))


@pytest.mark.parametrize(
    "line", ["exporter lint ", "exporter lint out", "exporter verify a b c", "exporter rebuild model"]
)
def test_after_a_verb_the_shell_offers_files(offered, line):
    assert offered(line) == []


@pytest.mark.parametrize(
    "line", ["exporter +recipe=nobody inp", "exporter a b=(c inp", "exporter +recipe=yolo_nas_s x=y inp"]
)
def test_a_line_that_is_wrong_gets_no_message(offered, line):
    assert set(offered(line)) <= {"input="}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-sc", "install=tcsh"], "bash, fish, zsh"),
        (["-sc", "instal=bash"], "install=SHELL"),
        (["--shell-completion"], "install=SHELL"),
        (["-sc", "query=bash"], "-sc install=bash"),
    ],
)
def test_what_no_shell_asks_is_refused_in_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.delenv("COMP_LINE", raising=False)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_bash_completes_after_installing(tmp_path):
    """The function that `install=bash` prints, called as bash calls it, with the cursor behind the second word."""
    command = tmp_path / "exporter"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    command.chmod(0o755)
    script = """
        PATH="$1:$PATH"
        eval "$(exporter -sc install=bash)"
        complete -p exporter
        COMP_LINE="exporter $2"; COMP_POINT=${#COMP_LINE}; COMP_CWORD=1
        hydra_bash_completion
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    run = subprocess.run(
        ["bash", "-c", script, "bash", tmp_path, "+recipe=yolo_nas_s_"], capture_output=True, text=True, check=True
    )
    rule, *replies = run.stdout.split("\n")
    assert (
        "-F hydra_bash_completion exporter" in rule and "-o default" in rule
    )  # default: files where nothing is offered
    assert replies[:-1] == sorted(f"+recipe={name}" for name in recipe_files() if name.startswith("yolo_nas_s_"))
    assert run.stderr == ""
