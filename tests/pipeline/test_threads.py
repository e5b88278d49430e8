"""`exporter.build` from several threads: one build after the other, each as it would be alone."""

import resource
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

import exporter
from exporter.common.files import file_digest


@pytest.mark.slow
def test_each_thread_builds_its_own_recipe_and_one_at_a_time(monkeypatch):
    """What builds is stood in for; all that composes is not."""
    inside = threading.Lock()

    def build(recipe, progress):
        assert inside.acquire(blocking=False), "another build is at work"
        time.sleep(0.01)
        inside.release()
        return recipe.name, recipe.input.height

    monkeypatch.setattr("exporter.pipeline.build.build", build)
    names = ["yolo_nas_s", "ppyoloe_s", "yolo_nas_s_int8", "ppyoloe_s_int8"] * 3
    sizes = [64 + 32 * i for i in range(len(names))]
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda name, size: exporter.build(name, [f"input.size={size}"]), names, sizes)
        assert list(made) == list(zip(names, sizes, strict=True))


@pytest.mark.slow
def test_two_threads_give_the_bytes_of_two_builds(tmp_path):
    recipes = {"yolo_nas_s": 64, "yolo_nas_s_int8": 96}

    def build(name, place):
        overrides = [
            f"input.size={recipes[name]}",
            "proof.num_images=1",
            "proof.num_scenes=0",
            "calibration.num_images=2",
        ]
        overrides = [override for override in overrides if "int8" in name or not override.startswith("calibration")]
        overrides += ["proof.mean_score_error=1", "proof.mean_box_error=1000"]
        overrides += [f"store.path={place}/store-{name}", f"output_dir={place}/{name}"]
        return exporter.build(name, overrides)

    before = list(warnings.filters), resource.getrlimit(resource.RLIMIT_AS)
    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda name: build(name, tmp_path / "threads"), recipes))
    assert (list(warnings.filters), resource.getrlimit(resource.RLIMIT_AS)) == before
    for name, manifest in zip(recipes, made, strict=True):
        alone = build(name, tmp_path / "alone")
        ours, others = (each.model_dump(exclude={"run", "recipe"}) for each in (manifest, alone))
        assert ours == others
        for file in ("model.onnx", "preview.png"):
            assert file_digest(tmp_path / "threads" / name / file) == file_digest(tmp_path / "alone" / name / file)
