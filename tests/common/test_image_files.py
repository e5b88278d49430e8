"""Which images there are below a folder, and whether they are there to their end."""

import numpy as np
import pytest
from PIL import Image

from exporter.common.errors import RequestError
from exporter.common.image_files import find_images, whole_size

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


def made(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_to_the_bottom_in_the_order_of_their_paths(tmp_path):
    made(tmp_path, "b.jpg", "a/z.PNG", "a/b/c.jpeg", "a.png", "notes.txt", "folder.jpg/x.tif")
    found, passed = find_images(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "a/b/c.jpeg",
        "a/z.PNG",
        "a.png",
        "b.jpg",
        "folder.jpg/x.tif",
    ]
    assert passed == 0
    assert [path.name for path in find_images(tmp_path, deep=False)[0]] == ["a.png", "b.jpg"]


def test_what_is_hidden_is_passed_over(tmp_path):
    made(
        tmp_path / ".mine", "a.jpg", "._a.jpg", ".b/c.jpg", "__MACOSX/d/._a.jpg", "@eaDir/a.jpg/thumb.jpg", ".DS_Store"
    )
    found, passed = find_images(tmp_path / ".mine")  # the folder that was given is meant
    assert [path.name for path in found] == ["a.jpg"] and passed == 4


def test_links_are_followed_and_never_in_circles(tmp_path):
    made(tmp_path, "real/a.jpg", "set/b.jpg")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "round").symlink_to(tmp_path / "set")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "set")
    found, _ = find_images(tmp_path / "set")
    assert [str(path.relative_to(tmp_path / "set")) for path in found] == ["b.jpg", "linked/a.jpg"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".gif", ".ppm"])
def test_half_an_image_has_no_size(tmp_path, suffix):
    NOISE.save(tmp_path / f"a{suffix}")
    assert whole_size(tmp_path / f"a{suffix}") == (40, 60)
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"b{suffix}").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(RequestError, match=rf"b\{suffix}: "):
        whole_size(tmp_path / f"b{suffix}")
    (tmp_path / f"c{suffix}").write_bytes(data + b"more behind it")
    assert whole_size(tmp_path / f"c{suffix}") == (40, 60)


def test_whole_images_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("exporter.common.image_files.read_image", lambda path: pytest.fail(f"{path} was decoded"))
    for suffix in (".jpg", ".png", ".webp"):
        NOISE.save(tmp_path / f"a{suffix}")
        assert whole_size(tmp_path / f"a{suffix}") == (40, 60)
