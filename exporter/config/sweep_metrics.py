"""The metrics that the runs of a sweep are compared by, under their names in `sweep.constraint`, `sweep.metric` and the
summary."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.artifact.manifest import Manifest


@dataclass(frozen=True)
class Metrics:
    """What one run measured; None where it did not.

    map: COCO's mAP in points of 100; drop: points lost against the FP32 artifact of the same recipe; latency:
    milliseconds end to end, the median; ratio: that against the FP32 artifact; size: MB (10⁶ bytes) of the file;
    seconds: the whole run. Where the artifact is the FP32 one itself, drop is 0 and ratio is 1.
    """

    map: float | None = None
    drop: float | None = None
    latency: float | None = None
    ratio: float | None = None
    size: float | None = None
    seconds: float | None = None


NAMES = tuple(Metrics.__dataclass_fields__)


def metrics(manifest: "Manifest", seconds: float) -> Metrics:
    """Those in the manifest: accuracy from the evaluation, or where that is off from the proof's few
    synthetic images."""
    evaluation, benchmark, found = manifest.evaluation, manifest.benchmark, manifest.proof.detections
    if evaluation:
        score, drop = evaluation.artifact.map, evaluation.drop if evaluation.reference else 0.0
    else:
        score = found.map
        drop = None if found.map is None else found.torch_map - found.map
    latency = benchmark.end_to_end if benchmark else None
    return Metrics(
        map=score,
        drop=drop,
        latency=latency.artifact.p50_ms if latency else None,
        ratio=None if latency is None else latency.ratio.median if latency.ratio else 1.0,
        size=manifest.artifact.bytes / 1e6,
        seconds=seconds,
    )


def measured_on(manifest: "Manifest") -> str | None:
    """What `map` and `drop` were measured on, in words; None where they were not."""
    if manifest.evaluation:
        return f"evaluation={manifest.evaluation.name}, {manifest.evaluation.num_images} images"
    found = manifest.proof.detections
    return None if found.map is None else f"the proof's {found.scenes} synthetic images"
