"""`exporter deepstream`: an artifact for DeepStream's nvinfer."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR --out FOLDER"
SUMMARY = "write a configuration for DeepStream's nvinfer"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")


def run(given: Namespace) -> int:
    from exporter.deploy.deepstream import write_config

    for line in write_config(given.dir, given.out):
        print(line)
    return 0
