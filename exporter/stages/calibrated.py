"""What calibration and quantization leave: all that the stages behind them get."""

from typing import NamedTuple

from exporter import manifest as m
from exporter.quantization.quantized import Quantized


class Calibrated(NamedTuple):
    """A core in the wanted precision, and what it was calibrated on (None where that takes no pictures)."""

    quantized: Quantized
    calibration: m.Calibration | None
