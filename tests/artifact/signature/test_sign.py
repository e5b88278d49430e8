"""Signing: what was signed is found to be so, and any byte of the folder that is another is caught."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from exporter.artifact.manifest import read_manifest
from exporter.artifact.publish import publishing
from exporter.artifact.signature import KEY_ID, NAMES, SIGNATURE, SUMS, sums
from exporter.artifact.signature import sign as signing
from exporter.artifact.signature.sign import check_signature, claimed_key
from exporter.cli import main
from exporter.common.errors import BuildError
from exporter.common.paths import PACKAGE
from exporter.deploy.engine.make import write_engine
from tests.report.diff.artifacts import write

SEED = 20261125


def test_what_was_signed_verifies(signed, capsys):
    assert sorted(path.name for path in signed.iterdir()) == sorted([".hydra", "manifest.json", "model.onnx", *NAMES])
    assert main(["sign", "out", "--key", "builder.key"]) == 0
    assert main(["verify", "out", "--key", "builder.pub"]) == 0
    said = capsys.readouterr().out
    key = (signed / KEY_ID).read_text().strip()
    assert f"signed, 4 files, key {key}" in said and f"signed by key {key}; all 4 files" in said
    assert "out: verified" in said and "not checked" not in said
    assert [path.name for path in signed.parent.iterdir() if path.name.startswith(".")] == []


def test_without_the_key_the_signature_is_said_to_be_unchecked(signed, capsys):
    assert main(["verify", "out"]) == 0
    said = capsys.readouterr().out
    assert f"its signature was not checked (it says it is of key {(signed / KEY_ID).read_text().strip()})" in said
    (signed / KEY_ID).write_text("\x1b[31m" + "x" * 200 + "\nout: verified")
    assert main(["verify", "out"]) == 0
    claimed = capsys.readouterr().out
    assert "\x1b" not in claimed and claimed.count("out: verified") == 1 and "x" * 100 not in claimed


def test_an_artifact_without_signature_says_nothing_of_one(place, capsys, line):
    assert main(["verify", "out"]) == 0
    assert "signature" not in capsys.readouterr().out
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert "out: is not signed" in line()


def test_any_byte_that_is_another_is_caught(signed):
    """Each byte of the small files, and so many of the others, at random; also one more and one less."""
    seed, tried = random.Random(SEED), 0
    for path in sorted(path for path in signed.rglob("*") if path.is_file()):
        original = path.read_bytes()
        places = range(len(original)) if len(original) <= 64 else seed.sample(range(len(original)), 60)
        altered = [original[:i] + bytes([original[i] ^ seed.randrange(1, 256)]) + original[i + 1 :] for i in places]
        for content in [*altered, original + b"\n", original[:-1], b""]:
            path.write_bytes(content)
            with pytest.raises(BuildError) as caught:
                check_signature(signed, signed.parent / "builder.pub")
            assert "\n" not in str(caught.value)
            tried += 1
        path.write_bytes(original)
    assert "all 4 files" in check_signature(signed, signed.parent / "builder.pub")
    print(f"{tried} altered files, seed {SEED}: all caught")


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", ".hydra/config.yaml", *NAMES])
def test_a_file_that_is_gone_is_caught(signed, name, line):
    (signed / name).unlink()
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert name in line()


@pytest.mark.parametrize("name", ["model.engine", "notes.txt", ".hydra/more.yaml"])
def test_a_file_that_was_added_is_caught(signed, name, line):
    (signed / name).write_text("mine")
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert f"{name}: was not there when out was signed" in line()


def test_a_link_in_place_of_a_file_is_caught(signed, line):
    shutil.move(signed / "model.onnx", "elsewhere.onnx")
    (signed / "model.onnx").symlink_to(signed.parent / "elsewhere.onnx")
    assert main(["verify", "out", "--key", "builder.pub"]) == 2
    assert "model.onnx: is not a file of its own" in line()
    assert main(["sign", "out", "--key", "builder.key"]) == 2
    assert "model.onnx: is not a file of its own" in line()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its lines are not those of sha256sum"),
        ("\x00\xff\n", "its lines are not those of sha256sum"),
        (f"{'0' * 64}  model.onnx\n", "SHA256SUMS.keyid: was not there when out was signed"),
        (f"{'0' * 64}  ../builder.key\n", "was not there when out was signed"),
    ],
)
def test_whoever_has_the_key_may_still_sign_nonsense(signed, text, said, line):
    private = load_pem_private_key((signed.parent / "builder.key").read_bytes(), None)
    (signed / SUMS).write_text(text)
    (signed / SIGNATURE).write_bytes(private.sign((signed / SUMS).read_bytes()))
    for name in (".hydra/config.yaml", "manifest.json", "model.onnx"):
        (signed / name).unlink()
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert said in line()


@pytest.mark.parametrize("name", NAMES)
def test_a_huge_file_is_not_read(signed, name, line):
    os.truncate(signed / name, 10**12)
    if name == KEY_ID:
        assert claimed_key(signed) == "unknown"
    else:
        assert main(["verify", "out", "--key", "builder.pub"]) == 1
        assert f"{name}: 1000000000000 bytes, and at most" in line()


def test_a_file_that_cannot_be_read(signed, monkeypatch, line):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sums, "file_digest", refuse)  # root reads everything
    for arguments in (["sign", "out", "--key", "builder.key"], ["verify", "out", "--key", "builder.pub"]):
        assert main(arguments) == 2
        assert "config.yaml: Permission denied" in line()


def test_a_pipe_is_not_waited_for(signed, line):
    (signed / SIGNATURE).unlink()
    os.mkfifo(signed / SIGNATURE)
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert f"{SIGNATURE}: is not a file" in line()


def test_another_key_is_told_apart(signed, line):
    assert main(["verify", "out", "--key", "other.pub"]) == 1
    said = line()
    assert "is no signature by key" in said and f"it says it is of key {(signed / KEY_ID).read_text().strip()}" in said


def test_who_signs_anew_with_another_key_does_not_become_the_builder(signed):
    (signed / "model.onnx").write_bytes((signed / "model.onnx").read_bytes())
    assert main(["sign", "out", "--key", "other.key"]) == 0
    assert main(["verify", "out", "--key", "builder.pub"]) == 1
    assert main(["verify", "out", "--key", "other.pub"]) == 0


def test_an_artifact_that_is_not_what_its_manifest_says_is_not_signed(signed, line):
    before = {path.name: path.read_bytes() for path in signed.iterdir() if path.name in NAMES}
    (signed / "model.onnx").write_bytes(b"other")
    assert main(["sign", "out", "--key", "builder.key"]) == 1
    assert "model.onnx is missing or not what its manifest says: it was not signed" in line()
    assert before == {path.name: path.read_bytes() for path in signed.iterdir() if path.name in NAMES}


def test_every_file_that_the_manifest_describes_is_looked_at(place, line):
    beside = {"model.xml": b"graph", "model.bin": b"weights"}
    told = {
        name: {"file": name, "sha256": hashlib.sha256(it).hexdigest(), "bytes": len(it)} for name, it in beside.items()
    }
    manifest = json.loads((place / "out" / "manifest.json").read_text())
    manifest["intermediate"] = {"xml": told["model.xml"], "bin": told["model.bin"]}
    (place / "out" / "manifest.json").write_text(json.dumps(manifest))
    (place / "out" / "model.xml").write_bytes(beside["model.xml"])
    (place / "out" / "model.bin").write_bytes(b"others")
    assert main(["sign", "out", "--key", "builder.key"]) == 1
    assert "model.bin is missing or not what its manifest says: it was not signed" in line()


def test_more_files_than_can_be_checked_are_not_signed(place, monkeypatch, line):
    monkeypatch.setattr(signing, "MAX_BYTES", 300)
    assert main(["sign", "out", "--key", "builder.key"]) == 2
    assert "out: holds 4 files, more than an artifact's" in line() and not (place / "out" / SUMS).exists()


def test_signing_twice_writes_the_same_bytes(signed):
    before = {name: (signed / name).read_bytes() for name in NAMES}
    assert main(["sign", "out", "--key", "builder.key"]) == 0
    assert before == {name: (signed / name).read_bytes() for name in NAMES}
    assert len(before[SIGNATURE]) == 64


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_that_cannot_be_written_is_none(signed, name, monkeypatch, line):
    """A full disk at each of the three files: no signature is left that would hold, or that would not."""
    replace = type(signed).replace

    def full(path, target):
        if path.name == name:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(type(signed), "replace", full)
    assert main(["sign", "out", "--key", "builder.key"]) == 1
    assert "No space left on device: the signature could not be written" in line()
    assert not (signed / SIGNATURE).exists() and main(["verify", "out"]) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed here")
def test_by_hand_with_openssl_and_sha256sum(signed):
    """The README's commands, with keys that OpenSSL made."""
    script = """
        set -e
        openssl genpkey -algorithm ed25519 -out mine.key
        openssl pkey -in mine.key -pubout -out mine.pub
        "$0" -m exporter sign out --key mine.key
        "$0" -m exporter verify out --key mine.pub
        cd out
        openssl pkeyutl -verify -rawin -pubin -inkey ../mine.pub -in SHA256SUMS -sigfile SHA256SUMS.sig
        sha256sum --check --strict SHA256SUMS
        test "$(openssl pkey -pubin -in ../mine.pub -outform DER | sha256sum | cut -d' ' -f1)" = "$(cat SHA256SUMS.keyid)"
    """
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    run = subprocess.run(
        ["bash", "-c", script, sys.executable], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "Signature Verified Successfully" in run.stdout and run.stdout.count(": OK") == 4


def test_a_new_build_in_the_same_place_has_no_signature(signed):
    with publishing(signed) as staging:
        write(staging / "new")
        for path in (staging / "new").iterdir():
            path.rename(staging / path.name)
        (staging / "new").rmdir()
    assert sorted(path.name for path in signed.iterdir()) == ["manifest.json", "model.onnx"]


def test_the_engine_takes_a_signature_away(signed):
    """As `exporter engine` writes: the manifest is then another, and the engine was not signed."""
    facts = {"tensorrt": "11", "gpu": None, "cuda": None, "proof": {}}
    said = []
    write_engine(signed, read_manifest(signed), b"plan", said.append, **facts)
    assert "its signature was of the artifact without this engine and was removed" in "".join(said)
    assert not [name for name in NAMES if (signed / name).exists()]
    assert main(["sign", "out", "--key", "builder.key"]) == 0
    assert main(["verify", "out", "--key", "builder.pub"]) == 0
    (signed / "model.engine").write_bytes(b"plam")
    with pytest.raises(BuildError, match=r"model\.engine: was changed"):
        check_signature(signed, signed.parent / "builder.pub")
