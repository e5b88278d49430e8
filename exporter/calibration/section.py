"""The manifest's section on calibration images."""

from exporter.common.section import Section


class Calibration(Section):
    """The images that the ranges were taken from; `digest` is a sha256 over their pixels, `duplicates` counts those
    that are the same, pixel by pixel, as one before them, `bit_depth` is what images of 16 bits were scaled by (null:
    there are none). `labels`: as in `Evaluation`, of what was read of them."""

    name: str
    method: str
    num_images: int
    duplicates: int
    digest: str
    labels: dict[str, int] = {}  # noqa: RUF012 - pydantic copies it
    bit_depth: int | None = None
