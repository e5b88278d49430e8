"""SIGINT and SIGTERM end every command with one line and the shell's exit code, leave nothing and nobody behind."""

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.artifact.publish import publishing
from exporter.cli import main
from exporter.common.interrupts import Terminated, heed, heeded, held, insisting
from tests.faults.campaign import OTHER, SMALL, Campaign

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.fixture(autouse=True)
def listening():
    """A shell's job in the background has SIGINT ignored, and what is ignored stays it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(arguments, cwd, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "exporter", *map(str, arguments)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads here
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


SIGNALLED = """
import os, threading
from exporter.common import progress
say = progress.event
def event(event, **values):
    say(event, **values)
    if event == "stage" and (values["name"], values["state"]) == ({stage!r}, "running"):
        threading.Timer({delay}, os.kill, (os.getpid(), {number})).start()
progress.event = event
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def alive(group: int) -> list[int]:
    """The processes of a group that still run, or wait to be asked how they ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_verb(number, code, word, monkeypatch, capsys):
    monkeypatch.setattr("exporter.cli.help.print_help", lambda: os.kill(os.getpid(), number))
    before = [signal.getsignal(each) for each, _, _ in SIGNALS]
    assert main(["--help"]) == code
    assert capsys.readouterr().err == f"exporter: {word}; nothing was published\n"
    assert [signal.getsignal(each) for each, _, _ in SIGNALS] == before


def test_a_signal_waits_where_it_must_and_is_not_forgotten():
    done = []
    with pytest.raises(Terminated), heeded():
        with held():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("whole")
        done.append("more")
    assert done == ["whole"]
    with pytest.raises(Terminated), heeded():
        with contextlib.suppress(KeyboardInterrupt):  # as Python does with what is raised in a destructor
            os.kill(os.getpid(), signal.SIGTERM)
        heed()
    with pytest.raises(Terminated), heeded(), insisting():
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        raise ImportError("partially initialized module")
    heed()


@pytest.mark.parametrize("call", ["flock", "rmtree"])
def test_nothing_is_left_by_a_signal_while_staging_is_made_or_removed(call, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for turn in ("first", "second"):
        with publishing(out) as staging:
            (staging / "manifest.json").write_text(json.dumps({"schema_version": 1, "artifact": turn}))
    module = {"flock": fcntl, "rmtree": shutil}[call]
    real = getattr(module, call)

    def signalled(*given, **options):
        monkeypatch.setattr(module, call, real)
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*given, **options)

    with pytest.raises(Terminated), heeded():
        monkeypatch.setattr(module, call, signalled)
        with publishing(out) as staging:
            (staging / "manifest.json").write_text(json.dumps({"schema_version": 1, "artifact": "third"}))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert json.loads((out / "manifest.json").read_text())["artifact"] == ("second" if call == "flock" else "third")


def test_signals_of_others_are_left_alone():
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append("theirs"))
    try:
        with heeded():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert calls == ["theirs"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_at_every_stage(place, number, code, word):
    """Of a build from nothing, once as the stage begins and once somewhere in it, or behind it where it is short."""
    arguments = [*place.arguments, OTHER, "store.path=none", "progress.format=json"]
    answer = place.server.run(arguments)
    events = [json.loads(line) for line in answer["err"].splitlines()]
    lengths = {event["name"]: event["seconds"] for event in events if event.get("state") == "done"}
    place.build()
    campaign, moments = Campaign(f"{word} in every stage ({', '.join(lengths)}; seed 0)"), random.Random(0)
    assert len(lengths) >= 8
    for name, seconds in lengths.items():
        for delay in (0, moments.uniform(0, 0.8) * seconds):
            python = SIGNALLED.format(stage=name, delay=delay, number=int(number))
            answer = place.server.run(arguments, python=python)
            lines = [line for line in answer["err"].splitlines() if not line.startswith("{")]
            assert (answer["code"], lines) == (code, [f"exporter: {word}; nothing was published"]), answer
            campaign.look(place.out, place.before)
            assert [path.name for path in place.out.parent.iterdir()] == ["out"]
    campaign.report()


@pytest.mark.slow
def test_at_random_moments(place):
    """From a store that is warm, so that most moments lie in what is ours: composing, reading, publishing."""
    moments = random.Random(0)
    seconds = max(place.build()["seconds"] for _ in range(3))
    campaign, ends = Campaign("signals at random moments (seed 0)"), dict.fromkeys((0, 130, 143), 0)
    for turn in range(40):
        number, code, word = SIGNALS[turn % 2]
        answer = place.server.run(
            [*place.arguments, OTHER], kill_after=moments.uniform(0.02, 1.1) * seconds, signal=int(number),
            python="import signal; signal.signal(signal.SIGINT, signal.default_int_handler)",
        )  # fmt: skip
        if answer["code"] in (-number, 98):  # before the command or after it
            campaign.look(place.out, place.before, place.after)
        else:
            assert answer["code"] in (0, code), answer
            ends[answer["code"]] += 1
            last = (answer["err"].splitlines() or [""])[-1]
            done = answer["code"] == 0 or last.endswith("was published before")
            assert answer["code"] == 0 or last.startswith(f"exporter: {word}; "), answer["err"]
            campaign.look(place.out, place.after if done else place.before)
        assert "Traceback" not in answer["err"] and [path.name for path in place.out.parent.iterdir()] == ["out"]
        place.build()
    print(f"\nexit codes: {ends}")
    campaign.report()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep(tmp_path, launcher, number, code, word):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra/launcher=joblib is an extra")
    arguments = [
        "-m",
        *[word for word in SMALL if not word.startswith("input")],
        "input.size=64,96,128,160",
        "store.path=none",
    ]
    arguments += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    process = start(arguments, tmp_path)
    for line in process.stderr:
        if line.startswith("[0]") or line.startswith("[1]"):  # a run has ended, others are under way
            break
    time.sleep(1)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == code, said
    assert said.splitlines()[-1].startswith(f"exporter: {word}; the ") and "Traceback" not in said, said
    folder = tmp_path / "outputs" / "sweep"
    assert not json.loads((folder / "summary.json").read_text())["complete"]
    for _ in range(50):
        if not alive(process.pid):
            break
        time.sleep(0.1)
    assert alive(process.pid) == []
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
