"""Hundreds of builds in one process: neither memory nor file handles, threads, processes or temporary files add up."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OTHERS = {f"torchinductor_{getpass.getuser()}", ".ses"}
"""Of torch and of ONNX Runtime: one each for all processes, whoever imports them."""

PROGRAM = """
import gc, json, os, sys, threading
import exporter
from exporter.common.errors import BuildError
from exporter.common.heap import trim
folder, count, words = sys.argv[1], int(sys.argv[2]), sys.argv[3:]

def state():
    trim()
    pages = int(open("/proc/self/statm").read().split()[1])
    return {
        "resident": pages * 4096 / 2**20, "handles": len(os.listdir("/proc/self/fd")), "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")), "objects": len(gc.get_objects()),
        "temporary": len(os.listdir(os.environ["TMPDIR"])),
    }

for number in range(count):
    # Most find all in the store, every fifth has a threshold of its own, every fortieth begins from nothing, every
    # tenth fails at its proof.
    own = [f"postprocessing.nms.confidence_threshold={0.1 + 0.8 * number / count:.4f}"] if number % 5 == 0 else []
    alone = ["store.path=none"] if number % 40 == 39 else []
    fails = ["proof.max_box_error=1e-9"] if number % 10 == 6 else []
    try:
        exporter.build(None, [*words, *own, *alone, *fails, f"output_dir={folder}/out{number % 3}"])
        assert not fails
    except BuildError:
        assert fails
    if number % 10 == 9:
        print(json.dumps({"builds": number + 1, **state()}), flush=True)
"""


def many(tmp_path: Path, count: int) -> list[dict]:
    from tests.faults.campaign import ROOT, SMALL

    scratch = tmp_path / "tmp"
    scratch.mkdir()
    arguments = [*SMALL, f"store.path={tmp_path / 'store'}"]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(count), *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["out0", "out1", "out2", "store", "tmp"]
    assert {path.name for path in scratch.iterdir()} - OTHERS == set()
    assert list((tmp_path / "store" / "making").iterdir()) == []
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_two_hundred(tmp_path):
    states = many(tmp_path, 200)
    for each in states[3::4]:
        print(f"\n{each['builds']} builds: " + ", ".join(f"{key} {value:.0f}" for key, value in each.items()), end="")
    # All kinds of build have been there by the fortieth, and what is loaded once is loaded.
    early, late = states[3], states[-1]
    assert late["resident"] < early["resident"] + 60, (early, late)
    assert (
        late["handles"] <= early["handles"] and late["threads"] <= early["threads"] and late["tasks"] <= early["tasks"]
    )
    assert late["temporary"] <= len(OTHERS)
