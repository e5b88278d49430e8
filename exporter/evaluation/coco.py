"""Evaluation on a folder of pictures and labels in COCO's json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from exporter.errors import RequestError
from exporter.evaluation.examples import Example, spread
from exporter.evaluation.labels import Label, Labelled, LabelledEvaluation, check_box, check_some, examples


class CocoEvaluation(LabelledEvaluation):
    """Pictures that the json lists; those without annotations are background, files that it does not list are left
    alone. Categories may have gaps in their ids. Crowds and areas count as in COCO's own evaluation."""

    name: ClassVar[str] = "coco"

    annotations: str = Field(coerce_numbers_to_str=True)

    def examples(self, class_names: Sequence[str], height: int, width: int) -> list[Example]:
        """The pictures and their objects. Raises RequestError that names the place for labels that cannot be right,
        and one that shows both lists for categories that are not the model's."""
        pictures, categories = self.read()
        return examples(pictures, categories, class_names, f"evaluation.annotations={self.annotations}")

    def read(self) -> tuple[list[Labelled], dict[int, str]]:
        """The pictures that were chosen, and the categories' names by id."""
        folder, file = Path(self.path).expanduser(), Path(self.annotations).expanduser()
        if not folder.is_dir():
            raise RequestError(f"evaluation.path={self.path}: not a folder: give the one that holds the pictures")
        content = _load(file, f"evaluation.annotations={self.annotations}")
        categories = {_id(each, f"{file}: category"): _name(each, file) for each in content["categories"]}
        names = list(categories.values())
        if len(categories) != len(content["categories"]) or len(set(names)) != len(names):
            raise RequestError(f"{file}: two categories share an id or a name: give each its own")
        images = {_id(each, f"{file}: image"): each for each in content["images"]}
        if len(images) != len(content["images"]):
            raise RequestError(f"{file}: two images share an id: give each its own")
        labels: dict[int, list[tuple[str, Label]]] = {i: [] for i in images}
        for annotation in content["annotations"]:
            place = f"{file}: annotation {_id(annotation, f'{file}: annotation')}"
            image, category = _id(annotation, place, "image_id"), _id(annotation, place, "category_id")
            if image not in images:
                raise RequestError(f"{place}: its image_id={image} is no image of the file")
            if category not in categories:
                allowed = ", ".join(str(i) for i in categories)
                raise RequestError(
                    f"{place}: its category_id={category} is no category of the file, which has {allowed}"
                )
            labels[image].append((place, _label(annotation, category, place)))
        chosen = [list(images)[i] for i in spread(len(images), self.num_images)]
        pictures = [_picture(i, images[i], labels[i], folder, file) for i in chosen]
        check_some(pictures, f"evaluation.annotations={self.annotations}")
        return pictures, categories


def _load(file: Path, given: str) -> dict[str, list[dict[str, Any]]]:
    """The three lists of objects that a COCO json holds."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise RequestError(f"{given}: {error.strerror}: give a json file in COCO's format") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{given}: not JSON ({error}): give a json file in COCO's format") from error
    for key in ("images", "categories", "annotations"):
        value = content.get(key) if isinstance(content, dict) else None
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise RequestError(f"{given}: has no list {key} of objects: give a json file in COCO's format")
    return content


def _id(entry: dict[str, Any], place: str, key: str = "id") -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"{place} with {key}={str(value)[:60]!r}: an id is a whole number")
    return value


def _name(category: dict[str, Any], file: Path) -> str:
    name = category.get("name")
    if not isinstance(name, str):
        raise RequestError(f"{file}: category {category['id']}: its name={name!r} is not text")
    return name


def _label(annotation: dict[str, Any], category: int, place: str) -> Label:
    box, crowd = annotation.get("bbox"), annotation.get("iscrowd", 0)
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise RequestError(f"{place}: its bbox={str(box)[:60]} is not [x, y, width, height]")
    if crowd not in (0, 1):
        raise RequestError(f"{place}: its iscrowd={crowd!r} is neither 0 nor 1")
    x, y, width, height = box
    area = annotation.get("area", width * height)
    # Without an area it is that of the box, whose size is looked at once its picture is known.
    if "area" in annotation and not (_is_number(area) and area > 0):
        raise RequestError(f"{place}: its area={str(area)[:60]} is not a positive number: mend it or leave it out")
    return Label(category, (x, y, x + width, y + height), area, bool(crowd))


def _is_number(value: Any) -> bool:
    """Also neither NaN nor infinite, nor a whole number beyond what pixels or floats can be: json has all of them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _picture(
    identity: int, image: dict[str, Any], labels: Sequence[tuple[str, Label]], folder: Path, annotations: Path
) -> Labelled:
    """One picture, its header read: it exists, is what the json says, and holds its boxes."""
    from exporter.pictures import picture_size

    place, name = f"{annotations}: image {identity}", image.get("file_name")
    if not isinstance(name, str):
        raise RequestError(f"{place}: its file_name={name!r} is not text")
    if not (folder / name).exists():
        raise RequestError(f"{place}: {name} is not in evaluation.path={folder}: {len(labels)} labels have no picture")
    height, width = picture_size(folder / name)
    said = image.get("height", height), image.get("width", width)
    if said != (height, width):
        raise RequestError(
            f"{place}: {name} has {width} × {height} pixels (upright, as its EXIF says), the json says"
            f" {said[1]} × {said[0]}: the boxes would not fit"
        )
    for where, label in labels:
        check_box(label.box, height, width, f"{where} ({name})")
    return Labelled(folder / name, tuple(label for _, label in labels))
