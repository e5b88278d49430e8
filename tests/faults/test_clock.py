"""A clock that jumps, at any look at it, and results that seem to come from the future."""

import os
import time

import pytest

from exporter.artifact.manifest import read_manifest
from tests.faults.campaign import OTHER, Campaign, contents, good

JUMPING = """
import time
real, looks = time.time, iter(range(10**9))
time.time = lambda: real() - 3600 * (next(looks) >= {after})
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
def test_back_by_an_hour_during_a_build(place, after):
    good(place.server.run([*place.arguments, OTHER], python=JUMPING.format(after=after)))
    assert contents(place.out) == place.after
    assert 0 <= read_manifest(place.out).run.seconds < 600
    place.build()


@pytest.mark.slow
@pytest.mark.parametrize("years", [-40, 40])
def test_results_of_another_time(place, years):
    campaign, then = Campaign(f"results of {years} years from now"), time.time() + years * 365 * 86400
    for file in place.store.glob("results/*/*/*"):
        os.utime(file, (then, then))
    answer = good(place.server.run([*place.arguments, OTHER]))
    assert "reused" in answer["err"]
    campaign.look(place.out, place.after)
    assert "0 results removed" in good(place.server.run(["store", "gc", "--path", place.store]))["out"]
    good(place.server.run(["store", "ls", "--path", place.store]))
    place.build()
    campaign.report()
