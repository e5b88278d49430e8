"""What mixed precision was chosen by: the layers by their sensitivity, and what leaving them in float costs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from exporter.artifact.manifest import Manifest
from exporter.report.page.charts import bar, bars
from exporter.report.page.figures import signed
from exporter.report.page.markup import paragraph

MOST_LAYERS = 24


def ranking(manifest: Manifest) -> str:
    """A bar for each of the most sensitive layers, empty where nothing was ranked."""
    quantization = manifest.quantization
    ranked, in_float = quantization.get("ranking", []), set(quantization.get("left_for_accuracy", []))
    if not ranked:
        return ""
    largest = max(row["error"] for row in ranked) or 1.0
    rows = [_layer(row, largest, row["layer"] in in_float) for row in ranked[:MOST_LAYERS]]
    legend = paragraph(
        "The error at the network's outputs when only this layer works on integers (0: none, about 1: everything lost)"
        f" and the points of mAP that it costs, on {quantization['num_images']['ranking']} calibration pictures. Grey:"
        " layers that this artifact leaves in float.",
        "note",
    )
    return legend + bars(rows, len(ranked), "layers", "layers")


def _layer(row: Mapping[str, Any], largest: float, in_float: bool) -> str:
    kind, where = ("reference", "in float") if in_float else ("own", "in INT8")
    shape = f'<rect class="{kind}" y="4" width="{100 * row["error"] / largest:.2f}" height="13"/>'
    drop = row["map_drop"]
    points = "" if drop is None else f"<small> {signed(-drop, 2)}</small>"
    words = f"{row['layer']}, {where}: error {row['error']:.3g}"
    return bar(row["layer"], shape, words, f"<b>{row['error']:.2g}</b>{points}")


class Point(NamedTuple):
    """So many layers on integers: the points of mAP that they cost, and the time end to end, of FP32's."""

    in_int8: int
    drop: float
    ratio: float
    chosen: bool


def points(manifest: Manifest) -> list[Point]:
    """What was both scored and timed, by the number of layers, the others of the ranking's order being in float: FP32,
    which all are measured by, and the artifact among them."""
    ratios = {each["in_int8"]: each["ratio"] for each in manifest.run.get("tradeoff", [])}
    tried = [each for each in manifest.quantization.get("tried", []) if each["chosen"] or not each["given_back"]]
    by_count = {each["in_int8"]: each for each in sorted(tried, key=lambda each: each["chosen"])}
    own = [
        Point(count, by_count[count]["drop"], ratios[count], by_count[count]["chosen"])
        for count in sorted(by_count)
        if count in ratios
    ]
    return [Point(0, 0.0, 1.0, False), *own] if own else []


def tradeoff(manifest: Manifest) -> str:
    """A row for each point, empty where nothing was tried."""
    known = points(manifest)
    if not known:
        return ""
    quantization = manifest.quantization
    most = max(quantization["max_drop"], *(point.drop for point in known)) or 1.0
    legend = paragraph(
        f"Above, orange: points of mAP lost on {quantization['num_images']['drop']} calibration pictures (labels:"
        f" {quantization['labels']}), of which {quantization['max_drop']:g} are allowed. Below, blue: the time end to"
        " end, of FP32's.",
        "note",
    )
    slowest = max(point.ratio for point in known)
    return legend + bars([_point(each, most, slowest) for each in known], len(known), "points")


def _point(point: Point, most: float, slowest: float) -> str:
    shapes = (
        f'<rect class="lost" y="1" width="{100 * max(point.drop, 0) / most:.2f}" height="9"/>'
        f'<rect class="own" y="11" width="{100 * point.ratio / slowest:.2f}" height="9"/>'
    )
    name = f"{point.in_int8} layers in INT8" + (": this artifact" if point.chosen else "")
    words = f"{name}, {point.drop:.2f} points lost, {point.ratio:.2f} of the time of FP32"
    return bar(name, shapes, words, f"{signed(-point.drop, 2)} <b>×\u202f{point.ratio:.2f}</b>")
