"""A disk that is full, read-only or broken at every call that changes it: the last good artifact stays whole, one line
says why, nothing else is left, and the next build needs no hand."""

import pytest

from tests.faults.campaign import OTHER, Campaign, in_one_line


def calls_of(place, *arguments, **fault):
    """How many calls below the folder of the artifact there are that can fail."""
    answer = place.server.run([*place.arguments, *arguments], {"below": str(place.out.parent), **fault})
    assert answer["code"] == 0, answer["err"]
    place.build()
    return len(answer["seen"])


def at_every_call(place, name, moments, **fault):
    campaign = Campaign(name)
    for at in moments:
        answer = place.server.run([*place.arguments, OTHER], {"below": str(place.out.parent), "at": at, **fault})
        if answer["code"] == 0:  # of what is flushed after the swap, and of a look at a clock, nothing depends
            campaign.look(place.out, place.after)
        else:
            in_one_line(answer)
            campaign.look(place.out, place.before)
        if not fault.get("removals"):
            assert [path.name for path in place.out.parent.iterdir()] == ["out"], f"call {at}"
        if answer["code"] == 0 or fault.get("removals"):
            place.build()
    place.build()
    campaign.report()


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO"])
def test_every_call(place, error):
    at_every_call(place, error, range(1, calls_of(place, OTHER) + 1), error=error)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EROFS", "EACCES"])
def test_permission_is_lost_midway(place, error):
    """From one call on nothing can be changed, so that nothing can be cleaned up either: the next build does it."""
    count = calls_of(place, OTHER, removals=True)
    at_every_call(place, error, range(1, count + 1), error=error, removals=True)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_one_call_fails_and_the_next_ones_do_not(place, error):
    at_every_call(place, f"{error} once", range(1, calls_of(place, OTHER) + 1), error=error, lasting=False)
