"""Artifacts that several tests look at: built once in each process."""

import os
import resource
import secrets
from pathlib import Path

import pytest

import exporter
from exporter.common.heap import collecting_only_what_is_new

# As many processes as there are cores: threads of torch on top would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Of the long campaigns in tests/fuzz: chosen here, where it reaches all processes of one run.
os.environ.setdefault("EXPORTER_FUZZ_SEED", str(secrets.randbelow(2**32)))


def pytest_terminal_summary(terminalreporter):
    """What attacks, faults and fuzzing did, in all processes together."""
    reports = [each for reports in terminalreporter.stats.values() for each in reports]
    ended = [each for each in reports if getattr(each, "when", None) == "teardown"]

    def told(what):
        return [value for report in ended for name, value in report.user_properties if name == what]

    done = told("fuzz")
    if any(count for count, _ in done):
        failures = len([1 for each in terminalreporter.stats.get("failed", []) if "tests/fuzz/" in each.nodeid])
        seeds = ", ".join(sorted({str(seed) for _, seed in done if seed is not None}))
        terminalreporter.write_line(f"fuzz: {sum(n for n, _ in done)} cases, {failures} failures, seed {seeds}")
    faults = told("faults")
    if any(injected for injected, _, _ in faults):
        injected, survived, lost = (sum(column) for column in zip(*faults, strict=True))
        terminalreporter.write_line(f"faults: {injected} injected, {survived} survived, {lost} bytes lost")
    attacks = [each for each in terminalreporter.stats.get("passed", []) if "tests/attacks/" in each.nodeid]
    if attacks:
        slowest = max(attacks, key=lambda report: report.duration)
        whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        peak = max(resource.getrusage(each).ru_maxrss for each in whose) / 1024
        terminalreporter.write_line(
            f"attacks: {len(attacks)} withstood, the slowest in {slowest.duration:.1f} s ({slowest.nodeid});"
            f" no process of this run took more than {peak:.0f} MiB"
        )


@pytest.fixture(scope="session", autouse=True)
def shared_store(tmp_path_factory):
    """What is built here is not what the user keeps, and the other way round. It is one for all processes: what fixtures
    of a module or session build, they build once."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield cache


@pytest.fixture(scope="module", autouse=True)
def collections_of_this_module():
    """What was imported and made before is not looked at again at each stage of each small build: a tenth of the suite."""
    with collecting_only_what_is_new():
        yield


@pytest.fixture
def empty_store(tmp_path_factory, monkeypatch):
    """For tests that ask what was built: nothing was there before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def no_store_of_changed_code(request):
    """A test that changes code of ours, which is what `monkeypatch` is for, neither leaves results of that code to
    others nor takes theirs. Tracing is most of a small build: all other tests share one store."""
    if "monkeypatch" in request.fixturenames:
        request.getfixturevalue("empty_store")


@pytest.fixture
def one_store(no_store_of_changed_code, shared_store, monkeypatch):
    """For tests whose `monkeypatch` changes no code of ours: a folder, a path, what is read and not computed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_store))


@pytest.fixture(scope="session")
def int8_artifact(tmp_path_factory) -> Path:
    """`+recipe=yolo_nas_s_int8` at 160 pixels."""
    folder = tmp_path_factory.mktemp("artifacts") / "int8"
    overrides = ["input.size=160", "calibration.num_images=8", "proof.num_scenes=8", f"output_dir={folder}"]
    exporter.build("yolo_nas_s_int8", overrides)
    return folder


@pytest.fixture(scope="session")
def float_artifact(tmp_path_factory) -> Path:
    """`+recipe=yolo_nas_s` at 96 × 160 pixels with a dynamic batch."""
    folder = tmp_path_factory.mktemp("artifacts") / "float"
    overrides = [
        "input.height=96",
        "input.width=160",
        "input.batch=dynamic",
        "proof.num_scenes=0",
        f"output_dir={folder}",
    ]
    exporter.build("yolo_nas_s", overrides)
    return folder
