"""What calibrates when nobody says: the demo scenes for the demo weights, and nothing for any others."""

from collections.abc import Iterator

from exporter.calibration.demo import DemoCalibration


class AutoCalibration(DemoCalibration):
    """As `DemoCalibration`, but only for the demo's own weights."""

    def problems(self, weights: str) -> Iterator[str]:
        """A clause for any weights but the demo's: ranges from scenes they were not trained on would be wrong."""
        if weights != "demo":
            yield (
                f"calibration: the demo scenes would calibrate model.weights={weights} wrongly: say which pictures do,"
                " calibration=folder calibration.path=…, coco, yolo, custom (your loader) or, to try things out, demo"
            )
