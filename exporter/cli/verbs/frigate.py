"""`exporter frigate`: an artifact for Frigate."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR [--out FOLDER]"
SUMMARY = "check an artifact against what Frigate reads; its configuration"


def parser() -> ArgumentParser:
    about = "checks an artifact against what Frigate's detector reads, and writes its blocks model: and detectors:"
    parser = ArgumentParser(prog="exporter frigate", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--detector", metavar="NAME", help="onnx, openvino, rknn or memryx (what the artifact is for)")
    parser.add_argument("--model-type", metavar="TYPE", help="yolonas or yolo-generic (what the artifact's format is)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="with the model and labels.txt (without: print it)")
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.deploy.frigate import write

    for line in write(given.dir, given.detector, given.model_type, given.out):
        print(line)
    return 0
