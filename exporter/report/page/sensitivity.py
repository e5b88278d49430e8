"""What mixed precision was chosen by: how much of the ranking is shown, and what leaving layers in float costs."""

from typing import NamedTuple

from exporter.artifact.manifest import Manifest
from exporter.quantization.section import Mixed

MOST_LAYERS = 24


class Point(NamedTuple):
    """So many layers on integers: the points of mAP that they cost, and the time end to end, of FP32's."""

    in_int8: int
    drop: float
    ratio: float
    chosen: bool


def points(manifest: Manifest) -> list[Point]:
    """What was both scored and timed, by the number of layers, the others of the ranking's order being in float: FP32,
    which all are measured by, and the artifact among them."""
    ratios = {each.in_int8: each.ratio for each in manifest.run.tradeoff}
    quantization = manifest.quantization
    every = quantization.tried if isinstance(quantization, Mixed) else []
    tried = [each for each in every if each.chosen or not each.given_back]
    by_count = {each.in_int8: each for each in sorted(tried, key=lambda each: each.chosen)}
    own = [
        Point(count, by_count[count].drop, ratios[count], by_count[count].chosen)
        for count in sorted(by_count)
        if count in ratios
    ]
    return [Point(0, 0.0, 1.0, False), *own] if own else []
