"""COCO's json and the folder of its pictures; what is used of them is looked at first, and what cannot be right is one
line that names the place."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.errors import RequestError
from exporter.evaluation.labels import Label, Labelled, check_box
from exporter.files import check_file, exists, is_folder, user_path

Entry = dict[str, Any]


@dataclass(frozen=True)
class CocoFile:
    """group: the group of the recipe whose keys `path` and `annotations` name folder and file; given: the latter, as it
    was said; images: the json's, by id; content: the lists of objects that it holds."""

    group: str
    given: str
    folder: Path
    file: Path
    images: Mapping[int, Entry]
    content: Mapping[str, list[Entry]]

    @property
    def has_labels(self) -> bool:
        """Whether it says anything of what is on the pictures; lists of pictures to be labelled do not."""
        return "annotations" in self.content and "categories" in self.content

    def picture(self, identity: int, num_labels: int = 0) -> Path:
        """The file of one picture. Raises RequestError where it is not there."""
        place, name = f"{self.file}: image {identity}", self.images[identity].get("file_name")
        if not isinstance(name, str):
            raise RequestError(f"{place}: its file_name={name!r} is not text")
        if not exists(self.folder / name):
            lost = f": {num_labels} labels have no picture" if num_labels else ""
            raise RequestError(f"{place}: {name} is not in {self.group}.path={self.folder}{lost}")
        return self.folder / name

    def labelled(self, choose: Callable[[list[int]], list[int]]) -> tuple[list[Labelled], dict[int, str]]:
        """Pictures with their objects, and the names of the categories by id. `choose` takes those of the pictures'
        ids, in the order of the json, whose headers and boxes are to be looked at. Raises RequestError."""
        categories = self._categories()
        labels = self._labels(categories)
        return [self._labelled(i, labels[i]) for i in choose(list(self.images))], categories

    def _categories(self) -> dict[int, str]:
        entries = self._entries("categories")
        categories = {_id(each, f"{self.file}: category"): _name(each, self.file) for each in entries}
        names = list(categories.values())
        if len(categories) != len(entries) or len(set(names)) != len(names):
            raise RequestError(f"{self.file}: two categories share an id or a name: give each its own")
        return categories

    def _labels(self, categories: Mapping[int, str]) -> dict[int, list[tuple[str, Label]]]:
        """By image id: where each stands in the file, and what it is."""
        labels: dict[int, list[tuple[str, Label]]] = {i: [] for i in self.images}
        for annotation in self._entries("annotations"):
            place = f"{self.file}: annotation {_id(annotation, f'{self.file}: annotation')}"
            image, category = _id(annotation, place, "image_id"), _id(annotation, place, "category_id")
            if image not in self.images:
                raise RequestError(f"{place}: its image_id={image} is no image of the file")
            if category not in categories:
                allowed = ", ".join(str(i) for i in categories)
                raise RequestError(
                    f"{place}: its category_id={category} is no category of the file, which has {allowed}"
                )
            labels[image].append((place, _label(annotation, category, place)))
        return labels

    def _labelled(self, identity: int, labels: Sequence[tuple[str, Label]]) -> Labelled:
        """One picture, its header read: it exists, is what the json says, and holds its boxes."""
        from exporter.pictures import picture_size

        image, file = self.images[identity], self.picture(identity, len(labels))
        height, width = picture_size(file)
        said = image.get("height", height), image.get("width", width)
        if said != (height, width):
            raise RequestError(
                f"{self.file}: image {identity}: {image['file_name']} has {width} × {height} pixels (upright, as its"
                f" EXIF says), the json says {said[1]} × {said[0]}: the boxes would not fit"
            )
        for where, label in labels:
            check_box(label.box, height, width, f"{where} ({image['file_name']})")
        return Labelled.of_file(file, [label for _, label in labels])

    def _entries(self, key: str) -> list[Entry]:
        if key not in self.content:
            raise RequestError(f"{self.given}: has no list {key} of objects: give a json file in COCO's format")
        return self.content[key]


def read_coco(group: str, path: str, annotations: str) -> CocoFile:
    """The json, its images checked and nothing else. Raises RequestError."""
    folder, file, given = user_path(path), user_path(annotations), f"{group}.annotations={annotations}"
    if not is_folder(folder):
        raise RequestError(f"{group}.path={path}: not a folder: give the one that holds the pictures")
    content = _load(file, given)
    images = {_id(each, f"{file}: image"): each for each in content["images"]}
    if len(images) != len(content["images"]):
        raise RequestError(f"{file}: two images share an id: give each its own")
    return CocoFile(group, given, folder, file, images, content)


def _load(file: Path, given: str) -> dict[str, list[Entry]]:
    """Those of the three lists of objects of a COCO json that it holds; images always."""
    try:
        check_file(file, "give a json file in COCO's format", label=given)
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise RequestError(f"{given}: {error.strerror}: give a json file in COCO's format") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{given}: not JSON ({error}): give a json file in COCO's format") from error
    found = {}
    for key in ("images", "categories", "annotations"):
        value = content.get(key) if isinstance(content, dict) else None
        if value is None and key != "images":
            continue
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise RequestError(f"{given}: has no list {key} of objects: give a json file in COCO's format")
        found[key] = value
    return found


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
