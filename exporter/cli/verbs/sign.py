"""`exporter sign`: says who built an artifact."""

from argparse import ArgumentParser
from pathlib import Path

USAGE = "DIR --key PRIVATE_KEY"
SUMMARY = "sign an artifact: Ed25519 over the digests of all its files"


def parser() -> ArgumentParser:
    about = "signs an artifact, so that verify --key, or openssl and sha256sum, tell who built it"
    parser = ArgumentParser(prog="exporter sign", description=about)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, required=True, metavar="PRIVATE_KEY", help="Ed25519, a PEM file")
    parser.add_argument("--passphrase-env", metavar="NAME", help="environment variable that holds its passphrase")
    return parser


def run(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    from exporter.artifact.signature.sign import sign

    print(sign(given.dir, given.key, given.passphrase_env))
    return 0
