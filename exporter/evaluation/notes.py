"""What is odd about the labels of a set: counted where there is one way to take it, a mistake where there is none. All
mistakes of a set are one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from exporter.common.errors import RequestError

SHOWN = 3
"""Mistakes that are told; of the others, their number."""


class Kind(NamedTuple):
    """An oddity in words: what was done about them, and what is wrong where `strict` makes a mistake of it."""

    done: str
    wrong: str


KINDS = {
    "clipped": Kind("boxes clipped at the image's edge", "reaches over the edge of its image"),
    "dropped_outside": Kind("boxes wholly outside their image dropped", "lies outside its image"),
    "dropped_without_extent": Kind("boxes without extent dropped", "has no size"),
    "dropped_duplicates": Kind("boxes that stand twice in a file dropped", "repeats a line of its file"),
    "area_from_box": Kind("areas missing or 0, taken as width × height", "its area is not a positive number"),
    "size_from_image": Kind("image sizes missing, read from the images", "its width and height are not pixels"),
    "size_turned": Kind(
        "image sizes given as before the turn of their EXIF", "its width and height are those before its EXIF's turn"
    ),
    "scores_ignored": Kind("scores behind boxes ignored", "has a score behind its numbers"),
    "backslashes": Kind(r"paths with \ read as /", r"is written with \ instead of /"),
    "from_current_folder": Kind("paths found from the current folder", "is found only from the current folder"),
    "files_ignored": Kind("files that are neither labels nor images ignored", "is neither labels nor an image"),
    "categories_ignored": Kind("categories that label nothing ignored", "is not a class of the model"),
    "names_in_other_case": Kind("class names matched whatever their case", "is written in another case by the model"),
}


class Notes:
    """Collects them while a set is read. `strict`: what is odd is a mistake as well."""

    def __init__(self, strict: bool):
        self._strict = strict
        self._counts = dict.fromkeys(KINDS, 0)
        self._shown: list[str] = []
        self._mistakes = 0

    def odd(self, kind: str, place: str) -> None:
        """One of `KINDS` at a place, in words that say which."""
        if self._strict:
            self.mistake(f"{place}: {KINDS[kind].wrong}")
        else:
            self._counts[kind] += 1

    def mistake(self, line: str) -> None:
        """What cannot be right: the place, and why."""
        self._mistakes += 1
        if self._mistakes <= SHOWN:
            self._shown.append(line)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """A RequestError that ends the block is a mistake, and what comes after the block is still looked at."""
        try:
            yield
        except RequestError as error:
            self.mistake(str(error))

    def check(self) -> None:
        """Raises RequestError, one line, if there is a mistake."""
        if self._mistakes:
            more = f" … and {self._mistakes - SHOWN} more" if self._mistakes > SHOWN else ""
            raise RequestError("; ".join(self._shown) + more)

    @property
    def counts(self) -> dict[str, int]:
        """What was odd, by kind; only what there is."""
        return {kind: count for kind, count in self._counts.items() if count}


def in_words(counts: Mapping[str, int]) -> str:
    """«boxes clipped at the image's edge: 3, boxes without extent dropped: 1»; nothing where nothing is odd."""
    return ", ".join(f"{KINDS[kind].done}: {count}" for kind, count in counts.items())


def warning(counts: Mapping[str, int], strict: str) -> str:
    """The line that a build says, empty where nothing is odd. strict: how they are made errors."""
    return f"labels: {in_words(counts)} ({strict} makes them errors)" if counts else ""
