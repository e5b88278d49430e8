"""Publishing: all or nothing, whatever the moment at which a build fails, is killed or meets another one."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from exporter.artifact.publish import check_output_dir, publishing
from exporter.common import swap as swapping
from exporter.common.errors import BuildError, RequestError


def write(directory: Path, letter: str) -> None:
    """An artifact all of whose files hold `letter`, so that a mix of two shows."""
    (directory / "model.onnx").write_text(letter * 5000)
    (directory / ".hydra").mkdir()
    (directory / ".hydra" / "config.yaml").write_text(letter)
    (directory / "manifest.json").write_text(json.dumps({"schema_version": 1, "artifact": letter}))


def publish(output: Path, letter: str) -> None:
    with publishing(output) as staging:
        write(staging, letter)


def read(output: Path) -> str:
    """The letter of the one artifact in `output`; fails if there is anything else."""
    letter = json.loads((output / "manifest.json").read_text())["artifact"]
    assert (output / "model.onnx").read_text() == letter * 5000
    assert (output / ".hydra" / "config.yaml").read_text() == letter
    assert names(output) == [".hydra", "manifest.json", "model.onnx"]
    return letter


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def tree(directory: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(directory)): p.read_bytes() if p.is_file() else None for p in directory.rglob("*")}


@pytest.fixture(params=[True, False], ids=["exchange", "renames"])
def exchange(request, monkeypatch) -> bool:
    """Both ways to swap; the second as on a system without renameat2."""
    if not request.param:
        monkeypatch.setattr(swapping, "_exchange", lambda a, b: False)
    return request.param


@pytest.mark.parametrize("name", ["out", "with space", "sweep,a=1,b=(2)", "a/new/parent"])
def test_new_and_again(tmp_path, exchange, name):
    output = tmp_path / name
    publish(output, "A")
    assert read(output) == "A"
    publish(output, "B")
    assert read(output) == "B"
    assert names(output.parent) == [output.name]


def test_into_an_empty_directory_and_through_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    publish(link, "A")
    assert link.is_symlink() and read(real) == read(link) == "A"


def test_the_previous_artifact_is_there_until_the_block_ends(tmp_path):
    publish(tmp_path / "out", "A")
    with publishing(tmp_path / "out") as staging:
        write(staging, "B")
        assert read(tmp_path / "out") == "A"
    assert read(tmp_path / "out") == "B"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", ["absent", "parents", "artifact"])
def test_a_failed_build_changes_nothing(tmp_path, error, before):
    output = tmp_path / "new" / "parent" / "out" if before == "parents" else tmp_path / "out"
    if before == "artifact":
        publish(output, "A")
    expected = tree(tmp_path)
    with pytest.raises(error), publishing(output) as staging:
        write(staging, "B")
        raise error
    assert tree(tmp_path) == expected


def test_a_failed_swap_changes_nothing(tmp_path, exchange, monkeypatch):
    publish(tmp_path / "out", "A")
    rename = Path.rename

    def refuse(self, target):
        if self.name.endswith("-staging"):
            raise PermissionError(errno.EPERM, "Operation not permitted", str(target))
        return rename(self, target)

    def refuse_exchange(a, b):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(b))

    monkeypatch.setattr(Path, "rename", refuse)
    if exchange:
        monkeypatch.setattr(swapping, "_exchange", refuse_exchange)
    with pytest.raises(RequestError, match=r"out: Operation not permitted .*: give a directory that can be written$"):
        publish(tmp_path / "out", "B")
    assert read(tmp_path / "out") == "A" and names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["notes.txt"], "notes.txt"),
        (["model.onnx"], "model.onnx"),  # no manifest beside it: not ours
        (["model.onnx", "manifest.json"], "manifest.json, model.onnx"),  # somebody else's manifest
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        (["model.onnx/mine.txt"], "model.onnx/"),
    ],
)
def test_foreign_files_are_refused(tmp_path, files, named):
    for file in files:
        (tmp_path / "out" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / file).write_text('{"artifact": 1}')
    expected = tree(tmp_path)
    for attempt in (lambda: check_output_dir(tmp_path / "out"), lambda: publish(tmp_path / "out", "A")):
        with pytest.raises(RequestError) as refused:
            attempt()
        assert f"({named})" in str(refused.value) and "\n" not in str(refused.value)
    assert tree(tmp_path) == expected


@pytest.mark.parametrize("foreign", ["model.onnx.bak", "preview.png/"])
def test_a_foreign_file_beside_an_artifact_is_refused(tmp_path, foreign):
    publish(tmp_path / "out", "A")
    stray = tmp_path / "out" / foreign
    stray.mkdir() if foreign.endswith("/") else stray.write_text("mine")
    with pytest.raises(RequestError, match=rf"\({foreign}\)"):
        check_output_dir(tmp_path / "out")


def test_a_file_that_appears_during_the_build_is_kept(tmp_path):
    publish(tmp_path / "out", "A")
    with pytest.raises(RequestError, match=r"notes\.txt"), publishing(tmp_path / "out") as staging:
        write(staging, "B")
        (tmp_path / "out" / "notes.txt").write_text("mine")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine" and names(tmp_path) == ["out"]


def test_what_is_no_place_for_an_artifact(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "x")
    (tmp_path / "cwd" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd" / "below")
    expected = tree(tmp_path)
    refusals = {
        tmp_path / "file": "is not a directory",
        tmp_path / "file" / "below" / "it": "is not a directory",
        tmp_path / "dangling": "is not a directory",
        Path(): "working directory",
        tmp_path / "cwd": "working directory",
        Path("/"): "mount point",
        Path("/proc/none/out"): "(cannot be written|No such file)",
        tmp_path / ("n" * 250): "File name too long",
    }
    for path, line in refusals.items():
        with pytest.raises(RequestError, match=line) as refused:
            publish(path, "A")
        assert str(refused.value).startswith(f"output_dir={path}") and "\n" not in str(refused.value)
    assert tree(tmp_path) == expected


def test_unwritable(tmp_path, monkeypatch):
    access = os.access  # root may write anywhere, so the answer is given here
    monkeypatch.setattr(os, "access", lambda p, mode: p != tmp_path and access(p, mode))
    with pytest.raises(RequestError, match=r"cannot be written: give a directory that can$"):
        check_output_dir(tmp_path / "a" / "b")


def test_disk_full(tmp_path):
    publish(tmp_path / "out", "A")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(BuildError, match=r"File too large.*: nothing was changed there: free some space") as failed:
            publish(tmp_path / "out", "B")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(failed.value)
    assert read(tmp_path / "out") == "A" and names(tmp_path) == ["out"]


def test_an_error_that_is_not_the_disks_passes_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), publishing(tmp_path / "out"):
        (tmp_path / "no such image").read_bytes()


def test_two_at_once(tmp_path):
    output = tmp_path / "out"
    with publishing(output) as staging:
        write(staging, "A")
        with pytest.raises(RequestError, match="another build is writing there: wait for it or give another"):
            publish(output, "B")
    assert read(output) == "A" and names(tmp_path) == ["out"]


def child(output: Path, letters: str, exchange: bool = True) -> subprocess.Popen:
    """A process that publishes one letter after the other for ever, and says so once it has published the first."""
    code = f"""
        import itertools, sys
        from pathlib import Path
        from exporter.common.errors import RequestError
        import exporter.common.swap
        from tests.artifact.test_publish import publish
        if not {exchange}:
            exporter.common.swap._exchange = lambda a, b: False
        for i, letter in enumerate(itertools.cycle({letters!r})):
            try:
                publish(Path({str(output)!r}), letter)
            except RequestError as error:
                assert "another build" in str(error), error
            if i == 1:
                print("ready", flush=True)
    """
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=root, stdout=subprocess.PIPE)


def test_killed_at_any_moment(tmp_path, exchange):
    seed = random.Random(0)
    for i in range(8):
        output = tmp_path / str(i) / "out"
        publish(output, "A")
        process = child(output, "AB", exchange)
        assert process.stdout and process.stdout.readline() == b"ready\n"
        time.sleep(seed.uniform(0, 0.02))
        process.kill()
        process.communicate()
        if exchange:
            assert read(output) in "AB"
        with pytest.raises(ZeroDivisionError), publishing(output) as staging:  # a next build, and it fails
            assert not list(staging.iterdir())
            _ = 1 / 0
        assert read(output) in "AB"
        assert names(output.parent) == ["out"]


def test_killed_between_the_renames(tmp_path):
    """The three places at which a swap by renames can be cut short."""
    for cut in range(3):
        output = tmp_path / str(cut) / "out"
        publish(output, "A")
        staging, aside = (output.with_name(f".out.exporter-{name}") for name in ("staging", "replaced"))
        staging.mkdir()
        write(staging, "B")
        for old, new in [(output, aside), (staging, output), (aside, staging)][: cut + 1]:
            old.rename(new)
        with pytest.raises(ZeroDivisionError), publishing(output):
            _ = 1 / 0
        assert read(output) == ("A" if cut == 0 else "B")
        assert names(output.parent) == ["out"]


def test_rivals_never_mix(tmp_path):
    """Three processes publish to one place as fast as they can; whoever looks sees one of them whole."""
    output = tmp_path / "out"
    rivals = [child(output, letter) for letter in "ABC"]
    seen = set()
    try:
        for rival in rivals:
            assert rival.stdout and rival.stdout.readline() == b"ready\n"
        start = time.monotonic()
        while time.monotonic() < start + 1 or (len(seen) < 2 and time.monotonic() < start + 60):
            directory = os.open(output, os.O_RDONLY)  # stays this directory, wherever it is moved
            try:
                opener = partial(os.open, dir_fd=directory)
                with open("manifest.json", opener=opener) as manifest, open("model.onnx", opener=opener) as model:
                    letter = json.load(manifest)["artifact"]
                    assert model.read() == letter * 5000
                seen.add(letter)
            except FileNotFoundError:
                pass  # it has been replaced meanwhile and is being removed
            finally:
                os.close(directory)
        assert all(rival.poll() is None for rival in rivals), "a rival has died"
    finally:
        for rival in rivals:
            rival.kill()
            rival.communicate()
    assert len(seen) > 1
    assert read(output) in "ABC"
    publish(output, "D")
    assert read(output) == "D" and names(tmp_path) == ["out"]
