"""ONNX Runtime's providers: which one ran what is counted in its own profile, and none stands in for another unsaid."""

import resource
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

from exporter.backend.onnxruntime import OnnxRuntime
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.quantization.none import NoQuantization
from exporter.runtime import onnx_providers, onnx_runtime
from exporter.runtime.engine import Limits
from exporter.runtime.onnx_bound import Bound
from exporter.runtime.onnx_providers import PROVIDERS, Kind
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.backend.lint.graphs import PLUGIN, parse
from tests.runtime.test_openvino import scaled

FEEDS = {"x": np.ones((2, 3), np.float32)}


def test_one_that_is_not_installed_is_refused_before_work_starts():
    there = [name for name in ("openvino", "cuda", "tensorrt") if PROVIDERS[name].name in ort.get_available_providers()]
    for name in {"openvino", "cuda", "tensorrt"} - set(there):
        with pytest.raises(RequestError, match=rf"backend\.provider={name}: .* has only cpu.*: install onnxruntime-"):
            check(compose(["+recipe=yolo_nas_s", f"backend.provider={name}"]))
        with pytest.raises(RequestError, match="has only"):
            OnnxRuntimeEngine(name).session(scaled())


def test_the_cpu_has_no_other_to_give_nodes_to():
    assert OnnxRuntimeEngine().placement(scaled(), FEEDS) is None


def test_nodes_are_counted_by_who_ran_them(monkeypatch):
    monkeypatch.setitem(PROVIDERS, "openvino", Kind("CPUExecutionProvider"))  # the one that is here
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
RTX = ["+recipe=yolo_nas_s", "backend.provider=tensorrt_rtx"]


@pytest.mark.parametrize(("overrides", "says"), [
    ([*CUDA, "export.opset=19"], r"export\.opset=19: Resize of that opset has no kernel .*take export\.opset=18, or add backend\.allow_slow=true"),
    ([*CUDA, "export.opset=20"], r"export\.opset=20: Resize and ReduceMax of that opset"),
    ([*RTX, "postprocessing/nms=onnx"], r"nms=onnx: TensorRT-RTX has no implementation of NonMaxSuppression: take postprocessing/nms=cluster"),
    ([*RTX, "postprocessing/format=flat", "postprocessing/nms=cluster"], r"format=flat: TensorRT-RTX has no implementation of NonZero"),
    ([*RTX, "quantization=int8", "calibration=demo"], r"quantization=int8: its uint8 activations .*values above 127 saturate\): take backend=tensorrt_rtx or tensorrt"),
    ([*RTX, "backend.cuda_graph=true"], r"cuda_graph=true: has no effect with backend\.provider=tensorrt_rtx"),
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
    [*CUDA, "export.opset=20", "backend.allow_slow=true"],
    ["+recipe=yolo_nas_s", "export.opset=20"],
    [*RTX, "postprocessing/nms=cluster", "quantization=fp16"],
])  # fmt: skip
def test_what_it_can_do_is_not(overrides, monkeypatch):
    monkeypatch.setattr(onnx_providers, "check_provider", lambda provider: None)
    check(compose(overrides))


def test_what_it_was_proved_with_is_in_the_settings_and_read_back():
    engine = OnnxRuntime(provider="cuda", prefer_nhwc=True, cuda_graph=True).engine
    told = {"provider": "CUDAExecutionProvider", "use_tf32": "0", "enable_cuda_graph": "1", "prefer_nhwc": "1"}
    assert engine.settings == told
    assert OnnxRuntimeEngine.of(told) == engine
    assert OnnxRuntime(provider="cuda", tf32=True).engine.settings["use_tf32"] == "1"
    assert OnnxRuntime().engine.settings == {}
    for wrong in ({"use_tf32": "yes"}, {"device_id": "1"}):
        with pytest.raises(RequestError, match="no such option of CUDA"):
            OnnxRuntimeEngine.of({"provider": "CUDAExecutionProvider", **wrong})
    with pytest.raises(RequestError, match="use_tf32=1 is no such option of CPU"):
        OnnxRuntimeEngine.of({"use_tf32": "1"})  # of CUDA alone


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


# A plugin: a provider that ONNX Runtime does not hold. The one of TensorRT for RTX needs an RTX GPU; ONNX Runtime's own CPU
# device, in its place, goes the same way from the registration to a run.


@pytest.fixture
def plugin(monkeypatch):
    """The package of the plugin, with this file as its library, and nothing registered yet."""
    monkeypatch.setitem(
        sys.modules, PROVIDERS["tensorrt_rtx"].plugin, SimpleNamespace(get_library_path=lambda: __file__)
    )
    onnx_providers._register.cache_clear()
    yield
    onnx_providers._register.cache_clear()


def test_a_plugin_that_is_not_installed_says_what_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, PROVIDERS["tensorrt_rtx"].plugin, None)
    onnx_providers._register.cache_clear()
    with pytest.raises(
        RequestError,
        match=r"^backend\.provider=tensorrt_rtx: is a plugin .*pip install exporter\[onnxruntime-tensorrt-rtx\], or take",
    ):
        check(compose([*RTX, "postprocessing/nms=cluster"]))


def test_a_plugin_whose_library_does_not_load_says_why(plugin):
    with pytest.raises(
        RequestError, match=r"its plugin does not load here: .*(ELF|file).*: it needs an NVIDIA RTX GPU"
    ):
        onnx_providers.check_provider("tensorrt_rtx")


