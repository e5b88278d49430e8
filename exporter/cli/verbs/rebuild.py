"""`exporter rebuild`: whether a manifest alone gives the artifact's bytes again."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR [--weights FILE]"
SUMMARY = "build an artifact again from its manifest alone and compare the bytes"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="where its weights lie now")
    parser.add_argument("--pictures", type=Path, metavar="PLACE", help="calibration images now: folder, data.yaml")
    parser.add_argument("--annotations", type=Path, metavar="JSON", help="of calibration=coco, where it lies now")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the new artifact here")
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE", help="code that its recipe may name")


def run(given: Namespace) -> int:
    from exporter.pipeline.rebuild import rebuild

    trust = tuple(given.trust)
    for line in rebuild(given.dir, given.weights, given.pictures, given.annotations, given.out, trust):
        print(f"{given.dir}: {line}")
    return 0
