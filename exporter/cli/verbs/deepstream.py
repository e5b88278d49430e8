"""`exporter deepstream`: an artifact for DeepStream's nvinfer."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR --out FOLDER"
SUMMARY = "write a configuration for DeepStream's nvinfer"


def parser() -> ArgumentParser:
    about = "writes the nvinfer configuration of a TensorRT artifact, and what it needs"
    parser = ArgumentParser(prog="exporter deepstream", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.deploy.deepstream import write_config

    for line in write_config(given.dir, given.out):
        print(line)
    return 0