def test_a_plugin_without_a_device_is_one_line(plugin, monkeypatch):
    monkeypatch.setattr(ort, "register_execution_provider_library", lambda name, path: None)
    with pytest.raises(RequestError, match=r"NvTensorRTRTXExecutionProvider finds no device here that it fits"):
        OnnxRuntimeEngine("tensorrt_rtx").session(scaled())


def test_the_real_plugin_up_to_the_device():
    """Where the package is installed, and no such GPU: whichever of the two reasons this machine has."""
    pytest.importorskip(PROVIDERS["tensorrt_rtx"].plugin, reason="the extra onnxruntime-tensorrt-rtx is not installed")
    try:
        assert onnx_providers.plugin_devices("tensorrt_rtx")
    except RequestError as error:
        assert "does not load here: lib" in str(error) or "finds no device here" in str(error)


def test_a_session_on_a_plugins_devices(monkeypatch):
    monkeypatch.setitem(PROVIDERS, "tensorrt_rtx", Kind("CPUExecutionProvider", plugin="none: its device is there"))
    engine = OnnxRuntimeEngine("tensorrt_rtx")
    (found,) = engine.session(scaled()).run(None, FEEDS)
    np.testing.assert_array_equal(found, OnnxRuntimeEngine().session(scaled()).run(None, FEEDS)[0])
    assert engine.placement(scaled(), FEEDS) == {"CPUExecutionProvider": 1}


def test_each_provider_is_read_back_from_a_manifest():
    for name, kind in PROVIDERS.items():
        engine = OnnxRuntimeEngine(name)
        assert OnnxRuntimeEngine.of(engine.settings) == engine
        assert kind.name in engine.label(scaled()) or name == "cpu"


# What goes wrong in a run


@pytest.mark.parametrize("content", [b"EfficientNMS_TRT trt.plugins", b"QuantizeLinear"])
def test_bytes_that_only_hold_the_words_are_no_model(content):
    with pytest.raises(BuildError, match="ONNX Runtime does not take the model: Error parsing message"):
        OnnxRuntimeEngine().session(content)


@pytest.mark.parametrize(("old", "new"), [
    ("box_coding = 0", "box_coding = 0, colour = 1"),
    ("score_threshold = 0.25,", ""),
    ("max_output_boxes = 10", 'max_output_boxes = "ten"'),
    ("float[1,100,3] scores", "float[100,3] scores"),
])  # fmt: skip
def test_a_plugin_that_is_not_as_its_readme_says_is_one_line(old, new):
    with pytest.raises(BuildError) as error:
        OnnxRuntimeEngine().session(parse(PLUGIN.replace(old, new)).SerializeToString())
    assert "\n" not in str(error.value)


def failing(message, provider="cuda"):
    """A session of this provider, as far as our code knows, whose engine says this."""
    opened = OnnxRuntimeEngine().session(scaled())
    opened._kind = PROVIDERS[provider]

    def run(*given):
        raise RuntimeError(message)

    opened._session = SimpleNamespace(run=run)
    return opened


@pytest.mark.parametrize("message", [
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Available memory of 1048576 is smaller than requested bytes of 9999999",
    "CUDA failure 2: out of memory ; GPU=0", "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
])  # fmt: skip
def test_a_gpu_without_memory_is_said_with_what_to_do(message):
    with pytest.raises(BuildError, match=r"does not fit into the GPU's memory \(.*\): take a smaller input\.batch"):
        failing(message).run(None, FEEDS)
    with pytest.raises(BuildError, match="cannot run it: CUDA failure 700"):
        failing("CUDA failure 700: illegal address").run(None, FEEDS)


def test_a_provider_that_fails_in_a_run_is_not_replaced_by_the_cpu():
    """ONNX Runtime's Python would make a new session on the CPU, print so, and go on."""

    class Broken:
        def __init__(self, inner):
            self.inner = inner

        def run(self, *given):
            raise ort.capi.onnxruntime_pybind11_state.EPFail("CUDA failure 700")

        def __getattr__(self, name):
            return getattr(self.inner, name)

    opened = OnnxRuntimeEngine().session(scaled())
    opened._session._sess = Broken(opened._session._sess)
    with pytest.raises(BuildError, match="CUDA failure 700"):
        opened.run(None, FEEDS)


@pytest.mark.parametrize("shape", [(2, 3), ("n", 3)])
def test_a_captured_session_gives_the_outputs_of_each_image(shape):
    """Inputs and outputs stay where they were: here in the CPU's memory."""
    opened = OnnxRuntimeEngine().session(scaled(shape=shape))
    opened._captured = Bound(opened._session, "cpu")
    plain = OnnxRuntimeEngine().session(scaled())
    rounds = [{"x": np.full((2, 3), i, np.float32)} for i in range(3)]
    found = [opened.run(None, feeds)[0] for feeds in rounds]
    for feeds, output in zip(rounds, found, strict=True):
        np.testing.assert_array_equal(output, plain.run(None, feeds)[0])
    with pytest.raises(BuildError, match=r"x: float32 \[1, 3\], and the first run had float32 \[2, 3\]: a CUDA graph"):
        opened.run(None, {"x": np.ones((1, 3), np.float32)})
