"""`exporter verify`: whether an artifact is what its manifest says, and who signed it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR [--key PUBLIC_KEY]"
SUMMARY = "check an artifact against its manifest, and who signed it"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, metavar="PUBLIC_KEY", help="PEM file of the builder: check the signature")


def run(given: Namespace) -> int:
    folder = given.dir
    from exporter.artifact.signature.sign import check_signature, claimed_key

    if given.key:  # first: then nothing of a stranger's is looked into
        print(f"  {check_signature(folder, given.key)}")
    from exporter.artifact.verify import verify

    for line in verify(folder):
        print(f"  {line}")
    if not given.key and (claim := claimed_key(folder)):
        print(f"  its signature was not checked (it says it is of key {claim}): give the builder's, --key PUBLIC_KEY")
    print(f"{folder}: verified")
    return 0
