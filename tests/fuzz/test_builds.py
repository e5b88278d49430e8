"""Compositions that pass the check, built on a small network: each ends in an artifact that verifies. One that cannot be
built should have been refused before work started."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import strategies as st

import exporter
import exporter.pipeline.build
from exporter.artifact.verify import verify
from exporter.common.errors import BuildError, RequestError
from tests.fuzz.campaign import fuzz
from tests.small_network import SmallDetector

BUILD = exporter.pipeline.build.build
OUTCOMES: Counter[str] = Counter()
Choice = st.SearchStrategy[str]


def one(key: str, *values: object) -> Choice:
    return st.sampled_from([f"{key}={value}" for value in values])


MODELS = one("model", "yolo_nas_s", "yolo_nas_m", "ppyoloe_s", "ppyoloe_x", "custom")
INPUTS = [
    one("input.size", 32, 64, 96), one("input.height", 32, 128, "dynamic"), one("input.width", 32, 96, "dynamic"), one("input.batch", 1, 2, "dynamic"),
    one("input.dtype", "auto", "uint8", "float32", "float16"), one("input.layout", "nchw", "nhwc"), one("input.channels", "auto", "rgb", "bgr"),
]  # fmt: skip
PLUGIN = [
    one("postprocessing.nms.confidence_threshold", 0, 0.01, 0.3, 0.9, 1), one("postprocessing.nms.nms_threshold", 0.01, 0.5, 1),
    one("postprocessing.nms.max_predictions_per_image", 1, 5, 300), one("postprocessing.nms.class_agnostic", "true", "false"),
    one("postprocessing.nms.score_activation", "true", "false"),
]  # fmt: skip
NMS = [
    *PLUGIN[:1], one("postprocessing.nms.nms_threshold", 0.01, 0.5, 1, 0), *PLUGIN[2:4], one("postprocessing.nms.multi_label", "true", "false"),
    one("postprocessing.nms.num_pre_nms_predictions", 300, 1000, 3000), one("postprocessing.nms.max_candidates_per_image", "null", 300, 500, 3800),
]  # fmt: skip
INT8 = [
    one("quantization.per_channel", "true", "false"), one("quantization.bias_correction", "true", "false"), one("quantization.reduce_range", "true", "auto"),
    one("quantization.scheme", "auto", "u8s8", "s8s8"), one("quantization.exclude", "[stem]", "[up]", "[Conv]", "[no_such]"), one("quantization.include", "[stem,down]", "[reg_pred]"),
    one("quantization.first_n", 0, 1, 99), one("quantization.last_n", 0, 1),
]  # fmt: skip
CALIBRATION = [
    one("calibration.method", "minmax", "moving_average", "percentile", "mse", "entropy", "measure"),
    one("calibration.seed", 0, 3),
    one("calibration.num_images", 1, 3),
]
OTHERS = [
    one("export.opset", 18, 19, 20), one("export.simplify", "true", "false"), one("proof.num_images", 1, 2), one("evaluation", "none", "demo"), one("benchmark", "none", "cpu"),
    one("+export.options.optimize", "true", "false", 3), one("+export.options.verify", "true"),
    one("progress.format", "text", "json", "none"), one("model.class_names", "[a,b,c]", "[a]", "auto"),
]  # fmt: skip


@st.composite
def builds(draw: st.DrawFn) -> list[str]:
    """Mostly valid, and small."""
    said = [draw(MODELS), "input.min_size=32", "input.nominal_size=64", "input.max_size=96", "proof.num_scenes=0"]
    said += [draw(each) for each in INPUTS if draw(st.integers(0, 2)) == 0]
    if not any(override.startswith("input.size") for override in said):
        said.append("input.size=64")
    said += [draw(one("preprocessing", "none", "yolo_nas", "ppyoloe", "letterbox"))] if draw(st.booleans()) else []
    if "preprocessing=letterbox" in said:
        said.append(draw(one("preprocessing.like", "yolo_nas", "ppyoloe", "auto")))
    backend = draw(st.sampled_from(["onnxruntime", "onnxruntime", "tensorrt"]))
    said.append(f"backend={backend}")
    quantization = draw(st.sampled_from(["none", "int8", "int8", "fp16", "mixed", "int8_fp16"]))
    said.append(f"quantization={quantization}")
    if quantization in ("int8", "mixed", "int8_fp16"):
        said.append("calibration=demo")
        said += [draw(each) for each in [*INT8, *CALIBRATION] if draw(st.integers(0, 3)) == 0]
        said += ["quantization.max_drop=100", "quantization.num_ranking_images=1", "quantization.num_drop_images=2"] * (
            quantization == "mixed"
        )
        said += ["export.opset=19", "backend=tensorrt"] * (quantization == "int8_fp16")
    nms = draw(st.sampled_from(["onnx", "onnx", "onnx", "none", "efficientnms" if backend == "tensorrt" else "onnx"]))
    said.append(f"postprocessing/nms={nms}")
    parameters = {"onnx": NMS, "none": [], "efficientnms": PLUGIN}[nms]
    said += [draw(each) for each in parameters if draw(st.integers(0, 3)) == 0]
    if nms != "none":
        said += [draw(one("postprocessing/format", "batch", "flat"))] if draw(st.booleans()) else []
    said += [draw(each) for each in OTHERS if draw(st.integers(0, 4)) == 0]
    if "benchmark=cpu" in said:
        said += [
            "benchmark.rounds=2",
            "benchmark.throughput_batches=[1]",
            "benchmark.threads=1",
            "benchmark.throughput_threads=[1]",
        ]
    if "evaluation=demo" in said:
        said.append("evaluation.num_images=2")
    fixed = not any("dynamic" in override and not override.startswith("input.batch") for override in said)
    return [
        override for override in said if not (fixed and override.startswith(("input.min", "input.nom", "input.max")))
    ]


def _fed_as_another(said: list[str]) -> bool:
    """Whether the network is fed as another family's are. Else only INT8 is refused: of a random network that saw an image
    or three."""
    (model,) = (each.partition("=")[2] for each in said if each.startswith("model="))
    fed = [each.partition("=")[2] for each in said if each.startswith("preprocessing")]
    return any(each in ("yolo_nas", "ppyoloe") and not model.startswith(each) for each in fed)


@fuzz(few=1, many=40, said=builds())
def test_what_passes_the_check_builds(said: list[str], tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    started: list[bool] = []

    def build(*given):
        started.append(True)
        return BUILD(*given)

    monkeypatch.setattr("exporter.pipeline.build.build", build)
    network = SmallDetector().train()
    try:
        manifest = exporter.build(overrides=[*said, f"output_dir={out}"], model=network, digest="small")
    except RequestError as error:
        assert not out.exists()
        # What only the network tells is said once it is there; all else before work starts.
        assert not started or any(
            override in str(error)
            for override in (
                "layer",
                "convolution",
                "classes",
                "score_activation",
                "names for",
                "the labels have",
                "calibration: in",
            )
        ), error
        OUTCOMES["refused"] += 1
        return
    except BuildError as error:
        assert str(error).startswith("the artifact is not the network: ") and not out.exists()
        assert _fed_as_another(said) or ("calibration=demo" in said and "mean" in str(error)), error
        OUTCOMES["not proved"] += 1
        return
    assert network.training
    assert list(verify(out))
    assert json.loads((out / "manifest.json").read_text())["artifact"]["sha256"] == manifest.artifact.sha256
    OUTCOMES["built"] += 1


@pytest.fixture(scope="module", autouse=True)
def outcomes():
    yield
    print(f"\ncompositions: {OUTCOMES['built']} built and verified, {OUTCOMES['refused']} refused")
