"""`exporter predict` over many images, bad ones among them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.report.drawing import write_png

BAD = {
    "empty.jpg": b"",
    "text.png": b"no image at all",
    "cut.png": None,  # filled in: half of a good one
    "huge.ppm": b"P6 100000 100000 255\n" + b"\x00" * 100,
    "header.gif": b"GIF89a",
}


def made_images(folder: Path, count: int, bad: int) -> tuple[list[str], list[str]]:
    """Names of good images of many sizes, which are links to a few, and of bad ones among them."""
    folder.mkdir()
    whole = folder.parent / "whole"
    whole.mkdir()
    for i in range(16):
        write_png(whole / f"{i}.png", scene("evaluation", i, 60 + 7 * i, 150 - 5 * i).image)
    kinds = {**BAD, "cut.png": (whole / "0.png").read_bytes()[:3000]}
    good_names, bad_names = [], []
    for i in range(count):
        if i % (count // bad) == 1 and len(bad_names) < bad:
            kind = sorted(kinds)[len(bad_names) % len(kinds)]
            bad_names.append(f"{i:05}_{kind}")
            (folder / bad_names[-1]).write_bytes(kinds[kind])
        else:
            good_names.append(f"{i:05}.png")
            (folder / good_names[-1]).hardlink_to(whole / f"{i % 16}.png")
    return good_names, bad_names


def check(out: Path, said: str, good_names: list[str], bad_names: list[str]) -> None:
    lines = [line for line in said.splitlines() if line.startswith("exporter: ")]
    assert len(lines) == len(bad_names)
    assert all(name in line for name, line in zip(bad_names, lines, strict=True))
    entries = json.loads((out / "predictions.json").read_text())
    assert [Path(entry["image"]).name for entry in entries] == good_names
    assert set(entries[0]) == {"image", "width", "height", "detections"}
    drawn = {path.name for path in out.iterdir()} - {"predictions.json"}
    assert drawn == set(good_names)


def test_16_bit_images_are_scaled_alike(float_artifact, tmp_path, capsys):
    """As the same synthetic images in 8 bits; those of one command by one number of bits."""
    (tmp_path / "in").mkdir()
    grey = [scene("evaluation", i, 120, 160).image[..., 1] for i in range(2)]
    kinds = {"eight": grey, "ten": [np.rint(g * (1023 / 255)).astype(np.uint16) for g in grey]}
    entries = {}
    for kind, images in kinds.items():
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / "in" / f"{kind}{i}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    for bits in ("auto", "10", "16", "9"):
        arguments = ["predict", str(float_artifact), str(tmp_path / "in"), "--out", str(tmp_path / bits)]
        assert main([*arguments, "--bit-depth", bits]) == 1  # of the bad one
        said = capsys.readouterr().err
        found = "predict: 16-bit images hold 10 bits: scaled by that; --bit-depth 16 says otherwise"
        assert (found in said) == (bits == "auto") and said.count("and 9 bits end at 511") == (2 if bits == "9" else 0)
        entries[bits] = json.loads((tmp_path / bits / "predictions.json").read_text())
    eight, ten = ([each["detections"] for each in entries["auto"][at : at + 2]] for at in (0, 2))
    assert eight == ten and any(eight)
    assert entries["auto"] == entries["10"] != entries["16"]
    assert main([*arguments, "--bit-depth", "17"]) == 2
    assert "'17': give 8 to 16, or auto" in capsys.readouterr().err


def test_good_ones_are_done_and_bad_ones_listed(float_artifact, tmp_path, capsys):
    names = made_images(tmp_path / "in", 20, 5)
    assert main(["predict", str(float_artifact), str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    check(tmp_path / "out", said.err, *names)
    assert re.search(r"15 images, \d+ detections .* images/s; 5 images could not be read", said.out)
    # The file is what json.dumps makes of all of it, as it was before it was written bit by bit.
    text = (tmp_path / "out" / "predictions.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1) + "\n"


def test_nothing_to_show_is_a_bad_request(float_artifact, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("no image")
    arguments = ["predict", str(float_artifact), str(tmp_path / "bad.png"), "--out", str(tmp_path / "new" / "out")]
    assert main(arguments) == 2
    assert "none of the 1 images can be read" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_image_is_never_replaced_by_its_drawing(float_artifact, tmp_path, capsys):
    write_png(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    before = (tmp_path / "a.png").read_bytes()
    assert main(["predict", str(float_artifact), str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "a.png would replace an image that was given" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_no_two_drawings_have_one_name(float_artifact, tmp_path):
    for name in ("a.png", "a_2.png", "b/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_png(tmp_path / name, np.zeros((32, 32, 3), np.uint8))
    given = [str(tmp_path / name) for name in ("a.png", "b/a.png", "a_2.png")]
    assert main(["predict", str(float_artifact), *given, "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a.png", "a_2.png", "a_3.png"]


@pytest.mark.slow
def test_five_thousand(float_artifact, tmp_path):
    """In memory that does not grow with them."""
    names = made_images(tmp_path / "many", 5000, 100)

    def peak(given, out):
        command = [
            sys.executable,
            "-m",
            "exporter",
            "predict",
            str(float_artifact),
            *map(str, given),
            "--out",
            str(out),
        ]
        program = (
            "import resource, subprocess, sys; ended = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
            " print(ended.returncode); print(ended.stdout, end=''); sys.stderr.write(ended.stderr);"
            " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        run = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
        code, line, kilobytes = run.stdout.splitlines()
        return int(code), line, run.stderr, int(kilobytes) / 1024

    few = sorted((tmp_path / "many").glob("*.png"))[:200]
    _, _, _, less = peak(few, tmp_path / "few")
    code, line, said, more = peak([tmp_path / "many"], tmp_path / "out")
    assert code == 1
    check(tmp_path / "out", said, *names)
    print(f"\n{line}; peak {less:.0f} MiB with 200, {more:.0f} MiB with 5000")
    assert more < 1.1 * less + 20
