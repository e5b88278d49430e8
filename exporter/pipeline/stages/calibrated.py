"""What calibration and quantization leave: all that the stages behind them get."""

from typing import NamedTuple

from pydantic import BaseModel

from exporter.calibration.section import Calibration
from exporter.quantization.quantized import Quantized
from exporter.quantization.section import AnyQuantization


class Calibrated(NamedTuple):
    """A core in the wanted precision, and what it was calibrated on (None where that takes no images)."""

    quantized: Quantized
    calibration: Calibration | None


class Summary(BaseModel):
    """What the manifest says of a `Calibrated`."""

    quantization: AnyQuantization
    calibration: Calibration | None


def summed_up(calibrated: Calibrated) -> Summary:
    """Without the graphs, which are large."""
    return Summary(quantization=calibrated.quantized.summary, calibration=calibrated.calibration)
