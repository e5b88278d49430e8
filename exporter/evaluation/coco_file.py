"""COCO's json and the folder of its images; what is used of them is looked at first. See `exporter.evaluation.notes`
for what becomes of the rest."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.common.errors import RequestError
from exporter.common.files import check_file, exists, is_folder, user_path
from exporter.evaluation.classes import listed
from exporter.evaluation.coco_entries import Annotation, Entry, annotation_of, id_of, name_of, said_size
from exporter.evaluation.labels import Label, Labelled, LabelledSet, area_of, fitted
from exporter.evaluation.notes import Notes


@dataclass(frozen=True)
class CocoFile:
    """group: the group of the recipe whose keys `path` and `annotations` name folder and file; given: the latter, as it
    was said; images: the json's, by id; content: the lists of objects that it holds; notes: where what is odd goes."""

    group: str
    given: str
    folder: Path
    file: Path
    images: Mapping[int, Entry]
    content: Mapping[str, list[Entry]]
    notes: Notes

    @property
    def has_labels(self) -> bool:
        """Whether it says anything of what is on the images; lists of images to be labelled do not."""
        return "annotations" in self.content and "categories" in self.content

    def image(self, identity: int, num_labels: int = 0) -> Path:
        """The file of one image. Raises RequestError where it is not there."""
        place, name = f"{self.file}: image {identity}", self.images[identity].get("file_name")
        if not isinstance(name, str):
            raise RequestError(f"{place}: its file_name={repr(name)[:60]} is not text")
        if not exists(file := self.folder / name) and "\\" in name and exists(self.folder / name.replace("\\", "/")):
            file = self.folder / name.replace("\\", "/")
            self.notes.odd("backslashes", f"{place}: its file_name={name}")
        if not exists(file):
            lost = f": {num_labels} labels have no image" if num_labels else ""
            raise RequestError(f"{place}: {name} is not in {self.group}.path={self.folder}{lost}")
        return file

    def labelled(self, choose: Callable[[list[int]], list[int]]) -> LabelledSet:
        """Images with their objects, and the names of the categories by id. `choose` takes those of the images'
        ids, in the order of the json, whose files and boxes are to be looked at. Raises RequestError where the json is
        no such list; what is wrong inside it is a mistake in the notes."""
        categories = self._categories()
        annotations = self._annotations(categories)
        images = []
        for identity in choose(list(self.images)):
            with self.notes.collecting():
                images.append(self._labelled(identity, annotations[identity]))
        self._check_names(categories, images)
        self._check_unit(images)
        return LabelledSet(images, categories, self.notes, self.given)

    def _categories(self) -> dict[int, str]:
        categories: dict[int, str] = {}
        for each in self._entries("categories"):
            with self.notes.collecting():
                identity = id_of(each, f"{self.file}: category")
                if identity in categories:
                    raise RequestError(
                        f"{self.file}: category {identity}: two categories share an id or a name: give each its own"
                    )
                categories[identity] = name_of(each, self.file)
        return categories

    def _annotations(self, categories: Mapping[int, str]) -> dict[int, list[Annotation]]:
        """By image id."""
        found: dict[int, list[Annotation]] = {i: [] for i in self.images}
        seen: set[int] = set()
        for entry in self._entries("annotations"):
            with self.notes.collecting():
                identity = id_of(entry, f"{self.file}: annotation")
                place = f"{self.file}: annotation {identity}"
                if identity in seen:
                    raise RequestError(f"{place}: another one has the same id: give each its own")
                seen.add(identity)
                image, category = id_of(entry, place, "image_id"), id_of(entry, place, "category_id")
                if image not in self.images:
                    raise RequestError(f"{place}: its image_id={image} is no image of the file")
                if category not in categories:
                    allowed = listed([str(i) for i in categories])
                    raise RequestError(
                        f"{place}: its category_id={category} is no category of the file, which has {allowed}"
                    )
                found[image].append(annotation_of(entry, category, place))
        return found

    def _labelled(self, identity: int, annotations: Sequence[Annotation]) -> Labelled:
        """One image: it exists, is whole and what the json says, and its boxes are on it."""
        from exporter.common.image_files import whole_size

        file = self.image(identity, len(annotations))
        height, width = whole_size(file)
        self._check_size(identity, file, height, width, annotations)
        labels = [self._label(each, height, width, file.name) for each in annotations]
        return Labelled(file.name, [label for label in labels if label is not None], file)

    def _check_size(
        self, identity: int, file: Path, height: int, width: int, annotations: Sequence[Annotation]
    ) -> None:
        """height, width: the image's, upright. Raises RequestError where the json says others, unless those are of
        the image as it is stored, before the turn that its EXIF asks for, and the boxes are on the upright one."""
        from exporter.common.images import is_turned

        said = said_size(self.images[identity], height, width)
        place = f"{self.file}: image {identity}"
        if said is None:
            self.notes.odd("size_from_image", f"{place} ({file.name})")
        elif said == (width, height) and height != width and is_turned(file):
            beyond = [each for each in annotations if each.box[2] > width + 1 or each.box[3] > height + 1]
            if beyond:
                raise RequestError(
                    f"{place}: {file.name} is {width} × {height} pixels once it is turned upright, as its EXIF says,"
                    f" and box [{', '.join(f'{side:g}' for side in beyond[0].box)}] lies on it as it is stored: turn"
                    " the boxes or the image"
                )
            self.notes.odd("size_turned", f"{place} ({file.name})")
        elif said != (height, width):
            raise RequestError(
                f"{place}: {file.name} has {width} × {height} pixels (upright, as its EXIF says), the json says"
                f" {said[1]:g} × {said[0]:g}: the boxes would not fit"
            )

    def _label(self, annotation: Annotation, height: int, width: int, name: str) -> Label | None:
        place = f"{annotation.place} ({name})"
        box = fitted(annotation.box, height, width, place, self.notes)
        if box is None:
            return None
        if annotation.area is None:
            self.notes.odd("area_from_box", place)
        area = area_of(box) if annotation.area is None else annotation.area
        return Label(annotation.category, box, area, annotation.crowd)

    def _check_names(self, categories: Mapping[int, str], images: Sequence[Labelled]) -> None:
        """Of the categories that label something no two may have one name."""
        used = {label.category for image in images for label in image.labels}
        names: dict[str, int] = {}
        for identity in sorted(used):
            other = names.setdefault(categories[identity], identity)
            if other != identity:
                self.notes.mistake(
                    f"{self.file}: categories {other} and {identity}: two categories share an id or a name,"
                    f" {categories[identity]}: give each its own"
                )

    def _check_unit(self, images: Sequence[Labelled]) -> None:
        """Boxes in parts of the image would all be a pixel large, and nothing would be found there."""
        labels = [label for image in images for label in image.labels]
        if labels and all(max(label.box) <= 1 for label in labels):
            self.notes.mistake(
                f"{self.file}: all {len(labels)} boxes lie within the first pixel: COCO's are in pixels, not in parts"
                " of width and height: multiply them"
            )

    def _entries(self, key: str) -> list[Entry]:
        if key not in self.content:
            raise RequestError(f"{self.given}: has no list {key} of objects: give a json file in COCO's format")
        return self.content[key]


def read_coco(group: str, path: str, annotations: str, notes: Notes) -> CocoFile:
    """The json, its images' ids looked at and nothing else. Raises RequestError where it is none."""
    folder, file, given = user_path(path), user_path(annotations), f"{group}.annotations={annotations}"
    if not is_folder(folder):
        raise RequestError(f"{group}.path={path}: not a folder: give the one that holds the images")
    content = _load(file, given)
    images: dict[int, Entry] = {}
    for each in content["images"]:
        with notes.collecting():
            identity = id_of(each, f"{file}: image")
            if identity in images:
                raise RequestError(f"{file}: image {identity}: two images share an id: give each its own")
            images[identity] = each
    return CocoFile(group, given, folder, file, images, content, notes)


def _load(file: Path, given: str) -> dict[str, list[Entry]]:
    """Those of the three lists of objects of a COCO json that it holds; images always."""
    try:
        check_file(file, "give a json file in COCO's format", label=given)
        content: Any = json.loads(file.read_bytes())
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
