"""`exporter evaluate`: the mAP of an artifact on the disk."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from exporter.cli.arguments import add_labelled_images, labelled_images

USAGE = "DIR [--yolo FILE …]"
SUMMARY = "mAP of an artifact on synthetic images, or on your labelled images"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    add_labelled_images(parser, "at most so many (demo: 300, others: all)")


def run(given: Namespace) -> int:
    from exporter.artifact.evaluate import evaluate_artifact
    from exporter.artifact.manifest import read_manifest
    from exporter.backend.engine import engine_of
    from exporter.common.progress_form import progress_in
    from exporter.postprocessing.outside import in_words

    folder, manifest = given.dir, read_manifest(given.dir)
    found = evaluate_artifact(folder, manifest, labelled_images(given), progress_in("text"))
    scores = found.artifact
    print(
        f"{folder}: mAP {scores.map:.2f}, AP50 {scores.ap50:.2f}, AP75 {scores.ap75:.2f} on {found.num_images}"
        f" images with {found.num_boxes} objects"
    )
    sizes = [f"{size} {value:.2f}" for size, value in scores.by_size.items() if value is not None]
    print(f"  mAP by size: {', '.join(sizes)}")
    if manifest.postprocessing.outside:
        print(f"  {in_words(manifest.postprocessing.outside)}")
    print(f"  run in {engine_of(manifest.backend).label(folder / manifest.artifact.file)}")
    return 0
