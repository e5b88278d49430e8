"""Keys that are none, or not the ones that are wanted: one line, exit code 2, and nothing is written."""

import builtins
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from exporter.artifact.signature import NAMES
from exporter.cli import main
from tests.artifact.signature.keys import write_key

ED25519 = "openssl genpkey -algorithm ed25519 -out builder.key"


@pytest.fixture
def keys(place):
    """Files that a key could be mistaken for."""
    write_key(place, "rsa", rsa.generate_private_key(65537, 2048))
    write_key(place, "ec", ec.generate_private_key(ec.SECP256R1()))
    write_key(place, "ed448", ed448.Ed448PrivateKey.generate())
    write_key(place, "locked", passphrase=b"secret")
    (place / "empty").write_bytes(b"")
    (place / "noise").write_bytes(bytes(range(256)))
    (place / "huge").write_bytes(b"")
    os.truncate(place / "huge", 10**9)
    (place / "cut.key").write_bytes((place / "builder.key").read_bytes()[:-40])
    (place / "cut.pub").write_bytes((place / "builder.pub").read_bytes()[:-40])
    os.mkfifo(place / "pipe")
    write_key(place / "out", "inside")
    return place


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sign", "--key", "nowhere.key"], f"--key nowhere.key: No such file or directory: give a private key in PEM ({ED25519})"),
        (["sign", "--key", "."], "--key .: is not a file"),
        (["sign", "--key", "pipe"], "--key pipe: is not a file"),
        (["sign", "--key", "huge"], "--key huge: 1000000000 bytes, and at most 100000 are read"),
        (["sign", "--key", "empty"], "--key empty: holds no private key in PEM"),
        (["sign", "--key", "noise"], "--key noise: holds no private key in PEM"),
        (["sign", "--key", "cut.key"], "--key cut.key: holds no private key in PEM"),
        (["sign", "--key", "builder.pub"], "--key builder.pub: is a public key, which only checks"),
        (["sign", "--key", "rsa.key"], "--key rsa.key: is a key of the kind RSA: artifacts are signed with Ed25519"),
        (["sign", "--key", "ed448.key"], "is a key of the kind Ed448"),
        (["sign", "--key", "locked.key"], "--key locked.key: is encrypted: name the environment variable"),
        (["sign", "--key", "locked.key", "--passphrase-env", "WRONG"], "or this is not its passphrase"),
        (["sign", "--key", "locked.key", "--passphrase-env", "EMPTY"], "--key locked.key: "),
        (["sign", "--key", "locked.key", "--passphrase-env", "NOT_SET"], "--passphrase-env NOT_SET: no such environment variable"),
        (["sign", "--key", "builder.key", "--passphrase-env", "WRONG"], "--key builder.key: is not encrypted: leave --passphrase-env out"),
        (["sign", "--key", "out/inside.key"], "lies in out, and goes where that goes"),
        (["verify", "--key", "nowhere.pub"], "--key nowhere.pub: No such file or directory: give the builder's public key"),
        (["verify", "--key", "huge"], "--key huge: 1000000000 bytes"),
        (["verify", "--key", "noise"], "--key noise: holds no public key in PEM"),
        (["verify", "--key", "cut.pub"], "--key cut.pub: holds no public key in PEM"),
        (["verify", "--key", "builder.key"], "--key builder.key: is a private key, the builder's alone"),
        (["verify", "--key", "locked.key"], "--key locked.key: is a private key"),
        (["verify", "--key", "ec.pub"], "--key ec.pub: is a key of the kind "),
        (["verify", "--key", "rsa.pub"], "--key rsa.pub: is a key of the kind RSA"),
        (["verify", "--key", "out/inside.pub"], "lies in out, and goes where that goes"),
    ],
)  # fmt: skip
def test_what_is_no_such_key(arguments, said, keys, monkeypatch, line):
    monkeypatch.setenv("WRONG", "hunter2")
    monkeypatch.setenv("EMPTY", "")
    assert main([arguments[0], "out", *arguments[1:]]) == 2
    message = line()
    assert said in message and "hunter2" not in message
    assert not [name for name in NAMES if (keys / "out" / name).exists()]


def test_a_passphrase_comes_from_the_environment(keys, monkeypatch):
    (keys / "out" / "inside.key").unlink()
    monkeypatch.setenv("PASSPHRASE", "secret")
    assert main(["sign", "out", "--key", "locked.key", "--passphrase-env", "PASSPHRASE"]) == 0
    assert main(["verify", "out", "--key", "locked.pub"]) == 0


def test_a_key_that_cannot_be_read(place, monkeypatch, line):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(place), "read_bytes", refuse)  # root reads everything
    assert main(["sign", "out", "--key", "builder.key"]) == 2
    assert "--key builder.key: Permission denied" in line()


@pytest.mark.parametrize(
    "arguments", [["sign", "out", "--key", "builder.key"], ["verify", "out", "--key", "builder.pub"]]
)
def test_without_cryptography(arguments, place, monkeypatch, line):
    ordinary = builtins.__import__

    def missing(name, *rest):
        if name.startswith("cryptography"):
            raise ModuleNotFoundError(name)
        return ordinary(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert main(arguments) == 2
    assert "needs the package cryptography: pip install 'exporter[sign]'" in line()


@pytest.mark.parametrize(("folder", "codes"), [("nowhere", (2, 2)), ("empty", (2, 1))])
def test_what_is_no_artifact(folder, codes, place, line):
    (place / "empty").mkdir()
    for code, arguments in zip(
        codes, (["sign", folder, "--key", "builder.key"], ["verify", folder, "--key", "builder.pub"]), strict=True
    ):
        assert main(arguments) == code
        assert line().startswith(f"exporter: {folder}: ")
