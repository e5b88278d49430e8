"""`exporter frigate`: an artifact for Frigate."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR [--out FOLDER]"
SUMMARY = "check an artifact against what Frigate reads; its configuration"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--detector", metavar="NAME", help="onnx, openvino, rknn or memryx (what the artifact is for)")
    parser.add_argument("--model-type", metavar="TYPE", help="yolonas or yolo-generic (what the artifact's format is)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="with the model and labels.txt (without: print it)")


def run(given: Namespace) -> int:
    from exporter.deploy.frigate import write

    for line in write(given.dir, given.detector, given.model_type, given.out):
        print(line)
    return 0
