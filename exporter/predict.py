"""`exporter predict`: runs an artifact on pictures with nothing but its manifest to go by."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from exporter.drawing import draw, write_png
from exporter.errors import BuildError, RequestError
from exporter.files import exists, is_folder
from exporter.inference import Detections, Detector
from exporter.manifest import read_manifest
from exporter.pictures import list_pictures, read_picture
from exporter.progress import progress_in
from exporter.runtime.onnx_runtime import emulation


def predict(folder: Path, images: Iterable[Path], out: Path, size: tuple[int, int] | None = None) -> int:
    """Writes `<picture>.png` with boxes drawn for each picture, and predictions.json, into `out`.

    `size`: height and width that pictures are brought to, None for the artifact's nominal ones.
    Pictures that cannot be read are named on standard error and left out; the exit code is then 2.
    """
    manifest = read_manifest(folder)
    detector = Detector.of(folder, manifest, size)
    files = [file for image in images for file in (list_pictures(image, "IMAGE") if is_folder(image) else [image])]
    if exists(out) and not is_folder(out):
        raise RequestError(f"--out {out}: is a file: give a folder")
    out.mkdir(parents=True, exist_ok=True)
    predictions, bad = [], 0
    for file, name in progress_in("text").bar(list(zip(files, _names(files), strict=True)), "predict", len(files)):
        try:
            picture = read_picture(file)
        except RequestError as error:
            print(f"exporter: {error}", file=sys.stderr)
            bad += 1
            continue
        (found,) = detector([picture])
        _check_classes(found, len(manifest.model.class_names), folder)
        write_png(out / f"{name}.png", draw(picture, found, manifest.model.class_names))
        height, width = picture.shape[:2]
        rows = _rows(found, manifest.model.class_names)
        predictions.append({"image": str(file), "width": width, "height": height, "detections": rows})
    (out / "predictions.json").write_text(json.dumps(predictions, indent=1) + "\n", encoding="utf-8")
    total = sum(len(p["detections"]) for p in predictions)
    print(
        f"{len(predictions)} pictures, {total} detections → {out}{emulation(folder / manifest.artifact.file)}"
        + (f"; {bad} pictures could not be read" if bad else "")
    )
    return 2 if bad else 0


def _check_classes(found: Detections, count: int, folder: Path) -> None:
    strange = found.classes[(found.classes < 0) | (found.classes >= count)]
    if len(strange):
        raise BuildError(f"{folder}: it gives class {strange[0]}, and its manifest names {count}: verify it")


def _names(files: list[Path]) -> list[str]:
    """A name for each picture's drawing; pictures of one stem get a number."""
    seen: dict[str, int] = {}
    names = []
    for file in files:
        seen[file.stem] = seen.get(file.stem, 0) + 1
        names.append(file.stem if seen[file.stem] == 1 else f"{file.stem}_{seen[file.stem]}")
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
