"""Signs an artifact's folder, checks its signature, and takes it away where it holds no longer."""

import hashlib
import re
import tempfile
from pathlib import Path

from exporter.artifact.manifest import read_manifest
from exporter.artifact.signature import KEY_ID, NAMES, SIGNATURE, SUMS
from exporter.artifact.signature.keys import key_id, read_private, read_public
from exporter.artifact.signature.sums import MAX_BYTES, check_sums, sums_of, sums_text
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import check_file
from exporter.common.swap import fsync


def sign(folder: Path, key: Path, passphrase_env: str | None) -> str:
    """Writes SHA256SUMS of the folder and its signature; a line that says so.

    Raises RequestError for a bad key and where there is no artifact, BuildError where the artifact is not what its
    manifest says (nothing is changed then), or where the signature cannot be written."""
    private = read_private(key, passphrase_env, folder)
    identity = key_id(private.public_key())
    manifest = read_manifest(folder)
    claim = f"{identity}\n".encode()
    sums = sums_of(folder) | {KEY_ID: hashlib.sha256(claim).hexdigest()}
    for described in manifest.files:
        if sums.get(described.file) != described.sha256:
            raise BuildError(f"{folder}: {described.file} is missing or not what its manifest says: it was not signed")
    text = sums_text(sums).encode()
    if len(text) > MAX_BYTES:
        raise RequestError(f"{folder}: holds {len(sums)} files, more than an artifact's: it was not signed")
    try:
        remove_signature(folder)
        for name, content in ((KEY_ID, claim), (SUMS, text), (SIGNATURE, private.sign(text))):
            _write(folder, name, content)
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}: the signature could not be written") from error
    return f"{folder}: signed, {len(sums)} files, key {identity}"


def check_signature(folder: Path, key: Path) -> str:
    """Checks the signature, then every file of the folder against what was signed; a line that says so.

    Raises RequestError for a bad key and where there is no folder, BuildError where there is no signature, it is not
    this key's, or a file was changed, removed or added."""
    public = read_public(key, folder)
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder; give the folder that a build wrote")
    from cryptography.exceptions import InvalidSignature

    text, signature = _read(folder, SUMS, MAX_BYTES), _read(folder, SIGNATURE, 64)
    identity, claimed = key_id(public), claimed_key(folder)
    try:
        public.verify(signature, text)
    except InvalidSignature:
        claim = f"it says it is of key {claimed}" if claimed != identity else "it was changed, or what it signs was"
        raise BuildError(f"{folder / SIGNATURE}: is no signature by key {identity}: {claim}") from None
    count = check_sums(folder, text.decode("utf-8", "replace"))
    return f"signed by key {identity}; all {count} files are those that were signed"


def claimed_key(folder: Path) -> str | None:
    """The id of the key that the folder says it is signed with, as anybody could; None where it is not signed."""
    if not (folder / SIGNATURE).exists():
        return None
    try:
        claim = _read(folder, KEY_ID, 1000).decode("ascii", "replace")
    except BuildError:
        claim = ""
    return claim.strip() if re.fullmatch(r"[0-9a-f]{64}\n", claim) else "unknown"


def remove_signature(folder: Path) -> bool:
    """Before something in the folder changes; whether there was one. Raises OSError."""
    signed = (folder / SIGNATURE).exists()
    for name in (SIGNATURE, *NAMES):  # the signature first: what is left by a process that dies here is not signed
        (folder / name).unlink(missing_ok=True)
    return signed


def _read(folder: Path, name: str, most: int) -> bytes:
    path = folder / name
    if not path.exists():
        raise BuildError(f"{folder}: is not signed (no {name})")
    try:
        check_file(path, "it is no signature", most)
        return path.read_bytes()
    except (OSError, RequestError) as error:
        raise BuildError(str(error)) from error


def _write(folder: Path, name: str, content: bytes) -> None:
    """The file appears whole or not at all."""
    place = folder.resolve()
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.sign-") as scratch:
        written = Path(scratch) / name
        written.write_bytes(content)
        fsync(written)
        written.replace(place / name)
    fsync(place)
