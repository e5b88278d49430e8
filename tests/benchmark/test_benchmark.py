"""The arithmetic of interleaved runs, on runs and a clock made by hand: nothing here depends on how fast anything is."""

import sys

import numpy as np
import onnx
import pytest

from exporter.benchmark import cpu
from exporter.benchmark.memory import peak_memory
from exporter.benchmark.paired import WARM_UP, interleaved, ratio, summarized
from exporter.benchmark.section import Latency, Sizes
from exporter.benchmark.subject import Subject
from exporter.common.errors import BuildError
from exporter.report.summary import measured_lines
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.pipeline.sweep.made import manifest
from tests.report.diff.artifacts import benchmark as artifact_benchmark


class Machine:
    """Runs that take what they are said to take, and the order in which they ran."""

    def __init__(self):
        self.order = []

    def run(self, name, seconds):
        def one():
            self.order.append(name)
            return seconds

        return one


def test_runs_take_turns_and_every_other_round_goes_backwards():
    machine = Machine()
    times = interleaved([machine.run("a", 0.5), machine.run("b", 0.25)], 4)
    assert machine.order == ["a", "b"] * WARM_UP + ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert times == [[500] * 4, [250] * 4]


def test_a_drifting_machine_does_not_change_the_ratio():
    baseline = [10.0 * 1.1**i for i in range(20)]
    found = ratio([0.4 * each for each in baseline], baseline)
    assert (found.median, found.low, found.high) == pytest.approx((0.4, 0.4, 0.4))
    spread = ratio([1, 2, 3, 4], [1, 1, 1, 1])
    assert spread.low < spread.median == 2.5 < spread.high


def test_percentiles_lie_between_neighbours():
    found = summarized([float(i) for i in range(101)])
    assert (found.p50_ms, found.p90_ms, found.p99_ms) == (50, 90, 99)
    assert len(found.times_ms) == 101


def test_slower_than_fp32_is_said_in_the_closing_lines():
    slow, fast = [20.0] * 4, [10.0] * 4

    def latency(own, baseline):
        return Latency(artifact=summarized(own), reference=summarized(baseline), ratio=ratio(own, baseline))

    (line,) = cpu._warnings(latency(slow, fast))
    assert "SLOWER THAN FP32: 2.00 times" in line
    assert list(cpu._warnings(latency(fast, slow))) == []
    assert list(cpu._warnings(Latency(artifact=summarized(slow), reference=None, ratio=None))) == []
    slower = artifact_benchmark(20.0).model_copy(update={"warnings": [line]})
    said = list(measured_lines(manifest().model_copy(update={"benchmark": slower})))
    assert f"  warning    {line}" in said


def test_a_build_that_is_too_slow_fails_by_the_lower_quartile():
    own, baseline = [10.0, 6.0, 6.0, 10.0], [10.0] * 4
    latency = Latency(artifact=summarized(own), reference=summarized(baseline), ratio=ratio(own, baseline))
    assert latency.ratio is not None and latency.ratio.low == 0.6 < latency.ratio.median
    cpu._hold(latency, None)
    cpu._hold(latency, 0.6)
    with pytest.raises(
        BuildError, match=r"benchmark.max_ratio=0.5: the artifact takes 0\.80 of .* \(middle half 0\.60 "
    ):
        cpu._hold(latency, 0.5)
    cpu._hold(Latency(artifact=summarized(own), reference=None, ratio=None), 0.5)


def test_threads_to_try():
    assert cpu._powers_of_two(1) == [1]
    assert cpu._powers_of_two(6) == [1, 2, 4, 6]


