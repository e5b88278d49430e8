"""A few faults of every kind; the campaigns beside this file inject all of them (`-m slow -s` shows the counts)."""

import signal

import pytest

from tests.faults.campaign import OTHER, Campaign, contents, good, in_one_line
from tests.faults.test_clock import JUMPING
from tests.faults.test_disk import at_every_call, calls_of
from tests.faults.test_store_faults import NEW, bit_campaign
from tests.faults.test_together import to_one_place


@pytest.mark.slow
def test_a_disk_that_is_full_or_broken(place):
    count = calls_of(place, OTHER)
    assert count > 15
    at_every_call(place, "disk full at some calls", (count // 3, count - 2), error="ENOSPC")
    at_every_call(place, "permission lost at some calls", (2, count // 2), error="EACCES", removals=True)


def test_killed(place):
    campaign = Campaign("kill -9 at some calls")
    for at in (3, 12, 20):
        fault = {"below": str(place.out.parent), "at": at, "error": "KILL"}
        assert place.server.run([*place.arguments, OTHER], fault)["code"] == -9
        campaign.look(place.out, place.before, place.after)
        place.build()
    campaign.report()


def test_a_store_that_is_full(place):
    fault = {"below": str(place.store), "at": 9, "error": "ENOSPC"}
    answer = good(place.server.run([*place.arguments, NEW], fault))
    assert answer["err"].count("results are not kept") == 1
    assert not list(place.store.glob("making/*"))
    place.build()


def test_bits_of_the_store_that_flip(place):
    bit_campaign(place, 3)


def test_locks_that_fail(place):
    """In the store they only save work. Where builds go they keep two apart: it is refused there, and nothing left."""
    fault = {"at": 1, "error": "ENOLCK", "only": ["flock"]}
    good(place.server.run([*place.arguments, OTHER], {"below": str(place.store), **fault}))
    assert contents(place.out) == place.after
    place.build()
    line = in_one_line(place.server.run([*place.arguments, OTHER], {"below": str(place.out.parent), **fault}), (2,))
    assert "cannot lock a directory (No locks available)" in line
    assert contents(place.out) == place.before and [path.name for path in place.out.parent.iterdir()] == ["out"]


def test_three_builds_at_once(place):
    campaign = Campaign("three builds at once to one place")
    to_one_place(place, campaign)
    campaign.report()


def test_a_clock_that_is_set_back(place):
    good(place.server.run([*place.arguments, OTHER], python=JUMPING.format(after=1)))
    assert contents(place.out) == place.after
    place.build()


def test_terminated_as_it_is_published(place):
    """The signal comes within the swap itself: what is there by then is said."""
    code = f"""
import os
from exporter.artifact import publish
swap = publish.swap
publish.swap = lambda *given: (swap(*given), os.kill(os.getpid(), {int(signal.SIGTERM)}))
"""
    answer = place.server.run([*place.arguments, OTHER], python=code)
    assert answer["code"] == 143
    assert answer["err"].splitlines()[-1] == f"exporter: terminated; {place.out} was published before"
    assert contents(place.out) == place.after
    assert [path.name for path in place.out.parent.iterdir()] == ["out"]
    place.build()
