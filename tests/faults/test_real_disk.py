"""A real file system that is full (a tmpfs), and a real bound on the size of files, at many fill levels."""

import contextlib
import os
import subprocess
import tempfile

import pytest

from tests.faults.campaign import OTHER, SMALL, Campaign, good, in_one_line


@contextlib.contextmanager
def mounted(folder, size):
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def used(folder):
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def resized(folder, room):
    subprocess.run(["mount", "-o", f"remount,size={used(folder) + room}", folder], check=True)


ROOMS = [4096 * pages for pages in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377)]


@pytest.mark.slow
def test_no_room_for_the_artifact(place, tmp_path):
    campaign, codes = Campaign("tmpfs for artifacts"), []
    with mounted(tmp_path / "disk", "64m") as disk:
        arguments = [*SMALL, f"store.path={place.store}", f"output_dir={disk / 'out'}"]
        good(place.server.run(arguments))
        for room in ROOMS:
            resized(disk, room)
            answer = place.server.run([*arguments, OTHER])
            codes.append(answer["code"])
            if answer["code"]:
                assert "No space left" in in_one_line(answer, (1,))
            campaign.look(disk / "out", place.after if answer["code"] == 0 else place.before)
            assert [path.name for path in disk.iterdir()] == ["out"]
            resized(disk, 2**26)
            good(place.server.run(arguments))
    assert {0, 1} == set(codes)
    campaign.report()


@pytest.mark.slow
def test_no_room_for_the_store(place, tmp_path):
    campaign, said = Campaign("tmpfs for the store"), 0
    with mounted(tmp_path / "disk", "64m") as disk:
        for room in (8192, 16384, 32768, 65536, 262144, 1048576):
            for entry in disk.iterdir():
                subprocess.run(["rm", "-r", entry], check=True)
            resized(disk, room)
            answer = good(place.server.run([*place.arguments, OTHER, f"store.path={disk}"]))
            said += answer["err"].count("results are not kept")
            campaign.look(place.out, place.after)
    assert said >= 3
    place.build()
    campaign.report()


@pytest.mark.slow
def test_files_may_not_be_larger(place):
    """RLIMIT_FSIZE, which also bounds what lies in the temporary folder."""
    campaign, codes = Campaign("RLIMIT_FSIZE"), []
    sizes = sorted({path.stat().st_size for path in place.out.rglob("*") if path.is_file()})
    for size in [0, 1, 100, *(size - 1 for size in sizes), 2**24]:
        python = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({max(size, 0)},) * 2)"
        # What is said goes into files as well: through a pipe it has no size.
        answer = place.server.run([*place.arguments, OTHER], python=piped() + python)
        codes.append(answer["code"])
        campaign.look(place.out, place.after if answer["code"] == 0 else place.before)
        assert [path.name for path in place.out.parent.iterdir()] == ["out"]
        place.build()
    assert {0, 1} == set(codes)
    campaign.report()


def piped():
    return "import os, sys; null = os.open(os.devnull, os.O_WRONLY); os.dup2(null, 1); os.dup2(null, 2); "


@pytest.mark.slow
def test_the_temporary_folder_is_full(place):
    campaign = Campaign("temporary folder")
    arguments = [*place.arguments, OTHER, "store.path=none"]
    scratch = tempfile.mkdtemp()
    python = f"import tempfile; tempfile.tempdir = {scratch!r}"
    count = len(good(place.server.run(arguments, {"below": scratch}, python=python))["seen"])
    place.build()
    for at in range(1, count + 1, 2):
        line = in_one_line(place.server.run(arguments, {"below": scratch, "at": at}, python=python), (1,))
        assert "No space left" in line or "temporary" in line
        campaign.look(place.out, place.before)
        assert not [name for name in os.listdir(scratch) if not name.startswith("torchinductor_")]  # noqa: PTH208
    campaign.report()
