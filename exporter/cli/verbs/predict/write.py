"""An artifact run on images with nothing but its manifest to go by; what it finds is drawn and written."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.backend.engine import engine_of
from exporter.common.bit_depth import BitDepth, Depth
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import is_folder
from exporter.common.folders import folder_for
from exporter.common.image_files import list_images
from exporter.common.progress_form import progress_in
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.outside import in_words
from exporter.report.drawing import draw, write_png


def predict(
    folder: Path, images: Iterable[Path], out: Path, size: tuple[int, int] | None = None, bit_depth: BitDepth = "auto"
) -> int:
    """Writes `<image>.png` with boxes drawn for each image, and predictions.json, into `out`; memory does not grow
    with the number of images. Returns the exit code.

    `size`: height and width that images are brought to, None for the artifact's nominal ones. `bit_depth`: what those
    of 16 bits use, all alike; where that is found, a line on standard error says it.
    An image that cannot be read has a line on standard error and is left out, and the exit code is then 1. Raises
    RequestError where that is every image, and for an `out` that cannot be written or where a drawing would replace
    an image. predictions.json appears at the end, whole or not at all.
    """
    manifest = read_manifest(folder)
    detector = detector_of(folder, manifest, size)
    files = [file for image in images for file in (list_images(image, "IMAGE") if is_folder(image) else [image])]
    depth = Depth(files, bit_depth)
    drawings = [out / f"{name}.png" for name in _names(files)]
    _check_drawings(files, drawings, out)
    done = objects = bad = 0
    with _writing_to(out) as (drawing, text):
        if line := depth.said("predict", "--bit-depth "):
            print(f"exporter: {line}", file=sys.stderr)
        started = time.perf_counter()
        jobs = list(zip(files, drawings, strict=True))
        for file, drawn in progress_in("text").bar(jobs, "predict", len(jobs)):
            try:
                pixels = depth.read(file)
            except RequestError as error:
                print(f"exporter: {error}", file=sys.stderr)
                bad += 1
                continue
            (found,) = detector([pixels])
            _check_classes(found, len(manifest.model.class_names), folder)
            write_png(drawing, draw(pixels, found, manifest.model.class_names))
            drawing.replace(drawn)
            text.write((",\n" if done else "[\n") + _entry(file, pixels.shape, found, manifest.model.class_names))
            done, objects = done + 1, objects + len(found.boxes)
        if not done:
            raise RequestError(f"none of the {bad} images can be read: nothing was written to {out}")
        text.write("\n]\n")
        seconds = time.perf_counter() - started
    engine = engine_of(manifest.backend).label(folder / manifest.artifact.file)
    print(
        f"{done} images, {objects} detections → {out}; {engine};"
        f" {done / seconds:.1f} images/s" + (f"; {bad} images could not be read" if bad else "")
    )
    if manifest.postprocessing.outside:
        print(f"  {in_words(manifest.postprocessing.outside)}")
    return 1 if bad else 0


@contextmanager
def _writing_to(out: Path) -> Iterator[tuple[Path, TextIO]]:
    """A place for one drawing at a time, and the text that becomes predictions.json when the block succeeds.

    When it does not, the drawings that are done stay. Both lie in `out` under names that the next run takes again, so
    that nothing is left for ever of one that is killed; so only one process writes there at a time."""
    drawing, part = out / ".predicting.png", out / ".predicting.json"
    with ExitStack() as at_end:
        try:
            at_end.enter_context(folder_for(out))
            at_end.callback(os.close, lock := os.open(out, os.O_RDONLY | os.O_DIRECTORY))
            _lock(lock, out)
            for left in (drawing, part):
                at_end.callback(_remove, left)
            text = part.open("w", encoding="utf-8")
            at_end.callback(_close, text)
        except OSError as error:
            raise RequestError(f"--out {out}: {error.strerror}: give a folder that can be written") from error
        try:
            yield drawing, text
            text.close()
            part.replace(out / "predictions.json")
        except OSError as error:
            raise BuildError(f"--out {out}: {error.strerror}: predictions.json was not written") from error


def _lock(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RequestError(f"--out {out}: another predict is writing there: wait for it or give another one") from None
    except OSError:
        return  # a file system without locks: whoever has two write to one folder of it mixes images, and no file


def _close(text: TextIO) -> None:
    with suppress(OSError):  # the disk is full, which has been said
        text.close()


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


def _entry(file: Path, shape: tuple[int, ...], found: Detections, class_names: list[str]) -> str:
    """One image's part of predictions.json."""
    entry = {"image": str(file), "width": shape[1], "height": shape[0], "detections": _rows(found, class_names)}
    return json.dumps([entry], indent=1).removeprefix("[\n").removesuffix("\n]")


def _check_drawings(files: list[Path], drawings: list[Path], out: Path) -> None:
    """Raises RequestError where a drawing would take the place of an image that was given."""
    given = {os.path.realpath(file) for file in files}
    for drawing in drawings:
        if os.path.realpath(drawing) in given:
            raise RequestError(
                f"--out {out}: {drawing.name} would replace an image that was given: give another folder"
            )


def _check_classes(found: Detections, count: int, folder: Path) -> None:
    strange = found.classes[(found.classes < 0) | (found.classes >= count)]
    if len(strange):
        raise BuildError(f"{folder}: it gives class {strange[0]}, and its manifest names {count}: verify it")


def _names(files: list[Path]) -> list[str]:
    """A name for each image's drawing; images of one stem get a number that no other image's name has."""
    stems, seen = {file.stem for file in files}, dict[str, int]()
    names = []
    for file in files:
        name, seen[file.stem] = file.stem, seen.get(file.stem, 0) + 1
        while seen[file.stem] > 1 and (name := f"{file.stem}_{seen[file.stem]}") in stems:
            seen[file.stem] += 1
        names.append(name)
    return names


def _rows(found: Detections, class_names: list[str]) -> list[dict]:
    return [
        {
            "box": [round(float(side), 3) for side in box],
            "score": round(float(score), 6),
            "class": int(index),
            "name": class_names[int(index)],
        }
        for box, score, index in zip(found.boxes, found.scores, found.classes, strict=True)
    ]
