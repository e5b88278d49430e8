"""What the README says of accuracy, held against bounds: on the artifacts themselves, on synthetic images nobody trained on."""

import pytest

import exporter


@pytest.mark.slow
def test_int8_loses_at_most_half_a_point(tmp_path):
    overrides = ["evaluation=demo", "evaluation.num_images=200", "proof.num_scenes=0", f"output_dir={tmp_path / 'out'}"]
    overrides += ["postprocessing.nms.confidence_threshold=0.01"]
    evaluation = exporter.build("yolo_nas_s_int8", overrides).evaluation
    assert evaluation is not None
    assert evaluation.reference is not None
    print(
        f"mAP FP32 {evaluation.reference.map:.2f}, INT8 {evaluation.artifact.map:.2f}, 200 synthetic images at 640 px"
    )
    assert evaluation.reference.map >= 85
    assert evaluation.reference.map - evaluation.artifact.map <= 0.5