def model(size):
    """A graph that makes a tensor of `size` floats on its way."""
    text = f"""<ir_version: 8, opset_import: ["" : 18]> g (float[1] x) => (float[1] y) {{
        shape = Constant<value = int64[1] {{{size}}}>()
        wide = Expand(x, shape)
        doubled = Add(wide, wide)
        axes = Constant<value = int64[1] {{0}}>()
        y = ReduceSum(doubled, axes)
    }}"""
    return onnx.parser.parse_model(text).SerializeToString()


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_peak_memory_is_that_of_the_model_and_not_of_this_process():
    ballast = np.ones(40_000_000)  # 320 MB here
    small, large = (
        peak_memory(Subject(model(n), "x", np.ones(1, np.float32), OnnxRuntimeEngine()), 1) for n in (10, 50_000_000)
    )
    assert small is not None and large is not None
    assert small < 8 * ballast.size
    assert large - small > 4 * 50_000_000 * 0.9


def test_peak_memory_of_tensorrts_plugin_is_that_of_its_emulation():
    text = """<ir_version: 8, opset_import: ["" : 17, "trt.plugins" : 1]> g (float[1, 8, 4] boxes) =>
        (int32[1, 1] count, float[1, 4, 4] kept, float[1, 4] best, int32[1, 4] number) {
        shape = Constant<value = int64[3] {1, 8, 2}>()
        scores = ConstantOfShape<value = float[1] {0.5}>(shape)
        count, kept, best, number = trt.plugins.EfficientNMS_TRT<plugin_version = "1", score_threshold = 0.25,
            iou_threshold = 0.7, max_output_boxes = 4, background_class = -1, score_activation = 0, class_agnostic = 0,
            box_coding = 0>(boxes, scores)
    }"""
    nms = onnx.parser.parse_model(text).SerializeToString()
    boxes = np.random.default_rng(0).random((1, 8, 4), np.float32)
    assert (peak_memory(Subject(nms, "boxes", boxes, OnnxRuntimeEngine()), 1) or 1) > 0
    on_a_gpu = Subject(nms, "boxes", boxes, OnnxRuntimeEngine("cuda"))
    assert peak_memory(on_a_gpu, 1) is None  # a process that runs it on the CPU says nothing about that


def test_a_model_that_does_not_run_is_an_error():
    with pytest.raises(BuildError, match="benchmark: the process"):
        peak_memory(Subject(b"no model", "x", np.ones(1, np.float32), OnnxRuntimeEngine()), 1)


def test_everything_is_measured_against_the_reference(monkeypatch):
    text = """<ir_version: 8, opset_import: ["" : 18]> g (float[n, 3] x) => (float[n, 3] y) {{ y = {op}(x) }}"""
    batch = np.ones((1, 3), np.float32)
    own, other = (
        Subject(onnx.parser.parse_model(text.format(op=op)).SerializeToString(), "x", batch, OnnxRuntimeEngine())
        for op in ("Abs", "Sigmoid")
    )
    monkeypatch.setattr("exporter.benchmark.memory.peak_memory", lambda subject, threads: len(subject.model) * threads)
    node = cpu.CpuBenchmark(threads=2, rounds=4, throughput_batches=(1, 5), throughput_threads=(1, 2))
    found = node.measure(own, other, own, other, dynamic_batch=True)
    for latency in (found.end_to_end, found.core):
        assert latency.reference is not None and latency.ratio is not None
        assert len(latency.artifact.times_ms) == len(latency.reference.times_ms) == 4
        assert 0 < latency.artifact.p50_ms <= latency.artifact.p90_ms <= latency.artifact.p99_ms
    assert [(row.threads, row.batch) for row in found.throughput] == [(1, 1), (1, 5), (2, 1), (2, 5)]
    assert all(row.artifact > 0 and row.reference and row.ratio for row in found.throughput)
    assert found.file_bytes == Sizes(artifact=len(own.model), reference=len(other.model))
    assert found.peak_memory_bytes == Sizes(artifact=2 * len(own.model), reference=2 * len(other.model))
    assert (found.threads, found.batch, found.rounds) == (2, 1, 4)
    alone = node.measure(own, None, own, None, dynamic_batch=False)
    assert [(row.threads, row.batch) for row in alone.throughput] == [(1, 1), (2, 1)]
    assert (alone.end_to_end.reference, alone.end_to_end.ratio, alone.warnings) == (None, None, [])
