"""What stands in one image, category or annotation of COCO's json. Each function raises RequestError that begins with
the place where it cannot be meant."""

from pathlib import Path
from typing import Any, NamedTuple

from exporter.common.errors import RequestError
from exporter.evaluation.labels import Box

Entry = dict[str, Any]


class Annotation(NamedTuple):
    """One object as the json has it: where it stands there, its category's id, box xyxy in pixels wherever it lies, its
    area in pixels (None: the json has none)."""

    place: str
    category: int
    box: Box
    area: float | None
    crowd: bool


def id_of(entry: Entry, place: str, key: str = "id") -> int:
    """An id, its own or that of another entry."""
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"{place} with {key}={str(value)[:60]!r}: an id is a whole number")
    return value


def name_of(category: Entry, file: Path) -> str:
    """Of a category whose id is one."""
    name = category.get("name")
    if not isinstance(name, str):
        raise RequestError(f"{file}: category {category['id']}: its name={repr(name)[:60]} is not text")
    return name


def annotation_of(entry: Entry, category: int, place: str) -> Annotation:
    """One whose ids have been looked at. An area that is missing, null or 0 is none."""
    box, crowd, area = entry.get("bbox"), entry.get("iscrowd"), entry.get("area")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise RequestError(f"{place}: its bbox={str(box)[:60]} is not [x, y, width, height]")
    if crowd not in (None, 0, 1):
        raise RequestError(f"{place}: its iscrowd={repr(crowd)[:60]} is neither 0 nor 1")
    if area is not None and not (_is_number(area) and area >= 0):
        raise RequestError(f"{place}: its area={repr(area)[:60]} is not a positive number: mend it or leave it out")
    x, y, width, height = box
    return Annotation(place, category, (x, y, x + width, y + height), area or None, bool(crowd))


def said_size(image: Entry, height: int, width: int) -> tuple[float, float] | None:
    """Height and width that the json says of an image of these; one side that it does not say is the image's. None
    where it says neither, or what is no size: 0, -1, null, text, 1 × 1."""
    given = [image.get(key) for key in ("height", "width")]
    if all(value is None for value in given):
        return None
    sides = [own if value is None else value for value, own in zip(given, (height, width), strict=True)]
    if not all(_is_number(side) and side > 0 for side in sides) or sides == [1, 1] != [height, width]:
        return None
    return sides[0], sides[1]


def _is_number(value: Any) -> bool:
    """Also neither NaN nor infinite, nor a whole number beyond what pixels or floats can be: json has all of them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
