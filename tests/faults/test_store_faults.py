"""A store that is full, damaged, taken away or without locks stops no build and changes no byte of what it gives."""

import os
import random
import shutil

import pytest

from exporter.store.place import Store
from tests.faults.campaign import OTHER, Campaign, contents, good, in_one_line

NEW = "postprocessing.nms.nms_threshold=0.61"
"""Of this nothing is in the store from `attach` on."""


@pytest.fixture
def fresh(place):
    """Words of a build that writes to the store, what it comes to, and a store that is as it was before each."""
    arguments = [*place.arguments, NEW]
    good(place.server.run([*arguments, "store.path=none"]))
    expected = contents(place.out)
    entries = set(place.store.glob("results/*/*"))

    def again():
        for folder in set(place.store.glob("results/*/*")) - entries:
            shutil.rmtree(folder)
        return arguments

    yield again, expected
    again()
    place.build()


def assert_sound(place):
    """Nothing half lies about, and all that is kept can be read."""
    assert not list(place.store.glob("making/*"))
    store = Store(place.store, 10**12, pytest.fail)
    assert all(store.read(entry.key) is not None for entry in store.entries())


def each_call(place, fresh, name, error, moments, **fault):
    again, expected = fresh
    campaign = Campaign(name)
    for at in moments:
        answer = place.server.run(again(), {"below": str(place.store), "at": at, "error": error, **fault})
        good(answer)
        assert answer["err"].count("results are not kept") <= 1 and "Traceback" not in answer["err"]
        campaign.look(place.out, expected)
        assert_sound(place)
    campaign.report()


def calls(place, fresh):
    seen = good(place.server.run(fresh[0](), {"below": str(place.store)}))["seen"]
    assert len(seen) > 20 and {"open", "write", "os.mkdir", "os.rename", "flock"} <= set(seen)
    return len(seen)


@pytest.mark.slow
@pytest.mark.parametrize(("error", "lasting"), [("ENOSPC", True), ("EIO", False)])
def test_every_call(place, fresh, error, lasting):
    count = calls(place, fresh)
    each_call(
        place, fresh, f"store: {error}, lasting {lasting}", error, range(1, count + 1, 1 + lasting), lasting=lasting
    )


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EOPNOTSUPP", "EIO"])
def test_no_locks(place, error):
    """In the store they only save work. Where builds go they keep two apart: it is refused there, and nothing left."""
    fault = {"at": 1, "error": error, "only": ["flock"]}
    good(place.server.run([*place.arguments, OTHER], {"below": str(place.store), **fault}))
    assert contents(place.out) == place.after
    place.build()
    line = in_one_line(place.server.run([*place.arguments, OTHER], {"below": str(place.out.parent), **fault}), (2,))
    assert "cannot lock a directory" in line
    assert contents(place.out) == place.before and [path.name for path in place.out.parent.iterdir()] == ["out"]


def flipped(file, bit):
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def flips(place, count, seed):
    """A file of all that a build reads from the store, and a bit of it."""
    entries = sorted(place.store.glob("results/*/*/entry.json"))
    for entry in entries:
        os.utime(entry, (1, 1))
    good(place.server.run([*place.arguments, OTHER]))
    entries = [entry for entry in entries if entry.stat().st_mtime > 1]
    values = sorted(file for entry in entries for file in entry.parent.iterdir() if file.name != "entry.json")
    assert len(values) >= 4
    generator = random.Random(seed)
    for number in range(count):
        file = generator.choice(entries if number % 3 == 0 else values)
        yield file, generator.randrange(8 * file.stat().st_size)


def bit_campaign(place, count):
    campaign, seen = Campaign(f"one bit of the store flipped (seed 0, {count} times)"), 0
    for file, bit in flips(place, count, 0):
        before = file.read_bytes()
        flipped(file, bit)
        answer = good(place.server.run([*place.arguments, OTHER]))
        seen += "to be made again" in answer["err"]
        campaign.look(place.out, place.after)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(before)  # nobody may have needed it
        assert_sound(place)
    place.build()
    campaign.report()
    print(f"{seen} of them were met and said")
    assert seen >= count * 2 // 3  # a bit of a label or a time in entry.json matters to nobody


@pytest.mark.slow
def test_many_bits(place):
    bit_campaign(place, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["entry.json", "value"])
def test_a_removal_that_was_cut_short(place, tmp_path, name):
    """Of every result one file is gone: what is left must not stand in the way of the next one for ever."""
    shutil.copytree(place.store, tmp_path / "store")
    for folder in (tmp_path / "store").glob("results/*/*"):
        for file in folder.iterdir():
            if (file.name == "entry.json") == (name == "entry.json"):
                file.unlink()
    arguments = [*place.arguments, OTHER, f"store.path={tmp_path / 'store'}"]
    first = good(place.server.run(arguments))
    assert contents(place.out) == place.after
    again = good(place.server.run(arguments))
    assert contents(place.out) == place.after
    assert "reused" not in first["err"] and again["err"].count("reused") == 2 and " s\n" not in again["err"], again[
        "err"
    ]
    place.build()


DELETING = """
import shutil
from exporter.common import progress
say = progress.event
def event(event, **values):
    say(event, **values)
    if event == "stage" and values["state"] == {state!r}:
        shutil.rmtree({store!r}, ignore_errors=True)
progress.event = event
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["running", "done"])
def test_deleted_again_and_again(place, tmp_path, state):
    """As each stage begins, or ends."""
    python = DELETING.format(store=str(tmp_path / "store"), state=state)
    arguments = [*place.arguments, OTHER, f"store.path={tmp_path / 'store'}", "progress.format=json"]
    campaign = Campaign(f"store deleted whenever a stage is {state}")
    for _ in range(2):
        good(place.server.run(arguments, python=python))
        campaign.look(place.out, place.after)
    place.build()
    campaign.report()


@pytest.mark.slow
def test_results_that_do_not_fit_together_are_not_published(place, tmp_path):
    """Two kinds of processor share a store, and one of two results has left it: the page is about other bytes."""
    shutil.copytree(place.store, tmp_path / "store")
    store = Store(tmp_path / "store", 10**12, pytest.fail)
    for entry in store.entries():
        if entry.stage == "attach":
            files = store.read(entry.key)
            assert files is not None
            shutil.rmtree(tmp_path / "store" / "results" / entry.key[:2] / entry.key)
            store.write(entry.key, "attach", "", {}, {name: data + b"\x00" for name, data in files.items()}, 1.0)
    answer = good(place.server.run([*place.arguments, OTHER, f"store.path={tmp_path / 'store'}"]))
    assert "its results are not of one artifact" in answer["err"]
    assert contents(place.out) == place.after
    place.build()


@pytest.mark.slow
def test_a_store_that_nothing_can_be_removed_from_says_so(place):
    fault = {"below": str(place.store), "at": 1, "error": "EROFS", "removals": True}
    kept = contents(place.store)
    for arguments in (["clear"], ["gc", "--max-size", "1 KB"]):
        answer = place.server.run(["store", arguments[0], "--path", place.store, *arguments[1:]], fault)
        assert "results cannot be removed" in in_one_line(answer, (1,))
        assert contents(place.store) == kept
