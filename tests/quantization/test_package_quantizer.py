"""Engines of others that are not installed, and what they cannot do: said before any work."""

import pytest

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.quantization import package_quantizer

S = "+recipe=yolo_nas_s"


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(package_quantizer, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "modelopt",
            ["modelopt and requests and huggingface_hub cannot be imported", 'pip install "exporter[modelopt]"'],
        ),
        ("nncf", ["nncf cannot be imported", 'pip install "exporter[nncf]"']),
        ("pytorch_quantization", ["NVIDIA's own package index", "quantization=modelopt is its successor"]),
    ],
)
def test_a_package_that_is_missing(nothing_installed, name, parts):
    with pytest.raises(RequestError) as error:
        check(compose([S, f"quantization={name}"]))
    assert all(part in str(error.value) for part in (f"quantization={name}: ", *parts)), error.value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["quantization=modelopt", "calibration.method=mse"], "calibration.method=mse: quantization=modelopt has minmax, percentile, entropy"),
        (["quantization=nncf", "calibration.method=entropy"], "calibration.method=entropy: quantization=nncf has minmax, percentile, mse"),
        (["quantization=nncf", "backend=tensorrt", "postprocessing/nms=none"], "quantization=nncf: makes u8s8 only, the backend wants s8s8"),
    ],
)  # fmt: skip
def test_what_it_cannot_do(monkeypatch, overrides, message):
    monkeypatch.setattr(package_quantizer, "find_spec", lambda name: object())
    with pytest.raises(RequestError) as error:
        check(compose([S, *overrides]))
    assert message in str(error.value)


def test_what_is_there_is_no_problem(monkeypatch):
    monkeypatch.setattr(package_quantizer, "find_spec", lambda name: object())
    for name in ("modelopt", "nncf", "pytorch_quantization"):
        assert check(compose([S, f"quantization={name}"])).quantization.name == name
