"""Which TensorRT is installed, and whether this code knows it."""

import importlib
import re
from types import ModuleType
from typing import Literal

from exporter.common.errors import RequestError

KNOWN = ("10", "11")


def installed() -> ModuleType | None:
    """The package `tensorrt`; None where it is not installed. Raises RequestError where it cannot be loaded."""
    try:
        return importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        if error.name != "tensorrt":
            raise RequestError(f"tensorrt: {error}: install the extra, pip install exporter[tensorrt]") from error
        return None
    except ImportError as error:  # its libraries are missing, or are not for this system
        raise RequestError(f"tensorrt: cannot be loaded: {error}: install it again") from error


def major(trt: ModuleType) -> Literal["10", "11"]:
    """Its major version. Raises RequestError for one whose API this code does not know."""
    found = re.match(r"\d+", str(getattr(trt, "__version__", "")))
    if found and found[0] in KNOWN:
        return "10" if found[0] == "10" else "11"
    raise RequestError(
        f"tensorrt {getattr(trt, '__version__', 'without a version')}: known are {' and '.join(KNOWN)}: install one of"
        " them, or build the engine with trtexec (exporter engine DIR --commands prints how)"
    )
