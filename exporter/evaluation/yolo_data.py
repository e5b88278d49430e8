"""A data.yaml as YOLO's tools write it: the classes' names, and the images of a split."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from exporter.common.errors import RequestError
from exporter.common.files import check_file, exists, is_file, is_folder, user_path
from exporter.common.image_files import find_images, is_hidden, is_image
from exporter.common.images import SUFFIXES
from exporter.common.messages import explained
from exporter.common.yaml_text import read_yaml_text
from exporter.evaluation.classes import listed
from exporter.evaluation.notes import Notes

Split = Literal["val", "test", "train"]
DECIMAL = re.compile(r"\d{1,9}")
MAX_BYTES = 100_000_000  # of a list of images, or of one image's labels


@dataclass(frozen=True)
class YoloData:
    """group: the group of the recipe whose key `path` names the file; given: that key as it was said; split: which of
    its sets; notes: where what is odd goes."""

    group: str
    given: str
    file: Path
    split: Split
    content: dict[str, Any]
    notes: Notes

    @property
    def has_key_points(self) -> bool:
        return "kpt_shape" in self.content

    def names(self) -> dict[int, str]:
        """Of the classes, by number: `names` is a list, or a mapping from numbers. Raises RequestError."""
        names = self.content.get("names")
        found: Any = dict(enumerate(names)) if isinstance(names, list) else names
        if isinstance(found, dict):  # a program that went by way of json has made text of the numbers
            found = {int(k) if isinstance(k, str) and DECIMAL.fullmatch(k) else k: name for k, name in found.items()}
        if not isinstance(found, dict) or not found or not all(type(key) is int for key in found):
            raise RequestError(
                f"{self.given}: its names are neither a list nor a mapping from class numbers: give the classes"
            )
        if strange := [f"{key} is {name}" for key, name in found.items() if not _is_name(name)]:
            raise RequestError(
                f"{self.given}: of its names {listed(strange)}: no names: YAML reads yes, no, on, off, true, false and"
                " null as its own words: put each name in quotes"
            )
        named = {key: str(name) for key, name in found.items()}
        if len(set(named.values())) != len(named):
            raise RequestError(f"{self.given}: two of its names are the same: give each class its own")
        count = self.content.get("nc")
        if count is not None and str(count).strip() != str(len(named)):
            raise RequestError(
                f"{self.given}: nc={str(count)[:20]}, but there are {len(named)} names: mend one of them"
            )
        return named

    def images(self) -> list[Path]:
        """Those that the split names, each once, in the order of their paths. Raises RequestError where it names none;
        what it names and is not there is a mistake in the notes."""
        places = self.content.get(self.split)
        if not places:
            has = [split for split in ("train", "val", "test") if self.content.get(split)]
            instead = f" (it has {', '.join(has)})" if has else ""
            raise RequestError(
                f"{self.file}: names no images for {self.group}.split={self.split}{instead}: give {self.split}: a"
                " folder or a list"
            )
        found: dict[Path, Path] = {}  # by where they lie, whatever way the data.yaml goes there
        for word in places if isinstance(places, list) else [places]:
            with self.notes.collecting():
                found |= {_plain(path): path for path in self._at(str(word))}
        if not found:
            self.notes.check()
            raise RequestError(
                f"{self.file}: {self.split}: no images there: give a folder that holds some ({', '.join(SUFFIXES)})"
            )
        return [found[place] for place in sorted(found)]

    def _at(self, word: str) -> list[Path]:
        """The images of a folder, of a list, or the one that the word names."""
        place = self._found(word, None, f"{self.file}: {self.split}")
        if place is not None and is_folder(place):
            with explained(f"{self.file}: {self.split}: {place}"):
                images, passed = find_images(place)
            for _ in range(passed):
                self.notes.odd("files_ignored", f"{place}: a hidden file with the suffix of images")
            return images
        if place is not None and is_image(place):
            return [place]
        if place is not None and is_file(place) and place.suffix == ".txt":
            return self._listed(place)
        tried = dict.fromkeys(str(_plain(base / word)) for base in self._bases(str))
        raise RequestError(
            f"{self.file}: {self.split}: {word}: neither a folder nor a .txt list of images; looked for"
            f" {' and '.join(tried)}: mend path or {self.split} of the data.yaml"
        )

    def _bases(self, spelled: Callable[[str], str]) -> tuple[Path, Path]:
        """Where its places begin: at its `path`, seen from the file, or else from the current folder, as YOLOv5 takes
        it."""
        path = user_path(spelled(str(self.content.get("path") or "")))
        return self.file.parent / path, path

    def _found(self, word: str, beside: Path | None, place: str) -> Path | None:
        r"""The first that there is, beside a file that names it or at the bases: as it is written, as Roboflow writes
        it, and with \ for /."""
        for spelled in (str, _with_slashes):
            own, current = self._bases(spelled)
            for base in dict.fromkeys((beside or own, own, current)):
                # Roboflow's ../valid/images is beside the file all the same, and Ultralytics reads it so.
                for each in (spelled(word), spelled(word).removeprefix("../")):
                    if not exists(found := base / user_path(each)):
                        continue
                    if spelled is _with_slashes:
                        self.notes.odd("backslashes", f"{place}: {word}")
                    if base not in (beside, own):
                        self.notes.odd("from_current_folder", f"{place}: {word}")
                    return found
        return None

    def _listed(self, file: Path) -> list[Path]:
        """The images of a list, a line each, which begin beside it or where those of the data.yaml do."""
        check_file(file, "give a list of images, a path a line", MAX_BYTES)
        with explained(str(file)):
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        found = []
        for number, line in enumerate(lines, start=1):
            place, word = f"{file}: line {number}", line.strip()
            if not word:
                continue
            image = self._found(word, file.parent, place)
            if image is None:
                places = " or ".join(dict.fromkeys(map(str, (file.parent, *self._bases(str)[:1]))))
                self.notes.mistake(f"{place}: {word[:200]}: no such image in {places}")
            elif is_hidden(image.name):
                self.notes.odd("files_ignored", f"{place}: {word}")
            else:
                found.append(image)
        return found


def _is_name(value: Any) -> bool:
    """Numbers and days can be meant as names as they stand; what YAML reads as true, false or null cannot."""
    return isinstance(value, str | int | float | date) and not isinstance(value, bool)


def _plain(path: Path) -> Path:
    """Absolute and without detours; links stay what they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow them


def _with_slashes(path: str) -> str:
    r"""As Windows's programs read it: \ is what / is."""
    return path.replace("\\", "/")


def read_data(group: str, path: str, split: Split, notes: Notes) -> YoloData:
    """The file, parsed and nothing of it looked at. Raises RequestError."""
    import yaml

    file, given = user_path(path), f"{group}.path={path}"
    if not is_file(file):
        raise RequestError(f"{given}: not a file: give the data.yaml")
    text = read_yaml_text(file, given, f"give a data.yaml with {split} and names")
    with explained(given):
        try:
            content = yaml.safe_load(text) or {}
        except ValueError as error:  # PyYAML lets through what Python says of a number or a day that cannot be
            raise RequestError(f"{given}: not valid YAML: {error}: put that value in quotes") from error
    return YoloData(group, given, file, split, content, notes)
