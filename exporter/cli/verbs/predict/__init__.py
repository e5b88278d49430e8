"""`exporter predict`: runs an artifact on images."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from exporter.cli.arguments import add_bit_depth

USAGE = "DIR IMAGE… --out DIR"
SUMMARY = "run an artifact on images; writes them with boxes, and predictions.json"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the input, where the artifact takes several"
    )
    add_bit_depth(parser)


def run(given: Namespace) -> int:
    from exporter.cli.verbs.predict.write import predict

    return predict(given.dir, given.images, given.out, tuple(given.size) if given.size else None, given.bit_depth)
