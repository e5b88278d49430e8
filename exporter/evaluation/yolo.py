"""Evaluation on pictures and labels as YOLO keeps them: a data.yaml, a text file beside each picture."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from exporter.errors import RequestError
from exporter.evaluation.examples import Example, spread
from exporter.evaluation.labels import Label, Labelled, LabelledEvaluation, check_box, check_some, examples
from exporter.files import check_file, exists, is_file, is_folder, user_path
from exporter.messages import explained
from exporter.pictures import SUFFIXES, picture_size
from exporter.yaml_text import read_yaml_text

MAX_BYTES = 100_000_000  # of one picture's labels


class YoloEvaluation(LabelledEvaluation):
    """The pictures of one split: a folder, searched to the bottom, a text file that lists pictures, or several of them.
    The labels of …/images/a/b.jpg are in …/labels/a/b.txt, lines `class x y width height`, centre and size as parts of
    the picture's width and height. A picture without such a file, or with an empty one, is background.

    Labels of the other tasks have boxes too: of a polygon, `class x1 y1 x2 y2 x3 y3 …` (segmentation, oriented boxes),
    it is the one around it, as Ultralytics takes it; key points (`kpt_shape` in the data.yaml) stand behind one. Five
    numbers are a box wherever they stand."""

    name: ClassVar[str] = "yolo"

    split: Literal["val", "test", "train"]

    def examples(self, class_names: Sequence[str], height: int, width: int) -> list[Example]:
        """The pictures and their objects. Raises RequestError that names the place for labels that cannot be right,
        and one that shows both lists for names that are not the model's."""
        pictures, names = self.read()
        return examples(pictures, names, class_names, f"evaluation.path={self.path}", self.bit_depth)

    def read(self) -> tuple[list[Labelled], dict[int, str]]:
        """The pictures that were chosen, and the classes' names by number."""
        import yaml

        file, given = user_path(self.path), f"evaluation.path={self.path}"
        if not is_file(file):
            raise RequestError(f"{given}: not a file: give the data.yaml")
        cure = f"give a data.yaml with {self.split} and names"
        with explained(given):
            content = yaml.safe_load(read_yaml_text(file, given, cure))
        names = _names(content or {}, given)
        pictures = sorted(_pictures(content, self.split, file))
        _no_orphans(pictures)
        chosen = [pictures[i] for i in spread(len(pictures), self.num_images)]
        key_points = "kpt_shape" in content
        labelled = [Labelled.of_file(picture, list(_labels(picture, names, key_points))) for picture in chosen]
        check_some(labelled, given)
        return labelled, names


def _names(content: dict[str, Any], given: str) -> dict[int, str]:
    """`names` is a list, or a mapping from numbers."""
    names = content.get("names")
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(found, dict) or not found or not all(isinstance(key, int) for key in found):
        raise RequestError(f"{given}: its names are neither a list nor a mapping from class numbers: give the classes")
    named = {key: str(name) for key, name in found.items()}
    if len(set(named.values())) != len(named):
        raise RequestError(f"{given}: two of its names are the same: give each class its own")
    if "nc" in content and content["nc"] != len(named):
        raise RequestError(f"{given}: nc={content['nc']}, but there are {len(named)} names: mend one of them")
    return named


def _pictures(content: dict[str, Any], split: str, file: Path) -> set[Path]:
    """The pictures that a split names, relative to `path` of the data.yaml, itself relative to the file."""
    places = content.get(split)
    if not places:
        raise RequestError(f"{file}: names no pictures for evaluation.split={split}: give {split}: a folder or a list")
    base = file.parent / str(content.get("path") or "")
    found: set[Path] = set()
    for word in places if isinstance(places, list) else [places]:
        place = base / str(word)
        if not exists(place) and str(word).startswith("../"):
            place = base / str(word)[3:]  # as Roboflow writes it, and as Ultralytics reads that
        if is_folder(place):
            found |= {path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()}
        elif is_file(place) and place.suffix == ".txt":
            lines = place.read_text(encoding="utf-8", errors="replace").splitlines()
            found |= {place.parent / line.strip() for line in lines if line.strip()}
        else:
            raise RequestError(f"{file}: {split}: {place}: neither a folder nor a .txt list of pictures")
    if not found:
        raise RequestError(f"{file}: {split}: no pictures there: give a folder that holds some ({', '.join(SUFFIXES)})")
    return found


def _label_file(picture: Path) -> Path:
    """`labels` for the last `images` on the way to it, and .txt; without an `images` beside the picture."""
    parts = list(picture.parent.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts, f"{picture.stem}.txt")


def _no_orphans(pictures: Sequence[Path]) -> None:
    """Raises RequestError for labels in these folders that have no picture: one of both was lost, or moved."""
    expected = {_label_file(picture) for picture in pictures}
    separate = {path.parent for path in expected} - {picture.parent for picture in pictures}
    stems = {path.with_suffix("") for path in expected}
    for folder in sorted(separate):
        for file in sorted(folder.glob("*.txt")):
            # A list takes some pictures of a folder: then the others' labels are no orphans.
            if file.with_suffix("") not in stems and not _has_picture(file):
                raise RequestError(f"{file}: labels without a picture: add the picture or remove the labels")


def _has_picture(labels: Path) -> bool:
    parts = list(labels.parent.parts)
    if "labels" in parts:
        parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
    return any(Path(*parts, labels.stem).with_suffix(suffix).exists() for suffix in SUFFIXES)


def _labels(picture: Path, names: dict[int, str], key_points: bool) -> Iterator[Label]:
    """The objects of one picture, its header read."""
    height, width = picture_size(picture)
    file = _label_file(picture)
    if not exists(file):
        return
    check_file(file, "labels are text files", MAX_BYTES)
    with explained(str(file)):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{file}: line {number}"
        category, parts = _parsed(line, place, key_points)
        if category not in names:
            raise RequestError(
                f"{place}: class {category:g} has no name in the data.yaml, which has {min(names)} to {max(names)}"
            )
        left, top, right, bottom = parts
        box = (left * width, top * height, right * width, bottom * height)
        check_box(box, height, width, place)
        yield Label(int(category), box, (box[2] - box[0]) * (box[3] - box[1]))


def _parsed(line: str, place: str, key_points: bool) -> tuple[float, tuple[float, float, float, float]]:
    """The class, and the box xyxy in parts of the picture's width and height."""
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    whole = all(math.isfinite(value) for value in values)
    if whole and len(values) >= 7 and len(values) % 2 == 1 and not key_points:
        xs, ys = values[1::2], values[2::2]
        return values[0], (min(xs), min(ys), max(xs), max(ys))
    if whole and (len(values) == 5 or (key_points and len(values) > 5)):
        category, x, y, w, h = values[:5]
        return category, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    raise RequestError(
        f"{place}: {line[:60]!r}: must be five numbers, class x y width height, or a class and three points or more"
    )
