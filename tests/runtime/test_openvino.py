"""OpenVINO in a process of its own: the same outputs as ONNX Runtime's, and no failure of its that takes this one along."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx import numpy_helper as nph

from exporter.common.errors import BuildError, RequestError
from exporter.runtime import openvino
from exporter.runtime.child import Child
from exporter.runtime.engine import Limits
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine, session
from exporter.runtime.openvino import OpenVinoEngine
from tests.model.graphs import detector

ENGINE = OpenVinoEngine()


@pytest.fixture(scope="module")
def opened():
    """A session that nobody harms."""
    return ENGINE.session(scaled())


def scaled(op="Mul", shape=("n", 3), factor=2.0):
    constant = nph.from_array(np.array(factor, np.float32), "factor")
    value, out = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y"))
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "factor"], ["y"], name="node")], "g", [value], [out], [constant]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def unknown(domain=""):
    value, out = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Det", ["x"], ["y"], name="node", domain=domain)], "g", [value], [out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 18)], ir_version=8).SerializeToString()


def test_the_outputs_are_onnx_runtimes_by_the_graphs_names():
    given = detector()
    for i, node in enumerate(given.graph.node):
        node.name = f"node_{i}"
    model = given.SerializeToString()
    images = np.random.default_rng(0).random((2, 3, 64, 96), dtype=np.float32)
    ours, theirs = ENGINE.session(model), session(model)
    assert [port.name for port in ours.get_outputs()] == [each.name for each in theirs.get_outputs()]
    assert [(port.name, port.type) for port in ours.get_inputs()] == [(i.name, i.type) for i in theirs.get_inputs()]
    name = theirs.get_inputs()[0].name
    for got, want in zip(ours.run(None, {name: images}), theirs.run(None, {name: images}), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    chosen = theirs.get_outputs()[1].name
    (alone,) = ours.run([chosen], {name: images})
    np.testing.assert_array_equal(alone, ours.run(None, {name: images})[1])


def test_outputs_of_other_sizes_follow_each_other_and_none_is_stale(opened):
    for count in (3, 1, 0, 5):
        (got,) = opened.run(None, {"x": np.full((count, 3), count, np.float32)})
        np.testing.assert_array_equal(got, np.full((count, 3), 2 * count, np.float32))


def test_a_size_that_it_does_not_take_is_an_error_and_the_next_run_is_right():
    opened = ENGINE.session(scaled(shape=(2, 3)))
    with pytest.raises(BuildError, match="OpenVINO fails"):
        opened.run(None, {"x": np.zeros((4, 3), np.float32)})
    (got,) = opened.run(None, {"x": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(got, np.full((2, 3), 2, np.float32))


def test_its_clock_counts_the_run_alone(opened):
    timed = opened.timed({"x": np.ones((1, 3), np.float32)})
    started = time.perf_counter()
    seconds = [timed() for _ in range(20)]
    assert 0 < sum(seconds) < time.perf_counter() - started


@pytest.mark.parametrize("domain", ["", "mine"])
def test_operators_that_it_lacks_are_named(domain):
    with pytest.raises(RequestError, match=r"backend=openvino: .*Det.*take backend=onnxruntime"):
        openvino.check_operators(unknown(domain))


def test_a_graph_that_it_cannot_read_makes_no_session():
    with pytest.raises(BuildError, match="Det"):
        ENGINE.session(unknown())
    openvino.check_operators(scaled())


def test_a_precision_that_this_processor_lacks_is_refused(monkeypatch):
    known = {"version": "1", "device": "a CPU", "capabilities": ["FP32", "INT8"]}
    monkeypatch.setattr(openvino, "about", lambda: known)
    with pytest.raises(RequestError, match=r"precision=bf16.*a CPU.*only in f32"):
        OpenVinoEngine("bf16").session(scaled())


def test_a_precision_that_it_takes_by_itself_is_an_error(monkeypatch):
    real = openvino.OpenVinoSession._ask

    def told(self, what, arrays=(), **details):
        answer, found = real(self, what, arrays, **details)
        return answer | {"precision": "bf16"}, found  # as it says where the processor has it and nobody said f32

    monkeypatch.setattr(openvino.OpenVinoSession, "_ask", told)
    with pytest.raises(BuildError, match="told to compute in f32 and takes bf16 by itself"):
        ENGINE.session(scaled())


def test_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(openvino.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install exporter\[openvino\]"):
        ENGINE.session(scaled())


@pytest.mark.parametrize("end", [signal.SIGFPE, signal.SIGKILL])
def test_its_death_is_an_error_message(end):
    opened = ENGINE.session(scaled())
    os.kill(opened._child._process.pid, end)
    with pytest.raises(BuildError, match=f"OpenVINO died of {end.name}"):
        opened.run(None, {"x": np.ones((1, 3), np.float32)})


def test_a_run_without_end_is_ended():
    child = Child("tests.runtime.sleeper", "a sleeper")
    started = time.monotonic()
    with pytest.raises(RequestError, match=r"took more than 0\.5 s"):
        child.ask("sleep", seconds=0.5)
    assert time.monotonic() - started < 30
    assert child._process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_memory_beyond_its_limit_is_an_error():
    opened = ENGINE.session(scaled(), limits=Limits(200_000_000, 60.0, "big.onnx"))
    with pytest.raises((BuildError, RequestError), match=r"big\.onnx"):
        opened.run(None, {"x": np.ones((100_000_000, 3), np.float32)})


def test_no_process_outlives_its_session_or_this_program():
    opened = ENGINE.session(scaled())
    process = opened._child._process
    assert process.poll() is None
    del opened
    assert process.wait(30) != 0
    code = "from exporter.runtime.openvino import started; import os; c = started()"
    code += "; print(c._process.pid, flush=True); os._exit(0)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    orphan = int(run.stdout)
    for _ in range(300):
        if not _runs(orphan):
            return
        time.sleep(0.1)
    pytest.fail("the process of a program that is gone goes on")


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_the_environment_decides_about_threads_where_nobody_says(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert ENGINE.session(scaled()).threads == 1


def test_many_at_once_and_one_at_a_time_give_seconds():
    opened = OpenVinoEngine(hint="throughput").session(scaled(), 2)
    assert opened.queued({"x": np.ones((1, 3), np.float32)}, 8) > 0
    assert opened.peak_memory() > 10_000_000


def test_the_manifests_settings_make_the_same_engine():
    for engine in (ENGINE, OpenVinoEngine("bf16"), OnnxRuntimeEngine(), OnnxRuntimeEngine("cuda")):
        assert type(engine).of(engine.settings) == engine
    with pytest.raises(RequestError, match="no such precision"):
        OpenVinoEngine.of({"INFERENCE_PRECISION_HINT": "f99"})
    with pytest.raises(RequestError, match="no such provider"):
        OnnxRuntimeEngine.of({"provider": "Mine"})
