"""ONNX Runtime's providers: which one ran what is counted in its own profile, and none stands in for another unsaid."""

import numpy as np
import onnxruntime as ort
import pytest

from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.runtime import onnx_runtime
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.runtime.test_openvino import scaled

FEEDS = {"x": np.ones((2, 3), np.float32)}


def test_one_that_is_not_installed_is_refused_before_work_starts():
    there = [
        name
        for name in ("openvino", "cuda", "tensorrt")
        if onnx_runtime.PROVIDERS[name] in ort.get_available_providers()
    ]
    for name in {"openvino", "cuda", "tensorrt"} - set(there):
        with pytest.raises(RequestError, match=rf"backend\.provider={name}: .* has only cpu.*: install onnxruntime-"):
            check(compose(["+recipe=yolo_nas_s", f"backend.provider={name}"]))
        with pytest.raises(RequestError, match="has only"):
            OnnxRuntimeEngine(name).session(scaled())


def test_the_cpu_has_no_other_to_give_nodes_to():
    assert OnnxRuntimeEngine().placement(scaled(), FEEDS) is None


def test_nodes_are_counted_by_who_ran_them(monkeypatch):
    monkeypatch.setitem(onnx_runtime.PROVIDERS, "openvino", "CPUExecutionProvider")  # the one that is here
    assert OnnxRuntimeEngine("openvino").placement(scaled(), FEEDS) == {"CPUExecutionProvider": 1}


def test_a_provider_that_ran_nothing_fails_the_build(monkeypatch):
    real = onnx_runtime.session
    monkeypatch.setattr(onnx_runtime, "session", lambda model, options, provider: real(model, options, "cpu"))
    with pytest.raises(
        BuildError, match=r"provider=cuda: ONNX Runtime gave none of 1 nodes to it.*CPUExecutionProvider"
    ):
        OnnxRuntimeEngine("cuda").placement(scaled(), FEEDS)


def test_a_provider_whose_libraries_do_not_load_is_an_error(monkeypatch):
    monkeypatch.setattr(onnx_runtime, "check_provider", lambda provider: None)
    with pytest.raises(
        BuildError, match=r"ONNX Runtime (cannot start CUDAExecutionProvider here|does not take the model)"
    ):
        OnnxRuntimeEngine("cuda").session(scaled())
