"""What the campaigns share: commands that are run with a fault, artifacts that are looked at, and the count."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from exporter.artifact.verify import verify

ROOT = Path(__file__).parents[2]
# A network of seven convolutions, whose digest is our word for its code: its results are kept.
SMALL = ["model=custom", "model._target_=tests.small_network.SmallDetector", "model.digest=one", "trust=tests",
         "preprocessing=yolo_nas", "name=small", "input.size=64", "proof.num_images=1", "proof.num_scenes=0"]  # fmt: skip
OTHER = "postprocessing.nms.max_predictions_per_image=7"
"""The same artifact but for one parameter, so that a mix of both shows."""


class Server:
    """Has commands run by `tests.faults.server`."""

    def __init__(self, cwd: Path):
        self.cwd = cwd
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self._process.stdout and self._process.stdout.readline() == '"ready"\n'

    def run(self, arguments, fault=None, **more):
        assert self._process.stdin and self._process.stdout
        given = {"words": [str(argument) for argument in arguments], "fault": fault, "cwd": str(self.cwd), **more}
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def good(answer):
    """That a command without a fault is done."""
    assert answer["code"] == 0, answer["err"]
    return answer


def in_one_line(answer, codes=(1, 2)):
    """That a command has failed, and said why in one line."""
    said = [line for line in answer["err"].splitlines() if line.startswith("exporter: ")]
    assert answer["code"] in codes, (answer["code"], answer["err"])
    assert len(said) == 1 and answer["err"].rstrip().endswith(said[0]) and "Traceback" not in answer["err"], answer[
        "err"
    ]
    return said[0]


def contents(folder: Path) -> dict[str, str]:
    """Size and digest of all files below it, by name: `manifest.json` without the facts of its run, and in `.hydra` only that
    something is there, since the overrides say where things go."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        if file.name == "manifest.json":
            data = json.dumps(json.loads(data) | {"run": None}).encode()
        if file.parent.name == ".hydra":
            data = bytes(min(len(data), 1))
        found[str(file.relative_to(folder))] = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    return found


reported: list["Campaign"] = []
"""Since somebody last looked."""


class Campaign:
    """Counts faults. bytes lost: of files that are neither what was there before a fault nor what was to come."""

    def __init__(self, name: str):
        self.name, self.injected, self.survived, self.lost = name, 0, 0, 0

    def look(self, folder: Path, *states: dict[str, str]) -> None:
        """After a fault: `folder` must be one of the states, whole."""
        self.injected += 1
        found = contents(folder) if folder.exists() else {}
        if found in states:
            self.survived += 1
            return
        near = max(states, key=lambda state: len(state.items() & found.items()))
        self.lost += sum(int(was.split()[0]) for name, was in near.items() if found.get(name) != was)
        other = sorted(name for name in near | found if near.get(name) != found.get(name))
        raise AssertionError(f"{self.name}: {self.lost} bytes lost: {folder} is no whole artifact: {other}")

    def report(self) -> None:
        """The line that is read with -s."""
        print(f"\n{self.name}: {self.injected} faults injected, {self.survived} survived, {self.lost} bytes lost")
        reported.append(self)
        assert self.injected == self.survived


def verified(folder: Path) -> None:
    list(verify(folder))
