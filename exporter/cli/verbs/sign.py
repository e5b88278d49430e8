"""`exporter sign`: says who built an artifact."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

USAGE = "DIR --key PRIVATE_KEY"
SUMMARY = "sign an artifact: Ed25519 over the digests of all its files"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, required=True, metavar="PRIVATE_KEY", help="Ed25519, a PEM file")
    parser.add_argument("--passphrase-env", metavar="NAME", help="environment variable that holds its passphrase")


def run(given: Namespace) -> int:
    from exporter.artifact.signature.sign import sign

    print(sign(given.dir, given.key, given.passphrase_env))
    return 0
