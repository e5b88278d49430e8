"""Peak memory of a process that does nothing but run a model.

For ONNX Runtime `peak_memory` starts this very file as a program of its own, which is why it imports nothing of the
exporter at its top.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.benchmark.subject import Subject

RUNS = 3  # the arena has its final size after the first


def peak_memory(subject: "Subject", threads: int) -> int | None:
    """Bytes resident at most, the engine's own included; None where the system does not tell (no /proc), and of a
    provider that computes elsewhere than on the CPU.

    Raises BuildError where the process fails."""
    import numpy as np

    from exporter.common.errors import BuildError
    from exporter.runtime.onnx_runtime import prepared

    if subject.engine.own_process:
        session = subject.engine.session(subject.model, threads)
        for _ in range(RUNS):
            session.run(None, subject.feeds)
        return session.peak_memory()
    if subject.engine.settings:
        return None
    source, entries = prepared(subject.model)
    with tempfile.TemporaryDirectory() as folder:
        model, array = Path(folder) / "model.onnx", Path(folder) / "input.npy"
        model.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        np.save(array, subject.array)
        given = (str(model), subject.input_name, str(array), str(threads), json.dumps(entries))
        words = [sys.executable, "-P", __file__, *given]
        run = subprocess.run(words, capture_output=True, text=True, check=False)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BuildError(f"benchmark: the process that measures memory ended with {run.returncode}: {last[0][:300]}")
    return int(run.stdout) if run.stdout.strip() else None


def _main(model: str, input_name: str, array: str, threads: str, entries: str) -> None:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = int(threads), 1, 3
    for key, value in json.loads(entries).items():
        options.add_session_config_entry(key, value)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {input_name: np.load(array)}
    for _ in range(RUNS):
        session.run(None, feed)
    # Not resource.getrusage: there the peak of the process that started this one counts as well.
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            print(1024 * int(line.split()[1]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
