"""Runs commands of the exporter, each in a process of its own that has everything imported already, and with a fault.

A JSON object a line in: words, cwd, fault (of `tests.faults.injection`), python (code to run before), and a line out:
code, out, err, seen (the calls that could have failed), seconds.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import exporter
from tests.faults.injection import Fault


def everything_imported():
    names = [module.name for module in pkgutil.walk_packages(exporter.__path__, "exporter.")]
    for name in names:
        if not name.startswith(("tests.tables", "tests.demo.training.train")) and not name.endswith("__main__"):
            importlib.import_module(name)
    for name in (
        "torch",
        "onnxruntime",
        "onnxscript",
        "onnxsim",
        "cv2",
        "torch.onnx",
        "matplotlib.pyplot",
        "PIL.Image",
    ):
        importlib.import_module(name)


def child(request, folder: Path) -> int:
    os.chdir(request["cwd"])
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), descriptor)
    fault = Fault(**request["fault"]) if request.get("fault") else None
    exec(request.get("python") or "", {})
    from exporter.cli import main  # only now: it may have been replaced

    if fault:
        fault.install()
    code = 99
    try:
        code = main(request["words"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the test is told
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    if fault:
        (folder / "seen").write_text(json.dumps(fault.seen))
    return code


def run(request):
    """One answer, or with `copies` one for each of as many processes that begin at once."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, started = Path(scratch), time.monotonic()
        pids = []
        for number in range(request.get("copies") or 1):
            (folder / str(number)).mkdir()
            pids.append(begun(request, folder / str(number)))
        if after := request.get("kill_after"):
            time.sleep(after)
            os.kill(pids[0], request["signal"])
        answers = [ended(pid, folder / str(number), started) for number, pid in enumerate(pids)]
        return answers if request.get("copies") else answers[0]


def begun(request, folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        code = 98
        try:
            code = child(request, folder)
        finally:
            os._exit(code)
    return pid


def ended(pid: int, folder: Path, started: float):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    out, err, seen = (
        (folder / name).read_text(errors="replace") if (folder / name).exists() else ""
        for name in ("out", "err", "seen")
    )
    return {
        "code": code,
        "seen": json.loads(seen or "[]"),
        "seconds": time.monotonic() - started,
        "out": out,
        "err": err,
    }


if __name__ == "__main__":
    everything_imported()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
