"""Ed25519 keys from PEM files, with `cryptography`; whatever else such a file holds is named and refused."""

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.errors import RequestError
from exporter.common.files import check_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_BYTES = 100_000
MAKE = "openssl genpkey -algorithm ed25519 -out builder.key"
TAKE = "openssl pkey -in builder.key -pubout -out builder.pub"


def read_private(path: Path, passphrase_env: str | None, folder: Path) -> "Ed25519PrivateKey":
    """The key to sign `folder` with. passphrase_env: the environment variable that holds the key's passphrase.

    Raises RequestError where it is no private Ed25519 key in PEM, or cannot be opened with that passphrase."""
    _need_cryptography("sign")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(path, folder, f"give a private key in PEM ({MAKE})")
    if b" PUBLIC KEY-----" in pem:
        raise RequestError(f"--key {path}: is a public key, which only checks: sign with the private one ({MAKE})")
    passphrase = None
    if passphrase_env is not None:
        if passphrase_env not in os.environ:
            raise RequestError(f"--passphrase-env {passphrase_env}: no such environment variable: set it")
        passphrase = os.fsencode(os.environ[passphrase_env])
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:
        if passphrase is None:
            line = "is encrypted: name the environment variable that holds its passphrase, --passphrase-env NAME"
        else:
            line = "is not encrypted: leave --passphrase-env out"
        raise RequestError(f"--key {path}: {line}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        problem = "holds no private key in PEM" + ("" if passphrase is None else ", or this is not its passphrase")
        raise RequestError(f"--key {path}: {problem}: {_reason(error)}: make one with {MAKE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RequestError(f"--key {path}: {_kind(key)}: artifacts are signed with Ed25519 alone: {MAKE}")
    return key


def read_public(path: Path, folder: Path) -> "Ed25519PublicKey":
    """The key to check `folder` with. Raises RequestError where it is no public Ed25519 key in PEM."""
    _need_cryptography("verify --key")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = _read(path, folder, "give the builder's public key in PEM")
    if b"PRIVATE KEY-----" in pem:
        raise RequestError(f"--key {path}: is a private key, the builder's alone: give its public half ({TAKE})")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError(f"--key {path}: holds no public key in PEM: {_reason(error)}: {TAKE}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise RequestError(f"--key {path}: {_kind(key)}: artifacts are signed with Ed25519 alone: give the builder's")
    return key


def key_id(key: "Ed25519PublicKey") -> str:
    """What `openssl pkey -pubin -in builder.pub -outform DER | sha256sum` prints, 64 hex digits."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _need_cryptography(verb: str) -> None:
    try:
        import cryptography.hazmat.primitives.serialization  # noqa: F401 - the binding that may be missing or broken
    except ImportError as error:
        raise RequestError(f"{verb}: needs the package cryptography: pip install 'exporter[sign]'") from error


def _read(path: Path, folder: Path, fix: str) -> bytes:
    check_file(path, fix, MAX_BYTES, f"--key {path}")
    if path.resolve().is_relative_to(folder.resolve()):
        raise RequestError(f"--key {path}: lies in {folder}, and goes where that goes: keep keys elsewhere")
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"--key {path}: {error.strerror}: {fix}") from error


def _kind(key: object) -> str:
    """The name of a key's class without what every such name has."""
    return f"is a key of the kind {re.sub('(Private|Public)Key', '', type(key).__name__)}"


def _reason(error: Exception) -> str:
    """The first sentence of what OpenSSL's binding says, which may go on for lines."""
    return " ".join(str(error).split()).split(". ")[0][:150].rstrip(".") or type(error).__name__
