"""Manifests, outcomes and rows as runs leave them, without a build."""

from exporter.artifact import manifest as m
from exporter.benchmark.section import Latency, Ratio, Sizes, Times
from exporter.config.sweep_metrics import Metrics
from exporter.evaluation.section import Scores
from exporter.model.section import Weights
from exporter.pipeline.sweep.outcome import Outcome
from exporter.pipeline.sweep.rows import Row
from exporter.quantization.section import Float32
from tests.making import NOTHING_PROVED

STAGE = {"name": "a", "key": None, "seconds": 1.0, "because": []}


def manifest(map=90.0, drop=0.5, latency=10.0, ratio=0.5, size=10_000_000, stages=None):
    """One that says so; None: was not measured."""
    evaluation = benchmark = None
    if map is not None:
        own, other = (_scores(value) for value in (map, map + (drop or 0)))
        evaluation = m.Evaluation(
            name="demo", num_images=8, num_boxes=9, num_crowds=0, num_background=1, boxes_by_class=[9], digest="",
            artifact=own, reference=other if drop is not None else None, drop=drop, max_drop=None,
        )  # fmt: skip
    if latency is not None:
        times = Times(p50_ms=latency, p90_ms=latency, p99_ms=latency, times_ms=[latency])
        against = Ratio(median=ratio, low=ratio, high=ratio) if ratio is not None else None
        section = Latency(artifact=times, reference=times if against else None, ratio=against)
        sizes = Sizes(artifact=size, reference=None)
        benchmark = m.Benchmark(
            name="cpu", engine="", cpu={}, threads=1, batch=1, rounds=1, end_to_end=section, core=section,
            throughput=[], peak_memory_bytes=sizes, file_bytes=sizes, warnings=[],
        )  # fmt: skip
    return m.Manifest(
        schema_version=1,
        name="made",
        artifact=m.Artifact(file="model.onnx", sha256="", bytes=size, opset=18, ir_version=9, operators={}),
        model=m.Model(
            name="made",
            num_classes=1,
            class_names=["a"],
            parameters=1,
            weights=Weights(file=None, sha256=None, source="random", licence=None),
        ),
        input=m.Input(
            name="i", dtype="uint8", shape=[1, 3, 64, 64], allowed={}, layout="nchw", channels="rgb", range=None
        ),
        preprocessing=m.Preprocessing(
            name="none", inside_graph=False, geometry_inside_graph=False, normalization=None, geometry=None
        ),
        outputs=[],
        postprocessing=m.Postprocessing(nms={}, format=None),
        quantization=Float32(),
        calibration=None,
        backend=m.Backend(name="onnxruntime", minimum_version="", verified=""),
        proof=NOTHING_PROVED,
        evaluation=evaluation,
        benchmark=benchmark,
        recipe=m.Recipe(name=None, config={}, overrides=[], commit=None, dirty=None),
        versions={},
        run=m.Run.model_validate({"stages": [STAGE | stage for stage in stages]}) if stages else m.Run(),
    )


def _scores(value):
    return Scores(map=value, ap50=value, ap75=value, by_size={}, by_class=[value])


def outcome(num, *overrides, reason=None, constraint=None, folder=None):
    state = "failed" if reason else "done"
    return Outcome(num, list(overrides), folder or ",".join(overrides), state, reason, 1.5, constraint)


def row(num, constraint=None, state="done", **metrics):
    return Row(
        num=num, overrides=[], varied={"k": str(num)}, folder=f"k={num}", state=state,
        reason=None if state == "done" else "why", figures=Metrics(**metrics), measured_on=None, stages=None,
        constraint=constraint,
    )  # fmt: skip
