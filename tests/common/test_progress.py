import contextlib
import json
import os
import pty
import sys

import pytest

from exporter.cli import main
from exporter.common.files import file_digest
from exporter.common.progress import JsonLines, Lines, Progress
from exporter.common.progress_form import progress_in
from tests.model.graphs import saved_detector

OVERRIDES = ["+recipe=yolo_nas_s", "input.size=64", "proof.num_images=1", "proof.num_scenes=0"]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("empty_store")
def test_a_build_in_json_lines(tmp_path, capsys):
    given = [*saved_detector(tmp_path), "proof.num_images=1", "progress.format=json"]
    assert main([*given, f"output_dir={tmp_path / 'a'}"]) == 0
    said = capsys.readouterr()
    begun, *stages, ended = events(said.err)
    assert begun["event"] == "begin" and begun["output_dir"] == str(tmp_path / "a")
    assert ended["event"] == "end" and said.out == ""
    states = {}
    for stage in (each for each in stages if each["event"] == "stage"):
        states.setdefault(stage["name"], []).append(stage["state"])
    assert all(each == ["running", "done"] for each in states.values()) and "trace" in states


@pytest.mark.slow
@pytest.mark.usefixtures("one_store")
def test_silence_changes_no_byte(tmp_path, capsys):
    for form in ("text", "none"):
        assert main([*OVERRIDES, f"progress.format={form}", f"output_dir={tmp_path / form}"]) == 0
        said = capsys.readouterr()
        assert bool(said.err + said.out) == (form == "text")
    one, other = (tmp_path / form for form in ("text", "none"))
    assert file_digest(one / "model.onnx") == file_digest(other / "model.onnx")
    configs = [json.loads((each / "manifest.json").read_text())["recipe"]["config"] for each in (one, other)]
    assert configs[0] == configs[1]


def test_another_format_is_refused(capsys):
    assert main([*OVERRIDES, "progress.format=loud"]) == 2
    assert "progress.format" in capsys.readouterr().err


def test_counts_and_failures_in_json(capsys):
    progress = progress_in("json")
    assert isinstance(progress, JsonLines)
    with contextlib.suppress(ValueError), progress.stage("outer"):
        assert list(progress.bar("abc", "letters", 3)) == ["a", "b", "c"]
        raise ValueError
    running, counted, failed = events(capsys.readouterr().err)
    assert running["state"] == "running" and (counted["done"], counted["total"]) == (3, 3)
    assert failed["state"] == "failed" and failed["seconds"] >= 0


def test_the_base_says_nothing(capsys):
    progress = progress_in("none")
    with progress.stage("outer"):
        progress.warn("never seen")
        assert list(progress.bar([1], "one", 1)) == [1]
    assert type(progress) is Progress and capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(capsys):
    progress = progress_in("text")
    assert type(progress) is Lines
    with progress.stage("trace"):
        list(progress.bar(range(3), "calibrate", 3))
    assert capsys.readouterr().err.startswith("  trace        ")


@contextlib.contextmanager
def standard_error_on_a_terminal():
    """Gives a function that reads what was written to it."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    with os.fdopen(slave, "w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", file)

        def read() -> str:
            file.flush()
            parts = []
            with contextlib.suppress(BlockingIOError):  # nothing is left; one call gives 4 KB at most
                while True:
                    parts.append(os.read(master, 100_000))
            return b"".join(parts).decode()

        yield read
    os.close(master)


def test_bars_nest_on_a_terminal():
    with standard_error_on_a_terminal() as read:
        progress = progress_in("text")
        with progress.stage("quantize"):
            for _ in progress.bar(range(2), "layers", 2):
                for _ in progress.bar(range(5), "calibrate", 5):
                    pass
        text = read()
    assert "quantize …" in text and "0/2" in text and "0/5" in text
    shown_together = text[text.index("calibrate") - 200 : text.index("calibrate")]
    assert "layers" in shown_together
    last = text[text.rindex("quantize") :]
    assert last.rstrip().endswith(" s") and "…" not in last
