"""YOLO's label files: where that of an image lies, and what its lines say."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from exporter.common.errors import RequestError
from exporter.common.files import check_file
from exporter.common.image_files import is_hidden, whole_size
from exporter.common.images import SUFFIXES
from exporter.common.messages import explained
from exporter.evaluation.labels import Box, Label, Labelled, area_of, fitted
from exporter.evaluation.notes import Notes
from exporter.evaluation.yolo_data import MAX_BYTES

BEYOND = 1.0
"""How far, in widths and heights of its image, a box may lie outside: further it is not in such parts."""


class Line(NamedTuple):
    """box: xyxy in parts of the image's width and height; scored: whether a score stands behind it."""

    category: float
    box: Box
    scored: bool


def label_folders(folder: Path) -> list[Path]:
    """Where the labels of a folder's images lie, the likeliest first: in `labels` for the last `images` on the way to
    it, written as that is; where there is no such folder, beside the images."""
    parts = folder.parts
    at = max((i for i, part in enumerate(parts) if part.lower() == "images"), default=None)
    if at is None:
        return [folder]
    alike = "LABELS" if parts[at].isupper() else "Labels" if parts[at][0].isupper() else "labels"
    twins = [Path(*parts[:at], twin, *parts[at + 1 :]) for twin in dict.fromkeys((alike, "labels"))]
    return [twin for twin in twins if twin.is_dir()] or [folder]


class LabelFiles:
    """The label files that belong to these images; each folder is listed once."""

    def __init__(self, images: Sequence[Path]):
        self._places = {folder: label_folders(folder) for folder in {image.parent for image in images}}
        every = sorted({place for places in self._places.values() for place in places})
        self._listings = {place: _text_files(place) for place in every}

    def of(self, image: Path) -> Path | None:
        """That of one of the images, None where it has none."""
        found = (self._listings[place].get(image.stem) for place in self._places[image.parent])
        return next((file for file in found if file), None)

    def note_strangers(self, notes: Notes) -> None:
        """Files in these folders that belong to no image: labels, of which the image was lost, or moved, are a
        mistake; what else lies there is passed over."""
        for place, listing in self._listings.items():
            folders = [folder for folder, places in self._places.items() if place in places]
            stems = {file.stem for folder in folders for file in _files(folder, SUFFIXES)}
            for stem, file in listing.items():
                # A list takes some images of a folder: then the others' labels are no strangers.
                if stem in stems and not is_hidden(file.name):
                    continue
                if is_hidden(file.name) or not _holds_labels(file):
                    notes.odd("files_ignored", str(file))
                else:
                    notes.mistake(f"{file}: labels without an image: add the image or remove the labels")


def labelled(image: Path, file: Path | None, names: Mapping[int, str], key_points: bool, notes: Notes) -> Labelled:
    """One image and its objects; what is wrong with a line is a mistake in the notes. Raises RequestError where one
    of the two files cannot be read."""
    height, width = whole_size(image)
    labels: list[Label] = []
    seen: set[Line] = set()
    for number, text in enumerate(_lines(file) if file else [], start=1):
        if not text.strip():
            continue
        place = f"{file}: line {number}"
        with notes.collecting():
            line = _parsed(text, place, key_points)
            if line.category not in names:
                raise RequestError(
                    f"{place}: class {line.category:g} has no name in the data.yaml, which has {min(names)} to"
                    f" {max(names)}"
                )
            if line.scored:
                notes.odd("scores_ignored", place)
            if line._replace(scored=False) in seen:
                notes.odd("dropped_duplicates", place)
                continue
            seen.add(line._replace(scored=False))
            left, top, right, bottom = line.box
            box = fitted((left * width, top * height, right * width, bottom * height), height, width, place, notes)
            if box is not None:
                labels.append(Label(int(line.category), box, area_of(box)))
    return Labelled(image.name, labels, image)


def _parsed(text: str, place: str, key_points: bool) -> Line:
    """Five numbers are a box wherever they stand, with one more it has a score; a class and points are the box around
    them. Raises RequestError for anything else."""
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    count = len(values) if all(math.isfinite(value) for value in values) else 0
    scored = count >= 6 and count % 2 == 0 and 0 <= values[-1] <= 1 and not key_points
    if count == 5 or (count == 6 and scored) or (count > 5 and key_points):
        category, x, y, w, h = values[:5]
        box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    elif count >= 7 and (count % 2 == 1 or scored) and not key_points:
        category, points = values[0], values[1 : count - scored]
        xs, ys = points[::2], points[1::2]
        box = min(xs), min(ys), max(xs), max(ys)
    else:
        raise RequestError(
            f"{place}: {text[:60]!r}: must be five numbers with spaces between, class x y width height, or a class and"
            " three points or more"
        )
    if not all(-BEYOND <= side <= 1 + BEYOND for side in box):
        raise RequestError(
            f"{place}: {text[:60]!r}: must be parts of the image's width and height, 0 to 1: divide pixels by them"
        )
    return Line(category, box, scored)


def check_labels(file: Path) -> None:
    """Raises RequestError for what is no file, or too large for the labels of an image."""
    check_file(file, "labels are text files", MAX_BYTES)


def _lines(file: Path) -> list[str]:
    check_labels(file)
    with explained(str(file)):
        return file.read_text(encoding="utf-8-sig", errors="replace").splitlines()


def _holds_labels(file: Path) -> bool:
    """Whether a line of it begins as labels do, with five numbers; empty files and lists of classes do not."""
    try:
        lines = _lines(file)
    except RequestError:
        return False
    return any(len(words := line.split()) >= 5 and all(map(_is_number, words[:5])) for line in lines)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _text_files(folder: Path) -> dict[str, Path]:
    """By stem, in order; of a.TXT and a.txt the latter."""
    return {file.stem: file for file in _files(folder, (".txt",))}


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """What lies in a folder, by suffix whatever its case."""
    with explained(str(folder)):
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
