"""ONNX Runtime's providers: which one ran what is counted in its own profile, and none stands in for another unsaid."""

import resource

import numpy as np
import onnxruntime as ort
import pytest

from exporter.backend.onnxruntime import OnnxRuntime
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.quantization.none import NoQuantization
from exporter.runtime import onnx_runtime
from exporter.runtime.engine import Limits
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
    monkeypatch.setattr(onnx_runtime, "session", lambda model, options, provider, told: real(model, options, "cpu"))
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


CUDA = ["+recipe=yolo_nas_s", "backend.provider=cuda"]


@pytest.mark.parametrize(("overrides", "says"), [
    (["+recipe=yolo_nas_s", "backend.tf32=true"], r"tf32=true: has no effect with backend\.provider=cpu"),
    ([*CUDA, "backend.cuda_graph=true"], r"nms=onnx cannot be captured: take postprocessing/nms=cluster .*rounds=24, or none"),
    ([*CUDA, "backend.cuda_graph=true", "postprocessing/nms=cluster"], r"nms=cluster cannot be captured"),
    ([*CUDA, "backend.cuda_graph=true", "postprocessing/nms=none", "input.batch=dynamic"], r"has fixed shapes: fix input\.batch"),
    ([*CUDA, "backend.cuda_graph=true", "postprocessing/nms=none", "input.size=dynamic"], r"has fixed shapes"),
    ([*CUDA, "quantization=int8", "calibration=demo"], r"quantization=int8: slower than FP16 .*6\.6 ms.*allow_slow=true"),
])  # fmt: skip
def test_what_cuda_cannot_do_is_refused_with_what_to_do(overrides, says):
    with pytest.raises(RequestError, match=says):
        check(compose(overrides))


@pytest.mark.parametrize("overrides", [
    [*CUDA, "quantization=int8", "calibration=demo", "backend.allow_slow=true"],
    [*CUDA, "backend.cuda_graph=true", "postprocessing/nms=cluster", "postprocessing.nms.rounds=24"],
])  # fmt: skip
def test_what_it_can_do_is_not(overrides, monkeypatch):
    monkeypatch.setattr(onnx_runtime, "check_provider", lambda provider: None)
    check(compose(overrides))


def test_what_it_was_proved_with_is_in_the_settings_and_read_back():
    engine = OnnxRuntime(provider="cuda", prefer_nhwc=True, cuda_graph=True).engine
    told = {"provider": "CUDAExecutionProvider", "use_tf32": "0", "enable_cuda_graph": "1", "prefer_nhwc": "1"}
    assert engine.settings == told
    assert OnnxRuntimeEngine.of(told) == engine
    assert OnnxRuntime(provider="cuda", tf32=True).engine.settings["use_tf32"] == "1"
    assert OnnxRuntime().engine.settings == {}
    for wrong in ({"use_tf32": "yes"}, {"device_id": "1"}):
        with pytest.raises(RequestError, match="no such option"):
            OnnxRuntimeEngine.of({"provider": "CUDAExecutionProvider", **wrong})


def test_tf32_widens_the_bounds_of_the_proof_that_there_are():
    assert OnnxRuntime(provider="cuda").bounds == {}
    assert OnnxRuntime(provider="cuda", tf32=True).bounds["max_box_error"] > NoQuantization.bounds["max_box_error"]


def test_on_a_gpu_the_providers_arena_is_bounded_and_not_addresses(monkeypatch):
    seen = {}

    def opened(model, options, provider, told):
        seen.update(told, addresses=resource.getrlimit(resource.RLIMIT_AS)[0])

    monkeypatch.setattr(onnx_runtime, "session", opened)
    before = resource.getrlimit(resource.RLIMIT_AS)[0]
    OnnxRuntimeEngine("cuda", (("use_tf32", "0"),)).session(scaled(), limits=Limits(10**9, 60, "x"))
    assert seen == {"use_tf32": "0", "gpu_mem_limit": "1000000000", "addresses": before}
    OnnxRuntimeEngine("cpu").session(scaled(), limits=Limits(10**9, 60, "x"))
    assert seen["addresses"] != before
