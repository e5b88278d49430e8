"""`report.html`: one page that needs nothing but itself, from the manifest and a few images."""

from collections.abc import Sequence
from pathlib import Path

from exporter.artifact.manifest import Manifest
from exporter.report.figure import svg_uri
from exporter.report.html import render
from exporter.report.page.images import Compared
from exporter.report.page.metrics import MOST_CLASSES, by_class, side_by_side, tiles
from exporter.report.page.plots import latency
from exporter.report.page.sensitivity import MOST_LAYERS, points

FILE = "report.html"
# Whatever gets into the page by mistake: a browser loads nothing and runs nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(folder: Path, manifest: Manifest, images: Sequence[Compared]) -> None:
    """Writes `report.html` into the folder."""
    data = page(manifest, images).encode("utf-8", errors="xmlcharrefreplace")  # a name may hold half a surrogate
    (folder / FILE).write_bytes(data)


def page(manifest: Manifest, images: Sequence[Compared]) -> str:
    """The page as HTML: no scripts, nothing from outside. The same manifest and images give the same text."""
    return render(
        "report/page/report.html",
        policy=POLICY,
        manifest=manifest,
        images=images,
        tiles=list(tiles(manifest)),
        rows=list(side_by_side(manifest)),
        classes=by_class(manifest.evaluation, manifest.model.class_names),
        most_classes=MOST_CLASSES,
        latency=svg_uri(latency(manifest.benchmark.end_to_end)) if manifest.benchmark else None,
        tradeoff=points(manifest),
        most_layers=MOST_LAYERS,
    )
