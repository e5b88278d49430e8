"""`model.class_names=coco`."""

from exporter.config.check import check
from exporter.config.compose import compose


def test_cocos_names_for_weights_that_carry_none():
    recipe = check(compose(["model=yolo_nas_s", "model.weights=random", "model.class_names=coco"]))
    names = recipe.model.class_names
    assert len(names) == len(set(names)) == 80
    assert [names[i] for i in (0, 2, 16, 79)] == ["person", "car", "dog", "toothbrush"]
