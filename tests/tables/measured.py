"""What a row of a table needs measured: a build by the command line, its accuracy, its time."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from exporter.artifact.benchmark.cases import cases
from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import Manifest, read_manifest
from exporter.benchmark.paired import interleaved, ratio
from exporter.benchmark.section import Ratio
from exporter.common.errors import BuildError
from exporter.common.progress_form import progress_in
from exporter.common.provenance import cores
from exporter.evaluation.demo import DemoEvaluation
from exporter.evaluation.evaluate import evaluate


def built(overrides: Sequence[str], folder: Path, store: str = "none") -> tuple[Manifest, float]:
    """The artifact that the command line builds into `folder`, and the seconds it took from start to end.

    store: `store.path`; without one the seconds are those of a whole build. Raises BuildError with its own reason where
    it fails."""
    command = [sys.executable, "-m", "exporter", *overrides, f"store.path={store}", f"output_dir={folder}"]
    started = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or [f"ended with {run.returncode}"]
        raise BuildError(last[0].removeprefix("exporter: "))
    return read_manifest(folder), round(seconds, 1)


def demo_map(folder: Path, scenes: int) -> float:
    """mAP@[.5:.95] in points of the artifact in `folder`, on synthetic images neither trained nor calibrated on."""
    manifest = read_manifest(folder)
    names = manifest.model.class_names
    examples = DemoEvaluation(num_images=scenes).examples(names, *manifest.input.nominal_image)
    detector = detector_of(folder, manifest)
    return evaluate(detector, None, examples, len(names), progress_in("text"), name="demo").artifact.map


def time_ratio(folder: Path, baseline: Path, rounds: int) -> Ratio:
    """Time of one artifact to that of another, run by run in turn with all cores, one image of the nominal size."""
    both = cases([folder, baseline], ["own"], ["f32"], ["latency"], [cores()], None)
    runs = [case.subject.runner(cores()) for case in both]
    return ratio(*interleaved(runs, rounds))
