"""The gates on builds that are wrong in the ways that exports go wrong: the artifact runs, and detects nothing."""

import numpy as np
import pytest
import torch
from torch import nn

import exporter
from exporter.common.errors import BuildError
from exporter.common.progress import Progress
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import CLASS_NAMES
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.examples import Example, GroundTruth
from exporter.postprocessing.detections import Detections
from tests.evaluation.colours import NAMES, labelled

NETWORK = ["model=custom", "model._target_=tests.evaluation.colours.network", f"model.class_names=[{','.join(NAMES)}]"]
LABELS = ["evaluation=custom", "evaluation._target_=tests.evaluation.colours.labelled", "trust=tests"]
SMALL = ["preprocessing=yolo_nas", "input.size=96", "proof.num_images=2"]
INT8 = ["quantization=int8", "calibration=custom", "calibration.num_images=4", "proof.mean_score_error=1"]


def build(folder, *overrides: str):
    return exporter.build(None, [*NETWORK, *LABELS, *SMALL, f"output_dir={folder / 'out'}", *overrides])


def made_images(name: str) -> str:
    return f"calibration._target_=tests.evaluation.colours.{name}"


def test_a_right_build_passes_both_gates(tmp_path):
    evaluation = build(
        tmp_path, *INT8, made_images("batches"), "evaluation.min_map=99", "evaluation.max_drop=1"
    ).evaluation
    assert evaluation is not None
    assert (evaluation.name, evaluation.num_images, evaluation.num_boxes, evaluation.num_background) == (
        "custom",
        4,
        9,
        1,
    )
    assert (evaluation.artifact.map, evaluation.drop, evaluation.min_map, evaluation.max_drop) == (100, 0, 99, 1)


@pytest.mark.parametrize(
    "fault",
    ["+model.order=bgr", pytest.param("+model.high=255", marks=pytest.mark.slow)],
    ids=["swapped channels", "never normalised"],
)
def test_a_network_trained_on_other_inputs_is_caught_by_min_map(tmp_path, fault):
    """The torch network is fed in the same wrong way, and so is an FP32 artifact: only labels can tell."""
    with pytest.raises(
        BuildError, match=r"mAP is 0\.\d+ on 4 .* evaluation\.min_map=50 .*normalisation, channel order"
    ):
        build(tmp_path, fault, "evaluation.min_map=50", "proof.blind=off")
    assert not (tmp_path / "out").exists()


def test_objects_that_another_order_of_channels_finds_are_said_before_any_gate(tmp_path):
    said = (
        r"^proof\.blind: labelled objects are not found on 7 images of evaluation=custom with 21 objects: AP50 is 0\.0;"
        r" .* is fed RGB, 0\.\.1, and it detects on 7 of 7 when fed BGR, 0\.\.1 \(best score \S+, AP50 100\)"
    )
    with pytest.raises(BuildError, match=said):
        build(tmp_path, "+model.order=bgr", "+evaluation.count=8")


@pytest.mark.slow
def test_a_reference_that_finds_nothing_is_no_success(tmp_path):
    with pytest.raises(BuildError, match=r"the FP32 artifact is 0\.00 on 4 images with 9 objects: it finds none"):
        build(tmp_path, "+model.high=255", "proof.blind=off")


class Found:
    """Stands for an artifact that finds every object, with this score."""

    batch = 1

    def __init__(self, ground_truths, score):
        self.ground_truths, self.score = iter(ground_truths), score

    def __call__(self, made_images):
        for _ in made_images:
            ground_truth = next(self.ground_truths)
            scores = np.full(len(ground_truth.boxes), self.score, np.float32)
            yield Detections(ground_truth.boxes.astype(np.float32), scores, ground_truth.classes)


@pytest.mark.parametrize(("bound", "holds"), [(0.05, False), (0.2, True), (None, True)])
def test_scores_that_all_move_while_map_stays_are_caught(bound, holds):
    ground_truths = [GroundTruth.of(boxes, classes) for _, boxes, classes in labelled(8)]
    examples = [Example(str(i), each, lambda: np.zeros((4, 4, 3), np.uint8)) for i, each in enumerate(ground_truths)]

    def evaluated():
        return evaluate(
            Found(ground_truths, 0.72),
            Found(ground_truths, 0.9),
            examples,
            2,
            Progress(),
            name="custom",
            max_score_shift=bound,
        )

    if holds:
        shift = evaluated().score_shift
        assert shift is not None and (shift.matched, shift.median) == (21, pytest.approx(-0.18, abs=1e-4))
    else:
        with pytest.raises(BuildError, match=r"of 21 matched detections moved by -0\.180 .*max_score_shift=0\.05"):
            evaluated()


@pytest.mark.slow
def test_random_calibration_data_is_caught_by_max_drop(tmp_path):
    with pytest.raises(BuildError, match=r"a drop of \d\d+\.\d+ points, evaluation\.max_drop=1 allows less"):
        build(tmp_path, *INT8, made_images("noise"), "evaluation.max_drop=1")


class Undivided(nn.Module):
    """YOLO-NAS as its build would have it if the division by 255 were done twice."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.network(images / 255)


@pytest.mark.slow
@pytest.mark.parametrize("right", [True, False])
def test_the_demo_network_normalised_twice_is_ruined(tmp_path, right):
    network = check(compose(["+recipe=yolo_nas_s"])).model.load().network
    overrides = [f"model.class_names=[{','.join(CLASS_NAMES)}]", "input.size=192", "proof.num_images=2"]
    overrides += [
        "evaluation=demo",
        "evaluation.num_images=8",
        "evaluation.min_map=60",
        f"output_dir={tmp_path / 'out'}",
    ]
    if right:
        exporter.build("yolo_nas_s", overrides, model=network)
        return
    with pytest.raises(BuildError, match=r"mAP is \d\.\d+ on 8 images, evaluation\.min_map=60"):
        exporter.build("yolo_nas_s", overrides, model=Undivided(network))
