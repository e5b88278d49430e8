"""What calibrates when nobody says: the synthetic images for the demo weights, and nothing for any others."""

from collections.abc import Iterator

from exporter.calibration.demo import DemoCalibration


class AutoCalibration(DemoCalibration):
    """As `DemoCalibration`, but only for the demo's own weights."""

    def problems(self, weights: str) -> Iterator[str]:
        """A clause for any weights but the demo's: ranges from synthetic images they were not trained on would be
        wrong."""
        if weights != "demo":
            yield (
                f"calibration: the synthetic images would calibrate model.weights={weights} wrongly: say which images"
                " do, calibration=folder calibration.path=…, coco, yolo, custom (your loader) or, to try things out,"
                " demo"
            )
